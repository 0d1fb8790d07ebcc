//! The command line as a person types it.

#[path = "../adapter/mod.rs"]
mod adapter;
mod bench;
mod gradcheck;
mod recipes;
mod refusals;
mod resume;
mod runs;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Settings that make a run take a moment.
const SMALL: [&str; 8] = [
    "--set",
    "task.pool=500",
    "--set",
    "evaluation.tasks=20",
    "--set",
    "evaluation.dense=20",
    "--set",
    "run.report_every=5",
];

fn fastweights(dir: &Path) -> Command {
    let mut command = Command::cargo_bin("fastweights").expect("the program is built");
    command.current_dir(dir);
    command
}

/// A command that trains on the CPU.
fn train(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = fastweights(dir);
    command.args(["train", "--device", "cpu"]).args(arguments);
    command
}

fn temp() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn json(path: impl AsRef<Path>) -> serde_json::Value {
    serde_json::from_slice(&fs::read(path).expect("the file is there")).expect("it is JSON")
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.safetensors"))
}

/// All files below a directory, by their relative paths.
fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path.strip_prefix(root).expect("below it").to_owned());
            }
        }
    }
    found.sort();
    found
}
