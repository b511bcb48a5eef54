//! Ranks that are threads of one process: the tests' transport, and the plain form of what MPI does.
use super::{Link, Ranks, RanksError};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

/// One thread's ends of the channels between every two of them.
struct Thread {
    rank: usize,
    /// By receiver.
    to: Vec<Sender<Message>>,
    /// By sender.
    from: Vec<Mutex<Receiver<Message>>>,
}

enum Message {
    Bytes(Vec<u8>),
    Values(Vec<f32>),
}

/// `size` ranks, one for each of as many threads. A rank that is dropped is [`RanksError::Lost`] for the others.
///
/// ```
/// use surefoot_trainer::ranks::threads;
///
/// let sums: Vec<f32> = std::thread::scope(|scope| {
///     let all: Vec<_> = threads(3).into_iter().map(|ranks| scope.spawn(move || {
///         let mut total = [ranks.rank() as f32];
///         ranks.sum(&mut total, &[], false).map(|()| total[0])
///     })).collect();
///     all.into_iter().map(|thread| thread.join().unwrap().unwrap()).collect()
/// });
/// assert_eq!(sums, [3.0, 3.0, 3.0]);
/// ```
pub fn threads(size: usize) -> Vec<Ranks> {
    let mut to: Vec<Vec<Sender<Message>>> = (0..size).map(|_| Vec::with_capacity(size)).collect();
    let mut from = Vec::with_capacity(size);
    for _ in 0..size {
        from.push(
            to.iter_mut()
                .map(|to| {
                    let (sender, receiver) = channel();
                    to.push(sender);
                    Mutex::new(receiver)
                })
                .collect(),
        );
    }
    let thread = |(rank, (to, from))| Ranks::over(Arc::new(Thread { rank, to, from }));
    to.into_iter().zip(from).enumerate().map(thread).collect()
}

impl Thread {
    fn tell(&self, to: usize, message: Message) -> Result<(), RanksError> {
        self.to[to].send(message).map_err(|_| RanksError::Lost { rank: to })
    }

    fn hear(&self, from: usize) -> Result<Message, RanksError> {
        let receiver = self.from[from].lock().unwrap_or_else(PoisonError::into_inner);
        receiver.recv().map_err(|_| RanksError::Lost { rank: from })
    }
}

impl Thread {
    fn hear_bytes(&self, from: usize) -> Result<Vec<u8>, RanksError> {
        match self.hear(from)? {
            Message::Bytes(sent) => Ok(sent),
            Message::Values(_) => Err(RanksError::Broken),
        }
    }
}

impl Link for Thread {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.to.len()
    }

    fn send(&self, to: usize, values: &[f32]) -> Result<(), RanksError> {
        self.tell(to, Message::Values(values.to_vec()))
    }

    fn receive(&self, from: usize, values: &mut [f32]) -> Result<(), RanksError> {
        match self.hear(from)? {
            Message::Values(sent) if sent.len() == values.len() => values.copy_from_slice(&sent),
            _ => return Err(RanksError::Broken),
        }
        Ok(())
    }

    fn gather(&self, own: Vec<u8>) -> Result<Vec<Vec<u8>>, RanksError> {
        for to in 0..self.size() {
            self.tell(to, Message::Bytes(own.clone()))?;
        }
        (0..self.size()).map(|from| self.hear_bytes(from)).collect()
    }

    fn gather_first(&self, own: Vec<u8>) -> Result<Vec<Vec<u8>>, RanksError> {
        self.tell(0, Message::Bytes(own))?;
        let heard = if self.rank == 0 { self.size() } else { 0 };
        (0..heard).map(|from| self.hear_bytes(from)).collect()
    }
}
