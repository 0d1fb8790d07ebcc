//! Standard output, through one writer that notices when nobody reads it.

use super::failure::{Failure, Outcome};
use super::width::{of_output, wrapped};
use fastweights::{Error, Result};
use std::io::{self, BufWriter, Stdout, Write};
use std::path::Path;

/// Standard output, or nothing.
pub(super) struct Out(Option<BufWriter<Stdout>>);

impl Out {
    pub(super) fn stdout() -> Self {
        Self(Some(BufWriter::new(io::stdout())))
    }

    /// Where nothing is kept.
    pub(super) fn nowhere() -> Self {
        Self(None)
    }

    /// Writes text as it is.
    pub(super) fn text(&mut self, text: &str) -> Outcome {
        self.0.as_mut().map_or(Ok(()), |out| out.write_all(text.as_bytes())).map_err(failure)
    }

    /// Writes a line, broken between words where the terminal is narrower.
    pub(super) fn line(&mut self, line: &str) -> Outcome {
        self.row(&wrapped(line, of_output()))
    }

    /// Writes a line as it is.
    pub(super) fn row(&mut self, line: &str) -> Outcome {
        self.text(line)?;
        self.text("\n")
    }

    /// Hands on what is held back so far.
    pub(super) fn finish(&mut self) -> Outcome {
        self.0.as_mut().map_or(Ok(()), BufWriter::flush).map_err(failure)
    }
}

fn failure(error: io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        Failure::ClosedPipe
    } else {
        Error::file_caused("standard output", "cannot be written", error).into()
    }
}

/// Refuses a file to write that cannot be made, or that is one of those which are read, before long work.
pub(super) fn check_writable(path: &Path, read: &[&Path]) -> Result<()> {
    let place = path.canonicalize();
    if place.is_ok_and(|place| read.iter().any(|read| read.canonicalize().is_ok_and(|read| read == place))) {
        return Err(Error::file(
            path,
            "is read by this very command, and would be lost; write to another file",
        ));
    }
    if path.is_dir() {
        return Err(Error::file(path, "is a directory; give a file"));
    }
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() && !parent.is_dir() => {
            Err(Error::file(path, format!("cannot be written: there is no directory {}", parent.display())))
        }
        _ => Ok(()),
    }
}
