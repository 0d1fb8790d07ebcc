//! Runs that go on.

use super::*;

/// `n` meta-iterations equal `k`, a checkpoint, and `n − k` more, in every byte but those of times.
fn resumes_to_the_byte(recipe: &str, settings: &[&str]) {
    let dir = temp();
    let settings: Vec<_> = settings.iter().flat_map(|s| ["--set", s]).collect();
    let common = |out| -> Vec<&str> { [&[recipe, "--quiet", "--out", out][..], &SMALL, &settings].concat() };
    train(dir.path(), &common("whole")).args(["--steps", "23"]).assert().success();
    // 8 is in the middle of five lines of metrics; 15 is asked for beyond the first end.
    train(dir.path(), &common("parts")).args(["--steps", "8"]).assert().success();
    train(dir.path(), &["--resume", "parts", "--steps", "23", "--stop-at", "15", "--quiet"])
        .assert()
        .success();
    train(dir.path(), &["--resume", "parts", "--quiet", "--threads", "1"]).assert().success();
    let (whole, parts) = (dir.path().join("whole"), dir.path().join("parts"));
    let names = files(&whole);
    assert!(names.len() > 12, "{names:?}");
    let timed = ["evaluation.json", "times.jsonl", "processes.jsonl"];
    for name in names.iter().filter(|name| !timed.iter().any(|timed| name.ends_with(timed))) {
        let (a, b) = (fs::read(whole.join(name)).unwrap(), fs::read(parts.join(name)).unwrap());
        assert!(a == b, "{recipe}: {} differs", name.display());
    }
    assert_eq!(
        json(whole.join("evaluation.json"))["learners"],
        json(parts.join("evaluation.json"))["learners"]
    );
}

#[test]
fn a_resumed_sinusoid_is_the_same_to_the_byte() {
    resumes_to_the_byte("sinusoid", &[]);
}

#[test]
fn a_resumed_run_with_fresh_tasks_and_learned_rates_is_the_same_to_the_byte() {
    let settings =
        ["inner.steps=3", "inner.learned_lr=per_parameter_step", "outer.clip_norm=1.0", "task.pool=0"];
    resumes_to_the_byte("sinusoid-paper", &settings);
}

/// Every file below a directory with its bytes.
fn contents(root: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    files(root).into_iter().map(|name| (name.clone(), fs::read(root.join(&name)).unwrap())).collect()
}

#[test]
fn a_finished_run_is_left_alone_and_its_times_add_up() {
    let dir = temp();
    let run = dir.path().join("a");
    let seconds = || -> Vec<f64> {
        let text = fs::read_to_string(run.join("times.jsonl")).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.map(|line| line["train"].as_f64().unwrap()).collect()
    };
    let first = ["--steps", "40", "--quiet", "--out", "a", "--stop-at", "30", "--json"];
    let stopped = train(dir.path(), &first).args(SMALL).assert().success();
    let stopped: serde_json::Value = serde_json::from_slice(&stopped.get_output().stdout).unwrap();
    assert_eq!((&stopped["run"], &stopped["stopped_at"]), (&"a".into(), &30.into()));
    let before = *seconds().last().unwrap();
    train(dir.path(), &["--resume", "a", "--quiet"]).assert().success();
    let (all, report) = (seconds(), json(run.join("evaluation.json")));
    assert!(all.len() == 3 && all[2] > before && before > 0.0, "{all:?}");
    assert_eq!(report["seconds"]["train"], all[2]);
    let left = contents(&run);
    let again = train(dir.path(), &["--resume", "a", "--json"]).assert().success();
    let again: serde_json::Value =
        serde_json::from_slice(&again.stderr(contains("a is finished, after 40")).get_output().stdout)
            .unwrap();
    assert_eq!(again["learners"], report["learners"]);
    assert!(left == contents(&run));
    // More can still be asked for.
    train(dir.path(), &["--resume", "a", "--steps", "41", "--quiet"]).assert().success();
    assert!(run.join("checkpoints/41.safetensors").is_file() && seconds()[3] > all[2]);
}

#[test]
fn what_cannot_be_resumed_says_why() {
    let dir = temp();
    train(dir.path(), &["--resume", "nowhere"]).assert().code(1).stderr(contains("nowhere"));
    fs::create_dir(dir.path().join("empty")).unwrap();
    train(dir.path(), &["--resume", "empty"]).assert().code(1).stderr(contains("recipe.toml"));
    train(dir.path(), &["sinusoid", "--resume", "empty"]).assert().code(2);
    let mut run = train(dir.path(), &["--steps", "4", "--quiet", "--out", "a"]);
    run.args(SMALL).args(["--set", "outer.schedule=cosine"]).assert().success();
    let longer = train(dir.path(), &["--resume", "a", "--steps", "9"]).assert().code(2);
    longer.stderr(contains("outer.schedule"));
    let mut run = train(dir.path(), &["--steps", "4", "--quiet", "--out", "b"]);
    run.args(SMALL).assert().success();
    train(dir.path(), &["--resume", "b", "--steps", "3"]).assert().code(2).stderr(contains("--steps"));
    for step in [0, 4] {
        fs::write(dir.path().join(format!("b/checkpoints/{step}.safetensors")), "damaged").unwrap();
    }
    let damaged = train(dir.path(), &["--resume", "b", "--steps", "5"]).assert().code(1);
    damaged.stderr(contains("4.safetensors").and(contains("caused by")));
    fs::remove_dir_all(dir.path().join("b/checkpoints")).unwrap();
    let none = train(dir.path(), &["--resume", "b", "--steps", "5"]).assert().code(1);
    none.stderr(contains("holds no checkpoint to go on from"));
}

/// Ctrl-C writes a checkpoint, and the run goes on from there.
#[cfg(unix)]
#[test]
fn an_interrupted_run_is_resumed() {
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};
    let dir = temp();
    let child = Command::new(env!("CARGO_BIN_EXE_fastweights"))
        .args(["train", "--device", "cpu", "--out", "a", "--steps", "4000000000"])
        .args(["--set", "evaluation.tasks=3"])
        .current_dir(dir.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while !dir.path().join("a/metrics.jsonl").is_file() && start.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(300));
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("--resume a"), "{stderr}");
    let done: u64 = (fs::read_dir(dir.path().join("a/checkpoints")).unwrap())
        .filter_map(|e| e.unwrap().path().file_stem()?.to_str()?.parse().ok())
        .max()
        .unwrap();
    assert!(done > 0);
    let end = (done + 3).to_string();
    train(dir.path(), &["--resume", "a", "--steps", &end, "--quiet"]).assert().success();
    assert!(dir.path().join(format!("a/checkpoints/{end}.safetensors")).is_file());
}
