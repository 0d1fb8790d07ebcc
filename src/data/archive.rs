//! Zip archives from strangers: read into memory within limits, never unpacked to files.

use super::{Phase, Step, Watch};
use crate::error::{Error, Result};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use zip::ZipArchive;
use zip::read::ZipFile;

/// How much of an archive is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Entries, pictures or not.
    pub(super) entries: usize,
    /// Bytes of one entry, unpacked.
    pub(super) entry_bytes: u64,
    /// Bytes of all that is taken, unpacked.
    pub(super) total_bytes: u64,
}

/// Reads the files of an archive: `wanted` is asked by name and declared size, `take` gets a wanted file's name and bytes. Returns how
/// many files were not wanted.
///
/// # Errors
/// [`File`](crate::ErrorKind::File) naming archive and entry: not a zip, truncated, damaged, names that lead elsewhere,
/// the same name twice, or more than the bounds.
pub(super) fn read(
    path: &Path,
    bounds: Bounds,
    watch: Watch<'_>,
    wanted: impl Fn(&str, u64) -> bool,
    mut take: impl FnMut(String, Vec<u8>) -> Result<()>,
) -> Result<usize> {
    let file = File::open(path).map_err(|e| Error::file_caused(path, "cannot be read", e))?;
    let mut archive = ZipArchive::new(BufReader::new(file))
        .map_err(|e| Error::file_caused(path, "is damaged, or no zip archive", e))?;
    let entries = archive.len();
    if entries > bounds.entries {
        let most = bounds.entries;
        return Err(Error::file(path, format!("has {entries} entries; at most {most} are read")));
    }
    // The directory would silently keep the last one of a name.
    if archive.has_duplicate_names() {
        return Err(Error::file(path, "has two entries of one name"));
    }
    let (mut skipped, mut total) = (0, 0_u64);
    for i in 0..entries {
        let mut entry = archive
            .by_index(i)
            .map_err(|e| Error::file_caused(path, format!("entry {i} cannot be read"), e))?;
        let name = (entry.name())
            .map_err(|e| Error::file_caused(path, format!("entry {i} has no readable name"), e))?
            .into_owned();
        check_name(path, &name)?;
        if entry.is_dir() {
            continue;
        }
        if !wanted(&name, entry.size()) {
            skipped += 1;
            continue;
        }
        if entry.is_symlink() {
            return Err(Error::file(path, format!("entry `{name}` is a link")));
        }
        let bytes = unpack(path, &name, &mut entry, bounds.entry_bytes)?;
        total += bytes.len() as u64;
        check_total(path, total, bounds)?;
        take(name, bytes)?;
        watch(Step { phase: Phase::Read, done: i as u64 + 1, total: entries as u64 });
    }
    Ok(skipped)
}

/// Refuses an entry's name that means harm.
pub(super) fn check_name(path: &Path, name: &str) -> Result<()> {
    if name.contains(char::is_control) {
        return Err(Error::file(path, format!("entry {name:?} has control characters in its name")));
    }
    if leads_elsewhere(name) {
        return Err(Error::file(path, format!("entry `{name}` has a name that leads out of the archive")));
    }
    Ok(())
}

/// Refuses more bytes than are kept in memory.
pub(super) fn check_total(path: &Path, bytes: u64, bounds: Bounds) -> Result<()> {
    if bytes > bounds.total_bytes {
        let most = bounds.total_bytes;
        let reason = format!(
            "holds more than {most} bytes unpacked, the most that is read at once; unpack it and import the folder"
        );
        return Err(Error::file(path, reason));
    }
    Ok(())
}

/// The bytes of an entry, at most `limit`.
fn unpack<R: Read>(path: &Path, name: &str, entry: &mut ZipFile<'_, R>, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // What the header declares is a claim; what is read counts.
    if entry.size() <= limit {
        let read = entry.by_ref().take(limit + 1).read_to_end(&mut bytes);
        read.map_err(|e| Error::file_caused(path, format!("entry `{name}` is damaged"), e))?;
    }
    if entry.size() > limit || bytes.len() as u64 > limit {
        let reason = format!("entry `{name}` is larger than {limit} bytes unpacked, the most that is read");
        return Err(Error::file(path, reason));
    }
    Ok(bytes)
}

/// Nothing is written under an entry's name, but an archive with such names means harm, or is not what it should be.
fn leads_elsewhere(name: &str) -> bool {
    let drive = name.as_bytes().get(1) == Some(&b':');
    drive || name.starts_with(['/', '\\']) || name.split(['/', '\\']).any(|part| part == "..")
}
