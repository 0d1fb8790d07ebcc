//! A folder of class folders, as most image sets come.

use super::gather::Pictures;
use super::picture::{Picture, Rule};
use super::set::{MAX_SIDE, check_name};
use super::split::{Split, deal};
use super::{Imported, Phase, Step, Watch, glyphs};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How a folder becomes a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderImport {
    /// The set's name.
    pub name: String,
    /// Width and height of the images, in pixels.
    pub side: usize,
    /// One channel instead of three.
    pub gray: bool,
    /// Shares of the classes for training, validation and testing, for folders that are not split already; by default
    /// 64, 16 and 20, those of miniImageNet (Ravi and Larochelle 2017).
    pub shares: Option<[usize; 3]>,
    /// The seed that deals classes to the splits.
    pub seed: u64,
}

const SHARES: [usize; 3] = [64, 16, 20];
const MAX_PICTURE_SIDE: u32 = 16_384;
/// Of one picture's decoded pixels: 89 million of three bytes. Every core decodes one at a time.
const MAX_PICTURE_BYTES: u64 = 1 << 28;
/// Folders below a class; also ends the walk of a link that leads to a folder above it.
const DEPTH: usize = 8;

impl FolderImport {
    /// Imports `dir/{train,val,test}/<class>/…` (`validation` is `val`), or `dir/<class>/…`, whose classes the seed
    /// deals to the splits. PNG and JPEG pictures, at any depth below their class, are turned as their camera says,
    /// cut to the middle square and resized; transparency is dropped.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) for a name, size or shares that cannot be;
    /// [`File`](crate::ErrorKind::File) naming the folder or picture that is unreadable, damaged or too large, a class
    /// with fewer than two pictures or in two splits, or fewer than three classes;
    /// [`Limit`](crate::ErrorKind::Limit) if the set would be too large.
    pub fn run(&self, dir: &Path, watch: Watch<'_>) -> Result<Imported> {
        self.check()?;
        let mut pictures = Pictures::default();
        let tops = subfolders(dir, &mut pictures.skipped)?;
        let is_split = match tops.iter().find(|(name, _)| name == "train") {
            Some((_, train)) => !subfolders(train, &mut 0)?.is_empty(),
            None => false,
        };
        let dealt = if is_split {
            if self.shares.is_some() {
                let reason =
                    format!("is not needed: {} is split into train, val and test already", dir.display());
                return Err(Error::recipe("--split", reason));
            }
            split_classes(&tops, &mut pictures, watch)?
        } else {
            for (class, place) in &tops {
                take(place, class, &mut pictures, watch)?;
            }
            BTreeMap::new()
        };
        let found = pictures.classes.len();
        if found < 3 {
            return Err(Error::file(
                dir,
                format!("holds {found} folders of pictures; three classes are needed"),
            ));
        }
        let (splits, how): (Vec<_>, _) = match is_split {
            true => (dealt.into_values().collect(), "split as found".to_owned()),
            false => {
                let splits = deal(found, self.shares.unwrap_or(SHARES), self.seed);
                (splits, format!("split by seed {}", self.seed))
            }
        };
        let notes = (Split::ALL.iter())
            .filter(|split| !splits.contains(split))
            .map(|split| format!("there are no classes for {split}"))
            .collect();
        let skipped = pictures.skipped;
        let set = pictures.assemble(&self.name, &self.rule(), &splits, watch)?;
        Ok(Imported { set: set.with_source(format!("pictures from a folder, {how}")), skipped, notes })
    }

    fn check(&self) -> Result<()> {
        check_name(&self.name)?;
        if self.name == glyphs::NAME {
            let reason = format!("`{}` is the set that the program draws; choose another name", self.name);
            return Err(Error::recipe("NAME", reason));
        }
        if self.side == 0 || self.side > MAX_SIDE {
            return Err(Error::recipe(
                "--size",
                format!("is {}, but 1 to {MAX_SIDE} are allowed", self.side),
            ));
        }
        match self.shares {
            Some([0, 0, 0]) => Err(Error::recipe("--split", "is 0 everywhere")),
            Some(_) | None => Ok(()),
        }
    }

    fn rule(&self) -> Rule {
        Rule {
            channels: if self.gray { 1 } else { 3 },
            side: self.side,
            max_side: MAX_PICTURE_SIDE,
            max_bytes: MAX_PICTURE_BYTES,
            invert: false,
        }
    }
}

/// Takes the classes of folders that are splits; returns the split of each.
fn split_classes(
    tops: &[(String, PathBuf)],
    pictures: &mut Pictures,
    watch: Watch<'_>,
) -> Result<BTreeMap<String, Split>> {
    let mut dealt = BTreeMap::new();
    for (name, top) in tops {
        let split = match name.as_str() {
            "train" => Split::Train,
            "val" | "validation" => Split::Validation,
            "test" => Split::Test,
            _ => return Err(Error::file(top, "stands beside train; only val, validation and test may")),
        };
        for (class, place) in subfolders(top, &mut pictures.skipped)? {
            if let Some(other) = dealt.insert(class.clone(), split) {
                let reason =
                    format!("the class `{class}` is in {other} and in {split}; a class belongs to one");
                return Err(Error::file(&place, reason));
            }
            take(&place, &class, pictures, watch)?;
        }
    }
    Ok(dealt)
}

/// What belongs to the system and not to the set.
fn is_stray(name: &str) -> bool {
    name.starts_with('.') || name == "__MACOSX"
}

/// Names and paths of the folders in a folder, by name; files are counted as skipped.
fn subfolders(dir: &Path, skipped: &mut usize) -> Result<Vec<(String, PathBuf)>> {
    let failed = |e| Error::file_caused(dir, "cannot be read", e);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else {
            return Err(Error::file(&path, "has a name that is not UTF-8"));
        };
        if !path.is_dir() {
            *skipped += 1;
        } else if !is_stray(name) {
            found.push((name.to_owned(), path));
        }
    }
    found.sort();
    Ok(found)
}

/// Adds a class; an empty one is refused, as it is more likely a mistake than meant.
fn take(dir: &Path, class: &str, pictures: &mut Pictures, watch: Watch<'_>) -> Result<()> {
    let before = pictures.len();
    walk(dir, class, &mut Vec::new(), pictures, watch)?;
    if pictures.len() == before {
        return Err(Error::file(
            dir,
            format!("the class `{class}` has no PNG or JPEG pictures; two are needed"),
        ));
    }
    Ok(())
}

fn walk(
    dir: &Path,
    class: &str,
    names: &mut Vec<String>,
    pictures: &mut Pictures,
    watch: Watch<'_>,
) -> Result<()> {
    let failed = |e| Error::file_caused(dir, "cannot be read", e);
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(name) = path.file_name().and_then(|n| n.to_str()).filter(|name| !is_stray(name)) else {
            pictures.skipped += 1;
            continue;
        };
        names.push(name.to_owned());
        if path.is_dir() {
            if names.len() > DEPTH {
                return Err(Error::file(&path, format!("lies too deep below the class `{class}`")));
            }
            walk(&path, class, names, pictures, watch)?;
        } else if is_picture(&path) && path.is_file() {
            pictures.add(class, &names.join("/"), Picture::File(path))?;
            watch(Step { phase: Phase::Read, done: pictures.len() as u64, total: 0 });
        } else {
            pictures.skipped += 1;
        }
        names.pop();
    }
    Ok(())
}

fn is_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    ["png", "jpg", "jpeg"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}
