//! A learner's state as one file.

use super::Algorithm;
use crate::error::{Error, Result};
use crate::meta::TrainState;
use crate::tensors::{Header, Source, Tensors};
use std::path::Path;

pub(super) fn save(
    algorithm: &Algorithm,
    state: &TrainState,
    path: &Path,
    note: Option<String>,
) -> Result<()> {
    let (model, theta) = (&algorithm.model, algorithm.model.param_count());
    let mut file = Tensors::default();
    file.add_theta("", model, &state.params);
    file.add("inner_lr".into(), &[state.params.len() - theta], &state.params[theta..]);
    for (kind, values) in [("m", &state.m), ("v", &state.v)] {
        file.add_theta(&format!("optimizer.{kind}."), model, values);
        file.add(format!("optimizer.{kind}.inner_lr"), &[values.len() - theta], &values[theta..]);
    }
    let mut header = Header::new(algorithm.seed, state.iteration);
    if let Some(note) = note {
        header = header.with_about(&note).map_err(|e| Error::file_caused(path, "cannot take the note", e))?;
    }
    file.write(path, header)
}

pub(super) fn load(algorithm: &Algorithm, path: &Path) -> Result<TrainState> {
    let (model, rates) = (&algorithm.model, algorithm.plan(1, 1)?.learned_rates());
    let file = Source::read(path.to_owned())?;
    let part = |prefix: &str| {
        let mut values = file.theta(prefix, model)?;
        values.extend(file.floats(&format!("{prefix}inner_lr"), &[rates])?);
        Ok::<_, Error>(values)
    };
    let (params, m, v) = (part("")?, part("optimizer.m.")?, part("optimizer.v.")?);
    Ok(TrainState { iteration: file.header()?.step, params, m, v })
}

/// The note in a learner's file, if it has one.
///
/// # Errors
/// [`File`](crate::ErrorKind::File) naming the file, if it is not whole or no learner's.
pub fn note(path: &Path) -> Result<Option<String>> {
    let file = Source::read(path.to_owned())?;
    let Some(about) = &file.header()?.about else { return Ok(None) };
    // What others say there is no note.
    Ok(serde_json::from_str(about.get()).ok())
}
