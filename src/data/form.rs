//! How a text is divided into rows and cells, and whether its first row names the columns.

use super::sheet::{Decimal, Dialect, number};
use csv::ReaderBuilder;

/// A text without what stands above its table: `sep=;`, and lines of comment. Gives the text, the lines that were passed over,
/// and the separator that was named.
pub(super) fn without_head(text: &str) -> (&str, u64, Option<u8>) {
    let (mut rest, mut lines, mut separator) = (text, 0, None);
    loop {
        let end = rest.find('\n').map_or(rest.len(), |end| end + 1);
        let (line, after) = (rest[..end].trim_end(), &rest[end..]);
        let named = line.get(..4).filter(|start| start.eq_ignore_ascii_case("sep=")).map(|_| &line[4..]);
        let comment = line.starts_with('#') && !names_columns(line, after) && !after.trim().is_empty();
        let gap = line.is_empty() && !after.is_empty();
        if let Some(&[byte]) = named.map(str::as_bytes) {
            separator = Some(byte);
        } else if !(comment || gap) {
            return (rest, lines, separator);
        }
        (rest, lines) = (after, lines + 1);
    }
}

/// Whether a line that begins with `#` has as many cells as the line below, one of values.
fn names_columns(line: &str, after: &str) -> bool {
    let next = after.lines().next().unwrap_or_default();
    let count = |text: &str, mark: char| text.matches(mark).count();
    let alike = |mark: char| {
        let numbers = next.split(mark).filter(|cell| number(cell.trim(), Decimal::Point).is_some()).count();
        count(line, mark) > 0 && count(line, mark) == count(next, mark) && numbers > 0
    };
    !next.starts_with('#') && [',', ';', '\t'].into_iter().any(alike)
}

/// The separator of a text: that which divides its first rows into as many cells each, the more the better. A space stands for
/// any blanks.
pub(super) fn separator(text: &str) -> u8 {
    let start: String = text.split_inclusive('\n').take(60).collect();
    let even = |separator: u8| {
        let mut reader = ReaderBuilder::new()
            .delimiter(separator)
            .has_headers(false)
            .flexible(true)
            .from_reader(start.as_bytes());
        let counts: Vec<_> = reader.byte_records().map_while(Result::ok).map(|row| row.len()).collect();
        // The last row may be cut within a quoted cell.
        let counts = &counts[..counts.len() - usize::from(counts.len() > 59)];
        let usual = counts.iter().copied().max_by_key(|count| counts.iter().filter(|c| *c == count).count());
        let usual = usual.filter(|count| *count > 1)?;
        let share = counts.iter().filter(|count| **count == usual).count() as f64 / counts.len() as f64;
        Some((share, usual, separator))
    };
    let by_marks = [b',', b';', b'\t', b'|'].into_iter().filter_map(even);
    // Where two divide alike, the one that gives more cells; a comma first where they are as many.
    let best = by_marks.reduce(|best, next| if (next.0, next.1) > (best.0, best.1) { next } else { best });
    if let Some((share, _, separator)) = best
        && share > 0.5
    {
        return separator;
    }
    let counts: Vec<_> = start
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.split_whitespace().count())
        .collect();
    let blanks = counts.first().is_some_and(|&first| first > 1 && counts.iter().all(|&count| count == first));
    if blanks {
        return b' ';
    }
    // Marks that few use, and that texts, times and addresses hold as well: where they divide every row alike.
    let rare = [b'^', b'~', 1, 31, b':'].into_iter().filter_map(even).find(|(share, ..)| *share == 1.0);
    best.or(rare).map_or(b',', |(_, _, separator)| separator)
}

/// Whether all cells of the first rows that are not empty stand between single quotes.
pub(super) fn in_single_quotes(text: &str, separator: u8) -> bool {
    let quoted = |cell: &str| cell.len() > 1 && cell.starts_with('\'') && cell.ends_with('\'');
    let mut cells = text
        .lines()
        .take(20)
        .flat_map(|line| line.split(separator as char))
        .map(str::trim)
        .filter(|c| !c.is_empty());
    cells.next().is_some_and(quoted) && cells.all(quoted)
}

/// Whether the first of these rows names the columns: it does not where a number stands above numbers, save numbers that are
/// counted through as names of columns are, or where its words stand below as well. `cell` gives a row's cell.
pub(super) fn has_names<'a>(
    (rows, columns): (usize, usize),
    dialect: &Dialect,
    cell: &dyn Fn(usize, usize) -> &'a str,
) -> bool {
    let is_number =
        |text: &str| number(text, Decimal::Point).or_else(|| number(text, Decimal::Comma)).is_some();
    let below = |column: usize| {
        (1..rows.min(1000)).map(move |row| cell(row, column)).filter(|c| !dialect.is_missing(c))
    };
    let numeric: Vec<_> =
        (0..columns).filter(|&c| below(c).next().is_some() && below(c).all(is_number)).collect();
    let above: Vec<_> = numeric.iter().filter(|&&column| is_number(cell(0, column))).copied().collect();
    let words: Vec<_> =
        (0..columns).filter(|c| !numeric.contains(c) && !dialect.is_missing(cell(0, *c))).collect();
    let repeated = |column: &usize| below(*column).any(|text| text == cell(0, *column));
    if rows < 2 {
        return !(0..columns).any(|column| is_number(cell(0, column)));
    }
    if above.is_empty() {
        // Words alone: names stand above numbers, or are none of the words below.
        return !numeric.is_empty() || words.is_empty() || !words.iter().all(repeated);
    }
    let firsts: Vec<_> = above.iter().filter_map(|&column| number(cell(0, column), Decimal::Point)).collect();
    let counted = firsts.len() == above.len()
        && firsts.len() > 2
        && firsts.windows(2).all(|pair| pair[1] - pair[0] == 1.0)
        && firsts.iter().all(|first| first.fract() == 0.0);
    let others: Vec<_> = numeric.iter().filter(|column| !above.contains(column)).collect();
    // Names of text beside numbers that are names, as pandas writes them; else a row of values.
    counted && !words.iter().any(repeated)
        || (!others.is_empty()
            && others.iter().any(|&&c| !cell(0, c).is_empty() && !dialect.is_missing(cell(0, c))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_are_told() {
        for (text, expected) in [
            ("a,b\n1,2\n", b','),
            ("a;b;c\n1,5;2,5;x\n", b';'),
            ("a\tb\n1,5\t2\n", b'\t'),
            ("a|b\nx|y\n", b'|'),
            ("a b  c\n 1 2 3\n", b' '),
            ("a\n1\n", b','),
            ("name,text\nx,\"a;b;c\"\ny,\"d;e;f\"\n", b','),
            ("date,a;b\n", b','),
            ("a^b\n1^2\n", b'^'),
            ("a~b\n1~2\n", b'~'),
            ("a\u{1}b\n1\u{1}2\n", 1),
            ("a:b\n1:2\n", b':'),
            ("time\n10:20\n", b','),
        ] {
            assert_eq!(separator(text) as char, expected as char, "{text}");
        }
    }

    #[test]
    fn names_are_told_from_values() {
        for (text, expected) in [
            ("a,b\n1,2\n3,4\n", true),
            ("5.1,3.5,x\n4.9,3.0,y\n4.7,3.2,x\n", false),
            ("1,1,2\n3,4,2\n", false),
            ("kind,s,n\nx,s,n\ny,t,n\n", true),
            ("x,s,n\ny,s,n\nx,t,n\n", false),
            ("0,1,2,label\n5,6.5,7,x\n8,9.5,1,y\n", true),
            ("country,2010,2011,2012\nX,5,6,7\nY,5,6,7\n", true),
            ("name,town\nann,rome\nbob,paris\n", true),
            ("a,b\n", true),
            ("1,2\n", false),
            ("a,1,label\n2,3,x\n4,5,y\n", true),
            ("5,,x\n6,7,y\n8,9,x\n", false),
        ] {
            let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
            let found = has_names((rows.len(), rows[0].len()), &Dialect::default(), &|r, c| rows[r][c]);
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn what_stands_above_a_table_is_passed_over() {
        for (text, rest, lines, mark) in [
            ("sep=;\na;b\n", "a;b\n", 1, Some(b';')),
            ("# one\n# two, three\na,b\n", "a,b\n", 2, None),
            ("#id,x\n1,2\n", "#id,x\n1,2\n", 0, None),
            ("\n\na,b\n", "a,b\n", 2, None),
            ("a,b\n", "a,b\n", 0, None),
            ("", "", 0, None),
        ] {
            assert_eq!(without_head(text), (rest, lines, mark), "{text:?}");
        }
    }
}
