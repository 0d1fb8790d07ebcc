//! Trainings under `mpirun`, as they come from the command line; needs an MPI library, and no cluster.

mod refusals;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_fastweights");

/// Sinusoids with a control, clipped by norm, with checkpoints on the way.
const SINE: [&str; 16] = [
    "sinusoid",
    "--set",
    "task.pool=500",
    "--set",
    "evaluation.tasks=40",
    "--set",
    "evaluation.dense=10",
    "--set",
    "outer.meta_batch=70",
    "--set",
    "outer.clip_norm=1.0",
    "--steps",
    "60",
    "--save-every",
    "20",
    "--log-every=7",
];

/// Images with trials, of rows so long that they are sent in stretches.
const IMAGES: [&str; 17] = [
    "omniglot-5way-1shot",
    "--set",
    "task.data=glyphs",
    "--set",
    "model.channels=48",
    "--set",
    "task.queries=1",
    "--set",
    "outer.meta_batch=5",
    "--set",
    "validation.tasks=33",
    "--set",
    "evaluation.tasks=20",
    "--validate-every",
    "2",
    "--steps",
    "4",
];

/// Some processes on this machine, however few cores it has.
fn mpirun(dir: &Path) -> Command {
    let mut command = Command::new("mpirun");
    command.current_dir(dir).env_remove("FASTWEIGHTS_LOG");
    for (name, value) in [
        ("OMPI_ALLOW_RUN_AS_ROOT", "1"),
        ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"),
        ("OMPI_MCA_rmaps_base_oversubscribe", "1"),
        ("OMPI_MCA_hwloc_base_binding_policy", "none"),
        // mpirun waits so long, twice, behind a failure.
        ("OMPI_MCA_odls_base_sigkill_timeout", "0"),
    ] {
        command.env(name, value);
    }
    command
}

/// The arguments of a training with so many threads.
fn train(settings: &[&str], threads: &str, more: &[&str]) -> Vec<String> {
    let all = [&["train"], settings, &["--device", "cpu", "--threads", threads], more].concat();
    all.into_iter().map(str::to_owned).collect()
}

fn ranks(dir: &Path, count: usize, arguments: &[String]) -> Command {
    let mut command = mpirun(dir);
    command.args(["-n", &count.to_string(), PROGRAM]).args(arguments).arg("--mpi");
    command
}

fn run(mut command: Command) -> Output {
    command.output().expect("mpirun is installed")
}

fn succeeds(command: Command) -> String {
    let output = run(command);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    text
}

/// What a job that must fail says.
fn fails(command: Command) -> String {
    let start = Instant::now();
    let output = run(command);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{text}");
    assert!(start.elapsed() < Duration::from_secs(20), "{text}");
    text
}

fn alone(dir: &Path, arguments: &[String]) {
    let mut command = Command::new(PROGRAM);
    command.current_dir(dir).args(arguments);
    succeeds(command);
}

fn temp() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
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
                let name = path.strip_prefix(run).expect("below it").to_owned();
                found.push((name, fs::read(&path).expect("a file")));
            }
        }
    }
    found.sort();
    assert!(found.len() > 5, "{} has {} files", run.display(), found.len());
    found
}

fn same(one: &Path, other: &Path) {
    let (one, other) = (contents(one), contents(other));
    let names = |all: &[(PathBuf, Vec<u8>)]| all.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&one), names(&other));
    for ((name, ours), (_, theirs)) in one.iter().zip(&other) {
        assert!(ours == theirs, "{} differs", name.display());
    }
}

fn learners(evaluation: &Path) -> serde_json::Value {
    let text = fs::read_to_string(evaluation).expect("an evaluation");
    serde_json::from_str::<serde_json::Value>(&text).expect("JSON")["learners"].take()
}

#[test]
fn any_number_of_ranks_and_threads_writes_the_bytes_of_one_process() {
    let dir = temp();
    let path = |name: &str| dir.path().join(name);
    let all: [(_, _, &[_]); 2] = [
        ("sine", &SINE[..], &[(1, "2"), (2, "1"), (3, "2"), (4, "1")]),
        ("images", &IMAGES[..], &[(2, "1"), (3, "2")]),
    ];
    for (name, settings, members) in all {
        let whole = format!("{name}-alone");
        alone(dir.path(), &train(settings, "2", &["--quiet", "--out", &whole]));
        for &(count, threads) in members {
            let out = format!("{name}-{count}");
            let text = succeeds(ranks(dir.path(), count, &train(settings, threads, &["--out", &out])));
            assert_eq!(text.matches("device: ").count(), 1, "one stream of output: {text}");
            same(&path(&whole), &path(&out));
            let evaluation = |run: &str| learners(&path(run).join("evaluation.json"));
            assert_eq!(evaluation(&whole), evaluation(&out), "{count} ranks");
        }
    }
}

#[test]
fn a_run_goes_on_with_another_number_of_ranks_to_the_same_bytes() {
    let dir = temp();
    alone(dir.path(), &train(&SINE, "1", &["--quiet", "--out", "whole"]));
    succeeds(ranks(dir.path(), 3, &train(&SINE, "1", &["--out", "a", "--stop-at", "20"])));
    let resume = |stop: &[&str]| {
        let all = [&["train", "--resume", "a", "--device", "cpu", "--threads", "1"], stop].concat();
        all.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    succeeds(ranks(dir.path(), 2, &resume(&["--stop-at", "40"])));
    succeeds(ranks(dir.path(), 4, &resume(&[])));
    same(&dir.path().join("whole"), &dir.path().join("a"));
    let text = succeeds(ranks(dir.path(), 2, &resume(&[])));
    assert_eq!(text.matches("is finished").count(), 1, "{text}");
}

/// Waits until something has come true.
fn wait_for(what: &str, mut true_now: impl FnMut() -> bool) {
    let start = Instant::now();
    while !true_now() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what} does not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The processes of the program that a job has started, the first rank first.
fn processes(job: &Child) -> Vec<String> {
    let output = Command::new("pgrep").args(["-P", &job.id().to_string()]).output().expect("pgrep");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn a_rank_that_dies_ends_all_and_other_ranks_go_on_to_the_same_bytes() {
    let dir = temp();
    // Long by its tasks, not by its steps: processes that wait for each other on few cores take turns.
    let long = ["--set", "control.enabled=false", "--set", "outer.meta_batch=3000", "--steps", "160"];
    let long = [&SINE[..7], &long, &["--save-every", "40", "--log-every=10"]].concat();
    alone(dir.path(), &train(&long, "1", &["--quiet", "--out", "whole"]));
    for killed in [2, 0] {
        let out = format!("a{killed}");
        let mut command = ranks(dir.path(), 3, &train(&long, "1", &["--out", &out]));
        command.env_remove("OMPI_MCA_odls_base_sigkill_timeout");
        let job = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("mpirun is installed");
        let checkpoint = dir.path().join(&out).join("checkpoints").join("40.safetensors");
        wait_for("a checkpoint", || checkpoint.exists());
        let all = processes(&job);
        assert_eq!(all.len(), 3, "{all:?}");
        let start = Instant::now();
        assert!(Command::new("kill").args(["-9", &all[killed]]).status().expect("kill").success());
        let output = job.wait_with_output().expect("it ends");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(start.elapsed() < Duration::from_secs(10) && !output.status.success(), "{text}");
        assert!(text.contains(&format!("rank {killed}")) && text.contains("on node"), "{text}");
        wait_for("the end of all", || all.iter().all(|id| !Path::new("/proc").join(id).exists()));
        let resume = ["train", "--resume", &out, "--device", "cpu", "--threads", "1"].map(str::to_owned);
        succeeds(ranks(dir.path(), 4 - killed, &resume));
        same(&dir.path().join("whole"), &dir.path().join(&out));
    }
}

/// A limit on the size of files stands in for a disk that is full.
#[cfg(unix)]
#[test]
fn a_full_disk_of_the_first_rank_ends_all_with_its_error() {
    let dir = temp();
    let many = ["--set", "control.enabled=false", "--steps", "2000", "--save-every", "1000", "--log-every=1"];
    let many = [&SINE[..11], &many].concat();
    let mut command = mpirun(dir.path());
    // Processes of one machine would else talk through a large file.
    command.env("OMPI_MCA_btl", "tcp,self").env("OMPI_MCA_btl_vader_backing_directory", "/tmp");
    command.args(["-n", "1", "sh", "-c", "trap '' XFSZ; ulimit -f 60; exec \"$0\" \"$@\"", PROGRAM]);
    command.args(train(&many, "1", &["--mpi", "--out", "a"]));
    command.args([":", "-n", "2", PROGRAM]).args(train(&many, "1", &["--mpi", "--out", "a"]));
    let text = fails(command);
    assert!(text.contains("cannot be written") && text.contains("train --resume a"), "{text}");
    assert_eq!(text.matches("error:").count(), 1, "{text}");
}

#[test]
fn seeds_are_shared_out_and_each_is_the_run_of_its_seed() {
    let dir = temp();
    let few = [&SINE[..12], &["20"]].concat();
    for (count, out) in [(2, "many"), (1, "again")] {
        let command =
            ranks(dir.path(), count, &train(&few, "1", &["--seeds", "3..5", "--quiet", "--out", out]));
        succeeds(command);
        let text = fs::read_to_string(dir.path().join(out).join("seeds.json")).expect("a summary");
        let all: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let seeds: Vec<u64> =
            all["seeds"].as_array().unwrap().iter().map(|seed| seed["seed"].as_u64().unwrap()).collect();
        assert_eq!(seeds, [3, 4, 5]);
        assert!(all["mean"].as_f64().unwrap() > 0.0 && all["ci95"].as_f64().unwrap() > 0.0, "{text}");
    }
    alone(dir.path(), &train(&few, "1", &["--seed", "4", "--quiet", "--out", "four"]));
    for out in ["many", "again"] {
        same(&dir.path().join("four"), &dir.path().join(out).join("seed-4"));
    }
}

/// Pictures of classes, each of its own size.
fn pictures(dir: &Path) {
    for at in 0..9_u8 {
        let class = dir.join(format!("class-{}", at / 3));
        fs::create_dir_all(&class).expect("a folder");
        let file = fs::File::create(class.join(format!("{at}.png"))).expect("a file");
        let (width, height) = (u32::from(at) + 5, 9);
        let mut encoder = png::Encoder::new(file, width, height);
        encoder.set_color(png::ColorType::Rgb);
        let pixels: Vec<u8> =
            (0..3 * width * height).map(|i| (i * (7 + u32::from(at)) % 251) as u8).collect();
        encoder.write_header().expect("a header").write_image_data(&pixels).expect("a picture");
    }
}

#[test]
fn imports_are_shared_to_the_bytes_of_one_process() {
    let dir = temp();
    let source = dir.path().join("source");
    pictures(&source);
    let import = |to: &str, more: &[&str]| -> Vec<String> {
        let all =
            [&["data", "import", "images", "set", "source", "--size", "8", "--data", to], more].concat();
        all.into_iter().map(str::to_owned).collect()
    };
    let file = |to: &str| fs::read(dir.path().join(to).join("set.safetensors"));
    alone(dir.path(), &import("one", &[]));
    let text = succeeds(ranks(dir.path(), 3, &import("three", &[])));
    assert_eq!(text.matches("pictures of 5 × 9 to 13 × 9 pixels").count(), 1, "{text}");
    assert!(file("one").expect("a set") == file("three").expect("a set"));

    fs::write(source.join("class-1").join("4.png"), b"no picture").expect("a file");
    let text = fails(ranks(dir.path(), 3, &import("bad", &[])));
    assert!(text.contains("4.png") && text.matches("error:").count() == 1, "{text}");
    assert!(file("bad").is_err());
    alone(dir.path(), &import("one", &["--force", "--skip-bad"]));
    // More processes than pictures: some have none.
    let text = succeeds(ranks(dir.path(), 10, &import("many", &["--skip-bad"])));
    assert_eq!(text.matches("left out").count(), 1, "{text}");
    assert!(file("one").expect("a set") == file("many").expect("a set"));
}

#[test]
fn each_process_of_a_machine_takes_a_device_of_the_list() {
    let dir = temp();
    let few = |devices: &str, out: &str| -> Vec<String> {
        let all = [
            &["train"],
            &SINE[..12],
            &["20", "--threads", "1", "--quiet", "--devices", devices, "--out", out],
        ];
        all.concat().into_iter().map(str::to_owned).collect()
    };
    alone(dir.path(), &few("cpu,cpu", "one"));
    succeeds(ranks(dir.path(), 2, &few("cpu,cpu", "two")));
    same(&dir.path().join("one"), &dir.path().join("two"));
    let text = fails(ranks(dir.path(), 3, &few("cpu,cpu", "three")));
    assert!(text.contains("2 devices for 3 processes of this machine"), "{text}");
}
