//! Errors in the words of who typed: a flag in place of the setting that it stands for.

use fastweights::{Error, ErrorKind, Result};

/// Names the flag, if the error is about a setting that was given by one. `flags` are settings and their flags.
pub(super) fn as_typed(error: Error, flags: &[(String, String)]) -> Error {
    let ErrorKind::Recipe { key, reason } = error.kind() else { return error };
    match flags.iter().find(|(setting, _)| setting == key) {
        Some((setting, flag)) => Error::recipe(format!("{flag} ({setting})"), reason.clone()),
        None => error,
    }
}

/// The flag of a setting of tasks, e.g. `--id-column` of `task.id_column`.
pub(super) fn of_setting(key: &str) -> (String, String) {
    let name = key.rsplit('.').next().unwrap_or(key);
    (key.to_owned(), format!("--{}", name.replace('_', "-")))
}

/// An inner rate as typed; devices compute in float32.
pub(super) fn inner_rate(given: Option<f64>) -> Result<Option<f64>> {
    if let Some(rate) = given.filter(|&rate| !((rate as f32).is_finite() && rate >= 0.0)) {
        let reason = format!("is {rate}; a finite number of 0 or more is needed, at most {:e}", f32::MAX);
        return Err(Error::recipe("--inner-lr", reason));
    }
    Ok(given)
}
