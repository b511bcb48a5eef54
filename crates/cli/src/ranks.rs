//! The processes that `mpirun` started: one run, of which the first speaks and writes.

use std::time::Duration;

use surefoot_trainer::config::{Config, Purpose};
use surefoot_trainer::journey::Start;
use surefoot_trainer::ranks::{Ranks, launched};

use crate::exit::Exit;
#[cfg(feature = "mpi")]
use crate::output;

/// How long another rank waits before it says what went wrong: most of what goes wrong does so on all of them, and rank 0 then
/// says it once, after it has written what there is to write.
const FIRST_SPEAKS: Duration = Duration::from_secs(2);

/// This process among those that were started together.
pub struct Launched {
    /// All of them.
    pub ranks: Ranks,
    #[cfg(feature = "mpi")]
    session: Option<surefoot_trainer::ranks::mpi::Session>,
}

impl Launched {
    /// Finds out whether there are others, and connects to them.
    pub fn start() -> anyhow::Result<Self> {
        if launched() <= 1 {
            return Ok(Self {
                ranks: Ranks::alone(),
                #[cfg(feature = "mpi")]
                session: None,
            });
        }
        #[cfg(feature = "mpi")]
        {
            let (ranks, session) = surefoot_trainer::ranks::mpi::start()?;
            Ok(Self { ranks, session: Some(session) })
        }
        #[cfg(not(feature = "mpi"))]
        anyhow::bail!(
            "{} processes were started together, and this surefoot is built without MPI: build it with --features mpi \
             (docs/clusters.md)",
            launched()
        )
    }

    /// Waits for the others. What failed here ends all of them, with a message that names this rank.
    pub fn end(self, done: anyhow::Result<Exit>) -> anyhow::Result<Exit> {
        if !self.ranks.are_several() {
            return done;
        }
        let (rank, size) = (self.ranks.rank(), self.ranks.size());
        match done {
            Ok(exit) => {
                #[cfg(feature = "mpi")]
                self.session.into_iter().for_each(surefoot_trainer::ranks::mpi::Session::end);
                // The launcher takes a code other than 0 for a failure of its own: one of them is enough.
                Ok(if rank == 0 { exit } else { Exit::Done })
            }
            Err(error) => {
                if rank > 0 {
                    std::thread::sleep(FIRST_SPEAKS);
                }
                let error = error.context(format!("rank {rank} of {size}"));
                #[cfg(feature = "mpi")]
                if let Some(session) = self.session {
                    output::error(&error);
                    session.abort(Exit::Failed.number());
                }
                Err(error)
            }
        }
    }
}

/// What rank 0 finds, on every rank: so all of them have the same configuration, and what is wrong with it is said once.
pub fn shared(
    ranks: &Ranks,
    purpose: Purpose,
    resolve: impl FnOnce() -> anyhow::Result<(Config, Start)>,
) -> anyhow::Result<(Config, Start)> {
    let found = if ranks.is_first() { Some(resolve()?) } else { None };
    let told = ranks.broadcast(|| {
        let text = |(config, start): &(Config, Start)| format!("{}{}", mark(*start), config.to_toml());
        found.as_ref().map(text).unwrap_or_default().into_bytes()
    })?;
    if let Some(found) = found {
        return Ok(found);
    }
    let told = String::from_utf8(told)?;
    let (first, toml) = told.split_at_checked(1).unwrap_or_default();
    let start = if first == mark(Start::Resume).to_string() { Start::Resume } else { Start::New };
    Ok((Config::from_text("the configuration of rank 0".as_ref(), toml, &[], purpose)?, start))
}

const fn mark(start: Start) -> char {
    match start {
        Start::New => 'n',
        Start::Resume => 'r',
    }
}
