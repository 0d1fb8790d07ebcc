//! Bytes of a file as text, whatever program wrote it.

use crate::error::{Error, Result};
use encoding_rs::{Encoding, UTF_16BE, UTF_16LE, WINDOWS_1252};
use std::path::Path;

/// Formats that are no text, by their first bytes, and what to do with one.
const FOREIGN: [(&[u8], &str); 16] = [
    (b"\xd0\xcf\x11\xe0", "is an Excel workbook of the old kind; save it as CSV"),
    (b"ARROW1", "is an Arrow (Feather) file; save it as CSV"),
    (b"FEA1", "is a Feather file; save it as CSV"),
    (b"\x89HDF", "is an HDF5 file; save its table as CSV"),
    (b"SQLite format 3", "is a SQLite database; save the table as CSV"),
    (
        b"\x93NUMPY",
        "is a NumPy array; save it as CSV, e.g. with numpy.savetxt(\"rows.csv\", array, delimiter=\",\")",
    ),
    (b"\x80\x04", "is a Python pickle; save it as CSV"),
    (b"\x80\x05", "is a Python pickle; save it as CSV"),
    (b"%PDF", "is a PDF; a table as text is needed"),
    (b"\x28\xb5\x2f\xfd", "is packed by zstd; unpack it, or pack it by gzip"),
    (b"\xfd7zXZ\0", "is packed by xz; unpack it, or pack it by gzip"),
    (b"7z\xbc\xaf", "is a 7-Zip archive; unpack it"),
    (b"Rar!", "is a RAR archive; unpack it"),
    (b"Obj\x01", "is an Avro file; save it as CSV"),
    (b"\xff\xfe\0\0", "is text in UTF-32; save it as UTF-8"),
    (b"BZh", "is packed by bzip2; unpack it, or pack it by gzip"),
];

/// The text of a file, and what a person should know of how it was read.
///
/// # Errors
/// [`File`](crate::ErrorKind::File) naming it and what it is, if it is no text; [`Recipe`](crate::ErrorKind::Recipe) naming
/// `task.encoding`, if there is none of that name.
pub(super) fn decode(
    path: &Path,
    bytes: Vec<u8>,
    encoding: Option<&str>,
) -> Result<(String, Option<String>)> {
    if let Some((_, what)) = FOREIGN.iter().find(|(start, _)| bytes.starts_with(start)) {
        return Err(Error::file(path, *what));
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return Err(Error::file(path, "is a tar archive; unpack it, or pack the file alone by gzip"));
    }
    let encoding = match encoding {
        Some(label) => {
            let known = Encoding::for_label(label.as_bytes());
            let unknown = || {
                let reason = format!(
                    "is `{label}`; an encoding such as utf-8, utf-16le, windows-1252 or shift_jis is needed"
                );
                Error::recipe("task.encoding", reason)
            };
            known.ok_or_else(unknown)?
        }
        None => match Encoding::for_bom(&bytes).map(|(encoding, _)| encoding).or_else(|| wide(&bytes)) {
            Some(encoding) => encoding,
            None => match String::from_utf8(bytes) {
                Ok(text) => return checked(path, text).map(|text| (text, None)),
                Err(not) => return latin(path, &not.into_bytes()),
            },
        },
    };
    let (text, _, damaged) = encoding.decode(&bytes);
    if damaged {
        let reason =
            format!("is not text in {}; --set task.encoding=NAME names another encoding", encoding.name());
        return Err(Error::file(path, reason));
    }
    checked(path, text.into_owned()).map(|text| (text, None))
}

/// Text that is no UTF-8: in the encoding that Western systems wrote before.
fn latin(path: &Path, bytes: &[u8]) -> Result<(String, Option<String>)> {
    let (text, _, _) = WINDOWS_1252.decode(bytes);
    let text = checked(path, text.into_owned())?;
    let note = "is not UTF-8 and was read as Windows-1252 (Latin-1); --set task.encoding=NAME names another encoding";
    Ok((text, Some(note.to_owned())))
}

/// UTF-16 without a mark at its beginning: every other byte of plain text is zero.
fn wide(bytes: &[u8]) -> Option<&'static Encoding> {
    let start = &bytes[..bytes.len().min(1000) & !1];
    let zeros = |at: usize| start.iter().skip(at).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd, half) = (zeros(0), zeros(1), start.len() / 2);
    if half < 2 || even.max(odd) < half * 3 / 4 {
        None
    } else if odd > even {
        Some(UTF_16LE)
    } else {
        Some(UTF_16BE)
    }
}

/// Refuses what only looks like text.
fn checked(path: &Path, text: String) -> Result<String> {
    let start = text.trim_start().get(..15).unwrap_or(text.trim_start()).to_ascii_lowercase();
    if text.contains('\0') {
        return Err(Error::file(path, "is no text: it holds zero bytes; a CSV file is needed"));
    }
    if start.starts_with("<!doctype") || start.starts_with("<html") || start.starts_with("<?xml") {
        return Err(Error::file(
            path,
            "is a page of HTML or XML, not a table; perhaps a download asked for a log-in",
        ));
    }
    if start.starts_with('{') || start.starts_with("[{") || start.starts_with("[[") {
        return Err(Error::file(path, "is JSON; save it as CSV"));
    }
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], encoding: Option<&str>) -> std::result::Result<(String, bool), String> {
        let read = decode(Path::new("f.csv"), bytes.to_vec(), encoding);
        read.map(|(text, note)| (text, note.is_some())).map_err(|e| e.to_string())
    }

    #[test]
    fn encodings_are_told() {
        let utf16 = |order: fn(u16) -> [u8; 2], mark: bool| -> Vec<u8> {
            let text = if mark { "\u{feff}a,ö" } else { "abcdefg,ö" };
            text.encode_utf16().flat_map(order).collect()
        };
        for (bytes, expected, noted) in [
            (b"\xef\xbb\xbfa,\xc3\xb6".to_vec(), "a,ö", false),
            (b"a,\xc3\xb6".to_vec(), "a,ö", false),
            (b"a,\xf6\x80".to_vec(), "a,ö€", true),
            (utf16(u16::to_le_bytes, true), "a,ö", false),
            (utf16(u16::to_be_bytes, true), "a,ö", false),
            (utf16(u16::to_le_bytes, false), "abcdefg,ö", false),
            (utf16(u16::to_be_bytes, false), "abcdefg,ö", false),
        ] {
            assert_eq!(read(&bytes, None), Ok((expected.to_owned(), noted)));
        }
        assert_eq!(read(b"\xcf\xf0", Some("windows-1251")), Ok(("Пр".to_owned(), false)));
        assert!(read(b"a", Some("klingon")).unwrap_err().contains("`task.encoding`"));
        assert!(read(b"\xf6", Some("utf-8")).unwrap_err().contains("UTF-8"));
    }

    #[test]
    fn what_is_no_table_is_named() {
        for (bytes, word) in [
            (&b"\x93NUMPY\x01"[..], "NumPy"),
            (b"<!DOCTYPE html><html>", "HTML"),
            (b" [{\"a\": 1}]", "JSON"),
            (b"a,b\n1,\0\n", "zero bytes"),
        ] {
            let said = read(bytes, None).unwrap_err();
            assert!(said.contains("f.csv") && said.contains(word), "{said}");
        }
    }
}
