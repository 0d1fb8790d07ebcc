//! Image sets as they come: folders of class folders, archives and arrays of them, lists beside them.

use super::archive::Bounds;
use super::found;
use super::gather::Assembled;
use super::image_layout::{self, Laid};
use super::image_place::Wish;
use super::opened::OpenedPictures;
use super::picture::{READ, Rule};
use super::picture_reading::PictureReading;
use super::set::{ImageSet, MAX_SIDE, check_name};
use super::sheet::listed;
use super::split::{Split, deal};
use super::{Imported, Watch, glyphs};
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// How pictures become a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageImport {
    /// The set's name.
    pub name: String,
    /// Width and height of the images, in pixels.
    pub side: usize,
    /// One channel instead of three.
    pub gray: bool,
    /// Whether dark becomes light.
    pub invert: bool,
    /// Shares of the classes for training, validation and testing, for sources that are not split already; by default
    /// 64, 16 and 20, those of miniImageNet (Ravi and Larochelle 2017).
    pub shares: Option<[usize; 3]>,
    /// Whether the classes of a source that is split are put together and dealt anew, since a class may be in several.
    pub pool: bool,
    /// Lists of classes or pictures that say the splits (and classes), or folders of them, here or in the source; by default
    /// those that the source brings along.
    pub lists: Vec<PathBuf>,
    /// How many folders name a class together; told by default.
    pub class_level: Option<usize>,
    /// The seed that deals classes to the splits.
    pub seed: u64,
    /// What transparent pictures are laid on.
    pub background: [u8; 3],
    /// Whether pictures that cannot be read, classes of fewer than two and lines of lists that name nothing are left out; else
    /// they are an error.
    pub skip_bad: bool,
}

const SHARES: [usize; 3] = [64, 16, 20];
const MAX_PICTURE_SIDE: u32 = 16_384;
/// Of one picture's decoded pixels: 89 million of three bytes. Every core decodes one at a time.
const MAX_PICTURE_BYTES: u64 = 1 << 28;
/// An archive is kept in memory until its pictures are decoded.
const BOUNDS: Bounds = Bounds { entries: 4_000_000, entry_bytes: 8 << 30, total_bytes: 8 << 30 };

impl ImageImport {
    /// Usual settings for a set of this name and size.
    #[must_use]
    pub fn new(name: impl Into<String>, side: usize) -> Self {
        Self {
            name: name.into(),
            side,
            gray: false,
            invert: false,
            shares: None,
            pool: false,
            lists: Vec::new(),
            class_level: None,
            seed: 0,
            background: [255; 3],
            skip_bad: false,
        }
    }

    /// Imports a folder, a zip or tar archive (plain or gzipped), or NumPy arrays (npz).
    ///
    /// A class is a folder of pictures (PNG, JPEG, WebP, BMP, GIF, TIFF, PNM) at any depth, below folders of the three splits or not,
    /// `{train,val,test}/<class>/…` by these or other usual names; without such folders lists of classes or pictures split them
    /// (`train.csv`, `base.json`, `splits/val.txt`), else the seed does. Pictures are laid on the background, turned as their
    /// camera says, cut to the middle square and resized. Pictures that are all grey make a grey set.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) for a name, size or shares that cannot be;
    /// [`File`](crate::ErrorKind::File) naming the source, folder, list or picture that is unreadable, damaged or too large, a
    /// class with fewer than two pictures or in two splits, or fewer than three classes;
    /// [`Limit`](crate::ErrorKind::Limit) if the set would be too large.
    pub fn run(&self, path: &Path, watch: Watch<'_>) -> Result<Imported> {
        self.open(path, watch)?.import(None, watch)
    }

    /// The first half of [`ImageImport::run`]: finds the pictures and their splits, and decodes none yet.
    ///
    /// # Errors
    /// As there.
    pub fn open(&self, path: &Path, watch: Watch<'_>) -> Result<OpenedPictures> {
        self.check()?;
        let found = found::open(path, BOUNDS, watch)?;
        if found.pictures.is_empty() {
            return Err(nothing(path, &found.archives));
        }
        let wish = Wish {
            path,
            lists: &self.lists,
            level: self.class_level,
            pool: self.pool,
            skip_bad: self.skip_bad,
        };
        let Laid { pictures, splits, told } = image_layout::lay(found, &wish)?;
        let classes = pictures.classes.len();
        if classes < 3 {
            let names: Vec<_> = pictures.classes.keys().collect();
            let reason =
                format!("holds {classes} folders of pictures ({}); three classes are needed", listed(&names));
            return Err(Error::file(path, reason));
        }
        let (splits, how) = match splits {
            Some(_) if self.shares.is_some() => {
                let reason = format!(
                    "is not needed: {} is split already; --split classes deals its classes anew",
                    path.display()
                );
                return Err(Error::recipe("--split", reason));
            }
            Some(dealt) => (dealt.into_values().collect(), "split as found".to_owned()),
            None => {
                let splits = deal(classes, self.shares.unwrap_or(SHARES), self.seed);
                (splits, format!("split by seed {}", self.seed))
            }
        };
        let (path, side) = (path.to_owned(), self.side);
        let reading = PictureReading { invert: self.invert, background: self.background };
        Ok(OpenedPictures {
            name: self.name.clone(),
            rule: self.rule(),
            pictures,
            splits,
            skip_bad: Some(self.skip_bad),
            told,
            notes: Vec::new(),
            finish: Box::new(move |assembled, told, notes| {
                told.push(measured(assembled.sizes, side));
                let set = finish(&path, assembled, notes)?;
                Ok(set.with_source(format!("pictures, {how}")).with_reading(reading))
            }),
        })
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
        if self.class_level == Some(0) {
            return Err(Error::recipe("--class-level", "is 0, but a class needs a folder: 1 or more"));
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
            invert: self.invert,
            background: self.background,
        }
    }
}

/// Says what lies there instead of pictures.
fn nothing(path: &Path, archives: &[String]) -> Error {
    let omniglot = |name: &String| name == "images_background.zip" || name == "images_evaluation.zip";
    let reason = match archives {
        [] => format!("holds no pictures ({READ}) and no arrays of them"),
        all if all.iter().any(omniglot) => {
            format!("holds the archives of Omniglot: data import omniglot {}", path.display())
        }
        all => format!("holds no pictures but archives ({}); name the one that is meant", listed(all)),
    };
    Error::file(path, reason)
}

/// The set as it is kept, and what a person should know of it.
fn finish(path: &Path, assembled: Assembled, notes: &mut Vec<String>) -> Result<ImageSet> {
    let Assembled { set, left_out, .. } = assembled;
    notes.extend(shortened(left_out));
    notes.extend(missing_splits(&set));
    check_different(path, &set)?;
    if set.channels() == 3 && is_grey(&set) {
        notes.push("all pictures are grey: the set has one channel".to_owned());
        return one_channel(&set);
    }
    Ok(set)
}

/// How large pictures are.
fn measured([least, most]: [(u32, u32); 2], side: usize) -> String {
    let size = |(width, height): (u32, u32)| format!("{width} × {height}");
    let range = if least == most { size(least) } else { format!("{} to {}", size(least), size(most)) };
    let small = (least.0.min(least.1) as usize) < side;
    format!("pictures of {range} pixels{}", if small { "; smaller ones are enlarged" } else { "" })
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
fn check_different(path: &Path, set: &ImageSet) -> Result<()> {
    let len = set.channels() * set.side() * set.side();
    let mut images = set.pixels().chunks_exact(len);
    match images.next() {
        Some(first) if set.images() > 2 && images.all(|image| image == first) => {
            let reason = "has pictures that are all the same, pixel by pixel, once they are resized; if they are transparent, \
                          --background 000000 lays them on black";
            Err(Error::file(path, reason))
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
