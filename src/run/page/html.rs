//! The pieces that a page is made of.

/// Text as it may stand in HTML.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            c => safe.push(c),
        }
    }
    safe
}

/// A number with four digits that count.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if !value.is_finite() => "–".to_owned(),
        _ if size == 0.0 => "0".to_owned(),
        _ if !(1e-4..1e7).contains(&size) => format!("{value:.2e}"),
        _ if value.fract() == 0.0 || size >= 1e4 => thousands(value.round()),
        _ => {
            let digits = (3 - size.log10().floor() as i32).clamp(0, 7) as usize;
            let text = format!("{value:.digits$}");
            let text =
                if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
            text.to_owned()
        }
    }
}

fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let parts: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    let sign = if value < 0.0 { "-" } else { "" };
    // Four digits are read as they are.
    if digits.len() < 5 { format!("{sign}{digits}") } else { format!("{sign}{}", parts.join(",")) }
}

/// A table that can be pushed aside where it is too wide; cells are HTML already, and those that are numbers stand to the
/// right.
pub(super) fn table(head: &[String], rows: &[Vec<String>], numbers: bool) -> String {
    let class = |column: usize| if numbers && column > 0 { " class=\"n\"" } else { "" };
    let heads: String =
        head.iter().enumerate().map(|(i, cell)| format!("<th{}>{cell}</th>", class(i))).collect();
    let row = |row: &Vec<String>| {
        let cells = row.iter().enumerate().map(|(i, cell)| match i {
            0 => format!("<th>{cell}</th>"),
            _ => format!("<td{}>{cell}</td>", class(i)),
        });
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    };
    let body: String = rows.iter().map(row).collect();
    format!(
        "<div class=\"wide\"><table><thead><tr>{heads}</tr></thead><tbody>\n{body}</tbody></table></div>\n"
    )
}

/// A moment as `2026-01-31 12:00 UTC`, from seconds since 1970.
pub(super) fn moment(seconds: u64) -> String {
    // Days to a date of the Gregorian calendar, whose years are counted from March on.
    let (days, second) = ((seconds / 86_400) as i64 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = year + 400 * era + i64::from(month <= 2);
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", second / 3600, second / 60 % 60)
}

/// Bytes in base 64.
pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for some in bytes.chunks(3) {
        let word = (0..3).fold(0_u32, |word, i| word << 8 | u32::from(some.get(i).copied().unwrap_or(0)));
        for digit in 0..4 {
            let there = digit <= some.len();
            text.push(if there { DIGITS[(word >> (18 - 6 * digit)) as usize & 63] as char } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_moments_and_bytes_are_written_as_usual() {
        let cases = [
            (0.0, "0"),
            (0.097_04, "0.09704"),
            (98.9, "98.9"),
            (1234.5, "1234"),
            (50_000.0, "50,000"),
            (-1_234_567.0, "-1,234,567"),
            (1e-9, "1.00e-9"),
            (f64::NAN, "–"),
            (100.0, "100"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
        assert_eq!(moment(0), "1970-01-01 00:00 UTC");
        assert_eq!(moment(951_827_696), "2000-02-29 12:34 UTC");
        assert_eq!(moment(1_798_761_599), "2026-12-31 23:59 UTC");
        let of = |text: &str| base64(text.as_bytes());
        assert_eq!(
            (of(""), of("f"), of("fo"), of("foo"), of("foob")),
            ("".into(), "Zg==".into(), "Zm8=".into(), "Zm9v".into(), "Zm9vYg==".into())
        );
        assert_eq!(escape("<a href=\"b\">&"), "&lt;a href=&quot;b&quot;&gt;&amp;");
    }
}
