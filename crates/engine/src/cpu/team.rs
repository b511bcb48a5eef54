//! A team of threads for parallel regions of microseconds.
//!
//! An operator is a region: tasks are handed out one by one, and it ends when the last one is done. A step has thousands of them, so
//! what happens at their ends decides how a run fares beside other processes. Here a thread that finds nothing to do waits for some
//! microseconds and then sleeps, without `sched_yield`, which on Linux costs a thread its share of the processor; and the caller waits for the threads
//! that took a task, not for those that the system has not yet let run.
use std::any::Any;
use std::cell::{Cell, RefCell, UnsafeCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Thread, park};

/// How often a thread looks for work, or for the others' end, before it sleeps: some forty microseconds.
const LOOKS: usize = 2000;

/// `state` is the region's number in the upper half, then these bits, then the number of helpers inside.
const REGION: u64 = 1 << 32;
const OPEN: u64 = 1 << 31;
const STOP: u64 = 1 << 30;
const INSIDE: u64 = STOP - 1;

type Task<'a> = dyn Fn(usize) + Sync + 'a;

/// Neighbouring tasks that one member begins with, so that it meets the same rows again in the next operator, in its own cache.
/// Who is done with its own goes on with the others'.
#[repr(align(128))]
#[derive(Default)]
struct Share {
    next: AtomicUsize,
    end: AtomicUsize,
}

struct Shared {
    state: AtomicU64,
    /// One for each member, the caller first.
    shares: Box<[Share]>,
    /// Written by the caller while no helper is inside, read by those that are.
    task: UnsafeCell<Option<*const Task<'static>>>,
    asleep: Box<[AtomicBool]>,
    caller: Thread,
    caller_asleep: AtomicBool,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

// SAFETY: `task` is written only by the caller while the region is closed and empty, which `state` orders.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

thread_local! {
    /// This thread's team, made for the width that it was last asked for.
    static TEAM: RefCell<Option<Team>> = const { RefCell::new(None) };
    /// Whether this thread is running a task, so that regions inside it run on it alone.
    static INSIDE_TASK: Cell<bool> = const { Cell::new(false) };
}

/// Whether the calling thread is running a task of a team.
pub fn inside() -> bool {
    INSIDE_TASK.get()
}

/// Runs `task(0..tasks)` on the calling thread and `width - 1` helpers that belong to it. Must not be called inside a task.
///
/// # Panics
/// With what a task panics with.
pub fn run(width: usize, tasks: usize, task: &Task<'_>) {
    TEAM.with_borrow_mut(|team| {
        if team.as_ref().is_none_or(|t| t.shared.shares.len() != width) {
            *team = Some(Team::new(width - 1));
        }
        if let Some(team) = team {
            team.run(tasks, task);
        }
    });
}

struct Team {
    shared: Arc<Shared>,
    helpers: Vec<Thread>,
}

impl Team {
    fn new(helpers: usize) -> Self {
        let shared = Arc::new(Shared {
            state: AtomicU64::new(0),
            shares: (0..=helpers).map(|_| Share::default()).collect(),
            task: UnsafeCell::new(None),
            asleep: (0..helpers).map(|_| AtomicBool::new(false)).collect(),
            caller: std::thread::current(),
            caller_asleep: AtomicBool::new(false),
            panic: Mutex::new(None),
        });
        // A system that refuses a thread leaves a smaller team; the caller can do all of the work.
        let start = |helper| {
            let shared = Arc::clone(&shared);
            let name = format!("surefoot-{}", helper + 1);
            let handle = std::thread::Builder::new().name(name).spawn(move || shared.help(helper));
            handle.ok().map(|h| h.thread().clone())
        };
        let helpers = (0..helpers).map_while(start).collect();
        Self { shared, helpers }
    }

    fn run(&self, tasks: usize, task: &Task<'_>) {
        let shared = &*self.shared;
        // SAFETY: the lifetime is only forgotten; `Close` below waits, also when a task panics, until no helper can use it.
        let task: *const Task<'static> = unsafe { std::mem::transmute::<*const Task<'_>, *const Task<'static>>(task) };
        // SAFETY: the region before is closed and empty, so nobody reads.
        unsafe { *shared.task.get() = Some(task) };
        let members = shared.shares.len();
        for (member, share) in shared.shares.iter().enumerate() {
            share.next.store(tasks * member / members, SeqCst);
            share.end.store(tasks * (member + 1) / members, SeqCst);
        }
        let region = (shared.state.load(SeqCst) & !(REGION - 1)).wrapping_add(REGION);
        shared.state.store(region | OPEN, SeqCst);
        for (helper, asleep) in self.helpers.iter().zip(&shared.asleep).take(tasks - 1) {
            if asleep.swap(false, SeqCst) {
                helper.unpark();
            }
        }
        {
            let _close = Close(shared);
            shared.work(0);
        }
        if let Some(panic) = shared.panic.lock().unwrap_or_else(PoisonError::into_inner).take() {
            resume_unwind(panic);
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.state.fetch_or(STOP, SeqCst);
        self.helpers.iter().for_each(Thread::unpark);
    }
}

/// Closes a region and waits for the helpers that are inside.
struct Close<'a>(&'a Shared);

impl Drop for Close<'_> {
    fn drop(&mut self) {
        let shared = self.0;
        shared.state.fetch_and(!OPEN, SeqCst);
        let empty = || shared.state.load(SeqCst) & INSIDE == 0;
        if look(empty) {
            return;
        }
        shared.caller_asleep.store(true, SeqCst);
        while !empty() {
            park();
        }
        shared.caller_asleep.store(false, SeqCst);
    }
}

impl Shared {
    /// Runs tasks until there are none left to take.
    fn work(&self, member: usize) {
        // SAFETY: set before the region was opened, and not written until everyone inside has left.
        let Some(task) = (unsafe { *self.task.get() }) else { return };
        INSIDE_TASK.set(true);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let (before, from) = self.shares.split_at(member);
            for share in from.iter().chain(before) {
                let end = share.end.load(SeqCst);
                loop {
                    let i = share.next.fetch_add(1, SeqCst);
                    if i >= end {
                        break;
                    }
                    // SAFETY: the caller keeps the task alive until everyone inside has left.
                    unsafe { (*task)(i) };
                }
            }
        }));
        INSIDE_TASK.set(false);
        if let Err(panic) = outcome {
            self.shares.iter().for_each(|s| s.next.store(s.end.load(SeqCst), SeqCst));
            *self.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
        }
    }

    fn help(&self, helper: usize) {
        let mut seen = 0;
        loop {
            let state = self.wait(helper, seen);
            if state & STOP != 0 {
                return;
            }
            seen = state / REGION;
            if self.enter(state) {
                self.work(helper + 1);
                let left = self.state.fetch_sub(1, SeqCst) - 1;
                if left & (OPEN | INSIDE) == 0 && self.caller_asleep.load(SeqCst) {
                    self.caller.unpark();
                }
            }
        }
    }

    /// Waits for another region than the one that was seen last.
    fn wait(&self, helper: usize, seen: u64) -> u64 {
        let news = || {
            let state = self.state.load(SeqCst);
            state / REGION != seen || state & STOP != 0
        };
        if !look(news) {
            loop {
                self.asleep[helper].store(true, SeqCst);
                if news() {
                    break;
                }
                park();
            }
            self.asleep[helper].store(false, SeqCst);
        }
        self.state.load(SeqCst)
    }

    /// Enters the region of `state`, unless it is closed by now.
    fn enter(&self, mut state: u64) -> bool {
        let region = state / REGION;
        while state / REGION == region && state & OPEN != 0 {
            match self.state.compare_exchange_weak(state, state + 1, SeqCst, SeqCst) {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
        false
    }
}

/// Looks for a while whether something has come true.
fn look(come: impl Fn() -> bool) -> bool {
    for _ in 0..LOOKS {
        if come() {
            return true;
        }
        std::hint::spin_loop();
    }
    come()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_runs_once_in_region_after_region() {
        for width in [2, 3, 7] {
            for tasks in (2..40).cycle().take(3000) {
                let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                run(width, tasks, &|i| {
                    counts[i].fetch_add(1, SeqCst);
                });
                assert!(counts.iter().all(|c| c.load(SeqCst) == 1), "{width} threads, {tasks} tasks");
            }
        }
    }

    #[test]
    fn helpers_that_slept_are_woken() {
        for pause in [0, 1, 20, 200, 2000, 20_000] {
            std::thread::sleep(std::time::Duration::from_micros(pause));
            let threads = Mutex::new(std::collections::HashSet::new());
            run(2, 2, &|_| {
                threads.lock().unwrap().insert(std::thread::current().id());
                // Long enough for the other one to come and take the second task.
                std::thread::sleep(std::time::Duration::from_millis(200));
            });
            assert_eq!(threads.lock().unwrap().len(), 2, "after {pause} us");
        }
    }

    #[test]
    fn a_panic_of_a_task_reaches_the_caller_and_the_team_goes_on() {
        for bad in 0..8 {
            let outcome = catch_unwind(AssertUnwindSafe(|| run(3, 8, &|i| assert!(i != bad, "task {i}"))));
            assert_eq!(outcome.unwrap_err().downcast_ref::<String>().unwrap(), &format!("task {bad}"));
            let sum = AtomicUsize::new(0);
            run(3, 8, &|i| {
                sum.fetch_add(i, SeqCst);
            });
            assert_eq!(sum.load(SeqCst), 28);
        }
    }

    #[test]
    fn teams_of_several_threads_do_not_meet() {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2000 {
                        let sum = AtomicUsize::new(0);
                        run(3, 10, &|i| {
                            sum.fetch_add(i, SeqCst);
                        });
                        assert_eq!(sum.load(SeqCst), 45);
                    }
                });
            }
        });
    }
}
