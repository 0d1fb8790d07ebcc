//! Fields from the command line: phantoms, image sets and files of points; pictures, samples, refusals.

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

fn fastweights(dir: &Path) -> Command {
    let mut command = Command::cargo_bin("fastweights").unwrap();
    command.current_dir(dir).env_remove("FASTWEIGHTS_LOG").env("FASTWEIGHTS_DATA", dir);
    command
}

/// A small network and few fields, so that a run takes a moment.
fn train(dir: &Path, recipe: &str, more: &[&str]) -> assert_cmd::assert::Assert {
    let mut command = fastweights(dir);
    command.args([
        "train",
        recipe,
        "--device",
        "cpu",
        "--steps",
        "4",
        "--quiet",
        "--set",
        "run.report_every=2",
    ]);
    command.args(["--set", "evaluation.tasks=2", "--set", "evaluation.steps=3"]).args(more);
    command.assert()
}

const SMALL: [&str; 6] = ["--set", "model.hidden=[6, 5]", "--set", "task.side=8", "--set", "task.points=20"];

/// Waves over two coordinates and time, a station of 3 to 9 points each.
fn csv(dir: &Path) {
    let mut text = "station,lon,lat,day,wind,rain\n".to_owned();
    for station in 0..8 {
        for point in 0..3 + station % 7 {
            let [a, b] = [f64::from(station), f64::from(point)];
            let wind = 10.0 + 3.0 * (a + b).sin();
            writeln!(text, "s{station},{},{},{},{wind},{}", 4.0 + a, 50.0 + b.cos(), point, (a * b).cos())
                .unwrap();
        }
    }
    fs::write(dir.join("wind.csv"), text).unwrap();
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn size(png: &Path) -> (u32, u32) {
    let file = std::io::BufReader::new(fs::File::open(png).unwrap());
    png::Decoder::new(file).read_info().unwrap().info().size()
}

#[test]
fn phantoms_are_learned_judged_drawn_and_sampled() {
    let dir = tempfile::tempdir().unwrap();
    train(dir.path(), "field", &[&SMALL[..], &["--out", "run"]].concat())
        .success()
        .stdout(contains(
            "PSNR, dB, on 2 held-out fields (phantoms), adapted on 64 points each, judged on 64",
        ))
        .stdout(contains("standard, mean").and(contains("control, mean")).and(contains("best rates found")))
        .stdout(contains("standard initialisation after 50 steps at rate"));
    let run = dir.path().join("run");
    let report = json(&run.join("evaluation.json"));
    assert_eq!((&report["metric"], &report["field"]["side"]), (&"psnr".into(), &8.into()));
    for learner in ["maml", "standard"] {
        let rows = report["field"][learner].as_array().unwrap();
        assert_eq!((rows.len(), rows[0].as_array().unwrap().len()), (2, 4), "{learner}");
    }
    assert!(report["learners"]["control"]["mean"][3].as_f64().unwrap() > 0.0);
    let longer = &report["field"]["standard_longer"];
    assert_eq!((&longer["steps"], longer["tasks"].as_array().unwrap().len()), (&50.into(), 2));
    assert!(longer["mean"].as_f64().unwrap() > 0.0 && longer["lr"].as_f64().unwrap() > 0.0);
    assert!(run.join("plots/fields.png").is_file() && run.join("plots/adaptation.svg").is_file());
    fastweights(dir.path()).args(["report", "run"]).assert().success();
    let page = fs::read_to_string(dir.path().join("report.html")).unwrap();
    assert!(page.contains("PSNR, dB, against inner steps") && page.contains("data:image/png"));
    let sample = |more: &[&str]| {
        let mut command = fastweights(dir.path());
        command.args(["sample", "run", "--device", "cpu"]).args(more).assert()
    };
    sample(&["--size", "33", "--out", "start.png"]).success().stdout(contains("33 × 33 pixels"));
    sample(&["--size", "33", "--out", "fit.png", "--task", "1", "--steps", "3"]).success();
    assert_eq!(size(&dir.path().join("fit.png")), (33, 33));
    let bytes = |name: &str| fs::read(dir.path().join(name)).unwrap();
    assert_ne!(bytes("start.png"), bytes("fit.png"));
    fs::write(dir.path().join("places.csv"), "y,x\n0.5,-0.25\n1,1\n").unwrap();
    sample(&["--csv", "places.csv", "--out", "values.csv"]).success().stdout(contains("value at 2 places"));
    let text = String::from_utf8(bytes("values.csv")).unwrap();
    assert!(text.starts_with("x,y,value\n-0.25,0.5,") && text.lines().count() == 3, "{text}");
    sample(&["--out", "x.png", "--task", "2"]).success();
    sample(&["--out", "no/x.png"]).failure().stderr(contains("there is no directory"));
}

/// Gray pixels of a picture, row by row.
fn gray(path: &Path) -> Vec<u8> {
    let file = std::io::BufReader::new(fs::File::open(path).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(frame.color_type, png::ColorType::Grayscale);
    pixels.truncate(frame.buffer_size());
    pixels
}

#[test]
fn an_adapted_field_is_the_same_at_every_resolution_and_exported() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    train(at, "field", &[&SMALL[..], &["--out", "run"]].concat()).success();
    let mut encoder = png::Encoder::new(fs::File::create(at.join("given.png")).unwrap(), 8, 8);
    encoder.set_color(png::ColorType::Grayscale);
    let given: Vec<u8> = (0..64).map(|i| 40 + 3 * (i % 8) + 15 * (i / 8)).collect();
    encoder.write_header().unwrap().write_image_data(&given).unwrap();
    let typed = |arguments: &[&str]| fastweights(at).args(arguments).assert().success();
    typed(&[
        "adapt",
        "run",
        "--support",
        "given.png",
        "--steps",
        "5",
        "--out",
        "a.safetensors",
        "--device",
        "cpu",
    ]);
    // The run is not needed any more.
    fs::rename(at.join("run"), at.join("gone")).unwrap();
    let sample = |more: &[&str]| typed(&[&["sample", "a.safetensors", "--device", "cpu"], more].concat());
    sample(&["--size", "8", "--out", "8.png"]);
    sample(&["--size", "24", "--out", "24.png"]);
    let (few, many) = (gray(&at.join("8.png")), gray(&at.join("24.png")));
    assert_eq!((few.len(), many.len()), (64, 576));
    // The middle of every third pixel is the middle of a large one.
    let middles: Vec<u8> = (0..64).map(|i| many[(i / 8 * 3 + 1) * 24 + i % 8 * 3 + 1]).collect();
    assert!(few.iter().zip(&middles).all(|(a, b)| a.abs_diff(*b) <= 1), "{few:?}\n{middles:?}");
    assert!(few.iter().any(|v| *v != few[0]), "a field is no single value");
    // And at places: x to the right, y down.
    let middle = |i: usize| (2 * i + 1) as f64 / 8.0 - 1.0;
    let mut places = "x,y\n".to_owned();
    (0..64).for_each(|i| writeln!(places, "{},{}", middle(i % 8), middle(i / 8)).unwrap());
    fs::write(at.join("places.csv"), places).unwrap();
    sample(&["--csv", "places.csv", "--out", "values.csv"]);
    let text = fs::read_to_string(at.join("values.csv")).unwrap();
    let values: Vec<f64> =
        text.lines().skip(1).map(|line| line.rsplit(',').next().unwrap().parse().unwrap()).collect();
    for (value, byte) in values.iter().zip(&few) {
        assert!((255.0 * value.clamp(0.0, 1.0) - f64::from(*byte)).abs() < 0.6, "{value} is drawn as {byte}");
    }
    typed(&["export", "a.safetensors", "--format", "onnx", "--out", "field.onnx"])
        .stdout(contains("coordinates to values"));
    assert!(fs::metadata(at.join("field.onnx")).unwrap().len() > 500);
}

#[test]
fn files_of_points_are_learned_and_sampled_in_their_units() {
    let dir = tempfile::tempdir().unwrap();
    csv(dir.path());
    let flags = ["--csv", "wind.csv", "--id-column", "station", "--values", "wind,rain"];
    let small = ["--set", "model.hidden=[6]", "--set", "task.points=6", "--out", "run"];
    train(dir.path(), "field", &[&flags[..], &["--coordinates", "lon,lat,day"], &small].concat())
        .success()
        .stdout(contains("on 2 held-out fields (wind.csv)"));
    let recipe = fs::read_to_string(dir.path().join("run/recipe.toml")).unwrap();
    for words in
        ["train_fields = 6", "coordinate_ranges = [[4.0, 11.0]", "sha256 = ", "values = [\"wind\", \"rain\"]"]
    {
        assert!(recipe.contains(words), "{words} in {recipe}");
    }
    assert_eq!(
        json(&dir.path().join("run/evaluation.json"))["field"]["held_out"].as_array().unwrap().len(),
        2
    );
    let mut sample = fastweights(dir.path());
    sample.args(["sample", "run", "--device", "cpu", "--task", "0", "--csv", "wind.csv", "--out", "out.csv"]);
    sample.assert().success();
    let text = fs::read_to_string(dir.path().join("out.csv")).unwrap();
    assert!(text.starts_with("lon,lat,day,wind,rain\n4,51,0,"), "{text}");
    let mut sample = fastweights(dir.path());
    sample.args(["sample", "run", "--device", "cpu", "--out", "out.png"]);
    sample.assert().code(2).stderr(contains("two coordinates; these have 3").and(contains("--csv")));
    // A file that was altered is another one.
    let mut resumed = fastweights(dir.path());
    fs::write(dir.path().join("wind.csv"), "station,lon\n").unwrap();
    resumed.args(["eval", "run"]).assert().failure().stderr(contains("wind.csv"));
}

#[test]
fn images_rays_and_latents_are_recipes_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let images = ["--images", "glyphs", "--set", "task.points=50", "--set", "model.hidden=[6]"];
    train(
        dir.path(),
        "field",
        &[&images[..], &["--set", "task.side=10", "--set", "task.channels=3"]].concat(),
    )
    .success()
    .stdout(contains("(glyphs), adapted on 100 points each"));
    train(dir.path(), "field-latent", &[&SMALL[..], &["--set", "model.latent=3"]].concat())
        .success()
        .stdout(contains("PSNR"));
    let layers = r#"model.layers=[{ type = "conv2d", outputs = 5, kernel = 1 }, { type = "sine" }, { type = "global_avg_pool2d" }]"#;
    let rays =
        ["--set", layers, "--set", "task.side=6", "--set", "task.samples=5", "--set", "task.points=40"];
    train(dir.path(), "field-tomography", &rays)
        .success()
        .stdout(contains("known by 120 line integrals at 20 angles each, judged on 36"));
    let fourier = r#"model.layers=[{ type = "fourier", features = 4 }, { type = "linear", outputs = 5 }, { type = "relu" }]"#;
    train(dir.path(), "field-fourier", &["--set", fourier, "--set", "task.side=6", "--set", "task.points=9"])
        .success();
}

#[test]
fn what_is_no_field_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    csv(dir.path());
    fs::write(dir.path().join("bad.csv"), "id,x,u\na,1,2\na,2,three\nb,1,1\nb,2,2\n").unwrap();
    fs::write(dir.path().join("one.csv"), "id,x,u\na,1,2\na,2,3\nb,1,1\n").unwrap();
    let file = |name: &'static str, values: &'static str| {
        vec!["--csv", name, "--coordinates", "x", "--values", values]
    };
    for (arguments, words) in [
        (file("bad.csv", "u"), &["bad.csv", "line 3", "column `u`", "`three`"][..]),
        (file("one.csv", "u"), &["one.csv", "field `b`", "single point"]),
        (file("one.csv", "v"), &["--values (task.values)", "`v`", "`u`"]),
        (file("gone.csv", "u"), &["gone.csv"]),
        (vec!["--csv", "wind.csv", "--id-column", "station"], &["task.coordinates", "is needed", "`lon`"]),
        (vec!["--images", "gone"], &["gone"]),
        (vec!["--images", "Gone!"], &["--images (task.data)", "Gone!"]),
        (vec!["--set", "task.points=5000"], &["`task.points`", "5000", "4096"]),
        (vec!["--set", "task.points=2", "--set", "task.query_points=other"], &["query_points", "`others`"]),
        (vec!["--set", "inner.adapt=[\"latent.*\"]"], &["`inner.adapt`", "latent.*", "matches no parameter"]),
        (vec!["--set", "inner.lr_range=[0.5, 1.0]"], &["`inner.lr_range`", "inner.lr"]),
        (vec!["--set", "model.loss=huber"], &["`model.loss`", "huber", "mse"]),
        (vec!["--set", "task.samples=5"], &["`task.samples`", "task.angles"]),
        (vec!["--csv", "wind.csv", "--set", "task.angles=5"], &["`task.angles`", "anywhere"]),
    ] {
        let assert = train(dir.path(), "field", &[&arguments[..], &["--out", "never"]].concat()).failure();
        let text = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(words.iter().all(|word| text.contains(word)), "{arguments:?} gives: {text}");
        assert!(!dir.path().join("never").exists(), "{arguments:?}");
    }
    train(dir.path(), "sinusoid", &["--images", "glyphs"])
        .code(2)
        .stderr(contains("--images (task.data)").and(contains("sinusoid")));
}
