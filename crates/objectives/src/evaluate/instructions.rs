//! Which vector instructions a block is computed with.

/// Vector instructions. All of them give the same bits: they are wider, not other ones (no fused multiply-add).
///
/// Hidden: for the test of that, and for the benchmark of what they are worth.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instructions {
    /// Those of every machine of its kind.
    Portable,
    /// Eight numbers at once.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// Sixteen numbers at once, in twice as many registers.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Instructions {
    /// Those that this machine has, the narrowest first.
    pub fn available() -> Vec<Self> {
        let mut all = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            if has!("avx2") {
                all.push(Self::Avx2);
            }
            if has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl") {
                all.push(Self::Avx512);
            }
        }
        all
    }

    pub(super) fn widest() -> Self {
        Self::available().pop().unwrap_or(Self::Portable)
    }
}
