//! What several test files share.
#![allow(dead_code, reason = "each test file uses its part")]

use fastweights::ErrorKind;
use fastweights::case::Case;

/// The golden cases whose layers this build knows, in the order of their names.
pub(crate) fn golden_cases() -> Vec<(String, Case)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    let mut cases = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "safetensors"));
    files.sort();
    assert_eq!(files.len(), 16);
    for path in files {
        match Case::read(&path) {
            Ok(case) => cases.push((path.file_stem().unwrap().to_string_lossy().into_owned(), case)),
            Err(error) => assert!(matches!(error.kind(), ErrorKind::Unsupported(_)), "{error}"),
        }
    }
    cases
}
