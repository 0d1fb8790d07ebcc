//! Which class and which split each picture of a source is of: by its folders, or by lists.

use super::found::Found;
use super::gather::Pictures;
use super::image_place::{Place, Row, Wish};
use super::listed_layout::listed_rows;
use super::picture::READ;
use super::sheet::{counted, listed};
use super::split::{self, Split};
use crate::error::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};

/// Pictures by class.
pub(super) struct Laid {
    pub(super) pictures: Pictures,
    /// The split of each class, if they are split.
    pub(super) splits: Option<BTreeMap<String, Split>>,
    /// What was told, a line each.
    pub(super) told: Vec<String>,
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
    if !wish.lists.is_empty() {
        return Ok(places);
    }
    by_folders_of_splits(places, wish)
}

/// Takes the folders of splits off the paths, if there is one of training.
fn by_folders_of_splits(mut places: Vec<Place>, wish: &Wish<'_>) -> Result<Vec<Place>> {
    let tops: BTreeSet<String> =
        places.iter().filter(|place| place.folders.len() > 1).map(|place| place.folders[0].clone()).collect();
    // Other words beside those of splits, where all folders have one: `train_images`, `val_images`.
    let within = |top: &String| split::named_within(top);
    let all_within = tops.len() > 1
        && tops.iter().all(|top| within(top).is_some())
        && tops.iter().any(|top| within(top) == Some(Split::Train))
        && tops.iter().any(|top| within(top) != Some(Split::Train));
    if !(all_within || tops.iter().any(|top| split::named(top) == Some(Split::Train))) {
        return Ok(places);
    }
    // What is called evaluation is for validation where something else is called test.
    let evaluates = |top: &str| top.to_lowercase().contains("eval");
    let tested = tops.iter().any(|top| within(top) == Some(Split::Test) && !evaluates(top));
    let split_of = |top: &String| match if all_within { within(top) } else { split::named(top) } {
        Some(Split::Test) if tested && evaluates(top) => Some(Split::Validation),
        split => split,
    };
    for place in &mut places {
        if place.folders.is_empty() {
            continue;
        }
        place.above.push(place.folders.remove(0));
        place.split = place.above.last().and_then(split_of);
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
        told.push(format!(
            "passed over, beside the folders of classes: {}, e.g. `{path}`",
            counted(n, "picture")
        ));
    }
    empty_classes(found, &in_class, wish, told)?;
    let row = |place: &&Place| (place.path.clone(), place.folders.join("/"), place.split);
    Ok(in_class.iter().map(row).collect())
}

/// Refuses a folder without pictures where classes stand, as it is more likely a mistake than meant; or names those that are left
/// out.
fn empty_classes(found: &Found, places: &[&Place], wish: &Wish<'_>, told: &mut Vec<String>) -> Result<()> {
    let mut empty = Vec::new();
    let parents: BTreeSet<String> = places.iter().map(|place| place.above.join("/")).collect();
    let full = |folder: &str| {
        let below = format!("{folder}/");
        found.pictures.range(below.clone()..).next().is_some_and(|(path, _)| path.starts_with(&below))
    };
    for folder in &found.folders {
        let above = folder.rsplit_once('/').map_or("", |(above, _)| above);
        if parents.contains(above) && !full(folder) {
            let class = folder.rsplit('/').next().unwrap_or(folder);
            if wish.skip_bad {
                empty.push(class);
                continue;
            }
            let reason = format!(
                "the class `{class}` has no pictures ({READ}); two are needed, or --skip-bad leaves it out"
            );
            return Err(Error::file(wish.path.join(folder), reason));
        }
    }
    if !empty.is_empty() {
        told.push(format!("left out, since they have no pictures: the classes {}", listed(&empty)));
    }
    Ok(())
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
