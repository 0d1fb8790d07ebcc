//! Published splits and labels: lists of classes or of pictures, as text, CSV or JSON.

use super::decode::decode;
use super::form;
use super::split::{self, Split};
use crate::error::{Error, Result};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// Columns of a list that hold a class, by their names.
const CLASS: [&str; 10] =
    ["label", "class", "class_name", "classname", "category", "target", "name", "breed", "species", "wnid"];

/// What a line of a list names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named<'a> {
    /// The picture of this path.
    Picture(&'a str),
    /// All pictures of this class.
    Class(&'a str),
}

/// A line that names something that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) named: Named<'a>,
    /// The class that the list gives it; else that of its folder.
    pub(super) class: Option<String>,
    pub(super) split: Option<Split>,
}

/// What a list names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Listed<'a> {
    pub(super) lines: Vec<Line<'a>>,
    /// What it names that is not there.
    pub(super) missing: Vec<String>,
}

/// What is there, to be looked up by what lists call it.
pub(super) struct Known<'a> {
    /// Pictures by the last part of their paths, with and without ending.
    pictures: HashMap<&'a str, Vec<&'a str>>,
    /// Classes by their names, and by the last part of these where that is one's alone.
    classes: HashMap<&'a str, Option<&'a str>>,
}

impl<'a> Known<'a> {
    /// `pictures` are paths, `classes` names.
    pub(super) fn new(pictures: &[&'a str], classes: &[&'a str]) -> Self {
        let mut known = Self { pictures: HashMap::new(), classes: HashMap::new() };
        for &path in pictures {
            let last = last(path);
            known.pictures.entry(last).or_default().push(path);
            if let Some((stem, _)) = last.rsplit_once('.') {
                known.pictures.entry(stem).or_default().push(path);
            }
        }
        for &class in classes {
            known.classes.entry(last(class)).and_modify(|one| *one = None).or_insert(Some(class));
        }
        known.classes.extend(classes.iter().map(|&class| (class, Some(class))));
        known
    }

    /// The picture that a cell names: of several by one last part that which shares most of the path, if one alone does.
    fn picture(&self, cell: &str) -> Option<&'a str> {
        let plain = cell.replace('\\', "/");
        let found = self.pictures.get(last(&plain))?;
        let shared = |path: &str| {
            let parts = path.rsplit('/').zip(plain.rsplit('/')).skip(1);
            parts.take_while(|(a, b)| a == b).count()
        };
        let most = found.iter().map(|path| shared(path)).max()?;
        let mut best = found.iter().filter(|path| shared(path) == most);
        best.next().copied().filter(|_| best.next().is_none())
    }

    fn class(&self, cell: &str) -> Option<&'a str> {
        *self.classes.get(cell.trim_end_matches('/'))?
    }

    /// What a cell names.
    fn named(&self, cell: &str) -> Option<Named<'a>> {
        self.class(cell).map(Named::Class).or_else(|| self.picture(cell).map(Named::Picture))
    }
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Reads a list: what of `known` its lines name. A list without words for splits is of that which its file is called by.
///
/// # Errors
/// [`File`](crate::ErrorKind::File) if it is no text, or JSON that is cut.
pub(super) fn read<'a>(path: &Path, bytes: Vec<u8>, known: &Known<'a>) -> Result<Listed<'a>> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let split = split::named_last(stem).or_else(|| stem.split(['_', '-', '.', ' ']).find_map(split::named));
    let start = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes).trim_ascii_start();
    let mut rows = if start.starts_with(b"{") || start.starts_with(b"[") {
        let value =
            serde_json::from_slice(start).map_err(|e| Error::file_caused(path, "is damaged JSON", e))?;
        json(&value, split, known)
    } else {
        let (text, _) = decode(path, bytes, None)?;
        table(&text, known)
    };
    for row in &mut rows {
        row.split = row.split.or(split);
    }
    let mut listed = Listed::default();
    for Row { cell, class, split } in rows {
        match known.named(&cell) {
            Some(named) => listed.lines.push(Line { named, class, split }),
            None => listed.missing.push(cell),
        }
    }
    Ok(listed)
}

/// A line before it is looked up.
struct Row {
    cell: String,
    class: Option<String>,
    split: Option<Split>,
}

/// The rows of JSON: `{"train": […], …}`, `{"cat": "train", …}`, `{"label_names": […], "image_names": […], "image_labels": […]}`,
/// `{"cat": [pictures], …}`, `[…]`, objects within objects.
fn json(value: &Value, split: Option<Split>, known: &Known<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    let words = |key: &str| value.get(key).and_then(Value::as_array);
    if let (Some(images), Some(labels)) = (words("image_names"), words("image_labels")) {
        let names = words("label_names");
        for (image, label) in images.iter().zip(labels) {
            let place = label.as_u64().and_then(|place| usize::try_from(place).ok());
            let class = place.and_then(|place| names?.get(place)?.as_str());
            let Some(cell) = image.as_str() else { continue };
            // Such lists hold classes of other splits by name, too.
            rows.push(Row { cell: cell.to_owned(), class: class.map(str::to_owned), split });
        }
        return rows;
    }
    gather(value, (split, None), known, &mut rows);
    rows
}

fn gather(
    value: &Value,
    (split, class): (Option<Split>, Option<&str>),
    known: &Known<'_>,
    rows: &mut Vec<Row>,
) {
    match value {
        Value::String(text) => match (split::named(text), class) {
            (Some(split), Some(cell)) => {
                rows.push(Row { cell: cell.to_owned(), class: None, split: Some(split) });
            }
            _ => rows.push(Row { cell: text.clone(), class: class.map(str::to_owned), split }),
        },
        Value::Array(values) => values.iter().for_each(|value| gather(value, (split, class), known, rows)),
        Value::Object(fields) => {
            for (key, value) in fields {
                match split::named(key) {
                    Some(split) if known.class(key).is_none() => {
                        gather(value, (Some(split), class), known, rows)
                    }
                    _ => gather(value, (split, Some(key)), known, rows),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The rows of lines of text, or of a table with a column of pictures or classes, told by what they name.
fn table(text: &str, known: &Known<'_>) -> Vec<Row> {
    let (body, _, named) = form::without_head(text);
    let separator = named.unwrap_or_else(|| form::separator(body));
    let cells: Vec<Vec<String>> = match separator {
        b' ' => body.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect(),
        _ => {
            let mut reader = csv::ReaderBuilder::new();
            let reader = reader.delimiter(separator).has_headers(false).flexible(true).trim(csv::Trim::All);
            let records = reader.from_reader(body.as_bytes()).into_records();
            records
                .map_while(std::result::Result::ok)
                .map(|row| row.iter().map(str::to_owned).collect())
                .collect()
        }
    };
    let cells: Vec<_> = cells.into_iter().filter(|row| row.iter().any(|cell| !cell.is_empty())).collect();
    let width = cells.iter().map(Vec::len).max().unwrap_or(0);
    let count = |column: usize, is: &dyn Fn(&str) -> bool| {
        cells.iter().filter(|row| row.get(column).is_some_and(|cell| is(cell))).count()
    };
    let best = |is: &dyn Fn(&str) -> bool| {
        let found = (0..width).map(|column| (count(column, is), std::cmp::Reverse(column))).max();
        found.filter(|(count, _)| *count > 0).map(|(count, column)| (count, column.0))
    };
    let (pictures, classes) =
        (best(&|cell| known.picture(cell).is_some()), best(&|cell| known.class(cell).is_some()));
    // A class stands once in a list of classes, and again and again beside pictures.
    let of_pictures = pictures.is_some_and(|(n, at)| {
        classes.is_none_or(|(m, column)| n > m || at != column && (n == m || repeats(&cells, column)))
    });
    let Some((_, key)) = (if of_pictures { pictures } else { classes.or(pictures) }) else {
        return lines_of_nothing(&cells);
    };
    let splits = (0..width).find(|&column| {
        let said = count(column, &|cell| split::named(cell).is_some());
        column != key && said > 0 && said + 1 >= cells.len()
    });
    let class = if of_pictures { class_column(&cells, (key, splits), width) } else { None };
    // A first row that names nothing names the columns.
    let head = cells.first().is_some_and(|row| row.get(key).is_none_or(|cell| known.named(cell).is_none()));
    let at = |row: &[String], column: Option<usize>| column.and_then(|column| row.get(column)).cloned();
    let rows = cells.iter().skip(usize::from(head && cells.len() > 1)).filter_map(|row| {
        let split = at(row, splits).and_then(|cell| split::named(&cell));
        Some(Row { cell: row.get(key)?.clone(), class: at(row, class), split })
    });
    rows.collect()
}

/// A list that names nothing that is there: what it names is missing.
fn lines_of_nothing(cells: &[Vec<String>]) -> Vec<Row> {
    cells
        .iter()
        .filter_map(|row| Some(Row { cell: row.first()?.clone(), class: None, split: None }))
        .collect()
}

/// The column of classes beside one of pictures: that which is called so, or the only other one.
fn class_column(cells: &[Vec<String>], (key, splits): (usize, Option<usize>), width: usize) -> Option<usize> {
    let others: Vec<_> = (0..width).filter(|&column| column != key && Some(column) != splits).collect();
    let head = cells.first()?;
    let called = |name: &&str| {
        others
            .iter()
            .copied()
            .find(|&column| head.get(column).is_some_and(|cell| cell.eq_ignore_ascii_case(name)))
    };
    CLASS.iter().find_map(called).or(match others[..] {
        [only] => repeats(cells, only).then_some(only),
        _ => None,
    })
}

fn repeats(cells: &[Vec<String>], column: usize) -> bool {
    let values: HashSet<_> = cells.iter().filter_map(|row| row.get(column)).collect();
    values.len() < cells.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(name: &str, text: &str) -> Vec<(String, Option<String>, Option<Split>)> {
        let pictures = ["images/a1.jpg", "images/a2.jpg", "images/b1.jpg", "cat/x.png", "dog/x.png"];
        let classes = ["cat", "dog", "birds/owl"];
        let known = Known::new(&pictures, &classes);
        let listed = read(Path::new(name), text.as_bytes().to_vec(), &known).unwrap();
        let told = |line: Line<'_>| match line.named {
            Named::Picture(path) | Named::Class(path) => (path.to_owned(), line.class, line.split),
        };
        let missing = listed.missing.into_iter().map(|cell| (format!("no {cell}"), None, None));
        listed.lines.into_iter().map(told).chain(missing).collect()
    }

    fn row(named: &str, class: &str, split: Option<Split>) -> (String, Option<String>, Option<Split>) {
        (named.to_owned(), (!class.is_empty()).then(|| class.to_owned()), split)
    }

    #[test]
    fn lists_are_read_in_the_forms_that_they_are_published_in() {
        use Split::{Test, Train, Validation};
        let (train, val, test) = (Some(Train), Some(Validation), Some(Test));
        for (name, text, expected) in [
            // Names of classes, as for CIFAR-FS.
            ("val.txt", "cat\ndog\n", vec![row("cat", "", val), row("dog", "", val)]),
            ("novel.txt", "owl\nlynx\n", vec![row("birds/owl", "", test), row("no lynx", "", None)]),
            // Pictures with their classes, as for miniImageNet.
            (
                "train.csv",
                "filename,label\na1.jpg,n01\na2.jpg,n01\nb1.jpg,n02\n",
                vec![
                    row("images/a1.jpg", "n01", train),
                    row("images/a2.jpg", "n01", train),
                    row("images/b1.jpg", "n02", train),
                ],
            ),
            // As for CUB.
            (
                "base.json",
                r#"{"label_names": ["cat", "dog"], "image_names": ["/home/x/cat/x.png", "/home/x/dog/x.png"], "image_labels": [0, 1]}"#,
                vec![row("cat/x.png", "cat", train), row("dog/x.png", "dog", train)],
            ),
            (
                "split.json",
                r#"{"train": ["cat"], "test": ["owl"]}"#,
                vec![row("birds/owl", "", test), row("cat", "", train)],
            ),
            (
                "classes.json",
                r#"{"cat": "train", "dog": "val"}"#,
                vec![row("cat", "", train), row("dog", "", val)],
            ),
            (
                "split.csv",
                "class,split\ncat,train\ndog,test\n",
                vec![row("cat", "", train), row("dog", "", test)],
            ),
            (
                "labels.csv",
                "id,breed\na1,pug\nb1,husky\na2,pug\n",
                vec![
                    row("images/a1.jpg", "pug", None),
                    row("images/b1.jpg", "husky", None),
                    row("images/a2.jpg", "pug", None),
                ],
            ),
            (
                "train.txt",
                "images/a1.jpg 0\nimages/b1.jpg 0\n",
                vec![row("images/a1.jpg", "0", train), row("images/b1.jpg", "0", train)],
            ),
            // Two pictures of one name, and no word that tells them apart.
            ("val.csv", "file\nx.png\n", vec![row("no file", "", None), row("no x.png", "", None)]),
        ] {
            assert_eq!(listed(name, text), expected, "{name}");
        }
    }
}
