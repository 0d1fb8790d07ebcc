//! Files that are written whole or not at all.

use crate::error::{Error, Result};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// What a file is called until it is whole.
const PARTIAL: &str = "partial";

/// Writes a file whole or not at all: beside it first, flushed, then renamed over it, and the folder flushed, so that
/// neither a process nor a machine that dies leaves half of it.
///
/// # Errors
/// [`File`](crate::ErrorKind::File) naming it; what stood there before still does.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |e| Error::file_caused(path, "cannot be written", e);
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    make_folder(folder).map_err(failed)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.{PARTIAL}", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = (|| {
        let mut file = std::fs::File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        flush_folder(folder)
    })();
    written.map_err(|e| {
        // The first error is the one to report.
        let _ = std::fs::remove_file(&beside);
        failed(e)
    })
}

/// Makes a folder with those above it; a new one stays where its entry in the folder above is flushed.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(folder)?;
    folder.parent().filter(|above| !above.as_os_str().is_empty()).map_or(Ok(()), flush_folder)
}

/// Flushes the names in a folder to the disk.
#[cfg(unix)]
fn flush_folder(folder: &Path) -> io::Result<()> {
    match std::fs::File::open(folder)?.sync_all() {
        // Some file systems of networks have nothing to flush.
        Err(e) if matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        flushed => flushed,
    }
}

/// Elsewhere a folder cannot be opened as a file, and a renaming is flushed by the system.
#[cfg(not(unix))]
fn flush_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Removes what processes that died while they wrote have left below a folder. Nobody may be writing there.
///
/// # Errors
/// [`File`](crate::ErrorKind::File) naming what cannot be removed.
pub(crate) fn sweep(folder: &Path) -> Result<()> {
    let unread = |e| Error::file_caused(folder, "cannot be read", e);
    for entry in std::fs::read_dir(folder).map_err(unread)? {
        let entry = entry.map_err(unread)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(unread)?);
        if kind.is_dir() {
            sweep(&path)?;
        } else if is_partial(&path) {
            std::fs::remove_file(&path).map_err(|e| Error::file_caused(&path, "cannot be removed", e))?;
        }
    }
    Ok(())
}

/// Whether a path is one that [`write_atomic`] gives a file that is not whole.
pub(crate) fn is_partial(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let process = name.strip_suffix(PARTIAL).and_then(|name| name.strip_suffix('.')?.rsplit_once('.'));
    process.is_some_and(|(_, id)| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dead_processes_left_goes_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b");
        std::fs::create_dir_all(&deep).unwrap();
        let kept =
            ["metrics.jsonl", "partial", "x.partial", "12.partial", "x.12.partial.toml", "x.12b.partial"];
        for name in kept.iter().chain(&["0.safetensors.77.partial"]) {
            std::fs::write(deep.join(name), "x").unwrap();
        }
        sweep(dir.path()).unwrap();
        let mut left: Vec<_> = std::fs::read_dir(&deep)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        let mut kept = kept.to_vec();
        kept.sort();
        assert_eq!(left, kept);
    }

    #[test]
    fn what_cannot_be_written_leaves_what_was_there_and_no_trace() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("new/folder/file");
        write_atomic(&place, b"one").unwrap();
        write_atomic(&place, b"two").unwrap();
        assert_eq!(std::fs::read(&place).unwrap(), b"two");
        // A folder where the file should be.
        std::fs::create_dir(dir.path().join("taken")).unwrap();
        std::fs::write(dir.path().join("taken/x"), "").unwrap();
        let error = write_atomic(&dir.path().join("taken"), b"bytes").unwrap_err();
        assert!(error.to_string().contains("taken: cannot be written"), "{error}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
