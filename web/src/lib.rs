//! The engine of the page: devices, starts to adapt from, a training that goes on. Everything that a GPU answers is a promise;
//! the page awaits one before it calls the same object again.

mod engine;
mod start;
mod training;

use fastweights::ErrorKind;
use js_sys::Error as Thrown;

/// An error as JavaScript has it, with its causes; its name is `Device` where the device failed, so that another may do better.
fn thrown(error: fastweights::Error) -> Thrown {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    let thrown = Thrown::new(&text);
    if matches!(error.kind(), ErrorKind::Device(_)) {
        thrown.set_name("Device");
    }
    thrown
}
