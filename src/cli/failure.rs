//! What ends a command early, and how that is told.

use super::width::{of_notes, wrapped};
use fastweights::{Error, ErrorKind};
use std::error::Error as _;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

/// The status of a program that was interrupted.
pub(super) const INTERRUPTED: u8 = 130;

/// What a command comes to.
pub(super) type Outcome<T = ()> = Result<T, Failure>;

/// Why a command ended early.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nobody reads standard output any more, e.g. `| head`: no fault of anyone.
    ClosedPipe,
    /// The user asked it to stop; everything was said already.
    Interrupted,
    /// Another process says what went wrong.
    Told,
    /// Something went wrong.
    Error(Error),
    /// Something went wrong with a run, and this is how to go on with it.
    OfRun(Error, String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Failure {
    /// Says how to go on with the run that something went wrong with.
    pub(super) fn of_run(self, way_on: String) -> Self {
        match self {
            Self::Error(error) => Self::OfRun(error, way_on),
            other => other,
        }
    }

    /// Prints the chain of causes; the exit code is 2 for a wrong call, 1 for a failure.
    pub(super) fn report(self) -> ExitCode {
        let (error, way_on) = match self {
            Self::ClosedPipe => return ExitCode::SUCCESS,
            Self::Interrupted => return ExitCode::from(INTERRUPTED),
            // A status other than 0 would have mpirun end the one that says it.
            Self::Told => return ExitCode::SUCCESS,
            Self::Error(error) => (error, None),
            Self::OfRun(error, way_on) => (error, Some(way_on)),
        };
        // If standard error is closed too there is nowhere left to complain.
        let mut stderr = std::io::stderr().lock();
        let _ = writeln!(stderr, "{}", wrapped(&format!("error: {error}"), of_notes()));
        let mut cause = error.source();
        while let Some(error) = cause {
            let _ = writeln!(stderr, "{}", wrapped(&format!("  caused by: {error}"), of_notes()));
            cause = error.source();
        }
        if let Some(way_on) = way_on {
            let _ = writeln!(stderr, "{}", wrapped(&way_on, of_notes()));
        }
        match error.kind() {
            ErrorKind::Recipe { .. } => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }
}

/// Whether nothing is noted, as another process does it.
static SILENT: AtomicBool = AtomicBool::new(false);

/// From here on nothing is noted.
pub(super) fn silence() {
    SILENT.store(true, Ordering::Relaxed);
}

/// A line on standard error, lost if that is closed: there is nowhere left to complain.
pub(super) fn note(line: &str) {
    if SILENT.load(Ordering::Relaxed) {
        return;
    }
    let _ = writeln!(std::io::stderr().lock(), "{}", wrapped(line, of_notes()));
}

/// What is not as it should be, but does not end the command.
pub(super) fn warn(error: &Error) {
    note(&format!("warning: {error}"));
}
