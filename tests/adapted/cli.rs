//! `adapt` and `predict` as typed: points, rows, series and pictures; one example; without the run; refusals.

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use fastweights::adapted::Examples;
use fastweights::data::glyphs;
use predicates::prelude::*;
use predicates::str::contains;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

fn run(dir: &Path, arguments: &[&str]) -> Assert {
    let mut command = Command::cargo_bin("fastweights").unwrap();
    command.current_dir(dir).env("FASTWEIGHTS_DATA", dir.join("data")).env_remove("FASTWEIGHTS_LOG");
    command.args(arguments).assert()
}

/// Trains a little.
fn train(dir: &Path, recipe: &str, more: &[&str]) {
    let usual = ["train", recipe, "--out", "run", "--device", "cpu", "--quiet"];
    run(dir, &[&usual[..], more].concat()).success();
}

/// Cells of a CSV file.
fn cells(path: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

/// A character, dark ink on white paper.
fn png(path: &Path, ink: &[u8], side: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut encoder = png::Encoder::new(fs::File::create(path).unwrap(), side, side);
    encoder.set_color(png::ColorType::Grayscale);
    let paper: Vec<u8> = ink.iter().map(|ink| 255 - ink).collect();
    encoder.write_header().unwrap().write_image_data(&paper).unwrap();
}

const NETWORK: &str = r#"model.layers=[{ type = "conv2d", outputs = 5, kernel = 3, stride = 2 }, { type = "batch_norm" }, { type = "relu" }, { type = "flatten" }]"#;

#[test]
fn pictures_are_learned_from_a_few_and_one_is_classified() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    let set = ["task.side=10", NETWORK, "validation.every=0", "evaluation.tasks=3"];
    let set: Vec<&str> = set.iter().flat_map(|text| ["--set", text]).collect();
    train(at, "glyphs-5way-1shot", &[&["--steps", "20"], &set[..]].concat());
    let drawn = glyphs::generate(9, 5, 4, 10);
    for (class, of) in drawn.classes().iter().enumerate() {
        for n in 0..of.count {
            let part = if n == 0 { "few" } else { "more" };
            png(&at.join(format!("{part}/sign{class}/{n}.png")), drawn.image(of.first + n), 10);
        }
    }
    let adapt =
        ["adapt", "run", "--support", "few", "--query", "more", "--out", "a.safetensors", "--device", "cpu"];
    run(at, &adapt)
        .success()
        .stdout(contains("on 5 pictures of 5 classes: `sign0`, `sign1`, `sign2`, `sign3`, `sign4`"))
        .stdout(contains("query set, 15 pictures: accuracy").and(contains("points of accuracy")));
    // Nothing of the run is needed any more.
    fs::rename(at.join("run"), at.join("gone")).unwrap();
    let predict = |input: &str, out: &str| {
        run(at, &["predict", "a.safetensors", "--input", input, "--out", out, "--device", "cpu"])
    };
    predict("more", "more.csv").success().stdout(contains("classes and probabilities of 15 pictures"));
    predict("few/sign3", "few.csv").success();
    predict("more/sign2/1.png", "one.csv").success().stdout(contains("of 1 picture\n"));
    let (more, few, one) =
        (cells(&at.join("more.csv")), cells(&at.join("few.csv")), cells(&at.join("one.csv")));
    assert_eq!(more[0].join(","), "picture,class,p_sign0,p_sign1,p_sign2,p_sign3,p_sign4");
    assert_eq!((&few[1][0], &few[1][1]), (&"0.png".to_owned(), &"sign3".to_owned()), "its own support set");
    let among: Vec<_> = more.iter().filter(|line| line[0] == "sign2/1.png").collect();
    assert_eq!((among.len(), &among[0][1..]), (1, &one[1][1..]), "alone as among others");
    fs::rename(at.join("gone"), at.join("run")).unwrap();

    for (arguments, words) in [
        (vec!["predict", "run", "--input", "more"], vec!["fastweights adapt run"]),
        (vec!["adapt", "a.safetensors", "--support", "few", "--out", "b"], vec!["is an adapted model"]),
        (vec!["adapt", "run", "--support", "few/sign0", "--out", "b"], vec!["no folders of pictures"]),
        (vec!["adapt", "run", "--support", "nowhere", "--out", "b"], vec!["nowhere"]),
        (vec!["adapt", "run", "--support", "few", "--query", "run", "--out", "b"], vec!["run"]),
        (vec!["adapt", "run", "--support", "few", "--out", "no/b"], vec!["no directory no"]),
        (
            vec!["adapt", "run", "--support", "few", "--inner-lr", "1e30", "--out", "b"],
            vec!["not finite", "--inner-lr"],
        ),
        (
            vec!["predict", "a.safetensors", "--input", "run/recipe.toml"],
            vec!["recipe.toml", "no picture that is read"],
        ),
        (
            vec!["predict", "a.safetensors", "--input", "more", "--steps", "2"],
            vec!["--steps", "adapted already"],
        ),
        (vec!["predict", "a.safetensors", "--input", "more", "--ahead", "2"], vec!["--ahead"]),
        (vec!["adapt", "run", "--support", "few", "--points", "2", "--out", "b"], vec!["--points", "images"]),
        (vec!["export", "run", "--format", "onnx"], vec!["transductive", "fastweights adapt run"]),
    ] {
        let failed = run(at, &arguments).failure();
        let said = String::from_utf8(failed.get_output().stderr.clone()).unwrap();
        assert!(words.iter().all(|word| said.contains(word)), "{arguments:?}: {said}");
        assert!(!at.join("b").exists(), "{arguments:?}");
    }
    let mut bytes = fs::read(at.join("a.safetensors")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(at.join("a.safetensors"), bytes).unwrap();
    predict("more", "x.csv").failure().stderr(contains("a.safetensors").and(contains("damaged")));
    assert!(!at.join("x.csv").exists());
}

#[test]
fn a_curve_is_learned_from_points() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    train(at, "sinusoid", &["--steps", "30", "--set", "evaluation.tasks=2"]);
    let mut few = "x,y\n".to_owned();
    for i in 0..10 {
        let x = -5.0 + f64::from(i);
        writeln!(few, "{x},{}", 2.0 * (x + 0.5).sin()).unwrap();
    }
    fs::write(at.join("few.csv"), &few).unwrap();
    fs::write(at.join("more.csv"), "x\n0.25\n-1\n").unwrap();
    let adapt =
        ["adapt", "run", "--support", "few.csv", "--out", "a.safetensors", "--steps", "3", "--device", "cpu"];
    run(at, &adapt).success().stdout(contains("support set, 10 points: loss"));
    for (model, rows) in [("run", 2), ("a.safetensors", 2)] {
        run(at, &["predict", model, "--input", "more.csv", "--out", "p.csv", "--device", "cpu"])
            .success()
            .stdout(contains(format!("numbers of `y` of {rows} points")));
        let found = cells(&at.join("p.csv"));
        assert_eq!((found[0].join(","), found[1][0].as_str(), found.len()), ("x,y".to_owned(), "0.25", 3));
    }
    run(at, &["adapt", "run", "--support", "more.csv", "--out", "b"]).failure().stderr(contains("`x`, `y`"));
}

#[test]
fn series_go_on_from_an_adapted_model() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    let small =
        ["task.window=8", "task.series=40", "task.length=60", "evaluation.tasks=2", "evaluation.points=12"];
    let small: Vec<&str> = small.iter().flat_map(|text| ["--set", text]).collect();
    train(at, "series", &[&["--steps", "5", "--set", "task.scale=\"standard\""], &small[..]].concat());
    let mut two = "id,value\n".to_owned();
    let mut one = "value\n".to_owned();
    for i in 0..50 {
        let value = 1e6 + 10.0 * (f64::from(i) * 0.8).sin();
        writeln!(two, "a,{value}\nb,{i}").unwrap();
        writeln!(one, "{value}").unwrap();
    }
    fs::write(at.join("two.csv"), two).unwrap();
    fs::write(at.join("one.csv"), one).unwrap();
    let adapt = |more: &[&str]| {
        let usual = ["adapt", "run", "--support", "two.csv", "--out", "a.safetensors", "--device", "cpu"];
        run(at, &[&usual[..], more].concat())
    };
    adapt(&[]).failure().stderr(contains("--series NAME"));
    adapt(&["--series", "c"]).failure().stderr(contains("`c`"));
    adapt(&["--series", "a", "--points", "5"]).success().stdout(contains("adapted on 5 windows"));
    adapt(&["--series", "a", "--query", "one.csv"]).success().stdout(contains("adapted on 12 windows"));
    let predict = ["predict", "a.safetensors", "--input", "one.csv", "--ahead", "4", "--device", "cpu"];
    let said = run(at, &predict).success().get_output().stdout.clone();
    let lines: Vec<String> = String::from_utf8(said).unwrap().lines().map(str::to_owned).collect();
    assert_eq!((lines.len(), lines[0].as_str()), (5, "series,ahead,value"));
    let value: f64 = lines[1].rsplit(',').next().unwrap().parse().unwrap();
    assert!((value - 1e6).abs() < 100.0, "{lines:?}");
    fs::write(at.join("short.csv"), "value\n1\n2\n").unwrap();
    run(at, &["predict", "a.safetensors", "--input", "short.csv"])
        .failure()
        .stderr(contains("at least 8 values"));
}

#[test]
fn rows_of_new_classes_are_learned_from_a_few() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    let set = ["task.ways=3", "task.shots=2", "validation.every=0", "evaluation.tasks=4"];
    let set: Vec<&str> = set.iter().flat_map(|text| ["--set", text]).collect();
    train(at, "table-few-shot", &[&["--steps", "10"], &set[..]].concat());
    let columns = fs::read_to_string(at.join("run/columns.toml")).unwrap();
    assert!(columns.contains("label = "), "{columns}");
    let (header, row) = header_and_row(&columns);
    let rows = |classes: &[&str]| {
        let mut text = format!("{header},label\n");
        for (i, class) in classes.iter().enumerate() {
            writeln!(text, "{},{class}", row(i as f64)).unwrap();
        }
        text
    };
    fs::write(at.join("few.csv"), rows(&["x", "y", "x", "y"])).unwrap();
    fs::write(at.join("many.csv"), rows(&["a", "b", "c", "d"])).unwrap();
    fs::write(at.join("one.csv"), rows(&["only", "only"])).unwrap();
    fs::write(at.join("new.csv"), format!("{header}\n{}\n", row(0.0))).unwrap();
    let adapt = |support: &str| {
        run(at, &["adapt", "run", "--support", support, "--out", "a.safetensors", "--device", "cpu"])
    };
    adapt("many.csv").failure().stderr(contains("4 classes").and(contains("3 apart")));
    adapt("one.csv").failure().stderr(contains("one class"));
    adapt("new.csv").failure().stderr(contains("label"));
    adapt("few.csv").success().stdout(contains("on 4 rows of 2 classes: `x`, `y`"));
    run(at, &["predict", "a.safetensors", "--input", "new.csv", "--out", "p.csv", "--device", "cpu"])
        .success();
    let found = cells(&at.join("p.csv"));
    assert_eq!((found[0].join(","), found.len()), ("row,class,p_x,p_y".to_owned(), 2));
    run(at, &["predict", "run", "--input", "new.csv"]).failure().stderr(contains("fastweights adapt"));
}

/// The header that the columns of a run ask for, and rows under it.
fn header_and_row(columns: &str) -> (String, impl Fn(f64) -> String) {
    let names: Vec<String> = columns
        .lines()
        .filter_map(|line| line.strip_prefix("name = "))
        .map(|name| name.trim_matches('"').to_owned())
        .collect();
    let count = names.len();
    let row = move |shift: f64| {
        (0..count).map(|i| format!("{:.3}", (i as f64 + 3.0 * shift).sin())).collect::<Vec<_>>().join(",")
    };
    (names.join(","), row)
}

#[test]
fn a_share_of_the_support_set_is_held_out() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    train(at, "sinusoid", &["--steps", "5", "--set", "control.enabled=false", "--set", "evaluation.tasks=3"]);
    let rows: String = (0..8).map(|i| format!("{i},{}\n", i * i % 5)).collect();
    fs::write(at.join("few.csv"), format!("x,y\n{rows}")).unwrap();
    let adapt = |share: &str| {
        let usual = ["adapt", "run", "--support", "few.csv", "--device", "cpu"];
        run(at, &[&usual[..], &["--out", &format!("{share}.safetensors"), "--hold-out", share]].concat())
    };
    adapt("0.25").success().stdout(contains("adapted on 6 points").and(contains("held out, 2 points: loss")));
    adapt("0.01").failure().stderr(contains("has 8 points, of which a share of 0.01 holds out none"));
    adapt("0.99").failure().stderr(contains("leaves none to adapt on"));
    adapt("1.5").code(2).stderr(contains("`--hold-out`: is 1.5"));
    let classes = [0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0];
    let y: Vec<f32> = classes.to_vec();
    let whole = Examples {
        x: (0..20).map(|i| i as f32).collect(),
        y,
        points: 10,
        what: "rows",
        ..Examples::default()
    };
    let (kept, held) = whole.held_out(0.25, true, 3).unwrap();
    assert_eq!((kept.points, held.points), (7, 3));
    assert_eq!(held.y.iter().filter(|class| **class == 0.0).count(), 2, "a class gives its share");
    for part in [&kept, &held] {
        let row = |i: usize| (part.x[2 * i] as usize / 2, part.x[2 * i + 1] - part.x[2 * i], part.y[i]);
        assert!((0..part.points).map(row).all(|(point, next, y)| next == 1.0 && y == whole.y[point]));
    }
    assert!(held.x.iter().all(|x| !kept.x.contains(x)));
}

#[test]
fn what_a_command_reads_it_does_not_write_over() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    train(at, "sinusoid", &["--steps", "3", "--set", "evaluation.tasks=2"]);
    fs::write(at.join("few.csv"), "x,y\n0,1\n1,2\n2,1\n").unwrap();
    let kept = fs::read(at.join("few.csv")).unwrap();
    run(at, &["adapt", "run", "--support", "few.csv", "--out", "own.safetensors"]).success();
    let model = fs::read(at.join("own.safetensors")).unwrap();
    for call in [
        &["adapt", "run", "--support", "few.csv", "--out", "./few.csv"][..],
        &["adapt", "run", "--support", "own.safetensors", "--query", "few.csv", "--out", "few.csv"],
        &["predict", "own.safetensors", "--input", "few.csv", "--out", "few.csv"],
        &["predict", "own.safetensors", "--input", "few.csv", "--out", "own.safetensors"],
        &["export", "own.safetensors", "--format", "onnx", "--out", "own.safetensors"],
    ] {
        run(at, call).code(1).stderr(contains("is read by this very command"));
        assert!(fs::read(at.join("few.csv")).unwrap() == kept, "{call:?}");
        assert!(fs::read(at.join("own.safetensors")).unwrap() == model, "{call:?}");
    }
}
