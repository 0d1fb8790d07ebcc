//! Few-shot classification from the command line: files, resuming, evaluation anew, refusals.

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;
use std::fs;
use std::path::Path;

const SMALL: &[&str] = &[
    "task.side=10",
    r#"model.layers=[{ type = "conv2d", outputs = 5, kernel = 3, stride = 2 }, { type = "batch_norm" }, { type = "relu" }, { type = "flatten" }]"#,
    "outer.meta_batch=3",
    "validation.every=2",
    "validation.tasks=4",
    "evaluation.tasks=12",
];

fn fastweights(dir: &Path) -> Command {
    let mut command = Command::cargo_bin("fastweights").unwrap();
    command.current_dir(dir).env("FASTWEIGHTS_DATA", dir.join("data")).env_remove("FASTWEIGHTS_LOG");
    command
}

fn train(dir: &Path, more: &[&str]) -> assert_cmd::assert::Assert {
    let mut command = fastweights(dir);
    command.args(["train", "glyphs-5way-1shot", "--device", "cpu", "--steps", "5", "--quiet"]).args(more);
    for setting in SMALL {
        command.args(["--set", setting]);
    }
    command.assert()
}

#[test]
fn a_run_keeps_its_best_checkpoint_and_resumes_to_the_byte() {
    let dir = tempfile::tempdir().unwrap();
    let said = train(dir.path(), &["--out", "whole"]).success();
    said.stdout(contains("Accuracy, %, on 12 new tasks of the test classes of glyphs: 5 ways, 1 shot"));
    let root = dir.path().join("whole");
    let report: serde_json::Value =
        serde_json::from_slice(&fs::read(root.join("evaluation.json")).unwrap()).unwrap();
    assert_eq!(report["metric"], "accuracy");
    assert_eq!(report["learners"]["maml"]["mean"].as_array().unwrap().len(), 4);
    for (key, value) in [("tasks", 12), ("ways", 5), ("shots", 1), ("queries", 5)] {
        assert_eq!(report[key], value, "{key}");
    }
    assert_eq!(report["split"], "test");
    assert!(report["batch_norm"].as_str().unwrap().contains("transductive"));
    // Trials after 2, 4 and the last of 5 meta-iterations.
    let trials = fs::read_to_string(root.join("validation.jsonl")).unwrap();
    assert_eq!(trials.lines().count(), 3);
    let best = fs::read_dir(root.join("checkpoints/best")).unwrap().map(|e| e.unwrap().path());
    assert_eq!(best.filter(|path| path.is_file()).count(), 1);
    for picture in ["training", "accuracy", "adaptation", "task"] {
        assert!(root.join(format!("plots/{picture}.png")).is_file(), "{picture}");
    }

    train(dir.path(), &["--out", "halves", "--stop-at", "3"]).success();
    let mut resume = fastweights(dir.path());
    resume.args(["train", "--resume", "halves", "--device", "cpu", "--quiet"]).assert().success();
    for file in ["recipe.toml", "metrics.jsonl", "validation.jsonl", "checkpoints/5.safetensors"] {
        let [a, b] = ["whole", "halves"].map(|run| fs::read(dir.path().join(run).join(file)).unwrap());
        assert!(a == b, "{file}");
    }
}

#[test]
fn eval_asks_for_other_queries_and_steps() {
    let dir = tempfile::tempdir().unwrap();
    train(dir.path(), &["--out", "run"]).success();
    let eval = |more: &[&str]| {
        let mut command = fastweights(dir.path());
        command.args(["eval", "run", "--device", "cpu"]).args(more).assert()
    };
    eval(&["--queries", "3", "--steps", "6", "--tasks", "7"])
        .success()
        .stdout(contains("on 7 new tasks").and(contains("3 query images")));
    eval(&["--points", "4"]).code(2).stderr(contains("evaluation.points"));
    // Characters of 20 drawers have 19 queries besides a shot.
    eval(&["--queries", "20"]).success().stderr(contains("have fewer than 21 images"));
}

#[test]
fn a_recipe_without_its_data_says_how_to_get_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = fastweights(dir.path());
    let missing = command.args(["train", "omniglot-5way-1shot", "--device", "cpu", "--out", "run"]).assert();
    missing.failure().stderr(contains("fastweights data fetch omniglot"));
    assert!(!dir.path().join("run").exists(), "nothing is written");
}

/// Six classes of four pictures each, stripes at their own places in one colour.
fn pictures(dir: &Path, name: &str, ink: [u8; 3]) {
    for class in 0..6_u32 {
        let folder = dir.join(name).join(format!("c{class}"));
        fs::create_dir_all(&folder).unwrap();
        for drawing in 0..4_u32 {
            let at = |x, y| if x / 2 == class || y == drawing { ink } else { [240; 3] };
            let picture = image::RgbImage::from_fn(12, 12, |x, y| image::Rgb(at(x, y)));
            picture.save(folder.join(format!("{drawing}.png"))).unwrap();
        }
    }
}

/// Channels and size are those of the set where none are typed; a grey one fills three channels, and how pictures were read
/// stays with the run.
#[test]
fn sets_of_ones_own_are_trained_on_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    pictures(dir.path(), "grey", [20; 3]);
    pictures(dir.path(), "red", [220, 30, 20]);
    let import = |name: &str, from: &str, more: &[&str]| {
        let mut command = fastweights(dir.path());
        let split = if name == "other" { "0,0,1" } else { "2,2,2" };
        command.args(["data", "import", "images", name, from, "--size", "12", "--split", split]).args(more);
        command.assert().success()
    };
    import("grey", "grey", &[]).stdout(contains("gray"));
    import("red", "red", &[]).stdout(contains("color"));
    import("ink", "grey", &["--invert", "--background", "102030"]);
    let run = |set: &str, out: &str, more: &[&str]| {
        let data = format!("task.data={set}");
        let settings = ["task.ways=2", "task.rotations=false", "outer.meta_batch=2", "validation.every=0"];
        let mut command = fastweights(dir.path());
        command.args([
            "train",
            "omniglot-5way-1shot",
            "--device",
            "cpu",
            "--steps",
            "2",
            "--quiet",
            "--out",
            out,
        ]);
        for setting in settings.iter().chain(&SMALL[1..2]).chain(&["evaluation.tasks=6", &data]).chain(more) {
            command.args(["--set", setting]);
        }
        command.assert()
    };
    let recipe = |out: &str| fs::read_to_string(dir.path().join(out).join("recipe.toml")).unwrap();
    for (set, out, more, channels) in [
        ("grey", "plain", &[][..], 1),
        ("grey", "wide", &["task.channels=3"], 3),
        ("red", "colour", &[], 3),
        ("ink", "dark", &[], 1),
    ] {
        run(set, out, more).success();
        let text = recipe(out);
        assert!(text.contains(&format!("channels = {channels}")) && text.contains("side = 12"), "{text}");
        assert_eq!(text.contains("invert = true"), set == "ink", "{text}");
    }
    let eval =
        |more: &[&str]| fastweights(dir.path()).args(["eval", "wide", "--device", "cpu"]).args(more).assert();
    import("other", "red", &[]);
    eval(&["--images", "other"]).success().stdout(contains("of the test classes of other"));
    eval(&["--images", "none"]).failure().stderr(contains("none"));
    eval(&["--dense", "9"]).code(2).stderr(contains("--dense"));
    run("red", "no", &["task.channels=1"]).code(2).stderr(contains("--set task.channels=3"));
    run("red", "no", &["task.side=28"]).code(2).stderr(contains("--set task.side=12"));
    // Pictures to be told apart are read as those of the set were.
    let input = ["adapt", "dark", "--support", "grey", "--out", "kinds.safetensors", "--device", "cpu"];
    fs::remove_dir_all(dir.path().join("grey/c5")).unwrap();
    for class in 2..5 {
        fs::remove_dir_all(dir.path().join(format!("grey/c{class}"))).unwrap();
    }
    fastweights(dir.path()).args(input).assert().success();
    let kinds = fs::read(dir.path().join("kinds.safetensors")).unwrap();
    let head = String::from_utf8_lossy(&kinds[..kinds.len().min(20_000)]).replace(['\\', ' '], "");
    assert!(head.contains("\"invert\":true") && head.contains("[16,32,48]"), "{head}");
}
