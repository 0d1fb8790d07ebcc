//! How a model reads pictures.

use super::picture_reading::PictureReading;
use super::set::MAX_SIDE;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// How a model reads pictures: their middle square, resized.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureForm {
    /// 1 (gray) or 3 (red, green, blue).
    pub channels: usize,
    /// Width and height, pixels.
    pub side: usize,
    /// Whether dark becomes light, as in Omniglot, whose ink is 1 on 0.
    pub invert: bool,
    /// What transparent pictures are laid on, red, green, blue.
    pub background: [u8; 3],
}

impl PictureForm {
    /// The form of pictures that are as those of a set that was read so.
    #[must_use]
    pub fn of_set(
        PictureReading { invert, background }: PictureReading,
        channels: usize,
        side: usize,
    ) -> Self {
        Self { channels, side, invert, background }
    }

    /// Numbers of a picture.
    #[must_use]
    pub fn len(&self) -> usize {
        self.channels * self.side * self.side
    }

    /// Whether a picture has no numbers; never true of a checked form.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Checks that such pictures can be.
    ///
    /// # Errors
    /// [`Failed`](crate::ErrorKind::Failed) naming the number.
    pub fn check(&self) -> Result<()> {
        match [1, 3].contains(&self.channels) && (1..=MAX_SIDE).contains(&self.side) {
            true => Ok(()),
            false => Err(Error::failed(format!(
                "pictures of {} channels and side {}: 1 or 3 channels and sides of 1 to {MAX_SIDE} are read",
                self.channels, self.side
            ))),
        }
    }
}

/// Pictures, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadPictures {
    /// `[pictures, channels, side, side]`, 0 to 255.
    pub pixels: Vec<u8>,
    /// Their names, from the folder on.
    pub names: Vec<String>,
    /// Files that are no pictures and were passed over.
    pub skipped: usize,
}

impl ReadPictures {
    /// The pixels as a model sees them, from 0 to 1.
    #[must_use]
    pub fn values(&self) -> Vec<f32> {
        self.pixels.iter().map(|&pixel| f32::from(pixel) * (1.0 / 255.0)).collect()
    }
}

/// Pictures in classes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PictureClasses {
    /// Names, sorted.
    pub classes: Vec<String>,
    /// The class of each picture, a place among the names.
    pub labels: Vec<usize>,
    /// The pictures.
    pub pictures: ReadPictures,
}
