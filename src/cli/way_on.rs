//! How a training that failed goes on, or is forgotten.

use fastweights::run::{RunDir, RunLock};
use fastweights::{Error, ErrorKind};

/// A run's directory that no other process writes into.
pub(super) struct Place {
    pub(super) dir: RunDir,
    pub(super) _lock: RunLock,
}

/// What to do after a training failed.
pub(super) fn way_on(error: &Error, dir: &RunDir, newest: Option<u64>) -> String {
    let from = newest.map_or_else(|| "its start".to_owned(), |done| format!("meta-iteration {done}"));
    let resume = resume(dir);
    match error.kind() {
        ErrorKind::Device(_) => format!(
            "the run is whole up to {from}; `{resume}` goes on from there, and with --recover that is done by itself; \
             --max-memory SIZE takes less of the device, --device cpu needs none"
        ),
        ErrorKind::File { .. } => {
            format!("the run is whole up to {from}; when its directory can be written again: {resume}")
        }
        _ => format!("the run is whole up to {from}; go on with: {resume}"),
    }
}

/// The command that goes on with a run.
pub(super) fn resume(dir: &RunDir) -> String {
    format!("fastweights train --resume {}", dir.path().display())
}

/// Whether a run of this process never took a step, since its numbers left the finite range in the first: it is of no use, and
/// would stand in the way of the next one.
pub(super) fn took_no_step(error: &Error, is_new: bool, newest: Option<u64>) -> bool {
    is_new && newest.unwrap_or(0) == 0 && matches!(error.kind(), ErrorKind::NotFinite(_))
}

/// Removes a run that took no step; gives what to tell.
pub(super) fn remove(place: Option<Place>) -> String {
    let path = place.map(|Place { dir, .. }| dir.path().to_owned());
    match path.map(std::fs::remove_dir_all) {
        Some(Ok(())) => "the run took no step and was removed".to_owned(),
        Some(Err(_)) | None => "the run took no step".to_owned(),
    }
}
