//! An import that has found its pictures, and decoded none yet.

use super::gather::{Assembled, Pictures};
use super::picture::Rule;
use super::set::ImageSet;
use super::split::Split;
use super::{Imported, Watch};
use crate::error::Result;
use crate::exchange::Exchange;
use std::fmt;

/// What makes the set of decoded pictures: adds to what is told and to what a person should know.
type Finish = Box<dyn FnOnce(Assembled, &mut Vec<String>, &mut Vec<String>) -> Result<ImageSet>>;

/// See the module.
pub struct OpenedPictures {
    pub(super) name: String,
    pub(super) rule: Rule,
    pub(super) pictures: Pictures,
    /// The split of each class, in order of the names.
    pub(super) splits: Vec<Split>,
    /// Whether what cannot be read is left out; nothing where nobody can choose.
    pub(super) skip_bad: Option<bool>,
    pub(super) told: Vec<String>,
    pub(super) notes: Vec<String>,
    pub(super) finish: Finish,
}

impl OpenedPictures {
    /// What the set depends on, apart from the pictures' contents: a SHA-256 of names, and the settings.
    #[must_use]
    pub fn checksum(&self) -> String {
        let Self { name, rule, pictures, splits, skip_bad, .. } = self;
        let counts = Split::ALL.map(|split| splits.iter().filter(|&&of| of == split).count());
        format!(
            "{name}, {rule:?}, classes {counts:?}, skip {}, {}",
            *skip_bad == Some(true),
            pictures.checksum()
        )
    }

    /// Decodes them on all cores and packs them. As a member of an exchange this process decodes a part, and every member has the
    /// whole set, the bytes of one alone; all must have found the same.
    ///
    /// # Errors
    /// As [`ImageImport::run`](super::ImageImport::run); if a member is gone.
    pub fn import(self, exchange: Option<&dyn Exchange>, watch: Watch<'_>) -> Result<Imported> {
        let Self { name, rule, pictures, splits, skip_bad, mut told, mut notes, finish } = self;
        let skipped = pictures.skipped;
        let assembled = pictures.assemble(&name, &rule, (&splits, skip_bad), (exchange, watch))?;
        let set = finish(assembled, &mut told, &mut notes)?;
        Ok(Imported { set, skipped, told, notes })
    }
}

impl fmt::Debug for OpenedPictures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OpenedPictures").field(&self.checksum()).finish()
    }
}
