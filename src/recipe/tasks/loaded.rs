//! Data that a recipe holds once they are loaded.

use crate::error::{Error, Result};
use std::path::Path;
use std::sync::Arc;

/// Refuses a file that was there when the run was made, with the flag that says where it is now.
pub(super) fn still_there(path: &Path, known: Option<&str>, flag: &str) -> Result<()> {
    match known {
        Some(_) if !path.exists() => {
            let reason = format!("is not there any more; if it was moved, say where it is: {flag} FILE");
            Err(Error::file(path, reason))
        }
        _ => Ok(()),
    }
}

/// Data with a checksum.
pub(in crate::recipe) trait Summed {
    /// SHA-256 of their contents.
    fn sum(&self) -> &str;
}

/// Data, once they are loaded; equal where their sums are.
#[derive(Debug)]
pub(in crate::recipe) struct Loaded<T>(pub(super) Option<Arc<T>>);

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

impl<T: Summed> Loaded<T> {
    /// SHA-256 of the data, once there are some.
    pub(in crate::recipe) fn checksum(&self) -> Option<&str> {
        self.0.as_ref().map(|data| data.sum())
    }
}

impl<T: Summed> PartialEq for Loaded<T> {
    fn eq(&self, other: &Self) -> bool {
        self.checksum() == other.checksum()
    }
}
