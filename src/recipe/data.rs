//! The images that a recipe's tasks are made of.

use super::settings::{Family, Images, Recipe};
use crate::data::{self, ImageSet, Split, glyphs};
use crate::error::{Error, Result};
use crate::task::ImageTasks;
use std::path::Path;
use std::sync::Arc;

/// The name that stands for characters drawn by the program.
pub(super) const GLYPHS: &str = "glyphs";

/// Characters of the drawn set, and of drawers of each: near those of Omniglot.
const CHARACTERS: usize = 1600;
const DRAWERS: usize = 20;

impl Recipe {
    /// Whether images, rows or series must be loaded before the recipe can be trained.
    #[must_use]
    pub fn needs_data(&self) -> bool {
        matches!(self.task.family, Family::Images { .. } | Family::Table(_))
            || self.task.family.csv().is_some()
    }

    /// Loads the images that the recipe's tasks are made of from the data directory `dir` (or the user's own), or
    /// draws them, and checks that tasks and model fit them; or reads the table or the series that they are made of. Does
    /// nothing for other tasks.
    ///
    /// # Errors
    /// As [`data::load`], and [`Recipe`](crate::ErrorKind::Recipe) naming the key that does not fit the images.
    pub fn load_data(&mut self, dir: Option<&Path>) -> Result<()> {
        if let Family::Table(_) = self.task.family {
            return self.load_table();
        }
        let Family::Images { data, side, .. } = &self.task.family else { return self.load_series() };
        let set = match data.as_str() {
            // The same characters for every seed, as if they came from a file.
            GLYPHS => glyphs::generate(0, CHARACTERS, DRAWERS, *side),
            name => data::load(name, dir)?,
        };
        self.set_data(Arc::new(set))
    }

    /// Takes these images in place of those that `task.data` names, e.g. images that a program made itself.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming the key that does not fit the images.
    pub fn set_data(&mut self, set: Arc<ImageSet>) -> Result<()> {
        let Family::Images { channels, side, .. } = self.task.family else { return Ok(()) };
        for (key, asked, found) in [("channels", channels, set.channels()), ("side", side, set.side())] {
            if asked != found {
                let reason = format!("is {asked}, but the images of `{}` have {found}", set.name());
                return Err(Error::recipe(format!("task.{key}"), reason));
            }
        }
        if let Family::Images { data_sha256, .. } = &mut self.task.family {
            match data_sha256 {
                Some(known) if *known != set.checksum() => {
                    let reason = format!(
                        "is {known}, but the images of `{}` have {}: they are not those that it was noted from; import \
                         those again, or leave the key out of a recipe that is to learn from others",
                        set.name(),
                        set.checksum()
                    );
                    return Err(Error::recipe("task.data_sha256", reason));
                }
                _ => *data_sha256 = Some(set.checksum().to_owned()),
            }
        }
        self.images = Images(Some(set));
        self.train_plan()?;
        self.evaluation_tasks(&self.evaluation, 0..1)?;
        if self.validation.every > 0 {
            self.validation_tasks(Split::Validation, 0..1)?;
        }
        Ok(())
    }

    /// The images, once loaded.
    #[must_use]
    pub fn data(&self) -> Option<&Arc<ImageSet>> {
        self.images.0.as_ref()
    }

    pub(super) fn image_tasks(&self, split: Split) -> Result<ImageTasks> {
        let Family::Images { ways, rotations, .. } = self.task.family else {
            return Err(Error::failed("the recipe's tasks are not made of images"));
        };
        let set = self
            .data()
            .ok_or_else(|| Error::failed("the recipe's images are not loaded: call load_data first"))?;
        ImageTasks::new(Arc::clone(set), split, ways, rotations)
    }
}
