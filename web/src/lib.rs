//! The engine of the page: devices, starts to adapt from, a training that goes on. Everything that a GPU answers is a promise;
//! the page awaits one before it calls the same object again.

mod engine;
mod start;
mod training;

use wasm_bindgen::JsError;

/// An error as JavaScript has it, with its causes.
fn thrown(error: fastweights::Error) -> JsError {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    JsError::new(&text)
}
