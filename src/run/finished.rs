//! Whether a run is through.

use super::dir::RunDir;
use super::experiment::Experiment;
use super::times::Times;
use super::trial::Trials;
use crate::error::Result;
use crate::recipe::Recipe;

impl RunDir {
    /// After how many meta-iterations a training by this recipe is through, evaluation and pictures included, and its last
    /// checkpoint whole; nothing if it is not.
    ///
    /// # Errors
    /// As [`Checkpoints::steps`](super::Checkpoints::steps), and where the trials cannot be read.
    pub fn finished(&self, recipe: &Recipe) -> Result<Option<u64>> {
        let checkpoints = self.checkpoints();
        let last = checkpoints.steps()?.last().copied().filter(|&last| checkpoints.is_whole(last));
        let Some(last) = last.filter(|_| self.evaluation().is_file()) else { return Ok(None) };
        let noted = match self.times().of(u64::MAX) {
            Some(times) => times.concluded && times.iteration == last,
            // Without times, by an earlier version of the program.
            None => true,
        };
        let patience = recipe.validation.patience;
        let through = last == recipe.outer.iterations
            || Trials::resume(self.validation(), last)?.is_exhausted(last, patience);
        Ok(Some(last).filter(|_| noted && through))
    }

    /// Notes that the run is through.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) if it cannot be written.
    pub fn finish(&self, experiment: &Experiment<'_>) -> Result<()> {
        self.times().note(Times { concluded: true, ..experiment.noted() })
    }
}
