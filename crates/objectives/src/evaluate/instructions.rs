//! The arithmetic compiled for several vector instructions, of which the machine's widest run.

/// Vector instructions that this machine has. All of them give the same bits: they are wider, not other ones, and what is fused
/// is fused by name.
///
/// Hidden: for the test of that, and for the benchmark of what they are worth.
#[doc(hidden)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Instructions(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Those of every machine of its kind.
    Portable,
    /// Eight numbers at once.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Sixteen numbers at once, in twice as many registers.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl std::fmt::Debug for Instructions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A computation that is compiled for each of them. Its `run` must be `inline(always)`, as everything below it.
pub(super) trait Task {
    fn run(&mut self);
}

impl Instructions {
    /// Those that this machine has, the narrowest first.
    pub fn available() -> Vec<Self> {
        let mut all = vec![Self(Kind::Portable)];
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            if has!("avx2") && has!("fma") {
                all.push(Self(Kind::Avx2));
            }
            if has!("fma") && has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl") {
                all.push(Self(Kind::Avx512));
            }
        }
        all
    }

    pub(super) fn widest() -> Self {
        Self::available().pop().unwrap_or(Self(Kind::Portable))
    }

    /// Runs the task.
    pub(super) fn run(self, task: &mut impl Task) {
        // SAFETY: a function needs the instructions that it is named after and nothing else; a value of this type that names
        // them comes from `available`, which has found that the machine has them.
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code)]
        unsafe {
            match self.0 {
                Kind::Avx512 => return with_avx512(task),
                Kind::Avx2 => return with_avx2(task),
                Kind::Portable => {}
            }
        }
        task.run();
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "fma,avx512f,avx512bw,avx512dq,avx512vl")]
fn with_avx512(task: &mut impl Task) {
    task.run();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn with_avx2(task: &mut impl Task) {
    task.run();
}
