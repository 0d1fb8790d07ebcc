//! Tables from the command line: a run on a CSV file, its files, resuming, predictions, refusals.

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

fn fastweights(dir: &Path, arguments: &[&str]) -> assert_cmd::assert::Assert {
    let mut command = Command::cargo_bin("fastweights").unwrap();
    command.current_dir(dir).env_remove("FASTWEIGHTS_LOG").args(arguments).assert()
}

fn train(dir: &Path, arguments: &[&str]) -> assert_cmd::assert::Assert {
    fastweights(dir, &[&["train", "--device", "cpu", "--quiet"], arguments].concat())
}

/// Two classes far apart, an id that is no feature.
fn table(dir: &Path, name: &str, rows: usize, labels: bool) {
    let mut text = format!("id,width,height{}\n", if labels { ",kind" } else { "" });
    for i in 0..rows {
        let (class, wobble) = (i % 2, (i * 37 % 11) as f32 / 10.0);
        let label = if labels { [",oak", ",ash"][class] } else { "" };
        writeln!(
            text,
            "n{i},{},{}{label}",
            3.0 * class as f32 + wobble,
            100.0 - 40.0 * class as f32 + wobble
        )
        .unwrap();
    }
    fs::write(dir.join(name), text).unwrap();
}

const FILE: [&str; 7] = ["table", "--train", "trees.csv", "--label", "kind", "--set", "task.epochs=60"];

#[test]
fn a_run_on_a_file_leaves_result_pictures_and_predictions() {
    let dir = tempfile::tempdir().unwrap();
    table(dir.path(), "trees.csv", 60, true);
    table(dir.path(), "new.csv", 7, false);
    let said = train(dir.path(), &[&FILE[..], &["--out", "run", "--out-predictions", "held.csv"]].concat())
        .success();
    said.stdout(
        contains("12 held-out rows of trees.csv, 2 classes")
            .and(contains("precision"))
            .and(contains("100.00 % (of 12 rows, too few for an interval)")),
    );
    let run = dir.path().join("run");
    let report: serde_json::Value =
        serde_json::from_slice(&fs::read(run.join("evaluation.json")).unwrap()).unwrap();
    assert_eq!(report["table"]["classes"], serde_json::json!(["ash", "oak"]));
    assert_eq!(report["table"]["initial"]["accuracy"], 1.0);
    assert_eq!(report["table"]["initial"]["confusion"], serde_json::json!([[6, 0], [0, 6]]));
    for file in ["columns.toml", "plots/confusion.png", "plots/training.svg"] {
        assert!(run.join(file).is_file(), "{file}");
    }
    let predictions = fs::read(run.join("predictions.csv")).unwrap();
    assert_eq!(fs::read(dir.path().join("held.csv")).unwrap(), predictions);
    let recipe = fs::read_to_string(run.join("recipe.toml")).unwrap();
    let absolute = dir.path().canonicalize().unwrap().join("trees.csv");
    assert!(recipe.contains("train_sha256") && recipe.contains(absolute.to_str().unwrap()), "{recipe}");

    // New rows need nothing but the run: the training file may be gone.
    fs::rename(dir.path().join("trees.csv"), dir.path().join("gone.csv")).unwrap();
    let predict = ["predict", "run", "--input", "new.csv", "--out", "new-classes.csv", "--device", "cpu"];
    fastweights(dir.path(), &predict).success().stdout(contains("7 rows"));
    let text = fs::read_to_string(dir.path().join("new-classes.csv")).unwrap();
    let classes: Vec<_> = text.lines().map(|line| line.split(',').nth(1).unwrap()).collect();
    assert_eq!(classes, ["class", "oak", "ash", "oak", "ash", "oak", "ash", "oak"]);
    assert!(text.starts_with("row,class,p_ash,p_oak\n1,oak,"));
    let adapt = [&predict[..], &["--steps", "2"]].concat();
    fastweights(dir.path(), &adapt).failure().stderr(contains("trees.csv"));
    fs::rename(dir.path().join("gone.csv"), dir.path().join("trees.csv")).unwrap();
    fastweights(dir.path(), &adapt).success();
    fastweights(dir.path(), &["eval", "run", "--steps", "2", "--device", "cpu"])
        .success()
        .stdout(contains("after 2 steps"));
    // Another file under its name is not taken for it.
    table(dir.path(), "trees.csv", 62, true);
    fastweights(dir.path(), &["eval", "run", "--device", "cpu"]).failure().stderr(contains("SHA-256"));
}

#[test]
fn an_interrupted_run_ends_as_a_whole_one() {
    let dir = tempfile::tempdir().unwrap();
    table(dir.path(), "trees.csv", 60, true);
    train(dir.path(), &[&FILE[..], &["--out", "whole"]].concat()).success();
    train(dir.path(), &[&FILE[..], &["--out", "cut", "--stop-at", "50"]].concat()).success();
    assert!(!dir.path().join("cut/predictions.csv").exists());
    train(dir.path(), &["--resume", "cut"]).success();
    for file in
        ["recipe.toml", "columns.toml", "metrics.jsonl", "predictions.csv", "checkpoints/120.safetensors"]
    {
        let read = |run: &str| fs::read(dir.path().join(run).join(file)).unwrap();
        assert!(read("whole") == read("cut"), "{file} differs");
    }
}

#[test]
fn a_column_of_numbers_is_predicted() {
    let dir = tempfile::tempdir().unwrap();
    let mut text = "rooms;town;price\n".to_owned();
    for i in 0..80 {
        let (rooms, town) = (1 + i * 7 % 9, i % 2);
        writeln!(text, "{rooms},5;{};{}", ["rome", "oslo"][town], 10 * rooms + 50 * town).unwrap();
    }
    fs::write(dir.path().join("prices.csv"), &text).unwrap();
    let arguments = ["table", "--train", "prices.csv", "--target", "price", "--steps", "300", "--out", "run"];
    train(dir.path(), &arguments).success().stdout(
        contains("16 held-out rows of prices.csv, numbers of `price`")
            .and(contains("RMSE"))
            .and(contains("R²")),
    );
    fs::write(dir.path().join("one.csv"), "town;rooms;more\noslo;4,5;1\n").unwrap();
    let predict = ["predict", "run", "--input", "one.csv", "--out", "p.csv", "--device", "cpu"];
    fastweights(dir.path(), &predict).success().stdout(contains("numbers of `price` of 1 row"));
    let found = fs::read_to_string(dir.path().join("p.csv")).unwrap();
    let value: f64 = found.strip_prefix("row,price\n1,").unwrap().trim().parse().unwrap();
    assert!((value - 90.0).abs() < 10.0, "{value}");
    fastweights(dir.path(), &["eval", "run", "--device", "cpu"]).success().stdout(contains("RMSE"));
    // Prices are no classes.
    let text: String = (0..60).map(|i| format!("{},{}\n", i * 7 % 60, 1000 + 13 * i)).collect();
    fs::write(dir.path().join("many.csv"), format!("rooms,price\n{text}")).unwrap();
    train(dir.path(), &["table", "--train", "many.csv", "--label", "price", "--out", "no"])
        .code(2)
        .stderr(contains("60 different numbers").and(contains("--target price")));
}

#[test]
fn what_is_told_from_a_file_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let mut text = "Id,sex,label\n".to_owned();
    for i in 0..40 {
        writeln!(text, "{i},{},{}", ["m", "f"][i % 2], i % 2).unwrap();
    }
    fs::write(dir.path().join("people.csv"), text).unwrap();
    let arguments =
        ["train", "table", "--train", "people.csv", "--device", "cpu", "--steps", "20", "--out", "run"];
    fastweights(dir.path(), &arguments).success().stderr(
        contains("people.csv: left out: `Id` (it numbers the rows)")
            .and(contains("categories, an input for each")),
    );
    // Labels that are empty are to be predicted.
    fs::write(dir.path().join("new.csv"), "Id,sex,label\n7,m,\n8,f,\n").unwrap();
    let predict = ["predict", "run", "--input", "new.csv", "--out", "p.csv", "--device", "cpu"];
    fastweights(dir.path(), &predict).success().stdout(contains("of 2 rows"));
    let arguments = [&arguments[1..4], &["--test", "new.csv", "--steps", "20", "--out", "run2"]].concat();
    train(dir.path(), &arguments).success().stdout(contains("8 held-out rows"));
    assert_eq!(fs::read_to_string(dir.path().join("run2/predictions.csv")).unwrap().lines().count(), 3);
}

#[test]
fn both_recipes_run_without_a_file() {
    let dir = tempfile::tempdir().unwrap();
    train(dir.path(), &["table", "--steps", "20"])
        .success()
        .stdout(contains("held-out rows of generated rows"));
    let few =
        ["table-few-shot", "--steps", "20", "--set", "evaluation.tasks=10", "--set", "validation.every=10"];
    train(dir.path(), &few).success().stdout(contains("5 ways, 1 shot, 5 query rows"));
    assert!(dir.path().join("runs/table-few-shot-1/plots/accuracy.png").is_file());
}

#[test]
fn a_refusal_names_file_and_key_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    table(dir.path(), "trees.csv", 60, true);
    for (arguments, words, code) in [
        (&["table", "--train", "trees.csv"][..], &["`task.label`", "`id`, `width`, `height`, `kind`"][..], 2),
        (&["table", "--train", "trees.csv", "--label", "Kind"], &["`kind`?"], 2),
        (&["table", "--csv", "trees.csv", "--label", "kind"], &["--csv (task.csv)", "--train FILE"], 2),
        (&["table", "--label", "kind"], &["--label (task.label)", "--train FILE"], 2),
        (&["table", "--set", "task.missing=drop"], &["`task.missing`", "task.train"], 2),
        (
            &["table", "--train", "trees.csv", "--label", "kind", "--out-predictions", "no/p.csv"],
            &["no/p.csv"],
            1,
        ),
        (&["table", "--train", "no.csv"], &["no.csv", "cannot be read"], 1),
        (&["sinusoid", "--train", "trees.csv"], &["--train (task.train)", "sinusoid"], 2),
        (&["sinusoid", "--out-predictions", "p.csv"], &["--out-predictions"], 2),
    ] {
        let failed = train(dir.path(), &[arguments, &["--out", "run"]].concat()).code(code);
        let said = String::from_utf8(failed.get_output().stderr.clone()).unwrap();
        for word in words {
            assert!(said.contains(word), "{arguments:?} gives: {said}, without {word}");
        }
        assert!(!dir.path().join("run").exists());
    }
    train(dir.path(), &["sinusoid", "--steps", "1", "--set", "evaluation.tasks=2", "--out", "waves"])
        .success();
    fastweights(dir.path(), &["predict", "waves", "--input", "trees.csv", "--out", "p.csv"])
        .failure()
        .stderr(contains("needs the columns `x`"));
}
