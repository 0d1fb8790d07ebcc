//! Which class and which split each picture of a source is of: by its folders, or by lists.

use super::found::{Found, Text};
use super::gather::Pictures;
use super::lists::{self, Known, Line, Named};
use super::sheet::listed;
use super::split::{self, Split};
use crate::error::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// How a source is to be understood, as far as it is said.
pub(super) struct Wish<'a> {
    /// The source.
    pub(super) path: &'a Path,
    /// Lists, or folders of them, here or in the source.
    pub(super) lists: &'a [PathBuf],
    /// Folders, from the top, that name a class together.
    pub(super) level: Option<usize>,
    /// Whether the classes of all splits are put together.
    pub(super) pool: bool,
    /// Whether what is missing or empty is left out.
    pub(super) skip_bad: bool,
}

/// Pictures by class.
pub(super) struct Laid {
    pub(super) pictures: Pictures,
    /// The split of each class, if they are split.
    pub(super) splits: Option<BTreeMap<String, Split>>,
    /// What was told, a line each.
    pub(super) told: Vec<String>,
}

/// A picture's path, cut: the folders above those of classes, the split that they say, the folders that name its class.
#[derive(Clone, Debug)]
struct Place {
    path: String,
    above: Vec<String>,
    split: Option<Split>,
    folders: Vec<String>,
}

/// Finds the class of each picture, and its split if the source is split.
///
/// # Errors
/// [`File`](crate::ErrorKind::File) naming the folder, list or class that does not fit.
pub(super) fn lay(mut found: Found, wish: &Wish<'_>) -> Result<Laid> {
    let mut told = std::mem::take(&mut found.told);
    let mut places = cut(&found, wish, &mut told)?;
    let level = wish.level.unwrap_or_else(|| level(&places));
    if wish.level.is_none() && level > 1 {
        let deepest = places.iter().find(|place| place.folders.len() >= level);
        let example = deepest.map_or_else(String::new, |place| place.folders[..level].join("/"));
        told.push(format!(
            "a class is a folder {level} levels down, e.g. `{example}`; --class-level 1 takes those of the first level"
        ));
    }
    for place in &mut places {
        place.folders.truncate(level);
    }
    let rows = match listed_rows(&mut found, &places, wish, &mut told)? {
        Some(rows) => rows,
        None => folder_rows(&found, &places, (level, wish), &mut told)?,
    };
    assign(found, rows, wish, told)
}

/// The paths, without the folders that all of them share, and without those of splits.
fn cut(found: &Found, wish: &Wish<'_>, told: &mut Vec<String>) -> Result<Vec<Place>> {
    let split_up = |path: &String| {
        let mut folders: Vec<_> = path.split('/').map(str::to_owned).collect();
        folders.pop();
        Place { path: path.clone(), above: Vec::new(), split: None, folders }
    };
    let mut places: Vec<_> = found.pictures.keys().map(split_up).collect();
    let mut shared = Vec::new();
    // A folder around everything, as archives and downloads have it; one of training stays, as others are missing then.
    while let Some(first) = places.first().and_then(|place| place.folders.first().cloned()) {
        let around = places.iter().all(|place| place.folders.first() == Some(&first));
        if !around
            || split::named(&first) == Some(Split::Train)
            || places.iter().all(|place| place.folders.len() == 1)
        {
            break;
        }
        for place in &mut places {
            place.above.push(place.folders.remove(0));
        }
        shared.push(first);
    }
    if !shared.is_empty() {
        told.push(format!("all pictures lie below `{}`", shared.join("/")));
    }
    // A folder of a split, or the only one, that holds pictures itself says nothing of their classes.
    let only = places.first().map(|place| place.folders.clone()).unwrap_or_default();
    let of_split = |place: &Place| place.folders.len() == 1 && split::named(&place.folders[0]).is_some();
    if only.len() == 1 && (places.iter().all(|place| place.folders == only) || places.iter().all(of_split)) {
        for place in &mut places {
            place.above.push(place.folders.remove(0));
        }
        return Ok(places);
    }
    let is_train =
        |place: &Place| place.folders.len() > 1 && split::named(&place.folders[0]) == Some(Split::Train);
    if !wish.lists.is_empty() || !places.iter().any(is_train) {
        return Ok(places);
    }
    for place in &mut places {
        if place.folders.is_empty() {
            continue;
        }
        place.above.push(place.folders.remove(0));
        place.split = place.above.last().and_then(|top| split::named(top));
        if place.split.is_none() {
            let reason = "stands beside the folder of training; only those of validation and test may (val, valid, dev, test, novel)";
            return Err(Error::file(wish.path.join(place.above.join("/")), reason));
        }
    }
    Ok(places)
}

/// How many folders name a class together: one more wherever no class has pictures of its own beside several folders of them.
fn level(places: &[Place]) -> usize {
    let mut level = 1;
    loop {
        let mut below = BTreeMap::<&[String], BTreeSet<&String>>::new();
        for place in places.iter().filter(|place| !place.folders.is_empty()) {
            let Some(next) = place.folders.get(level) else { return level };
            below.entry(&place.folders[..level]).or_default().insert(next);
        }
        if below.values().all(|names| names.len() < 2) {
            return level;
        }
        level += 1;
    }
}

/// A picture with its class and, if that is known, its split.
type Row = (String, String, Option<Split>);

/// Classes by folders.
fn folder_rows(
    found: &Found,
    places: &[Place],
    (level, wish): (usize, &Wish<'_>),
    told: &mut Vec<String>,
) -> Result<Vec<Row>> {
    let (in_class, flat): (Vec<_>, Vec<_>) =
        places.iter().partition(|place| place.folders.len() >= level.max(1));
    if let Some(first) = flat.first() {
        let (n, path) = (flat.len(), &first.path);
        if in_class.is_empty() {
            let reason = format!(
                "has {n} pictures in no folder of a class, e.g. `{path}`; lay each class into a folder of its own, or give a list: \
                 --lists FILE, with a line `filename,label` for each picture"
            );
            return Err(Error::file(wish.path, reason));
        }
        told.push(format!("{n} pictures beside the folders of classes are passed over, e.g. `{path}`"));
    }
    empty_classes(found, &in_class, wish)?;
    let row = |place: &&Place| (place.path.clone(), place.folders.join("/"), place.split);
    Ok(in_class.iter().map(row).collect())
}

/// Refuses a folder without pictures where classes stand, as it is more likely a mistake than meant.
fn empty_classes(found: &Found, places: &[&Place], wish: &Wish<'_>) -> Result<()> {
    if wish.skip_bad {
        return Ok(());
    }
    let parents: BTreeSet<String> = places.iter().map(|place| place.above.join("/")).collect();
    let full = |folder: &str| {
        let below = format!("{folder}/");
        found.pictures.range(below.clone()..).next().is_some_and(|(path, _)| path.starts_with(&below))
    };
    for folder in &found.folders {
        let above = folder.rsplit_once('/').map_or("", |(above, _)| above);
        if parents.contains(above) && !full(folder) {
            let class = folder.rsplit('/').next().unwrap_or(folder);
            let reason = format!(
                "the class `{class}` has no pictures (PNG, JPEG, WebP, BMP, GIF, TIFF); two are needed, or --skip-bad leaves it out"
            );
            return Err(Error::file(wish.path.join(folder), reason));
        }
    }
    Ok(())
}

/// Classes and splits by lists: those that are named, else those that a source brings along. Nothing where there are none.
fn listed_rows(
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
    let (all, used, missing) = read_lists(found, texts, wish, &known)?;
    if used.is_empty() {
        return Ok(None);
    }
    one_folder(wish, &used)?;
    found.skipped =
        found.skipped.saturating_sub(used.iter().filter(|name| found.texts.contains_key(*name)).count());
    told.push(format!("classes by lists: {}", listed(&used)));
    if !missing.is_empty() {
        let reason = format!("{} lines name what is not there: {}", missing.len(), listed(&missing));
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
            let inner = super::found::texts(list)?;
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
                        "`{path}` lies in no folder of a class, and its list has no column of classes;                          a line `filename,label` is needed"
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
        told.push(format!("{left} pictures are in no list and left out"));
    }
    Ok(rows.into_iter().map(|(path, (class, split))| (path, class, split)).collect())
}

/// Puts pictures into their classes; a class belongs to one split.
fn assign(mut found: Found, rows: Vec<Row>, wish: &Wish<'_>, told: Vec<String>) -> Result<Laid> {
    let is_split = !wish.pool && rows.iter().any(|(.., split)| split.is_some());
    let mut pictures = Pictures { skipped: found.skipped, ..Pictures::default() };
    let mut splits = BTreeMap::new();
    for (path, class, split) in rows {
        if let Some(split) = split.filter(|_| is_split)
            && let Some(other) = splits.insert(class.clone(), split).filter(|other| *other != split)
        {
            let place = path.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned());
            let reason = format!(
                "the class `{class}` is in {other} and in {split}; a class belongs to one. --split classes puts them \
                 together and deals the classes"
            );
            return Err(Error::file(wish.path.join(place), reason));
        }
        if let Some(picture) = found.pictures.remove(&path) {
            pictures.add(&class, &path, picture)?;
        }
    }
    Ok(Laid { pictures, splits: is_split.then_some(splits), told })
}
