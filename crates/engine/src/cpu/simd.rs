//! Run-time choice of instruction set: one portable body per kernel, compiled once per instruction set.
use std::sync::atomic::{AtomicU8, Ordering};

/// Defines a kernel whose body is compiled for the portable target, for AVX2 with FMA and for AVX-512, and which runs
/// the best that the machine has. The body is plain Rust in fixed lanes with explicit `mul_add`, so every version
/// gives the same bits.
macro_rules! kernel {
    ($(#[$meta:meta])* $vis:vis fn $name:ident $(<const $c:ident: $ct:ty>)? ($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        $vis fn $name $(<const $c: $ct>)? ($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            fn body $(<const $c: $ct>)? ($($arg: $ty),*) $(-> $ret)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn avx2 $(<const $c: $ct>)? ($($arg: $ty),*) $(-> $ret)? { body $(::<$c>)? ($($arg),*) }
                #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]
                fn avx512 $(<const $c: $ct>)? ($($arg: $ty),*) $(-> $ret)? { body $(::<$c>)? ($($arg),*) }
                match $crate::cpu::simd::level() {
                    // SAFETY: `level` has seen these features on this machine.
                    $crate::cpu::simd::Level::Avx512 => return unsafe { avx512 $(::<$c>)? ($($arg),*) },
                    // SAFETY: as above.
                    $crate::cpu::simd::Level::Avx2 => return unsafe { avx2 $(::<$c>)? ($($arg),*) },
                    $crate::cpu::simd::Level::Portable => {}
                }
            }
            body $(::<$c>)? ($($arg),*)
        }
    };
}
pub(crate) use kernel;

/// The instruction set that the kernels of this process use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The compilation target's own instructions.
    Portable,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// x86-64 with AVX-512 F, VL, DQ and BW.
    Avx512,
}

/// The instruction set of this machine, detected once. The environment variable `SUREFOOT_INSTRUCTIONS` set to `portable` or
/// `avx2` keeps it from taking a better one, so that a test can compare their bits.
#[inline]
pub fn level() -> Level {
    match FOUND.load(Ordering::Relaxed) {
        1 => Level::Portable,
        2 => Level::Avx2,
        3 => Level::Avx512,
        _ => detect(),
    }
}

/// What [`level`] answers; 0 before the first call.
static FOUND: AtomicU8 = AtomicU8::new(0);

#[cold]
fn detect() -> Level {
    let allowed = match std::env::var("SUREFOOT_INSTRUCTIONS").as_deref() {
        Ok("portable") => Level::Portable,
        Ok("avx2") => Level::Avx2,
        _ => Level::Avx512,
    };
    let level = best(allowed);
    FOUND.store(level as u8 + 1, Ordering::Relaxed);
    level
}

fn best(allowed: Level) -> Level {
    #[cfg(target_arch = "x86_64")]
    {
        if allowed == Level::Avx512
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bw")
        {
            return Level::Avx512;
        }
        if allowed >= Level::Avx2 && is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return Level::Avx2;
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = allowed;
    Level::Portable
}

/// Asks for the cache lines of `data`, which will be read soon.
#[inline]
pub fn fetch(data: &[f32]) {
    #[cfg(target_arch = "x86_64")]
    for line in data.chunks(16) {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: SSE, which the target has; a prefetch reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = data;
}
