//! The engine's errors as Python's: `ValueError` for what a user typed, others by what failed, in the same words.

use fastweights::{Error, ErrorKind};
use pyo3::exceptions::{
    PyFloatingPointError, PyMemoryError, PyNotImplementedError, PyOSError, PyRuntimeError, PyValueError,
};
use pyo3::prelude::*;
use serde::de::DeserializeOwned;
use std::error::Error as _;

pyo3::create_exception!(_engine, DeviceError, PyRuntimeError, "There is no such device, or it failed.");

/// An error with the causes behind it.
fn words(error: &Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text = format!("{text}\n  caused by: {error}");
        cause = error.source();
    }
    text
}

/// The exception of an error.
pub(crate) fn exception(error: Error) -> PyErr {
    let text = words(&error);
    match error.kind() {
        ErrorKind::Recipe { .. } | ErrorKind::Shape { .. } | ErrorKind::Failed(_) => {
            PyValueError::new_err(text)
        }
        ErrorKind::Limit { .. } => PyMemoryError::new_err(text),
        ErrorKind::Device(_) => DeviceError::new_err(text),
        ErrorKind::File { .. } => PyOSError::new_err(text),
        ErrorKind::Unsupported(_) => PyNotImplementedError::new_err(text),
        ErrorKind::NotFinite(_) => PyFloatingPointError::new_err(text),
        // Kinds may be added.
        _ => PyRuntimeError::new_err(text),
    }
}

/// What JSON from our own Python says; an error names the setting, and not where in the text it stands.
pub(crate) fn read<T: DeserializeOwned>(what: &str, text: &str) -> PyResult<T> {
    serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(text)).map_err(|error| {
        let (path, reason) = (error.path().to_string(), error.inner().to_string());
        let reason = reason.rsplit_once(" at line ").map_or(reason.as_str(), |(reason, _)| reason);
        let setting = if path == "." { String::new() } else { format!(" `{path}`") };
        PyValueError::new_err(format!("{what}{setting}: {reason}"))
    })
}
