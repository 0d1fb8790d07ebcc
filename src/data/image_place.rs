//! Pictures by their paths, before it is settled what they are of.

use super::split::Split;
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

/// A picture's path, cut: the folders above those of classes, the split that they say, the folders that name its class.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) path: String,
    pub(super) above: Vec<String>,
    pub(super) split: Option<Split>,
    pub(super) folders: Vec<String>,
}

/// A picture with its class and, if that is known, its split.
pub(super) type Row = (String, String, Option<Split>);
