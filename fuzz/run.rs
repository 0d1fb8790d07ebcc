//! A target by its name, with a folder of its own.

#[path = "../tests/fuzz/targets.rs"]
mod targets;

use std::sync::OnceLock;
use tempfile::TempDir;

static FOLDER: OnceLock<TempDir> = OnceLock::new();

/// Reads bytes as the target of this name does.
pub fn run(name: &str, bytes: &[u8]) {
    let folder = FOLDER.get_or_init(|| tempfile::tempdir().expect("a folder"));
    let target = targets::TARGETS.iter().find(|target| target.name == name).expect("a target");
    (target.run)(bytes, folder.path());
}
