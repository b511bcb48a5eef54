//! Numbers for people.

/// A number in at most seven characters: `0.0312`, `12.4`, `8.1k`, `3.2e-7`.
///
/// ```
/// use surefoot_trainer::progress::short;
///
/// assert_eq!([short(0.03125), short(12.44), short(8123.0), short(3.2e-7), short(0.0)], ["0.0312", "12.4", "8.1k", "3.2e-7", "0"]);
/// ```
pub fn short(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if !value.is_finite() => value.to_string(),
        _ if size == 0.0 => "0".to_string(),
        _ if size < 1e-3 => format!("{value:.1e}"),
        _ if size < 1.0 => format!("{value:.4}"),
        _ if size < 10.0 => format!("{value:.3}"),
        _ if size < 100.0 => format!("{value:.1}"),
        _ if size < 1e3 => format!("{value:.0}"),
        _ if size < 1e6 => format!("{:.1}k", value / 1e3),
        _ if size < 1e9 => format!("{:.1}M", value / 1e6),
        _ => format!("{value:.1e}"),
    }
}

/// A time in two units at most: `340 ms`, `4.2 s`, `3 min 20 s`, `2 h 5 min`.
///
/// ```
/// use surefoot_trainer::progress::seconds;
///
/// assert_eq!([seconds(0.34), seconds(4.21), seconds(200.0), seconds(7500.0)], ["340 ms", "4.2 s", "3 min 20 s", "2 h 5 min"]);
/// ```
pub fn seconds(value: f64) -> String {
    let whole = value.max(0.0).round() as u64;
    match value {
        _ if !value.is_finite() => "?".to_string(),
        _ if value < 1.0 => format!("{:.0} ms", value.max(0.0) * 1e3),
        _ if value < 60.0 => format!("{value:.1} s"),
        _ if whole < 3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}
