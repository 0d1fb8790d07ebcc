//! How a training that failed goes on, or is forgotten.

use super::failure::{Outcome, note};
use super::numbers::number;
use super::out::Out;
use fastweights::run::{RunDir, RunLock};
use fastweights::{Error, ErrorKind, Result};

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

/// Tells of a run that is through, and is left as it is; as `json` if asked for, with less if `quiet`.
pub(super) fn finished(done: u64, dir: &RunDir, (as_json, quiet): (bool, bool), out: &mut Out) -> Outcome {
    let path = dir.path().display();
    if !quiet {
        note(&format!(
            "{path} is finished, after {done} meta-iterations; --steps N goes on to more, and `eval {path}` judges it anew"
        ));
    }
    let file = dir.evaluation();
    let text = std::fs::read_to_string(&file).map_err(|e| Error::file_caused(&file, "cannot be read", e))?;
    let report: serde_json::Value =
        serde_json::from_str(&text).map_err(|e| Error::file_caused(&file, "is not as expected", e))?;
    if as_json {
        return out.text(&json(report, dir)?);
    }
    let last =
        |key: &str| report["learners"]["maml"][key].as_array().and_then(|values| values.last()?.as_f64());
    let (metric, steps) =
        (report["metric"].as_str().unwrap_or("result"), report["steps"].as_array().map_or(0, Vec::len));
    let mean = last("mean").map_or_else(|| "not finite".to_owned(), number);
    out.line(&format!(
        "{path}: finished after {done} meta-iterations; {metric} {mean} after {} steps (evaluation.json)",
        steps.saturating_sub(1)
    ))
}

/// A result with the run's place, as one line.
pub(super) fn json(mut value: serde_json::Value, dir: &RunDir) -> Result<String> {
    value["run"] = serde_json::Value::String(dir.path().display().to_string());
    Ok(serde_json::to_string(&value).map_err(|e| Error::failed(e.to_string()))? + "\n")
}
