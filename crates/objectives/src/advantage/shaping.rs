//! Rewards of overlong responses (DAPO).

/// DAPO's soft punishment of a response of `length` tokens: 0 up to `limit − buffer`, then falling in a straight line to
/// `−factor` at `limit` and beyond. Added to the reward. DAPO has limit 20480, buffer 4096, factor 1.
///
/// Unlike some trainers it never falls below `−factor`. A buffer of 0 is a step after `limit`.
///
/// ```
/// # use surefoot_objectives::advantage::overlong_penalty;
/// assert_eq!(overlong_penalty(70, 100, 20, 1.0), 0.0);
/// assert_eq!(overlong_penalty(90, 100, 20, 1.0), -0.5);
/// assert_eq!(overlong_penalty(150, 100, 20, 1.0), -1.0);
/// ```
pub fn overlong_penalty(length: usize, limit: usize, buffer: usize, factor: f32) -> f32 {
    let start = limit.saturating_sub(buffer);
    if length <= start {
        0.0
    } else if length >= limit {
        -factor
    } else {
        -factor * (length - start) as f32 / (limit - start) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn falls_in_a_line_and_stops() {
        assert_eq!(overlong_penalty(80, 100, 20, 2.0), 0.0);
        assert_eq!(overlong_penalty(81, 100, 20, 2.0), -0.1);
        assert_eq!(overlong_penalty(100, 100, 20, 2.0), -2.0);
        assert_eq!(overlong_penalty(100, 100, 0, 2.0), 0.0);
        assert_eq!(overlong_penalty(101, 100, 0, 2.0), -2.0);
        assert_eq!(overlong_penalty(5, 10, 50, 2.0), -1.0);
    }
}
