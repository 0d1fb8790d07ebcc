//! What people look at afterwards: the page of `report`, and event files as TensorBoard reads them.

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;
use std::fs;
use std::path::Path;

const SMALL: [&str; 6] =
    ["--set", "task.pool=500", "--set", "evaluation.tasks=10", "--set", "evaluation.dense=10"];

fn fastweights(dir: &Path, arguments: &[&str]) -> assert_cmd::assert::Assert {
    let mut command = Command::cargo_bin("fastweights").expect("the program is built");
    command.current_dir(dir).env_remove("FASTWEIGHTS_LOG").args(arguments).assert()
}

fn train(dir: &Path, arguments: &[&str]) {
    let common = ["train", "--device", "cpu", "--threads", "1", "--quiet"];
    fastweights(dir, &[&common[..], arguments].concat()).success();
}

#[test]
fn a_page_shows_runs_side_by_side() {
    let dir = tempfile::tempdir().unwrap();
    let steps = ["--steps", "12", "--log-every", "3"];
    train(dir.path(), &[&steps[..], &SMALL, &["--out", "runs/one"]].concat());
    train(
        dir.path(),
        &[&steps[..], &SMALL, &["--out", "runs/two", "--seed", "5", "--set", "inner.lr=0.02"]].concat(),
    );
    // One that is still being trained.
    train(dir.path(), &[&steps[..], &SMALL, &["--out", "runs/half", "--stop-at", "6"]].concat());
    let said = fastweights(dir.path(), &["report", "runs/one", "runs/two", "runs/half"]).success();
    said.stdout(contains("report.html: a page about 3 runs"));
    let page = fs::read_to_string(dir.path().join("report.html")).unwrap();
    for word in [
        "New tasks, step by step",
        "Loss during training",
        "not through yet",
        "--stop-at 6",
        "inner.lr",
        "one: task",
    ] {
        assert!(page.contains(word), "{word}");
    }
    let differing: Vec<_> = page
        .split("<tr class=\"other\"><th><code>")
        .skip(1)
        .map(|row| &row[..row.find('<').unwrap()])
        .collect();
    assert_eq!(differing, ["control.lr", "inner.lr", "seed"]);
    // Nothing is asked of a network.
    for word in ["<script", "<link", "src=\"http", "href=", "url(", "@import"] {
        assert!(!page.contains(word), "{word}");
    }
    fastweights(dir.path(), &["report", "runs/one", "--out", "pages/one.html"]).success();
    assert!(fs::read_to_string(dir.path().join("pages/one.html")).unwrap().contains("<title>one</title>"));
    fastweights(dir.path(), &["report", "runs"]).code(1).stderr(contains("is not a run"));
    fastweights(dir.path(), &["report"]).code(2);
}

/// Reads a folder of event files with TensorBoard's own package, into JSON.
const READER: &str = r#"
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "images": 0})
events.Reload()
tags = events.Tags()
print(json.dumps({
    "scalars": {tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in tags["scalars"]},
    "images": {tag: [[e.step, e.width, e.height, e.encoded_image_string[:4].hex()] for e in events.Images(tag)] for tag in tags["images"]},
}))
"#;

/// A Python that has TensorBoard: `FASTWEIGHTS_PYTHON`, or the usual one.
fn python() -> Option<String> {
    let python = std::env::var("FASTWEIGHTS_PYTHON").unwrap_or_else(|_| "python3".into());
    let found = std::process::Command::new(&python).args(["-c", "import tensorboard"]).output();
    found.is_ok_and(|output| output.status.success()).then_some(python)
}

#[test]
fn tensorboard_reads_every_step_once() {
    let dir = tempfile::tempdir().unwrap();
    let learned = ["--set", "inner.learned_lr=per_layer_step", "--set", "inner.steps=2"];
    let own = ["--steps", "23", "--log-every", "5", "--tensorboard", "--out", "a", "--stop-at", "12"];
    train(dir.path(), &[&own[..], &SMALL, &learned].concat());
    train(dir.path(), &["--resume", "a"]);
    let files = fs::read_dir(dir.path().join("a/tensorboard")).unwrap().count();
    assert_eq!(files, 2);
    let Some(python) = python() else {
        eprintln!("skipped: no Python with TensorBoard; FASTWEIGHTS_PYTHON names one");
        return;
    };
    let output = std::process::Command::new(python)
        .args(["-c", READER, "a/tensorboard"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let steps = |tag: &str| -> Vec<u64> {
        read["scalars"][tag]
            .as_array()
            .unwrap_or_else(|| panic!("no {tag}: {read}"))
            .iter()
            .map(|e| e[0].as_u64().unwrap())
            .collect()
    };
    for tag in ["loss/query", "loss/support", "loss/control", "rate/outer"] {
        assert_eq!(steps(tag), [5, 10, 15, 20, 23], "{tag}");
    }
    for (layer, step) in [("0", 1), ("0", 2), ("2", 1), ("4", 2)] {
        // After blocks, which are cut by the clock.
        let steps = steps(&format!("rate/inner {layer}, step {step}"));
        assert!(
            steps.len() >= 2 && steps.is_sorted_by(|a, b| a < b) && steps[steps.len() - 1] <= 23,
            "{steps:?}"
        );
    }
    assert_eq!(steps("evaluation/mse after steps, meta-learned"), (0..=10).collect::<Vec<_>>());
    // The values are those of metrics.jsonl.
    let metrics = fs::read_to_string(dir.path().join("a/metrics.jsonl")).unwrap();
    let losses = metrics
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["query_loss"].as_f64().unwrap());
    let shown = read["scalars"]["loss/query"].as_array().unwrap().iter().map(|e| e[1].as_f64().unwrap());
    assert!(losses.zip(shown).all(|(a, b)| (a - b).abs() <= 1e-6 * a.abs()));
    let task = &read["images"]["pictures/task"][0];
    assert!(task[0] == 23 && task[1].as_u64() > Some(100) && task[3] == "89504e47", "{task}");
}

#[test]
fn help_says_what_each_flag_does() {
    let dir = tempfile::tempdir().unwrap();
    let help = fastweights(dir.path(), &["train", "--help"]).success();
    let mut all = contains("--log-every").boxed();
    for flag in [
        "--save-every",
        "--keep",
        "--validate-every",
        "--patience",
        "--on-nonfinite",
        "--recover",
        "--tensorboard",
    ] {
        all = all.and(contains(flag)).boxed();
    }
    help.stdout(all);
}
