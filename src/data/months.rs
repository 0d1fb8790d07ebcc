//! Names of months and of zones, in dates.

/// Names of months in other languages, and as people cut them, by the month from 1; English ones are read without.
const NAMES: [(&str, usize); 92] = [
    ("januar", 1),
    ("jänner", 1),
    ("jän", 1),
    ("janvier", 1),
    ("janv", 1),
    ("enero", 1),
    ("ene", 1),
    ("gennaio", 1),
    ("gen", 1),
    ("janeiro", 1),
    ("januari", 1),
    ("februar", 2),
    ("février", 2),
    ("fevrier", 2),
    ("févr", 2),
    ("fév", 2),
    ("fevr", 2),
    ("febrero", 2),
    ("febbraio", 2),
    ("fevereiro", 2),
    ("fev", 2),
    ("februari", 2),
    ("märz", 3),
    ("maerz", 3),
    ("mär", 3),
    ("mrz", 3),
    ("mars", 3),
    ("marzo", 3),
    ("março", 3),
    ("marco", 3),
    ("maart", 3),
    ("mrt", 3),
    ("avril", 4),
    ("avr", 4),
    ("abril", 4),
    ("abr", 4),
    ("aprile", 4),
    ("mai", 5),
    ("mayo", 5),
    ("maggio", 5),
    ("mag", 5),
    ("maio", 5),
    ("mei", 5),
    ("juni", 6),
    ("juin", 6),
    ("junio", 6),
    ("giugno", 6),
    ("giu", 6),
    ("junho", 6),
    ("juli", 7),
    ("juillet", 7),
    ("juil", 7),
    ("julio", 7),
    ("luglio", 7),
    ("lug", 7),
    ("julho", 7),
    ("août", 8),
    ("aout", 8),
    ("agosto", 8),
    ("ago", 8),
    ("augustus", 8),
    ("augusti", 8),
    ("sept", 9),
    ("septembre", 9),
    ("septiembre", 9),
    ("setiembre", 9),
    ("settembre", 9),
    ("set", 9),
    ("setembro", 9),
    ("oktober", 10),
    ("okt", 10),
    ("octobre", 10),
    ("octubre", 10),
    ("ottobre", 10),
    ("ott", 10),
    ("outubro", 10),
    ("out", 10),
    ("novembre", 11),
    ("noviembre", 11),
    ("novembro", 11),
    ("dezember", 12),
    ("dez", 12),
    ("décembre", 12),
    ("decembre", 12),
    ("déc", 12),
    ("diciembre", 12),
    ("dic", 12),
    ("dicembre", 12),
    ("dezembro", 12),
    ("desember", 12),
    ("des", 12),
    ("maj", 5),
];

const ENGLISH: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A date whose month has its name in another language, with the English one in its place; nothing if it has none.
pub(super) fn in_english(text: &str) -> Option<String> {
    let start = text.find(char::is_alphabetic)?;
    // A weekday may stand before.
    let mut at = start;
    while at < text.len() {
        let rest = &text[at..];
        let end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
        let word = rest[..end].to_lowercase();
        if let Some((_, month)) = NAMES.iter().find(|(name, _)| *name == word) {
            let after = rest[end..].strip_prefix('.').unwrap_or(&rest[end..]);
            let before = text[..at].trim_end();
            let space = if before.len() < at { " " } else { "" };
            let day = before.strip_suffix("de").map_or(before, str::trim_end);
            let day = day.strip_suffix('.').unwrap_or(day);
            let after =
                after.strip_prefix(" de ").map_or_else(|| after.to_owned(), |year| format!(" {year}"));
            return Some(format!("{day}{space}{}{after}", ENGLISH[month - 1]));
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
            ("March 3, 2024", None),
            ("2024-03-01", None),
            ("ü", None),
        ] {
            assert_eq!(in_english(text).as_deref(), expected, "{text}");
        }
        assert_eq!(
            (named_zone("EST"), named_zone("cest"), named_zone("XYZ")),
            (Some(-18_000), Some(7200), None)
        );
    }
}
