//! Data that a recipe holds once they are loaded.

use std::sync::Arc;

/// Data with a checksum.
pub(super) trait Summed {
    /// SHA-256 of their contents.
    fn sum(&self) -> &str;
}

/// Data, once they are loaded; equal where their sums are.
#[derive(Debug)]
pub(super) struct Loaded<T>(pub(super) Option<Arc<T>>);

impl<T> Default for Loaded<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Clone for Loaded<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Summed> PartialEq for Loaded<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_ref().map(|data| data.sum()) == other.0.as_ref().map(|data| data.sum())
    }
}
