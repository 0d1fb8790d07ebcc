//! Runs that are killed, interrupted, damaged or robbed of their disk, as they come from the command line.

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Settings that make what comes after training take a moment.
const SMALL: [&str; 6] =
    ["--set", "task.pool=500", "--set", "evaluation.tasks=10", "--set", "evaluation.dense=10"];

fn fastweights(dir: &Path) -> Command {
    let mut command = Command::cargo_bin("fastweights").expect("the program is built");
    command.current_dir(dir).env_remove("FASTWEIGHTS_LOG");
    command
}

fn train(dir: &Path, arguments: &[&str]) -> assert_cmd::assert::Assert {
    fastweights(dir).args(["train", "--device", "cpu", "--threads", "1", "--quiet"]).args(arguments).assert()
}

/// A training that goes on while the test does.
fn spawn(dir: &Path, arguments: &[&str]) -> Child {
    std::process::Command::new(env!("CARGO_BIN_EXE_fastweights"))
        .args(["train", "--device", "cpu", "--threads", "1"])
        .args(arguments)
        .current_dir(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

fn temp() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// Waits until something has come true.
fn wait_for(what: &str, mut true_now: impl FnMut() -> bool) {
    let start = Instant::now();
    while !true_now() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what} does not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until a run has lines of metrics.
fn wait_for_metrics(run: &Path) {
    wait_for("a line of metrics", || fs::metadata(run.join("metrics.jsonl")).is_ok_and(|m| m.len() > 0));
}

#[cfg(unix)]
fn signal(child: &Child, name: &str) {
    let sent =
        std::process::Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
    assert!(sent.expect("kill").success());
}

/// Files that hold no times, below a run's directory, with their bytes.
fn contents(run: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let timed = ["evaluation.json", "times.jsonl", "processes.jsonl"];
    let (mut found, mut open) = (Vec::new(), vec![run.to_owned()]);
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if !timed.iter().any(|timed| path.ends_with(timed)) {
                let bytes = fs::read(&path).expect("a file");
                found.push((path.strip_prefix(run).expect("below it").to_owned(), bytes));
            }
        }
    }
    found.sort();
    found
}

fn same(a: &Path, b: &Path) {
    let (a, b) = (contents(a), contents(b));
    let names = |files: &[(PathBuf, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&a), names(&b));
    for ((name, a), (_, b)) in a.iter().zip(&b) {
        assert!(a == b, "{} differs", name.display());
    }
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("the file is there");
    bytes[at] ^= 0x04;
    fs::write(path, bytes).expect("it can be written");
}

/// Kills at random moments; their number is `FASTWEIGHTS_KILLS`, else a few.
#[cfg(unix)]
#[test]
fn a_run_that_is_killed_again_and_again_ends_with_the_same_bytes() {
    use std::hash::{BuildHasher as _, RandomState};
    let kills: u32 = std::env::var("FASTWEIGHTS_KILLS").map_or(4, |n| n.parse().expect("a number"));
    let dir = temp();
    let begin = |out: &str| -> Vec<String> {
        let own = [
            "sinusoid",
            "--steps",
            "400",
            "--save-every",
            "20",
            "--log-every",
            "7",
            "--keep",
            "3",
            "--out",
            out,
        ];
        own.iter().chain(&SMALL).map(|s| (*s).to_owned()).collect()
    };
    let start = Instant::now();
    train(dir.path(), &strs(&begin("whole"))).success();
    let span = start.elapsed().as_micros() as u64;
    let (mut killed, mut round, mut finished) = (0, 0, 0);
    while killed < kills {
        let name = format!("round-{round}");
        let run = dir.path().join(&name);
        let arguments = match run.join("recipe.toml").is_file() {
            true => vec!["--resume".to_owned(), name.clone()],
            false => begin(&name),
        };
        let mut child = spawn(dir.path(), &strs(&arguments));
        let random = RandomState::new().hash_one(killed);
        let moment = Duration::from_micros(random % (span / 2).max(1));
        let spawned = Instant::now();
        while spawned.elapsed() < moment && child.try_wait().expect("a child").is_none() {
            std::thread::sleep(Duration::from_micros(200));
        }
        if child.try_wait().expect("a child").is_some() {
            finished += 1;
            same(&dir.path().join("whole"), &run);
            round += 1;
        } else {
            child.kill().expect("it is killed");
            killed += 1;
        }
        child.wait().expect("it ends");
    }
    let last = dir.path().join(format!("round-{round}"));
    let arguments = match last.join("recipe.toml").is_file() {
        true => vec!["--resume".to_owned(), format!("round-{round}")],
        false => begin(&format!("round-{round}")),
    };
    train(dir.path(), &strs(&arguments)).success();
    same(&dir.path().join("whole"), &last);
    eprintln!("{killed} kills, {} runs to their end, {finished} of them between kills", finished + 1);
}

/// Arguments as those who run them take them.
fn strs(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

#[cfg(unix)]
#[test]
fn a_second_process_is_refused_and_a_dead_one_holds_nothing() {
    let dir = temp();
    let mut first = spawn(dir.path(), &["--steps", "4000000000", "--out", "a", "--log-every", "1"]);
    wait_for_metrics(&dir.path().join("a"));
    train(dir.path(), &["--resume", "a"]).code(1).stderr(
        contains(format!("is being trained by process {}", first.id())).and(contains("end it first")),
    );
    // Reading is free.
    let mut eval = fastweights(dir.path());
    eval.args(["eval", "a", "--device", "cpu", "--tasks", "3"]).assert().success();
    first.kill().unwrap();
    first.wait().unwrap();
    let left = dir.path().join("a/checkpoints/5.safetensors.1.partial");
    fs::write(&left, "half of it").unwrap();
    train(dir.path(), &["--resume", "a", "--stop-at", "1"]).success();
    assert!(!left.exists());
}

#[cfg(unix)]
#[test]
fn an_end_that_is_asked_for_saves_first() {
    for name in ["TERM", "HUP", "INT"] {
        if name == "HUP" && hangups_are_ignored() {
            eprintln!("skipped: SIGHUP, which the tests were started to ignore");
            continue;
        }
        let dir = temp();
        let run = dir.path().join("a");
        let child = spawn(dir.path(), &["--steps", "4000000000", "--out", "a", "--log-every", "1"]);
        wait_for_metrics(&run);
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{name}: {text}");
        assert!(text.contains("go on with: fastweights train --resume a"), "{name}: {text}");
        let saved =
            fs::read_dir(run.join("checkpoints")).unwrap().filter(|e| e.as_ref().unwrap().path().is_file());
        assert_eq!(saved.count(), 2, "{name}");
    }
}

/// Whether the tests themselves were started by `nohup`, which what they start inherits.
#[cfg(unix)]
fn hangups_are_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).is_some_and(|bits| bits & 1 == 1)
}

/// As `nohup` starts it.
#[cfg(unix)]
#[test]
fn a_training_that_is_to_outlive_its_terminal_does() {
    let dir = temp();
    let mut child = std::process::Command::new("sh")
        .args(["-c", "trap '' HUP; exec \"$0\" train --device cpu --steps 4000000000 --out a --log-every 1"])
        .arg(env!("CARGO_BIN_EXE_fastweights"))
        .current_dir(dir.path())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let metrics = dir.path().join("a/metrics.jsonl");
    wait_for_metrics(&dir.path().join("a"));
    signal(&child, "HUP");
    std::thread::sleep(Duration::from_millis(500));
    let len = || fs::metadata(&metrics).unwrap().len();
    let before = len();
    wait_for("another line of metrics", || len() > before);
    assert!(child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A limit on the size of files stands in for a disk that is full.
#[cfg(unix)]
#[test]
fn a_full_disk_ends_in_an_error_and_nothing_is_lost() {
    let dir = temp();
    let common = ["--steps", "400", "--save-every", "20", "--log-every", "1"];
    let whole = [&common[..], &SMALL, &["--out", "whole"]].concat();
    train(dir.path(), &whole).success();
    let arguments = [&["train", "--device", "cpu"][..], &common, &SMALL, &["--out", "a"]].concat();
    // In blocks of 512 bytes or of 1024, as shells have it: checkpoints fit, 400 lines of metrics do not.
    let output = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 40; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_fastweights")])
        .args(&arguments)
        .current_dir(dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("cannot be written") && text.contains("caused by"), "{text}");
    assert!(text.contains("the run is whole up to meta-iteration"), "{text}");
    assert!(text.contains("fastweights train --resume a"), "{text}");
    let partial = contents(&dir.path().join("a"))
        .into_iter()
        .find(|(name, _)| name.to_string_lossy().contains(".partial"));
    assert_eq!(partial, None);
    train(dir.path(), &["--resume", "a"]).success();
    same(&dir.path().join("whole"), &dir.path().join("a"));
}

/// The folder of checkpoints is taken away, which ends as one that may not be written into; it comes back later.
#[cfg(unix)]
#[test]
fn a_directory_that_cannot_be_written_ends_in_an_error_and_nothing_is_lost() {
    let dir = temp();
    let run = dir.path().join("a");
    let common = [&["--steps", "1500", "--save-every", "50", "--log-every", "10"][..], &SMALL].concat();
    train(dir.path(), &[&common[..], &["--out", "whole"]].concat()).success();
    let child = spawn(dir.path(), &[&common[..], &["--out", "a"]].concat());
    wait_for_metrics(&run);
    let (checkpoints, aside) = (run.join("checkpoints"), run.join("aside"));
    fs::rename(&checkpoints, &aside).unwrap();
    fs::write(&checkpoints, "no folder").unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("checkpoints") && text.contains("cannot be"), "{text}");
    fs::remove_file(&checkpoints).unwrap();
    fs::rename(&aside, &checkpoints).unwrap();
    train(dir.path(), &["--resume", "a"]).success();
    same(&dir.path().join("whole"), &run);
}

#[test]
fn a_flipped_bit_is_named_and_the_checkpoint_before_is_taken() {
    let dir = temp();
    let common = [&["--steps", "30", "--save-every", "10"][..], &SMALL].concat();
    train(dir.path(), &[&common[..], &["--out", "a"]].concat()).success();
    let newest = dir.path().join("a/checkpoints/30.safetensors");
    let untouched = fs::read(&newest).unwrap();
    flip(&newest, untouched.len() - 100);
    let eval = || {
        let mut command = fastweights(dir.path());
        command.args(["eval", "a", "--device", "cpu"]).assert()
    };
    eval()
        .success()
        .stderr(contains("warning: ").and(contains("30.safetensors: is damaged")))
        .stdout(contains("after 20"));
    // Training again what is lost.
    train(dir.path(), &["--resume", "a"]).success().stderr(contains("30.safetensors: is damaged"));
    assert!(fs::read(&newest).unwrap() == untouched);
    eval().success().stderr("");
    for step in [0, 10, 20, 30] {
        flip(&dir.path().join(format!("a/checkpoints/{step}.safetensors")), 700);
    }
    eval().code(1).stderr(contains("30.safetensors").and(contains("damaged")));
    train(dir.path(), &["--resume", "a"]).code(1).stderr(contains("30.safetensors").and(contains("damaged")));
}

#[test]
fn a_device_that_is_lost_is_opened_anew_where_that_is_asked_for() {
    let dir = temp();
    let at = dir.path();
    let run = |name: &str, lost: &str, more: &[&str]| {
        let usual =
            ["train", "sinusoid", "--device", "cpu", "--threads", "1", "--steps", "40", "--save-every", "5"];
        let mut command = fastweights(at);
        command.env("FASTWEIGHTS_LOSE_DEVICE", lost).args(usual).args(SMALL).args(["--out", name]).args(more);
        command.assert()
    };
    run("whole", "0", &[]).success();
    let said = run("lost", "2", &["--recover"]).success();
    let said = String::from_utf8_lossy(&said.get_output().stderr).into_owned();
    assert_eq!(said.matches("the device is opened anew, to go on from meta-iteration").count(), 2, "{said}");
    same(&at.join("whole"), &at.join("lost"));
    run("alone", "1", &[]).code(1).stderr(
        contains("the device was lost").and(contains("train --resume alone")).and(contains("--recover")),
    );
    train(at, &["--resume", "alone"]).success();
    same(&at.join("whole"), &at.join("alone"));
}

#[test]
fn an_edited_recipe_is_refused_by_what_was_changed() {
    let dir = temp();
    train(dir.path(), &[&["--steps", "6", "--out", "a", "--stop-at", "3"][..], &SMALL].concat()).success();
    let file = dir.path().join("a/recipe.toml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("meta_lr = 0.001"));
    fs::write(&file, text.replacen("meta_lr = 0.001", "meta_lr = 0.1", 1)).unwrap();
    let words =
        || contains("outer.meta_lr was 0.001, is 0.1").and(contains("fastweights train a/recipe.toml"));
    train(dir.path(), &["--resume", "a"]).code(1).stderr(words());
    fastweights(dir.path()).args(["eval", "a", "--device", "cpu"]).assert().code(1).stderr(words());
    // It can be trained as a run of its own.
    train(dir.path(), &["a/recipe.toml", "--out", "b"]).success();
    fs::write(&file, text).unwrap();
    train(dir.path(), &["--resume", "a"]).success();
}

#[test]
fn numbers_that_are_not_finite_name_their_task_and_settings() {
    let dir = temp();
    let wild = [&["--steps", "400", "--set", "inner.lr=1e30", "--set", "control.enabled=false"][..], &SMALL]
        .concat();
    train(dir.path(), &[&wild[..], &["--out", "a"]].concat()).code(1).stderr(
        contains("not finite at meta-iteration 1: the query loss of task 1 of 10 is")
            .and(contains("after 1 of 1 inner steps"))
            .and(contains("inner.lr = 1e30").or(contains("inner.lr = 1000000000000000000000000000000")))
            .and(contains("the run took no step and was removed")),
    );
    assert!(!dir.path().join("a").exists());
    train(dir.path(), &[&wild[..], &["--out", "a", "--on-nonfinite", "skip"]].concat())
        .code(1)
        .stderr(contains("skipped: ").and(contains("100 before it were skipped already")));
}

#[test]
fn training_ends_early_where_trials_find_nothing_better() {
    let dir = temp();
    let mut arguments =
        vec!["glyphs-5way-1shot", "--steps", "40", "--validate-every", "2", "--patience", "4"];
    for setting in [
        "task.side=10",
        r#"model.layers=[{ type = "conv2d", outputs = 5, kernel = 3, stride = 2 }, { type = "batch_norm" }, { type = "relu" }, { type = "flatten" }]"#,
        "outer.meta_batch=3",
        // Nothing is learned.
        "outer.meta_lr=1e-30",
        "validation.tasks=4",
        "evaluation.tasks=4",
    ] {
        arguments.extend(["--set", setting]);
    }
    train(dir.path(), &[&arguments[..], &["--out", "a"]].concat()).success();
    assert!(dir.path().join("a/checkpoints/6.safetensors").is_file());
    let again =
        fastweights(dir.path()).args(["train", "--device", "cpu", "--resume", "a"]).assert().success();
    again.stderr(contains("a is finished, after 6 meta-iterations"));
    train(dir.path(), &["--resume", "a", "--patience", "0", "--stop-at", "9"]).success();
    let refused = train(dir.path(), &["--patience", "4", "--out", "b"]).code(2);
    refused.stderr(contains("validation.patience").and(contains("validation.every = 0")));
}
