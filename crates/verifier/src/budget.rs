//! What one comparison may spend: a number of steps, which is the same on every machine, and a deadline behind it.

use std::time::{Duration, Instant};

use crate::verdict::Why;

/// Why work ended before it was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The budget is spent.
    Budget,
    /// The text says something that cannot be read.
    Unreadable(Why),
}

pub(crate) type Outcome<T> = Result<T, Stop>;

/// Steps between two looks at the clock; a step is worth some tens of nanoseconds.
const STEPS_PER_CLOCK: u64 = 1 << 12;

#[derive(Debug)]
pub(crate) struct Budget {
    limit: u64,
    spent: u64,
    next_clock: u64,
    started: Option<Instant>,
    deadline: Option<Duration>,
}

impl Budget {
    pub(crate) fn new(limit: u64, deadline: Option<Duration>) -> Self {
        Budget { limit, spent: 0, next_clock: STEPS_PER_CLOCK, started: deadline.map(|_| Instant::now()), deadline }
    }

    /// Pays for `steps` before they are done.
    pub(crate) fn charge(&mut self, steps: u64) -> Outcome<()> {
        self.spent = self.spent.saturating_add(steps);
        if self.spent > self.limit {
            return Err(Stop::Budget);
        }
        if self.spent >= self.next_clock {
            self.next_clock = self.spent + STEPS_PER_CLOCK;
            if let (Some(started), Some(deadline)) = (self.started, self.deadline)
                && started.elapsed() > deadline
            {
                return Err(Stop::Budget);
            }
        }
        Ok(())
    }

    pub(crate) fn spent(&self) -> u64 {
        self.spent
    }
}
