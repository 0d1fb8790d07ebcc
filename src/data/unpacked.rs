//! Files of text that may be zipped or gzipped: told by their first bytes, not by their names.

use super::archive::{self, Bounds};
use crate::error::{Error, Result};
use flate2::read::MultiGzDecoder;
use sha2::{Digest as _, Sha256};
use std::io::Read as _;
use std::path::Path;

/// Most bytes of a file, unpacked.
const MOST: u64 = 4 << 30;

/// What a file held.
#[derive(Debug)]
pub(super) struct Unpacked {
    /// The text.
    pub(super) bytes: Vec<u8>,
    /// SHA-256 of the file as it lies there, packed or not.
    pub(super) sha256: String,
}

/// Reads a file; a zip archive must hold one file.
///
/// # Errors
/// [`File`](crate::ErrorKind::File) naming it: not there, empty, damaged, larger than 4 GiB, or several files in one.
pub(super) fn read(path: &Path) -> Result<Unpacked> {
    let failed = |e| Error::file_caused(path, "cannot be read", e);
    let size = std::fs::metadata(path).map_err(failed)?.len();
    let too_large =
        || Error::file(path, format!("is larger than {MOST} bytes unpacked, the most that is read"));
    if size > MOST {
        return Err(too_large());
    }
    let raw = std::fs::read(path).map_err(failed)?;
    let sha256 = Sha256::digest(&raw).iter().map(|byte| format!("{byte:02x}")).collect();
    let bytes = if raw.starts_with(b"PK\x03\x04") || raw.starts_with(b"PK\x05\x06") {
        the_one_file(path)?
    } else if raw.starts_with(&[0x1f, 0x8b]) {
        let mut bytes = Vec::new();
        let unpacked = MultiGzDecoder::new(&*raw).take(MOST + 1).read_to_end(&mut bytes);
        unpacked.map_err(|e| Error::file_caused(path, "is damaged: it cannot be gunzipped", e))?;
        if bytes.len() as u64 > MOST {
            return Err(too_large());
        }
        bytes
    } else {
        raw
    };
    if bytes.is_empty() {
        return Err(Error::file(path, "is empty"));
    }
    Ok(Unpacked { bytes, sha256 })
}

/// The only file of an archive, what some systems add to every archive aside.
fn the_one_file(path: &Path) -> Result<Vec<u8>> {
    let bounds = Bounds { entries: 10_000, entry_bytes: MOST, total_bytes: MOST };
    let wanted = |name: &str, _| !name.starts_with("__MACOSX/") && !name.ends_with(".DS_Store");
    let mut files = Vec::new();
    archive::read(path, bounds, &|_| {}, wanted, |name, bytes| {
        files.push((name, bytes));
        Ok(())
    })?;
    let has = |name: &str| files.iter().any(|(found, _)| found == name);
    if has("xl/workbook.xml") {
        return Err(Error::file(path, "is an Excel workbook; save its sheet as CSV"));
    }
    if has("content.xml") && has("mimetype") {
        return Err(Error::file(path, "is an OpenDocument workbook; save its sheet as CSV"));
    }
    let is_table = |name: &str| {
        let name = name.to_ascii_lowercase();
        [".csv", ".tsv", ".tab", ".arff", ".data", ".parquet"].iter().any(|end| name.ends_with(end))
    };
    if let [only] = (0..files.len()).filter(|&at| is_table(&files[at].0)).collect::<Vec<_>>()[..] {
        return Ok(files.swap_remove(only).1);
    }
    match files.len() {
        1 => Ok(files.remove(0).1),
        0 => Err(Error::file(path, "is an archive without a file")),
        n => {
            let names: Vec<_> = files.iter().take(5).map(|(name, _)| format!("`{name}`")).collect();
            let more = if n > names.len() { ", …" } else { "" };
            let reason = format!(
                "is an archive of {n} files ({}{more}); pack the one that is meant alone",
                names.join(", ")
            );
            Err(Error::file(path, reason))
        }
    }
}
