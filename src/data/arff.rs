//! ARFF, the format of Weka and OpenML.

/// A table in ARFF.
pub(super) struct Arff<'a> {
    pub(super) attributes: Vec<Attribute>,
    /// The text of its rows, and the lines before them.
    rows: &'a str,
    lines_before: u64,
}

/// A column as the head of a file declares it.
pub(super) struct Attribute {
    pub(super) name: String,
    /// The values of a category; empty of other columns.
    pub(super) values: Vec<String>,
}

/// Reads the head of an ARFF file; nothing if the text is none.
pub(super) fn read(text: &str) -> Option<Arff<'_>> {
    let is =
        |line: &str, word: &str| line.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    let plain = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('%');
    if !is(text.lines().find(plain)?.trim_start(), "@relation") {
        return None;
    }
    let (mut attributes, mut at, mut lines_before) = (Vec::new(), 0, 0);
    for line in text.split_inclusive('\n') {
        (at, lines_before) = (at + line.len(), lines_before + 1);
        let line = line.trim();
        if is(line, "@attribute") {
            attributes.push(attribute(line["@attribute".len()..].trim_start()));
        } else if is(line, "@data") {
            return Some(Arff { attributes, rows: &text[at..], lines_before });
        }
    }
    None
}

fn attribute(text: &str) -> Attribute {
    let quoted = text.chars().next().filter(|c| "'\"".contains(*c));
    let (name, kind) = match quoted {
        Some(mark) => text[1..].split_once(mark),
        None => text.split_once(|c: char| c.is_whitespace() || c == '{'),
    }
    .unwrap_or((text, ""));
    // The brace may stand at the name.
    let kind =
        if quoted.is_none() && text[name.len()..].starts_with('{') { &text[name.len()..] } else { kind };
    let list = kind.trim().strip_prefix('{').map(|list| list.trim_end().trim_end_matches('}'));
    Attribute { name: name.to_owned(), values: list.map_or_else(Vec::new, cells) }
}

impl Arff<'_> {
    /// The rows, each with its line.
    ///
    /// # Errors
    /// What is wrong, and in which line.
    pub(super) fn rows(&self) -> Result<Vec<(u64, Vec<String>)>, String> {
        let mut rows = Vec::new();
        for (line, text) in (self.lines_before + 1..).zip(self.rows.lines()) {
            let text = text.trim();
            if text.is_empty() || text.starts_with('%') {
                continue;
            }
            rows.push((
                line,
                match text.strip_prefix('{') {
                    Some(sparse) => self
                        .sparse(sparse)
                        .ok_or_else(|| format!("line {line} is no row of a sparse ARFF file"))?,
                    None => cells(text),
                },
            ));
        }
        Ok(rows)
    }

    /// `{1 5, 3 x}`: places from 0 and values; what is not named is 0, or the first value of a category.
    fn sparse(&self, text: &str) -> Option<Vec<String>> {
        let zero = |a: &Attribute| a.values.first().cloned().unwrap_or_else(|| "0".to_owned());
        let mut row: Vec<_> = self.attributes.iter().map(zero).collect();
        let body = &text[..text.rfind('}')?];
        for pair in body.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (place, value) = pair.split_once(char::is_whitespace)?;
            *row.get_mut(place.parse::<usize>().ok()?)? = cells(value).into_iter().next()?;
        }
        Some(row)
    }
}

/// The cells of a line: between commas, or blanks where it has none; in quotes of either kind or not, up to a comment.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut chars) = (Vec::new(), line.chars().peekable());
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        let (mut cell, mut plain) = (String::new(), String::new());
        if let Some(mark) = chars.next_if(|c| "'\"".contains(*c)) {
            while let Some(c) = chars.next().filter(|&c| c != mark) {
                // A quote within quotes is marked.
                cell.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
            }
        }
        while let Some(c) = chars.next_if(|&c| c != ',') {
            if c == '%' && plain.ends_with(char::is_whitespace) {
                chars = "".chars().peekable();
                break;
            }
            plain.push(c);
        }
        cell += plain.trim_end();
        cells.push(cell);
        if chars.next().is_none() {
            break;
        }
    }
    match cells.as_slice() {
        [one] if !line.contains(['\'', '"']) => one.split_whitespace().map(str::to_owned).collect(),
        _ => cells,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_and_rows_are_read() {
        let text = "% c\n@RELATION r\n@attribute 'sepal length' REAL\n@Attribute class {a,'b c'}\n@attribute n{0, 1}\n\n\
                    @DATA\n1,a,0\n% no\n2, 'b c' , 1 % so\n3,\"it's\",'o\\'k'\n4 a 1\n{0 5.5, 1 'b c'}\n{}\n";
        let found = read(text).unwrap();
        let heads: Vec<_> = found.attributes.iter().map(|a| (a.name.as_str(), a.values.join("|"))).collect();
        assert_eq!(heads, [("sepal length", String::new()), ("class", "a|b c".into()), ("n", "0|1".into())]);
        let rows: Vec<_> =
            found.rows().unwrap().into_iter().map(|(line, row)| (line, row.join("|"))).collect();
        let expected = [
            (8, "1|a|0"),
            (10, "2|b c|1"),
            (11, "3|it's|o'k"),
            (12, "4|a|1"),
            (13, "5.5|b c|0"),
            (14, "0|a|0"),
        ];
        assert_eq!(rows, expected.map(|(line, row)| (line, row.to_owned())));
        assert!(read("a,b\n").is_none());
        let bad = read("@relation r\n@attribute a real\n@data\n{9 1}\n").unwrap();
        assert!(bad.rows().unwrap_err().contains("line 4"));
    }
}
