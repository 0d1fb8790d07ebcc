//! The one error type of the crate: opaque, with a kind to match on and words for a person.

use std::fmt;
use std::path::{Path, PathBuf};

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, and what a person needs to act on it.
///
/// `Display` is one line; the chain of causes is reached through [`std::error::Error::source`].
#[derive(Debug)]
pub struct Error(Box<ErrorKind>);

/// The kinds of failure. More may be added.
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A recipe key has an unknown name, a wrong type or an impossible value.
    Recipe {
        /// The key as it is written in TOML, e.g. `inner.steps`.
        key: String,
        /// Why it is refused and what is allowed.
        reason: String,
    },
    /// Two shapes do not fit.
    Shape {
        /// The operation or tensor concerned.
        what: String,
        /// The shape that was needed.
        expected: Vec<usize>,
        /// The shape that was given.
        found: Vec<usize>,
    },
    /// A device or format limit is too small.
    Limit {
        /// The name of the limit.
        limit: String,
        /// What the plan needs.
        needed: u64,
        /// What there is.
        available: u64,
        /// The way out.
        hint: String,
    },
    /// No usable device, or the device failed.
    Device(String),
    /// A file could not be read, written or understood.
    File {
        /// The file concerned.
        path: PathBuf,
        /// What is wrong with it, with the line where there is one.
        reason: String,
        /// The cause, if another library reported one.
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// Something this build cannot do, by name.
    Unsupported(String),
    /// Numbers left the finite range.
    NotFinite(String),
    /// A check was run and failed.
    Failed(String),
}

impl Error {
    /// The kind, to match on.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0
    }

    /// A refused recipe key.
    pub fn recipe(key: impl Into<String>, reason: impl Into<String>) -> Self {
        ErrorKind::Recipe { key: key.into(), reason: reason.into() }.into()
    }

    /// Two shapes that do not fit.
    pub fn shape(what: impl Into<String>, expected: &[usize], found: &[usize]) -> Self {
        ErrorKind::Shape { what: what.into(), expected: expected.to_vec(), found: found.to_vec() }.into()
    }

    /// A limit that is short.
    pub fn limit(limit: impl Into<String>, needed: u64, available: u64, hint: impl Into<String>) -> Self {
        ErrorKind::Limit { limit: limit.into(), needed, available, hint: hint.into() }.into()
    }

    /// A device problem.
    pub fn device(message: impl Into<String>) -> Self {
        ErrorKind::Device(message.into()).into()
    }

    /// A file that is not as it should be.
    pub fn file(path: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        ErrorKind::File { path: path.as_ref().to_owned(), reason: reason.into(), source: None }.into()
    }

    /// A file operation that failed with a cause.
    pub fn file_caused(
        path: impl AsRef<Path>,
        reason: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        ErrorKind::File { path: path.as_ref().to_owned(), reason: reason.into(), source: Some(source.into()) }
            .into()
    }

    /// Something this build cannot do.
    pub fn unsupported(what: impl Into<String>) -> Self {
        ErrorKind::Unsupported(what.into()).into()
    }

    /// A value that is infinite or not a number.
    pub fn not_finite(what: impl Into<String>) -> Self {
        ErrorKind::NotFinite(what.into()).into()
    }

    /// A check that failed.
    pub fn failed(what: impl Into<String>) -> Self {
        ErrorKind::Failed(what.into()).into()
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self(Box::new(kind))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            ErrorKind::Recipe { key, reason } => write!(f, "`{key}`: {reason}"),
            ErrorKind::Shape { what, expected, found } => {
                write!(f, "{what}: shape {found:?} does not fit, {expected:?} is needed")
            }
            ErrorKind::Limit { limit, needed, available, hint } => {
                write!(f, "{limit}: {needed} needed, {available} available; {hint}")
            }
            ErrorKind::File { path, reason, .. } => write!(f, "{}: {reason}", path.display()),
            ErrorKind::Device(text)
            | ErrorKind::Unsupported(text)
            | ErrorKind::NotFinite(text)
            | ErrorKind::Failed(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &*self.0 {
            ErrorKind::File { source: Some(source), .. } => Some(&**source),
            _ => None,
        }
    }
}
