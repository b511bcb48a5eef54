//! Ranks that MPI joins.
use super::{Link, Ranks, RanksError};
use mpi::datatype::PartitionMut;
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives, Destination, Root, Source};
use mpi::{Count, Threading};
use std::mem::ManuallyDrop;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Bytes that all ranks together give at once: MPI counts them in 31 bits.
const AT_ONCE: usize = 1 << 30;
/// Looks at whether the others are here before a rank that waits for them sleeps between two.
const EAGER: u32 = 1000;
/// Time between two looks.
const PATIENCE: Duration = Duration::from_micros(100);

/// MPI, started. Dropping it neither ends nor aborts MPI, so that a process that panics does not wait for the others; MPI's
/// launcher then ends them.
pub struct Session {
    universe: ManuallyDrop<Universe>,
}

/// The processes that `mpirun` started.
struct World {
    rank: usize,
    size: usize,
}

/// Starts MPI; once a process, before any thread uses the ranks.
///
/// # Errors
/// [`RanksError::Start`] when it is started already, or serves its first thread alone.
pub fn start() -> Result<(Ranks, Session), RanksError> {
    let started = mpi::initialize_with_threading(Threading::Serialized);
    let (universe, threading) = started.ok_or_else(|| RanksError::Start("MPI is started already".to_string()))?;
    let universe = ManuallyDrop::new(universe);
    if !matches!(threading, Threading::Serialized | Threading::Multiple) {
        let wanted =
            "this MPI library serves the first thread of a process alone; surefoot needs MPI_THREAD_SERIALIZED";
        return Err(RanksError::Start(wanted.to_string()));
    }
    let world = universe.world();
    let world = World { rank: world.rank() as usize, size: world.size() as usize };
    Ok((Ranks::over(Arc::new(world)), Session { universe }))
}

impl Session {
    /// Waits for the other ranks and ends MPI.
    pub fn end(self) {
        drop(ManuallyDrop::into_inner(self.universe));
    }

    /// Ends this process and those of all other ranks, with this exit code.
    pub fn abort(self, code: u8) -> ! {
        self.universe.world().abort(i32::from(code))
    }
}

impl World {
    fn communicator(&self) -> SimpleCommunicator {
        SimpleCommunicator::world()
    }

    /// Waits until all ranks are here. MPI's own waits keep a core busy, which another rank may need in order to get here.
    fn meet(&self) {
        let mut looks = 0;
        let mut barrier = self.communicator().immediate_barrier();
        while let Err(not_yet) = barrier.test() {
            barrier = not_yet;
            looks += 1;
            match looks {
                ..EAGER => std::thread::yield_now(),
                _ => std::thread::sleep(PATIENCE),
            }
        }
    }
}

/// MPI's own error handler ends the job, so none of these fails.
impl Link for World {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn send(&self, to: usize, values: &[f32]) -> Result<(), RanksError> {
        self.communicator().process_at_rank(to as i32).send(values);
        Ok(())
    }

    fn receive(&self, from: usize, values: &mut [f32]) -> Result<(), RanksError> {
        self.communicator().process_at_rank(from as i32).receive_into(values);
        Ok(())
    }

    fn gather(&self, own: Vec<u8>) -> Result<Vec<Vec<u8>>, RanksError> {
        self.meet();
        let world = self.communicator();
        let mut sizes = vec![0u64; self.size];
        world.all_gather_into(&(own.len() as u64), &mut sizes[..]);
        let mut all: Vec<Vec<u8>> = sizes.iter().map(|&size| Vec::with_capacity(size as usize)).collect();
        for round in Round::all(&sizes) {
            let mut received = vec![0u8; round.total()];
            let mut parts = PartitionMut::new(&mut received[..], &round.counts[..], &round.starts[..]);
            world.all_gather_varcount_into(&own[round.span(own.len())], &mut parts);
            round.append(&received, &mut all);
        }
        Ok(all)
    }

    fn gather_first(&self, own: Vec<u8>) -> Result<Vec<Vec<u8>>, RanksError> {
        self.meet();
        let world = self.communicator();
        let mut sizes = vec![0u64; self.size];
        world.all_gather_into(&(own.len() as u64), &mut sizes[..]);
        let mut all: Vec<Vec<u8>> = sizes.iter().map(|_| Vec::new()).collect();
        let first = world.process_at_rank(0);
        for round in Round::all(&sizes) {
            let own = &own[round.span(own.len())];
            if self.rank > 0 {
                first.gather_varcount_into(own);
                continue;
            }
            let mut received = vec![0u8; round.total()];
            let mut parts = PartitionMut::new(&mut received[..], &round.counts[..], &round.starts[..]);
            first.gather_varcount_into_root(own, &mut parts);
            round.append(&received, &mut all);
        }
        if self.rank > 0 {
            all.clear();
        }
        Ok(all)
    }
}

/// The bytes of each rank that travel at once.
struct Round {
    from: usize,
    to: usize,
    counts: Vec<Count>,
    starts: Vec<Count>,
}

impl Round {
    /// As many as it takes for messages of these sizes.
    fn all(sizes: &[u64]) -> impl Iterator<Item = Round> {
        let step = AT_ONCE / sizes.len();
        let longest = sizes.iter().max().map_or(0, |&size| size as usize);
        (0..longest.div_ceil(step)).map(move |round| {
            let (from, to) = (round * step, (round + 1) * step);
            let mut round = Round { from, to, counts: Vec::new(), starts: Vec::new() };
            for &size in sizes {
                round.starts.push(round.counts.iter().sum());
                round.counts.push(round.span(size as usize).len() as Count);
            }
            round
        })
    }

    /// Of a message of `len` bytes.
    fn span(&self, len: usize) -> Range<usize> {
        self.from.min(len)..self.to.min(len)
    }

    fn total(&self) -> usize {
        self.counts.iter().sum::<Count>() as usize
    }

    fn append(&self, received: &[u8], all: &mut [Vec<u8>]) {
        for ((all, &start), &count) in all.iter_mut().zip(&self.starts).zip(&self.counts) {
            all.extend_from_slice(&received[start as usize..(start + count) as usize]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_travel_in_rounds() {
        let sizes = [AT_ONCE as u64, 3, 0];
        let rounds: Vec<Round> = Round::all(&sizes).collect();
        assert_eq!(rounds.len(), 4);
        for (rank, &size) in sizes.iter().enumerate() {
            assert_eq!(rounds.iter().map(|round| round.counts[rank] as u64).sum::<u64>(), size);
        }
        assert!(rounds.iter().all(|round| round.total() <= AT_ONCE));
        assert_eq!(
            (&rounds[0].starts, rounds[0].span(5)),
            (&vec![0, rounds[0].counts[0], rounds[0].counts[0] + 3], 0..5)
        );
        assert_eq!(Round::all(&[0, 0]).count(), 0);
    }
}
