//! Arrays as NumPy writes them: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use crate::error::{Error, Result};
use crate::tensors::Tensors;
use std::io::{Cursor, Write as _};
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// The bytes of an archive of arrays, uncompressed as `numpy.savez` has them.
pub(super) fn npz(tensors: &Tensors, path: &Path) -> Result<Vec<u8>> {
    let failed = |e: Box<dyn std::error::Error + Send + Sync>| {
        Error::file_caused(path, "cannot be put into an archive", e)
    };
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, shape, bytes) in tensors.floats() {
        let large = bytes.len() >= 1 << 31;
        archive.start_file(format!("{name}.npy"), options.large_file(large)).map_err(|e| failed(e.into()))?;
        for part in [&header(shape)[..], bytes] {
            archive.write_all(part).map_err(|e| failed(e.into()))?;
        }
    }
    Ok(archive.finish().map_err(|e| failed(e.into()))?.into_inner())
}

/// What stands before the numbers of an array, of a length that 64 divides.
fn header(shape: &[usize]) -> Vec<u8> {
    let sides: Vec<String> = shape.iter().map(|side| format!("{side},")).collect();
    let mut text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}", sides.join(" "));
    const BEFORE: usize = 10;
    let padded = (BEFORE + text.len() + 1).next_multiple_of(64);
    text.extend(std::iter::repeat_n(' ', padded - BEFORE - text.len() - 1));
    text.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.bytes());
    bytes
}
