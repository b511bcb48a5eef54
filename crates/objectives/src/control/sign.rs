//! The sign of an advantage. At 0 it makes no difference to `J` and `g`, which are multiples of the advantage.

/// `x < 0`.
#[inline(always)]
pub(super) fn negative<T: PartialOrd + Default>(x: T) -> bool {
    x < T::default()
}

/// `x > 0`.
#[inline(always)]
pub(super) fn positive<T: PartialOrd + Default>(x: T) -> bool {
    x > T::default()
}
