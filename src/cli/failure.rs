//! What ends a command early, and how that is told.

use fastweights::{Error, ErrorKind};
use std::error::Error as _;
use std::io::Write as _;
use std::process::ExitCode;

/// What a command comes to.
pub(super) type Outcome<T = ()> = Result<T, Failure>;

/// Why a command ended early.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nobody reads standard output any more, e.g. `| head`: no fault of anyone.
    ClosedPipe,
    /// The user asked it to stop; everything was said already.
    Interrupted,
    /// Something went wrong.
    Error(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Failure {
    /// Prints the chain of causes; the exit code is 2 for a wrong call, 1 for a failure.
    pub(super) fn report(self) -> ExitCode {
        let error = match self {
            Self::ClosedPipe => return ExitCode::SUCCESS,
            Self::Interrupted => return ExitCode::from(130),
            Self::Error(error) => error,
        };
        // If standard error is closed too there is nowhere left to complain.
        let mut stderr = std::io::stderr().lock();
        let _ = writeln!(stderr, "error: {error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            let _ = writeln!(stderr, "  caused by: {error}");
            cause = error.source();
        }
        match error.kind() {
            ErrorKind::Recipe { .. } => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }
}

/// A line on standard error, lost if that is closed.
pub(super) fn note(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
