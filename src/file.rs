//! Files that are written whole or not at all.

use crate::error::{Error, Result};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Writes a file whole or not at all: beside it first, then renamed over it.
///
/// # Errors
/// [`File`](crate::ErrorKind::File) naming it.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |e| Error::file_caused(path, "cannot be written", e);
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.partial", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = (|| {
        let mut file = std::fs::File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    })();
    written.map_err(|e| {
        // The first error is the one to report.
        let _ = std::fs::remove_file(&beside);
        failed(e)
    })
}
