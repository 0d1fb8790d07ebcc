//! A set of images in memory.

use super::picture_reading::PictureReading;
use super::split::Split;
use crate::error::{Error, Result};
use sha2::{Digest as _, Sha256};
use std::ops::Range;

/// The largest side of an image, in pixels.
pub(super) const MAX_SIDE: usize = 1024;

/// A class: images of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageClass {
    /// Its name, e.g. `Greek/character03`.
    pub name: String,
    /// What it is for.
    pub split: Split,
    /// The index of its first image in the set.
    pub first: usize,
    /// How many images it has; they follow each other.
    pub count: usize,
}

/// Square images of one size, sorted by class.
///
/// Classes stand in the order train, validation, test, and by name within a split; images stand in the order of
/// their classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSet {
    name: String,
    source: String,
    channels: usize,
    side: usize,
    classes: Vec<ImageClass>,
    pixels: Vec<u8>,
    reading: PictureReading,
    checksum: String,
}

impl ImageSet {
    /// A set of images `[images, channels, side, side]`, whose classes cover them in order.
    ///
    /// # Errors
    /// [`Failed`](crate::ErrorKind::Failed) naming the class or number that is not as [`ImageSet`] says;
    /// [`Shape`](crate::ErrorKind::Shape) if there are more or fewer pixels than images need.
    pub fn new(
        name: impl Into<String>,
        channels: usize,
        side: usize,
        classes: Vec<ImageClass>,
        pixels: Vec<u8>,
    ) -> Result<Self> {
        let name = name.into();
        check_name(&name)?;
        let refused = |reason: String| Err(Error::failed(format!("image set `{name}`: {reason}")));
        if channels != 1 && channels != 3 {
            return refused(format!("{channels} channels, but 1 (gray) or 3 (red, green, blue) are allowed"));
        }
        if side == 0 || side > MAX_SIDE {
            return refused(format!("images of side {side}, but 1 to {MAX_SIDE} are allowed"));
        }
        if classes.is_empty() {
            return refused("no classes".into());
        }
        let mut images = 0_usize;
        for (i, class) in classes.iter().enumerate() {
            let ImageClass { name: class_name, first, count, .. } = class;
            if class_name.is_empty() || *count == 0 {
                return refused(format!("class {i} (`{class_name}`) has no name or no images"));
            }
            if *first != images {
                return refused(format!("class `{class_name}` begins at image {first} instead of {images}"));
            }
            if i > 0 && (classes[i - 1].split, &classes[i - 1].name) >= (class.split, class_name) {
                let before = &classes[i - 1].name;
                return refused(format!("class `{class_name}` must not come after `{before}`"));
            }
            images = match images.checked_add(*count) {
                Some(images) => images,
                None => return refused(format!("class `{class_name}` has too many images")),
            };
        }
        let mut names = classes.iter().map(|c| c.name.as_str()).collect::<Vec<_>>();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|w| w[0] == w[1]) {
            return refused(format!("class `{}` is in two splits; a class belongs to one", twice[0]));
        }
        if images.checked_mul(channels * side * side) != Some(pixels.len()) {
            let what = format!("image set `{name}`: pixels");
            return Err(Error::shape(what, &[images, channels, side, side], &[pixels.len()]));
        }
        let checksum = checksum(channels, side, &classes, &pixels);
        let reading = PictureReading::usual(&name);
        Ok(Self { name, source: String::new(), channels, side, classes, pixels, reading, checksum })
    }

    /// The set with a line on where it comes from.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<String>) -> Self {
        self.source = source.into();
        self
    }

    /// The set with how its pictures were read, as others must be that it is to be compared with. What is usual leaves the
    /// checksum as it is.
    #[must_use]
    pub fn with_reading(mut self, reading: PictureReading) -> Self {
        if reading != self.reading {
            let [red, green, blue] = reading.background;
            let said = [self.checksum.as_bytes(), &[u8::from(reading.invert), red, green, blue]].concat();
            self.checksum = hex(&Sha256::digest(said));
            self.reading = reading;
        }
        self
    }

    /// How its pictures were read.
    #[must_use]
    pub fn reading(&self) -> PictureReading {
        self.reading
    }

    /// A gray set in so many channels, all alike.
    ///
    /// # Errors
    /// As [`ImageSet::new`].
    pub fn in_channels(self, channels: usize) -> Result<Self> {
        if channels == self.channels {
            return Ok(self);
        }
        let image = self.side * self.side;
        let pixels = self.pixels.chunks_exact(image).flat_map(|gray| gray.repeat(channels)).collect();
        let set = Self::new(self.name, channels, self.side, self.classes, pixels)?;
        Ok(set.with_source(self.source).with_reading(self.reading))
    }

    /// Its name, e.g. `omniglot`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it comes from, in words; may be empty.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Channels: 1 (gray) or 3 (red, green, blue).
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Width and height of an image, in pixels.
    #[must_use]
    pub fn side(&self) -> usize {
        self.side
    }

    /// The classes: train, validation, test, and by name within each.
    #[must_use]
    pub fn classes(&self) -> &[ImageClass] {
        &self.classes
    }

    /// The indices of a split's classes in [`ImageSet::classes`].
    #[must_use]
    pub fn split(&self, split: Split) -> Range<usize> {
        let classes = &self.classes;
        classes.partition_point(|c| c.split < split)..classes.partition_point(|c| c.split <= split)
    }

    /// How many images there are.
    #[must_use]
    pub fn images(&self) -> usize {
        self.classes.last().map_or(0, |c| c.first + c.count)
    }

    /// All pixels, `[images, channels, side, side]`, 0 to 255.
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The pixels of image `i`, `[channels, side, side]`.
    ///
    /// # Panics
    /// If `i` is not below [`ImageSet::images`].
    #[must_use]
    pub fn image(&self, i: usize) -> &[u8] {
        let len = self.channels * self.side * self.side;
        &self.pixels[i * len..][..len]
    }

    /// SHA-256 over shape, classes and pixels, and over how they were read if that is not usual, in hexadecimal. The set's name
    /// and source are not part of it.
    #[must_use]
    pub fn checksum(&self) -> &str {
        &self.checksum
    }
}

/// Whether a set may have this name, which also names its file: letters a to z, digits, `_` and `-`.
///
/// # Errors
/// [`Recipe`](crate::ErrorKind::Recipe) with the key `NAME`, saying what is allowed.
pub fn check_name(name: &str) -> Result<()> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    if name.is_empty() || name.len() > 64 || !name.bytes().all(allowed) {
        let reason = format!("`{name}` cannot name a set: 1 to 64 of a-z, 0-9, _ and - are allowed");
        return Err(Error::recipe("NAME", reason));
    }
    Ok(())
}

/// Lengths stand before what they count, so that no two sets give the same bytes.
fn checksum(channels: usize, side: usize, classes: &[ImageClass], pixels: &[u8]) -> String {
    let mut sha = Sha256::new();
    let mut number = |n: usize| sha.update((n as u64).to_le_bytes());
    for n in [channels, side, classes.len()] {
        number(n);
    }
    for class in classes {
        let split = Split::ALL.iter().position(|s| *s == class.split).unwrap_or(Split::ALL.len());
        for n in [split, class.count, class.name.len()] {
            sha.update((n as u64).to_le_bytes());
        }
        sha.update(&class.name);
    }
    sha.update(pixels);
    hex(&sha.finalize())
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(name: &str, split: Split, first: usize, count: usize) -> ImageClass {
        ImageClass { name: name.into(), split, first, count }
    }

    fn classes() -> Vec<ImageClass> {
        vec![class("b", Split::Train, 0, 2), class("c", Split::Train, 2, 1), class("a", Split::Test, 3, 2)]
    }

    #[test]
    fn images_and_splits_are_found() {
        let set = ImageSet::new("tiny", 3, 2, classes(), (0..60).collect()).unwrap();
        assert_eq!((set.images(), set.image(4)), (5, &(48..60).collect::<Vec<u8>>()[..]));
        assert_eq!((set.split(Split::Train), set.split(Split::Validation)), (0..2, 2..2));
        assert_eq!(set.split(Split::Test), 2..3);
    }

    #[test]
    fn the_checksum_covers_classes_shape_and_pixels() {
        let sum = |channels, side, classes, pixels| {
            ImageSet::new("tiny", channels, side, classes, pixels).unwrap().checksum().to_owned()
        };
        let first = sum(1, 2, classes(), vec![0; 20]);
        assert_eq!(first.len(), 64);
        let mut other = vec![0; 20];
        other[19] = 1;
        assert_ne!(first, sum(1, 2, classes(), other));
        let mut moved = classes();
        moved[2].split = Split::Validation;
        assert_ne!(first, sum(1, 2, moved, vec![0; 20]));
        let renamed = ImageSet::new("other", 1, 2, classes(), vec![0; 20]).unwrap();
        assert_eq!(first, renamed.checksum());
    }

    #[test]
    fn what_is_not_a_set_is_refused_by_name() {
        let mut gap = classes();
        gap[1].first = 3;
        let mut order = classes();
        order[1].name = "a2".into();
        let mut twice = classes();
        twice[2].name = "b".into();
        let mut huge = classes();
        huge[2].count = usize::MAX;
        for (name, channels, side, classes, words) in [
            ("Tiny", 1, 2, classes(), "a-z"),
            ("../tiny", 1, 2, classes(), "a-z"),
            ("tiny", 2, 2, classes(), "2 channels"),
            ("tiny", 1, 0, classes(), "side 0"),
            ("tiny", 1, 3, classes(), "[5, 1, 3, 3]"),
            ("tiny", 1, 2, gap, "begins at image 3"),
            ("tiny", 1, 2, order, "`a2` must not come after `b`"),
            ("tiny", 1, 2, twice, "`b` is in two splits"),
            ("tiny", 1, 2, huge, "too many"),
            ("tiny", 1, 2, vec![], "no classes"),
        ] {
            let error = ImageSet::new(name, channels, side, classes, vec![0; 20]).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
