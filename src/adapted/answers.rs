//! What a model answers to inputs, of whatever kind.

use super::forecast::Forecasts;
use super::predictions::Predictions;
use crate::error::Result;
use crate::file::write_atomic;
use std::path::Path;

/// What a model answers to inputs.
#[derive(Clone, Debug, PartialEq)]
pub enum Answers {
    /// Of points, rows and pictures.
    Examples(Predictions),
    /// Of series.
    Ahead(Forecasts),
}

impl Answers {
    /// As CSV.
    #[must_use]
    pub fn to_csv(&self) -> String {
        match self {
            Self::Examples(predictions) => predictions.to_csv(),
            Self::Ahead(forecasts) => forecasts.to_csv(),
        }
    }

    /// Writes [`Answers::to_csv`], whole or not at all.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) if it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        write_atomic(path, self.to_csv().as_bytes())
    }
}
