//! Names of months and of zones, in dates.

/// Names of months in other languages, and as people cut them.
const NAMES: [&str; 12] = [
    "januar jänner jän janvier janv enero ene gennaio gen janeiro januari",
    "februar février fevrier févr fév fevr febrero febbraio fevereiro fev februari",
    "märz maerz mär mrz mars marzo março marco maart mrt",
    "avril avr abril abr aprile",
    "mai mayo maggio mag maio mei maj",
    "juni juin junio giugno giu junho",
    "juli juillet juil julio luglio lug julho",
    "août aout agosto ago augustus augusti",
    "sept septembre septiembre setiembre settembre set setembro",
    "oktober okt octobre octubre ottobre ott outubro out",
    "novembre noviembre novembro",
    "dezember dez décembre decembre déc diciembre dic dicembre dezembro desember des",
];

/// The English ones, in whole.
const WHOLE: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

const ENGLISH: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Whether a month has its name in another language.
pub(super) fn is_foreign(text: &str) -> bool {
    let month = |word: &str| NAMES.iter().any(|names| names.split(' ').any(|name| name == word));
    text.split(|c: char| !c.is_alphabetic()).any(|word| word.len() > 2 && month(&word.to_lowercase()))
}

/// The place of a month by its name in any language.
fn month(word: &str) -> Option<usize> {
    let english = || (0..12).find(|&at| WHOLE[at] == word || ENGLISH[at].eq_ignore_ascii_case(word));
    NAMES.iter().position(|names| names.split(' ').any(|name| name == word)).or_else(english)
}

/// A date whose month has a name, with its short English one in its place; nothing if it has none.
pub(super) fn in_english(text: &str) -> Option<String> {
    let start = text.find(char::is_alphabetic)?;
    // A weekday may stand before.
    let mut at = start;
    while at < text.len() {
        let rest = &text[at..];
        let end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
        let word = rest[..end].to_lowercase();
        if let Some(month) = month(&word) {
            let after = rest[end..].strip_prefix('.').unwrap_or(&rest[end..]);
            let before = text[..at].trim_end();
            let space = if before.len() < at { " " } else { "" };
            let day = before.strip_suffix("de").map_or(before, str::trim_end);
            let day = day.strip_suffix('.').unwrap_or(day);
            let after =
                after.strip_prefix(" de ").map_or_else(|| after.to_owned(), |year| format!(" {year}"));
            return Some(format!("{day}{space}{}{after}", ENGLISH[month]));
        }
        at += end;
        at += text[at..].find(char::is_alphabetic).unwrap_or(text.len() - at);
    }
    None
}

/// Zones by their usual names, in hours ahead of UTC.
const ZONES: [(&str, i64); 24] = [
    ("est", -5),
    ("edt", -4),
    ("cst", -6),
    ("cdt", -5),
    ("mst", -7),
    ("mdt", -6),
    ("pst", -8),
    ("pdt", -7),
    ("wet", 0),
    ("west", 1),
    ("bst", 1),
    ("cet", 1),
    ("cest", 2),
    ("mez", 1),
    ("mesz", 2),
    ("eet", 2),
    ("eest", 3),
    ("msk", 3),
    ("jst", 9),
    ("kst", 9),
    ("aest", 10),
    ("aedt", 11),
    ("nzst", 12),
    ("nzdt", 13),
];

/// Seconds that a zone with a name is ahead of UTC.
pub(super) fn named_zone(name: &str) -> Option<i64> {
    let lower = name.to_ascii_lowercase();
    ZONES.iter().find(|(zone, _)| *zone == lower).map(|(_, hours)| hours * 3600)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_of_other_languages_are_known() {
        for (text, expected) in [
            ("10. März 2024", Some("10 Mar 2024")),
            ("10 août 2024", Some("10 Aug 2024")),
            ("10 févr. 2024", Some("10 Feb 2024")),
            ("2 de enero de 2024", Some("2 Jan 2024")),
            ("Mi, 3. Juli 2024", Some("Mi, 3 Jul 2024")),
            ("Okt-24", Some("Oct-24")),
            ("Sept 3, 2024", Some("Sep 3, 2024")),
            ("1. April 2024", Some("1 Apr 2024")),
            ("1. Apr. 2024", Some("1 Apr 2024")),
            ("March 3, 2024", Some("Mar 3, 2024")),
            ("2024-03-01", None),
            ("ü", None),
        ] {
            assert_eq!(in_english(text).as_deref(), expected, "{text}");
        }
        assert!(is_foreign("10. März 2024") && is_foreign("2 mai 2024"));
        assert!(
            !is_foreign("March 3, 2024") && !is_foreign("1. April 2024") && !is_foreign("2024-01-01T00:00Z")
        );
        assert_eq!(
            (named_zone("EST"), named_zone("cest"), named_zone("XYZ")),
            (Some(-18_000), Some(7200), None)
        );
    }
}
