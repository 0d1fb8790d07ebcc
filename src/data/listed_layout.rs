//! Which class and which split each picture is of by lists.

use super::found::{self, Found, Text};
use super::image_place::{Place, Row, Wish};
use super::lists::{self, Known, Line, Named};
use super::sheet::{counted, listed};
use super::split::{self, Split};
use crate::error::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Classes and splits by lists: those that are named, else those that a source brings along. Nothing where there are none.
pub(super) fn listed_rows(
    found: &mut Found,
    places: &[Place],
    wish: &Wish<'_>,
    told: &mut Vec<String>,
) -> Result<Option<Vec<Row>>> {
    let by_folders = places.iter().any(|place| place.split.is_some());
    if wish.lists.is_empty() && by_folders {
        return Ok(None);
    }
    let texts = match wish.lists {
        [] => brought_along(found, places),
        lists => named_lists(found, wish.path, lists)?,
    };
    let class_of: BTreeMap<&str, String> = (places.iter())
        .filter(|place| !place.folders.is_empty())
        .map(|place| (place.path.as_str(), place.folders.join("/")))
        .collect();
    let paths: Vec<&str> = places.iter().map(|place| place.path.as_str()).collect();
    let classes: Vec<&str> =
        class_of.values().map(String::as_str).collect::<BTreeSet<_>>().into_iter().collect();
    let known = Known::new(&paths, &classes);
    let (mut all, mut used, missing) = read_lists(found, texts, wish, &known)?;
    if used.is_empty() && wish.lists.is_empty() {
        (all, used) = said_within(found, wish, &known, [paths.len(), classes.len()])?;
    }
    if used.is_empty() {
        return Ok(None);
    }
    one_folder(wish, &used)?;
    found.skipped =
        found.skipped.saturating_sub(used.iter().filter(|name| found.texts.contains_key(*name)).count());
    told.push(format!("classes by lists: {}", listed(&used)));
    if !missing.is_empty() {
        let names = if missing.len() == 1 { "names" } else { "name" };
        let reason =
            format!("{} {names} what is not there: {}", counted(missing.len(), "line"), listed(&missing));
        if !wish.skip_bad {
            return Err(Error::file(
                wish.path,
                format!("by its lists {reason}; --skip-bad does without these"),
            ));
        }
        told.push(reason);
    }
    rows_of(places, &class_of, &all, (wish, told)).map(Some)
}

/// The lines of the lists among texts, the names of those lists, and what they name that is not there.
fn read_lists<'a>(
    found: &Found,
    texts: Vec<String>,
    wish: &Wish<'_>,
    known: &Known<'a>,
) -> Result<(Vec<Line<'a>>, Vec<String>, Vec<String>)> {
    let (mut all, mut used, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for name in texts {
        let bytes = match found.texts.get(&name) {
            Some(Text::Bytes(bytes)) => bytes.clone(),
            Some(Text::File(path)) => {
                std::fs::read(path).map_err(|e| Error::file_caused(path, "cannot be read", e))?
            }
            None => std::fs::read(&name).map_err(|e| Error::file_caused(&name, "cannot be read", e))?,
        };
        let list = match lists::read(Path::new(&name), bytes, known) {
            // What lies beside pictures by chance need not be a list.
            Err(_) if wish.lists.is_empty() => continue,
            list => list?,
        };
        if list.lines.is_empty() {
            if wish.lists.is_empty() {
                continue;
            }
            let reason = format!(
                "names none of the pictures and classes of {}; it names {}",
                wish.path.display(),
                listed(&list.missing)
            );
            return Err(Error::file(name, reason));
        }
        missing.extend(list.missing);
        all.extend(list.lines);
        used.push(name);
    }
    Ok((all, used, missing))
}

/// Texts of a source that may be its lists: those that are called by a split; all, where pictures lie in no folder of a class.
fn brought_along(found: &Found, places: &[Place]) -> Vec<String> {
    let flat = places.iter().all(|place| place.folders.is_empty());
    let called = |name: &&String| {
        let stem = name.rsplit('/').next().unwrap_or_default().rsplit_once('.').map_or("", |(stem, _)| stem);
        let words = || stem.split(['_', '-', '.', ' ']);
        split::named(stem).is_some()
            || words().any(|word| {
                split::named(word).is_some() || ["split", "splits"].contains(&word.to_lowercase().as_str())
            })
    };
    found.texts.keys().filter(|name| flat || called(name)).cloned().collect()
}

/// Most files beside the pictures that are looked into for what they are not called.
const LOOKED_INTO: usize = 20;

/// The one list at the top, whatever it is called, that names all of so many pictures or classes, each of one of several splits.
fn said_within<'a>(
    found: &Found,
    wish: &Wish<'_>,
    known: &Known<'a>,
    [pictures, classes]: [usize; 2],
) -> Result<(Vec<Line<'a>>, Vec<String>)> {
    let mut whole = Vec::new();
    for name in found.texts.keys().filter(|name| !name.contains('/')).take(LOOKED_INTO) {
        let (lines, used, missing) = read_lists(found, vec![name.clone()], wish, known)?;
        let splits: BTreeSet<_> = lines.iter().map(|line| line.split).collect();
        let of_pictures = lines.iter().filter(|line| matches!(line.named, Named::Picture(_))).count();
        let each = [(pictures, pictures), (classes, 0)].contains(&(lines.len(), of_pictures));
        if each && missing.is_empty() && splits.len() > 1 && !splits.contains(&None) {
            whole.push((lines, used));
        }
    }
    let one = if whole.len() == 1 { whole.pop() } else { None };
    Ok(one.unwrap_or_default())
}

/// Lists that a person named: files, or folders of them, on this machine or else in the source.
fn named_lists(found: &mut Found, source: &Path, lists: &[PathBuf]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for list in lists {
        let Some(name) = list.to_str() else { return Err(Error::file(list, "has a name that is not UTF-8")) };
        let plain = name.trim_end_matches('/').trim_start_matches("./");
        let before = names.len();
        if list.is_file() {
            names.push(name.to_owned());
        } else if list.is_dir() {
            let inner = found::texts(list)?;
            names.extend(inner.iter().map(|path| path.to_string_lossy().into_owned()));
        } else {
            let inside =
                found.texts.keys().filter(|text| *text == plain || text.starts_with(&format!("{plain}/")));
            names.extend(inside.cloned().collect::<Vec<_>>());
        }
        if names.len() == before {
            let reason = format!(
                "is no list (.txt, .csv, .tsv, .json) and no folder of lists, here or in {}",
                source.display()
            );
            return Err(Error::file(list, reason));
        }
    }
    Ok(names)
}

/// Refuses lists of several folders, of which one is meant.
fn one_folder(wish: &Wish<'_>, used: &[String]) -> Result<()> {
    let folder = |name: &String| name.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned());
    let folders: Vec<_> = used.iter().map(folder).collect::<BTreeSet<_>>().into_iter().collect();
    if folders.len() < 2 || !wish.lists.is_empty() {
        return Ok(());
    }
    let reason = format!(
        "has lists in {}; say which are meant: --lists {}",
        listed(&folders),
        folders[folders.len() - 1]
    );
    Err(Error::file(wish.path, reason))
}

/// The pictures that lists name, with their classes and splits.
fn rows_of(
    places: &[Place],
    class_of: &BTreeMap<&str, String>,
    lines: &[Line<'_>],
    (wish, told): (&Wish<'_>, &mut Vec<String>),
) -> Result<Vec<Row>> {
    let mut members = BTreeMap::<&str, Vec<&str>>::new();
    for (path, class) in class_of {
        members.entry(class).or_default().push(path);
    }
    let splits: BTreeSet<_> = lines.iter().map(|line| line.split).collect();
    if splits.len() == 1 {
        told.push("the lists name no more than one split: classes are dealt by the seed".to_owned());
    }
    let split_of = |line: &Line<'_>| line.split.filter(|_| splits.len() > 1);
    let mut rows = BTreeMap::<String, (String, Option<Split>)>::new();
    for line in lines.iter().filter(|line| splits.len() == 1 || line.split.is_some()) {
        let named: Vec<(&str, String)> = match line.named {
            Named::Class(class) => {
                members.get(class).into_iter().flatten().map(|path| (*path, class.to_owned())).collect()
            }
            Named::Picture(path) => {
                let folder = class_of.get(path);
                // Numbers of classes say less than the names of their folders.
                let said =
                    line.class.as_ref().filter(|class| folder.is_none() || class.parse::<u64>().is_err());
                let Some(class) = said.or(folder) else {
                    let reason = format!(
                        "`{path}` lies in no folder of a class, and its list has no column of classes; a line `filename,label` is needed"
                    );
                    return Err(Error::file(wish.path, reason));
                };
                vec![(path, class.clone())]
            }
        };
        for (path, class) in named {
            let row = (class, split_of(line));
            if let Some(before) = rows.insert(path.to_owned(), row.clone()).filter(|before| *before != row) {
                let of = |(class, split): &(String, Option<Split>)| match split {
                    Some(split) => format!("`{class}` in {split}"),
                    None => format!("`{class}`"),
                };
                let reason = format!("`{path}` is of {} and of {} by its lists", of(&before), of(&row));
                return Err(Error::file(wish.path, reason));
            }
        }
    }
    let left = places.len() - rows.len();
    if left > 0 {
        told.push(format!("left out, as in no list: {}", counted(left, "picture")));
    }
    Ok(rows.into_iter().map(|(path, (class, split))| (path, class, split)).collect())
}
