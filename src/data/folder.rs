//! A folder of class folders, as most image sets come.

use super::gather::Pictures;
use super::picture::{Picture, Rule, is_picture};
use super::set::{ImageSet, MAX_SIDE, check_name};
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
    /// Whether the classes of folders that are split are put together and dealt anew, since a class may be in several.
    pub pool: bool,
    /// The seed that deals classes to the splits.
    pub seed: u64,
    /// What transparent pictures are laid on.
    pub background: [u8; 3],
    /// Whether pictures that cannot be read, and classes of fewer than two, are left out; else they are an error.
    pub skip_bad: bool,
}

const SHARES: [usize; 3] = [64, 16, 20];
const MAX_PICTURE_SIDE: u32 = 16_384;
/// Of one picture's decoded pixels: 89 million of three bytes. Every core decodes one at a time.
const MAX_PICTURE_BYTES: u64 = 1 << 28;
/// Folders below a class; also ends the walk of a link that leads to a folder above it.
const DEPTH: usize = 8;

impl FolderImport {
    /// Imports `dir/{train,val,test}/<class>/…`, by these or other usual names of the three, or `dir/<class>/…`, whose classes
    /// the seed deals to the splits. Pictures (PNG, JPEG, WebP, BMP, GIF, TIFF), at any depth below their class, are laid on the
    /// background, turned as their camera says, cut to the middle square and resized. Pictures that are all grey make a grey set.
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
        let train = tops.iter().find(|(name, _)| split_of(name) == Some(Split::Train));
        let found_split = match train {
            Some((_, train)) => !subfolders(train, &mut 0)?.is_empty(),
            None => false,
        };
        let is_split = found_split && !self.pool;
        let mut dealt = BTreeMap::new();
        if is_split {
            if self.shares.is_some() {
                let reason = format!(
                    "is not needed: {} is split into train, val and test already; --split classes deals its classes anew",
                    dir.display()
                );
                return Err(Error::recipe("--split", reason));
            }
            dealt = self.split_classes(&tops, &mut pictures, watch)?;
        } else if found_split {
            for (part, top) in &tops {
                for (class, place) in subfolders(top, &mut pictures.skipped)? {
                    self.take(&place, &class, vec![part.clone()], &mut pictures, watch)?;
                }
            }
        } else {
            for (class, place) in &tops {
                self.take(place, class, Vec::new(), &mut pictures, watch)?;
            }
        }
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
        let skipped = pictures.skipped;
        let (set, left_out) = pictures.assemble(&self.name, &self.rule(), (&splits, self.skip_bad), watch)?;
        let mut notes = shortened(left_out);
        notes.extend(missing_splits(&set));
        check_different(dir, &set)?;
        let set = match set.channels() {
            3 if is_grey(&set) => {
                notes.push("all pictures are grey: the set has one channel".to_owned());
                one_channel(&set)?
            }
            _ => set,
        };
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
            background: self.background,
        }
    }

    /// Takes the classes of folders that are splits; returns the split of each.
    fn split_classes(
        &self,
        tops: &[(String, PathBuf)],
        pictures: &mut Pictures,
        watch: Watch<'_>,
    ) -> Result<BTreeMap<String, Split>> {
        let mut dealt = BTreeMap::new();
        for (name, top) in tops {
            let Some(split) = split_of(name) else {
                let reason = "stands beside the folder of training; only those of validation and test may (val, valid, dev, test, novel)";
                return Err(Error::file(top, reason));
            };
            for (class, place) in subfolders(top, &mut pictures.skipped)? {
                if let Some(other) = dealt.insert(class.clone(), split).filter(|other| *other != split) {
                    let reason = format!(
                        "the class `{class}` is in {other} and in {split}; a class belongs to one. --split classes puts the folders \
                         together and deals their classes"
                    );
                    return Err(Error::file(&place, reason));
                }
                self.take(&place, &class, vec![name.clone()], pictures, watch)?;
            }
        }
        // What was left out as empty has no split.
        dealt.retain(|class, _| pictures.classes.contains_key(class));
        Ok(dealt)
    }

    /// Adds a class; an empty one is refused, as it is more likely a mistake than meant, unless bad ones are left out.
    fn take(
        &self,
        dir: &Path,
        class: &str,
        mut names: Vec<String>,
        pictures: &mut Pictures,
        watch: Watch<'_>,
    ) -> Result<()> {
        let before = pictures.len();
        walk(dir, class, &mut names, pictures, watch)?;
        if pictures.len() == before && !self.skip_bad {
            let reason = format!(
                "the class `{class}` has no pictures (PNG, JPEG, WebP, BMP, GIF, TIFF); two are needed, or --skip-bad leaves it out"
            );
            return Err(Error::file(dir, reason));
        }
        Ok(())
    }
}

/// The split that a folder of this name is.
fn split_of(name: &str) -> Option<Split> {
    let plain = name.to_lowercase().replace(['-', '_', ' '], "");
    let of = |names: &[&str]| names.contains(&plain.as_str());
    if of(&["train", "training", "trn", "base", "metatrain", "metatraining"]) {
        Some(Split::Train)
    } else if of(&["val", "valid", "validation", "dev", "metaval", "metavalidation"]) {
        Some(Split::Validation)
    } else if of(&["test", "testing", "tst", "novel", "eval", "evaluation", "metatest", "metatesting"]) {
        Some(Split::Test)
    } else {
        None
    }
}

/// At most ten lines, and how many more there are.
fn shortened(mut lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(10);
    lines.truncate(10);
    if more > 0 {
        lines.push(format!("and {more} more left out"));
    }
    lines
}

/// Splits that have no class, with what does without them.
fn missing_splits(set: &ImageSet) -> Vec<String> {
    let without = |split: &Split| match split {
        Split::Train => "nothing can be trained on it",
        Split::Validation => "train with --set validation.every=0",
        Split::Test => "a training has nothing to be judged on",
    };
    let missing = Split::ALL.into_iter().filter(|&split| set.split(split).is_empty());
    missing.map(|split| format!("there are no classes for {split}; {}", without(&split))).collect()
}

/// Refuses a set whose pictures are all the same: something was lost on the way.
fn check_different(dir: &Path, set: &ImageSet) -> Result<()> {
    let len = set.channels() * set.side() * set.side();
    let mut images = set.pixels().chunks_exact(len);
    match images.next() {
        Some(first) if set.images() > 2 && images.all(|image| image == first) => {
            let reason = "has pictures that are all the same, pixel by pixel, once they are resized; if they are transparent, \
                          --background 000000 lays them on black";
            Err(Error::file(dir, reason))
        }
        _ => Ok(()),
    }
}

/// Whether the three planes of every image are the same.
fn is_grey(set: &ImageSet) -> bool {
    let plane = set.side() * set.side();
    set.pixels()
        .chunks_exact(3 * plane)
        .all(|image| image[..plane] == image[plane..2 * plane] && image[..plane] == image[2 * plane..])
}

/// A grey set of three planes with one of them.
fn one_channel(set: &ImageSet) -> Result<ImageSet> {
    let plane = set.side() * set.side();
    let pixels = set.pixels().chunks_exact(3 * plane).flat_map(|image| &image[..plane]).copied().collect();
    ImageSet::new(set.name(), 1, set.side(), set.classes().to_vec(), pixels)
}

/// What belongs to the system and not to the set.
fn is_stray(name: &str) -> bool {
    name.starts_with('.') || name == "__MACOSX"
}

/// Names and paths of the folders in a folder, by name; files are counted as skipped.
pub(super) fn subfolders(dir: &Path, skipped: &mut usize) -> Result<Vec<(String, PathBuf)>> {
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

/// Adds the pictures below a folder to a class, by their names from there on.
pub(super) fn walk(
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
