//! What is written as training goes on.

use super::dir::RunDir;
use super::metrics::{MetricsLine, MetricsWriter};
use super::together;
use super::trial::Trials;
use crate::error::Result;
use crate::meta::Exchange;

/// Metrics, and the trials so far.
pub(super) struct Files {
    metrics: Option<MetricsWriter>,
    pub(super) trials: Trials,
}

impl Files {
    /// Goes on after meta-iteration `done`. Without a directory nothing is written, and the trials are those that member 0 has.
    pub(super) fn resume(
        dir: Option<&RunDir>,
        done: u64,
        every: u64,
        exchange: Option<&dyn Exchange>,
    ) -> Result<Self> {
        let metrics = dir.map(|dir| MetricsWriter::resume(dir.metrics(), done, every)).transpose()?;
        let trials = match dir {
            Some(dir) => Trials::resume(dir.validation(), done)?,
            None => Trials::told("")?,
        };
        Ok(Self { metrics, trials: together::followed(exchange, trials)? })
    }

    pub(super) fn write(&mut self, lines: &[MetricsLine]) -> Result<()> {
        self.metrics.as_mut().map_or(Ok(()), |metrics| metrics.write(lines))
    }

    /// Sees to it that all lines are on the disk.
    pub(super) fn flush(&self) -> Result<()> {
        self.metrics.as_ref().map_or(Ok(()), MetricsWriter::flush)
    }
}
