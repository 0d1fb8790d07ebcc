//! Series from the command line: a file by its flags, resuming, evaluation anew, refusals.

use assert_cmd::Command;
use fastweights::task::Traits;
use predicates::prelude::*;
use predicates::str::contains;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Series under other names of columns than the usual ones, ragged, one too short, one value missing.
fn csv(dir: &Path, name: &str) {
    let mut text = "shop,day,sold\n".to_owned();
    for i in 0..16 {
        let mut values = Vec::new();
        Traits::draw(2, i, 70 + i).series_into(&mut values);
        for (t, y) in values.iter().enumerate().rev() {
            writeln!(text, "shop {i},{t},{}", 10.0 + y).unwrap();
        }
    }
    text += "new shop,0,1\nshop 3,500,\n";
    fs::write(dir.join(name), text).unwrap();
}

fn fastweights(dir: &Path) -> Command {
    let mut command = Command::cargo_bin("fastweights").unwrap();
    command.current_dir(dir).env_remove("FASTWEIGHTS_LOG");
    command
}

fn train(dir: &Path, more: &[&str]) -> assert_cmd::assert::Assert {
    let mut command = fastweights(dir);
    command.args(["train", "series", "--csv", "shops.csv", "--id-column", "shop", "--value-column", "sold"]);
    command.args(["--time-column", "day", "--set", "task.missing=drop", "--set", "run.report_every=5"]);
    command.args(["--device", "cpu", "--steps", "30", "--quiet"]).args(more);
    command.assert()
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_file_is_trained_on_resumed_and_judged_anew() {
    let dir = tempfile::tempdir().unwrap();
    csv(dir.path(), "shops.csv");
    train(dir.path(), &["--out", "whole"])
        .success()
        .stdout(contains("on 4 held-out series, adapted on 10 windows").and(contains("protocol ahead")))
        .stdout(contains("12 series to learn from, 4 held out, 1 left out as too short, 1 row without"))
        .stdout(contains("last value").and(contains("season weak")));
    let root = dir.path().join("whole");
    let report = json(&root.join("evaluation.json"));
    assert_eq!((&report["tasks"], &report["series"]["train_series"]), (&4.into(), &12.into()));
    assert_eq!(report["learners"]["naive"]["mean"].as_array().unwrap().len(), 11);
    for picture in ["typical", "trend", "season", "change"] {
        for kind in ["svg", "png"] {
            assert!(root.join(format!("plots/series-{picture}.{kind}")).is_file(), "{picture}.{kind}");
        }
    }
    let recipe = fs::read_to_string(root.join("recipe.toml")).unwrap();
    let whole_path = dir.path().join("shops.csv");
    assert!(recipe.contains(&whole_path.file_name().unwrap().to_string_lossy().into_owned()));
    for line in [
        "sha256 = \"",
        "train_series = 12",
        "missing = \"drop\"",
        "scale = \"standard\"",
        "id_column = [\"shop\"]",
    ] {
        assert!(recipe.contains(line), "{recipe}");
    }

    train(dir.path(), &["--out", "parts", "--stop-at", "13"]).success();
    // From another directory: the path is whole.
    let other = dir.path().join("other");
    fs::create_dir(&other).unwrap();
    let mut resume = fastweights(&other);
    resume.args(["train", "--resume", "../parts", "--device", "cpu", "--quiet"]).assert().success();
    for name in
        ["metrics.jsonl", "recipe.toml", "checkpoints/30.safetensors", "checkpoints/state/30.safetensors"]
    {
        let bytes = |run: &str| fs::read(dir.path().join(run).join(name)).unwrap();
        assert_eq!(bytes("whole"), bytes("parts"), "{name}");
    }

    let eval = |arguments: &[&str]| {
        let mut command = fastweights(dir.path());
        command.args(["eval", "whole", "--device", "cpu"]).args(arguments).assert()
    };
    eval(&[]).success().stdout(contains("on 4 held-out series"));
    let more = ["--tasks", "3", "--steps", "2", "--points", "15", "--inner-lr", "0.001"];
    eval(&more)
        .success()
        .stdout(contains("3 held-out series, adapted on 15 windows").and(contains("rate 0.001")));
    eval(&["--protocol", "same"]).success().stdout(contains("protocol same"));
    eval(&["--points", "60"]).code(2).stderr(contains("evaluation.points"));

    let text = fs::read_to_string(&whole_path).unwrap();
    fs::write(&whole_path, text.replace("shop 1,0,", "shop 1,1000,")).unwrap();
    eval(&[]).code(1).stderr(contains("shops.csv").and(contains("SHA-256")));
    let mut resume = fastweights(dir.path());
    let again = ["train", "--resume", "parts", "--device", "cpu", "--quiet"];
    resume.args(again).assert().code(1).stderr(contains("shops.csv").and(contains("is not the file")));
    fs::remove_file(&whole_path).unwrap();
    eval(&[]).code(1).stderr(contains("shops.csv"));
}

#[test]
fn a_run_forecasts_and_is_judged_on_new_series() {
    let dir = tempfile::tempdir().unwrap();
    csv(dir.path(), "shops.csv");
    train(dir.path(), &["--out", "run", "--stop-at", "10"]).success();
    // The file has moved.
    fs::create_dir(dir.path().join("new")).unwrap();
    fs::rename(dir.path().join("shops.csv"), dir.path().join("new/shops.csv")).unwrap();
    let run = |arguments: &[&str]| fastweights(dir.path()).args(arguments).args(["--device", "cpu"]).assert();
    run(&["train", "--resume", "run"]).code(1).stderr(contains("--csv FILE"));
    run(&["train", "--resume", "run", "--csv", "new/shops.csv", "--quiet"]).success();
    run(&["eval", "run", "--csv", "new/shops.csv"]).success().stdout(contains("on 4 held-out series"));
    let mut other = "day,shop,sold\n".to_owned();
    for day in 0..60 {
        writeln!(other, "2024-{:02}-{:02},x,{}", 1 + day / 28, 1 + day % 28, 1e9 + f64::from(day % 7))
            .unwrap();
        writeln!(other, "2024-{:02}-{:02},y,5", 1 + day / 28, 1 + day % 28).unwrap();
    }
    fs::write(dir.path().join("other.csv"), other).unwrap();
    run(&["eval", "run", "--csv", "other.csv"]).success().stdout(contains("on 2 held-out series"));
    run(&["predict", "run", "--input", "other.csv", "--ahead", "3", "--out", "next.csv"])
        .success()
        .stdout(contains("3 values of each of 2 series"));
    let text = fs::read_to_string(dir.path().join("next.csv")).unwrap();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!((lines[0].join(","), lines.len()), ("series,ahead,time,value".to_owned(), 7));
    assert_eq!(lines[1][..3], ["x", "1", "2024-03-05"]);
    for line in &lines[1..] {
        let value: f64 = line[3].parse().unwrap();
        let near = if line[0] == "x" { (value - 1e9).abs() < 20.0 } else { (value - 5.0).abs() < 5.0 };
        assert!(near, "{line:?}");
    }
    run(&["predict", "run", "--input", "other.csv", "--ahead", "2"])
        .success()
        .stdout(contains("x,2,2024-03-06,"));
    run(&["predict", "run", "--csv", "other.csv", "--steps", "2"])
        .success()
        .stdout(contains("x,2,2024-03-06,").and(contains("x,3,").not()));
    run(&["predict", "run", "--csv", "other.csv", "--steps", "2", "--ahead", "2"])
        .code(2)
        .stderr(contains("--steps").and(contains("--ahead")));
    // Nothing is wider than the terminal, and no number is cut.
    let mut narrow = fastweights(dir.path());
    let narrow =
        narrow.env("COLUMNS", "80").args(["eval", "run", "--csv", "other.csv", "--device", "cpu"]).assert();
    let text = String::from_utf8(narrow.success().get_output().stdout.clone()).unwrap();
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("steps")).count(), 2, "{text}");
    run(&["eval", "run", "--rows", "other.csv"]).code(2).stderr(contains("--rows"));
}

#[test]
fn wrong_calls_say_what_is_meant_and_write_nothing() {
    let dir = tempfile::tempdir().unwrap();
    csv(dir.path(), "shops.csv");
    let run = |arguments: &[&str]| {
        let mut command = fastweights(dir.path());
        command.args(["train", "--device", "cpu", "--quiet", "--out", "x"]).args(arguments).assert()
    };
    run(&["--csv", "shops.csv"]).code(2).stderr(contains("task.csv").and(contains("train series")));
    run(&["omniglot-5way-1shot", "--csv", "shops.csv"]).code(2).stderr(contains("images"));
    // Shop, day and values are told from the file; that one is missing, too.
    run(&["series", "--csv", "shops.csv"])
        .code(1)
        .stderr(contains("shops.csv: line").and(contains("task.missing")));
    run(&["series", "--csv", "shops.csv", "--id-column", "Shop"])
        .code(2)
        .stderr(contains("--id-column (task.id_column)").and(contains("did you mean `shop`?")));
    run(&["series", "--time-column", "day"]).code(2).stderr(contains("task.csv"));
    run(&["series", "--csv", "none.csv"]).code(1).stderr(contains("none.csv"));
    let named = ["series", "--csv", "shops.csv", "--id-column", "shop", "--value-column", "sold"];
    run(&named).code(1).stderr(contains("line").and(contains("task.missing")));
    assert!(!dir.path().join("x").exists());
}
