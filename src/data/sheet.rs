//! Text in rows and columns, as files of tables and of series hold it.

pub use super::numbers::Decimal;
pub(super) use super::numbers::number;
use super::set::hex;
use crate::error::{Error, Result};
use crate::philox::{Philox, Purpose};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};

/// How a file of text is to be read, as far as it is said; what is not is told from the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dialect {
    /// What stands between cells: one character, `tab` or `space`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub separator: Option<String>,
    /// What stands before a number's fraction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimal: Option<Decimal>,
    /// The encoding, by a label of the WHATWG standard, e.g. `windows-1252` or `shift_jis`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// Whether the first row names the columns; without names they are called 1, 2, ….
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    /// Words that stand for no value, besides those that always do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing_values: Vec<String>,
}

/// Words that stand for no value in any case, besides an empty cell.
const MISSING: [&str; 31] = [
    "na",
    "n/a",
    "n.a.",
    "#n/a",
    "#n/a n/a",
    "#na",
    "<na>",
    "nan",
    "-nan",
    "nat",
    "1.#ind",
    "-1.#ind",
    "1.#qnan",
    "-1.#qnan",
    "null",
    "(null)",
    "<null>",
    "none",
    "nil",
    "undefined",
    "?",
    "-",
    "--",
    ".",
    "..",
    "\\n",
    "#value!",
    "#div/0!",
    "#ref!",
    "#num!",
    "#name?",
];

impl Dialect {
    /// Checks what is said.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming `task.separator`.
    pub fn check(&self) -> Result<()> {
        let Some(text) = &self.separator else { return Ok(()) };
        match self.separator_byte() {
            Some(_) => Ok(()),
            None => {
                let reason =
                    format!("is `{text}`; one character such as \";\", or \"tab\" or \"space\", is needed");
                Err(Error::recipe("task.separator", reason))
            }
        }
    }

    /// The separator as a byte.
    pub(super) fn separator_byte(&self) -> Option<u8> {
        match self.separator.as_deref()? {
            "tab" | "\\t" => Some(b'\t'),
            "space" => Some(b' '),
            other => Some(other.as_bytes()[..].first().copied()?)
                .filter(|byte| other.len() == 1 && byte.is_ascii() && !b"\"\r\n".contains(byte)),
        }
    }

    /// Whether a cell holds no value.
    #[must_use]
    pub fn is_missing(&self, cell: &str) -> bool {
        cell.is_empty()
            || MISSING.iter().any(|word| cell.eq_ignore_ascii_case(word))
            || self.missing_values.iter().any(|word| word == cell)
    }
}

/// A file's cells.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet {
    /// The file; of generated rows, a name.
    pub path: PathBuf,
    /// SHA-256 of the file as it lies there.
    pub sha256: String,
    /// Names of the columns; their numbers from 1 where the file has none.
    pub columns: Vec<String>,
    /// Whether the file names its columns.
    pub named: bool,
    /// What was told from the file that a person should know, a line each.
    pub notes: Vec<String>,
    pub(super) dialect: Dialect,
    /// What stands before the fraction in each column; nothing where that cannot be told.
    pub(super) decimals: Vec<Option<Decimal>>,
    /// Whether each column holds categories by the file's own word; empty where a file says nothing.
    pub(super) nominal: Vec<bool>,
    /// The line that each row begins at.
    pub(super) lines: Vec<u64>,
    pub(super) text: String,
    /// Where each cell ends in the text, `[rows, columns]`; it begins where the one before ends.
    pub(super) ends: Vec<usize>,
}

impl Sheet {
    /// Number of rows, the header not counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is no row; a file always has one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The cell of a row and a column, without the space around it.
    #[must_use]
    pub fn cell(&self, row: usize, column: usize) -> &str {
        let at = row * self.columns.len() + column;
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.text[start..self.ends[at]]
    }

    /// The cell, if it holds a value.
    #[must_use]
    pub fn value(&self, row: usize, column: usize) -> Option<&str> {
        Some(self.cell(row, column)).filter(|cell| !self.dialect.is_missing(cell))
    }

    /// Whether the file itself says that a column holds categories.
    pub(super) fn is_nominal(&self, column: usize) -> bool {
        self.nominal.get(column).is_some_and(|nominal| *nominal)
    }

    /// The line of a row.
    #[must_use]
    pub fn line(&self, row: usize) -> u64 {
        self.lines[row]
    }

    /// A cell's text as a number; nothing if it is none.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) if it cannot be told whether its comma stands before a fraction.
    pub fn number(&self, row: usize, column: usize) -> Result<Option<f64>> {
        let cell = self.cell(row, column);
        let Some(decimal) = self.decimals[column] else {
            if number(cell, Decimal::Point) == number(cell, Decimal::Comma) {
                return Ok(number(cell, Decimal::Point));
            }
            let reason = format!(
                "`{cell}` may be a fraction or have a mark of thousands, as all such cells of the column; say which: \
                 --set task.decimal=comma or --set task.decimal=point"
            );
            return Err(self.wrong(row, column, &reason));
        };
        Ok(number(cell, decimal))
    }

    /// The place of a column by its name or, where the file has no names, its number.
    #[must_use]
    pub fn place(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|name| name == column)
    }

    /// The place of the column that the setting `key` names.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming the setting, and at most ten of the columns there are.
    pub fn find(&self, key: &str, column: &str) -> Result<usize> {
        self.place(column).ok_or_else(|| {
            let near = self.columns.iter().find(|name| name.eq_ignore_ascii_case(column));
            let hint = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
            let (file, columns) = (self.path.display(), listed(&self.columns));
            let unnamed = match self.named {
                true => String::new(),
                false => " (its first line is a row of values, so columns go by their numbers; --set task.header=true takes \
                          it for names)"
                    .to_owned(),
            };
            let choose = match (key, column) {
                ("task.label", "label") => "; --label names the column of classes, or --target one of numbers to predict",
                _ => "",
            };
            let reason =
                format!("is `{}`, no column of {file}; {hint}its columns are {columns}{unnamed}{choose}", shown(column));
            Error::recipe(key, reason)
        })
    }

    /// What is wrong with a cell.
    #[must_use]
    pub fn wrong(&self, row: usize, column: usize, what: &str) -> Error {
        let (line, name) = (self.line(row), shown(&self.columns[column]));
        Error::file(&self.path, format!("line {line}, column `{name}`: {what}"))
    }

    /// The file's name, for people.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned()
    }

    /// Checks that it is the file that is known; `key` is the setting that holds the sum.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) naming it if it has another SHA-256.
    pub fn check(&self, key: &str, known: Option<&str>) -> Result<()> {
        check(&self.path, key, known, &self.sha256)
    }

    /// Rows that the program makes itself, the same every time: `classes` with `rows` each, the last column `label` names the
    /// class; each class is a cloud around a point of its own, with `spread` as the noise's half width (centres lie within
    /// ± 1).
    #[must_use]
    pub fn generate(classes: usize, rows: usize, features: usize, spread: f64) -> Self {
        let (mut text, mut ends, mut digest) = (String::new(), Vec::new(), Sha256::new());
        let draw = |words: &mut Philox, half: f64| half * (2.0 * words.random::<f64>() - 1.0);
        for class in 0..classes {
            let mut words = Philox::stream(0, Purpose::Data, 0, class as u32);
            let centre: Vec<_> = (0..features).map(|_| draw(&mut words, 1.0)).collect();
            for _ in 0..rows {
                for centre in &centre {
                    let value = centre + draw(&mut words, spread);
                    digest.update(value.to_le_bytes());
                    text += &value.to_string();
                    ends.push(text.len());
                }
                text += &format!("class {class:02}");
                ends.push(text.len());
            }
        }
        let names = (0..features).map(|f| format!("x{f}")).chain(["label".to_owned()]);
        Self {
            path: PathBuf::from("generated rows"),
            sha256: hex(&digest.finalize()),
            columns: names.collect(),
            named: true,
            notes: Vec::new(),
            dialect: Dialect::default(),
            decimals: vec![Some(Decimal::Point); features + 1],
            nominal: Vec::new(),
            lines: (0..(classes * rows) as u64).map(|row| row + 2).collect(),
            text,
            ends,
        }
    }
}

/// Checks that a file is the one that is known.
pub(super) fn check(path: &Path, key: &str, known: Option<&str>, found: &str) -> Result<()> {
    match known {
        Some(known) if !known.eq_ignore_ascii_case(found) => {
            let reason = format!(
                "is not the file that the run was made with: its SHA-256 is {found}, {key} says {known}; put the old file \
                 back, or train anew"
            );
            Err(Error::file(path, reason))
        }
        _ => Ok(()),
    }
}

/// So many of a thing, e.g. `1 row` and `2 rows`.
#[must_use]
pub fn counted(n: usize, of: &str) -> String {
    match (n, of) {
        (1, _) | (_, "series") => format!("{n} {of}"),
        _ if of.ends_with('s') => format!("{n} {of}es"),
        _ => format!("{n} {of}s"),
    }
}

/// At most ten names in quotes, and how many more there are.
#[must_use]
pub fn listed<S: AsRef<str>>(names: &[S]) -> String {
    let quoted = |name: &S| format!("`{}`", shown(name.as_ref()));
    // The eleventh is counted only.
    ten(&names
        .iter()
        .enumerate()
        .map(|(at, name)| if at < 10 { quoted(name) } else { String::new() })
        .collect::<Vec<_>>())
}

/// At most ten texts, and how many more there are.
pub(super) fn ten(texts: &[String]) -> String {
    let some = texts[..texts.len().min(10)].join(", ");
    match texts.len() {
        ..=10 => some,
        all => format!("{some} and {} more", all - 10),
    }
}

/// Text of a file as a terminal may show it: short, and nothing that controls it.
#[must_use]
pub fn shown(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(60)
        .flat_map(|c| {
            let plain = !c.is_control();
            plain.then_some(c).into_iter().chain(c.escape_default().filter(move |_| !plain))
        })
        .collect();
    if text.chars().nth(60).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_short_and_controls_nothing() {
        assert_eq!(shown("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(shown(&"x".repeat(70)).chars().count(), 61);
        let names: Vec<_> = (1..=12).map(|n| n.to_string()).collect();
        assert!(listed(&names).ends_with("`10` and 2 more"));
    }
}
