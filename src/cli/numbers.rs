//! Numbers for people.

/// Four significant places at most, and no more room than they need.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        size if !size.is_finite() => format!("{value}"),
        size if size >= 1e5 => format!("{value:.2e}"),
        size if size >= 100.0 => format!("{value:.1}"),
        size if size >= 0.1 => format!("{value:.3}"),
        _ => format!("{value:.4}"),
    }
}

/// A mean with the half of its interval; a dash where one value alone has none.
pub(super) fn interval(mean: f64, half: f64) -> String {
    let half = if half.is_finite() { number(half) } else { "–".to_owned() };
    format!("{} ± {half}", number(mean))
}

/// A whole number with a comma before every three digits.
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let parts = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    parts.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([0, 999, 1_000, 12_345_678].map(grouped), ["0", "999", "1,000", "12,345,678"]);
    }
}
