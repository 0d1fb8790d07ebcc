//! Tar archives from strangers, gzipped or not: read into memory within limits, never unpacked to files.

use super::archive::{Bounds, check_name, check_total};
use super::{Phase, Step, Watch};
use crate::error::{Error, Result};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use tar::{Archive, EntryType};

/// Most bytes that are gone through, unpacked, wanted or not: what passes over that much is a bomb.
const MOST: u64 = 1 << 36;

/// Reads the files of an archive: `wanted` is asked by name and size, `take` gets a wanted file's name and bytes. Returns
/// how many files were not wanted.
///
/// # Errors
/// [`File`](crate::ErrorKind::File) naming archive and entry: no tar archive, cut, damaged, names that lead elsewhere, or
/// more than the bounds.
pub(super) fn read(
    path: &Path,
    (bounds, gzipped): (Bounds, bool),
    watch: Watch<'_>,
    wanted: impl Fn(&str, u64) -> bool,
    mut take: impl FnMut(String, Vec<u8>) -> Result<()>,
) -> Result<usize> {
    let file = File::open(path).map_err(|e| Error::file_caused(path, "cannot be read", e))?;
    let file = BufReader::with_capacity(1 << 16, file);
    let source: Box<dyn Read> = if gzipped { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut source = source.take(MOST);
    let mut archive = Archive::new(&mut source);
    let damaged = |e| Error::file_caused(path, "is damaged, or no tar archive", e);
    let (mut skipped, mut total, mut count) = (0, 0, 0);
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        count += 1;
        if count > bounds.entries {
            return Err(Error::file(
                path,
                format!("has more than {} entries, the most that are read", bounds.entries),
            ));
        }
        let name = String::from_utf8(entry.path_bytes().into_owned())
            .map_err(|_| Error::file(path, format!("entry {count} has no readable name")))?;
        check_name(path, &name)?;
        let kind = entry.header().entry_type();
        if kind == EntryType::Directory || kind.is_pax_global_extensions() {
            continue;
        }
        if !wanted(&name, entry.size()) {
            skipped += 1;
            continue;
        }
        let refused = |reason: String| Err(Error::file(path, format!("entry `{name}` {reason}")));
        if kind == EntryType::Symlink || kind == EntryType::Link {
            return refused("is a link".into());
        }
        if entry.size() > bounds.entry_bytes {
            return refused(format!("is larger than {} bytes, the most that is read", bounds.entry_bytes));
        }
        total += entry.size();
        check_total(path, total, bounds)?;
        let mut bytes = Vec::new();
        let read = entry.read_to_end(&mut bytes);
        read.map_err(|e| Error::file_caused(path, format!("entry `{name}` is damaged"), e))?;
        if (bytes.len() as u64) < entry.size() {
            return refused("is damaged: it was cut".into());
        }
        take(name, bytes)?;
        watch(Step { phase: Phase::Read, done: count as u64, total: 0 });
    }
    // Up to the end, where the sum of what was packed stands.
    std::io::copy(&mut source, &mut std::io::sink()).map_err(damaged)?;
    Ok(skipped)
}
