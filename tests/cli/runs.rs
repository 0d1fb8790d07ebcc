//! What a run leaves behind, prints and is judged by.

use super::*;

#[test]
fn a_control_that_leaves_the_finite_range_is_named() {
    let dir = temp();
    let arguments = ["sinusoid-reptile", "--quiet", "--steps", "200", "--set", "control.optimizer=sgd"];
    let run = train(dir.path(), &arguments).args(["--set", "control.meta_lr=1.0"]).assert().code(1);
    run.stderr(contains("of the control, the loss is not finite at update").and(contains("control.meta_lr")));
}

#[test]
fn a_run_leaves_everything_behind() {
    let dir = temp();
    let run = train(dir.path(), &["--steps", "12", "--seed", "3", "--json"]).args(SMALL).assert().success();
    let result: serde_json::Value = serde_json::from_slice(&run.get_output().stdout).unwrap();
    assert_eq!(result["run"], "runs/sinusoid-1");
    let root = dir.path().join("runs/sinusoid-1");
    let report = json(root.join("evaluation.json"));
    assert_eq!(report["tasks"], 20);
    assert_eq!(report["metric"], "mse");
    assert_eq!(report["steps"], serde_json::json!([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]));
    for learner in ["maml", "control"] {
        for key in ["mean", "ci95", "median"] {
            let values = report["learners"][learner][key].as_array().unwrap();
            assert!(values.len() == 11 && values.iter().all(serde_json::Value::is_f64), "{learner} {key}");
        }
    }
    assert!(report["seconds"]["train"].is_f64() && report["device"].as_str().unwrap().starts_with("cpu"));
    assert_eq!(report["learners"], result["learners"]);
    let recipe: toml::Table = fs::read_to_string(root.join("recipe.toml")).unwrap().parse().unwrap();
    assert_eq!(recipe["seed"].as_integer(), Some(3));
    assert_eq!(recipe["outer"]["iterations"].as_integer(), Some(12));
    assert_eq!(recipe["inner"]["loss_weights"].as_array().map(Vec::len), Some(2));
    let metrics = fs::read_to_string(root.join("metrics.jsonl")).unwrap();
    let iterations: Vec<_> = (metrics.lines())
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["iteration"].as_u64().unwrap())
        .collect();
    assert_eq!(iterations, [5, 10, 12]);
    for stem in ["task", "training", "adaptation"] {
        let svg = fs::read_to_string(root.join(format!("plots/{stem}.svg"))).unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("</text>"), "{stem}");
        let png = fs::read(root.join(format!("plots/{stem}.png"))).unwrap();
        assert!(png.starts_with(b"\x89PNG") && png.len() > 5_000, "{stem}");
    }
    let model = fs::read(root.join("checkpoints/12.safetensors")).unwrap();
    let model = safetensors::SafeTensors::deserialize(&model).unwrap();
    let mut shapes: Vec<_> = model.iter().map(|(name, t)| (name.to_owned(), t.shape().to_vec())).collect();
    shapes.sort();
    let expected = [
        ("0.bias", vec![40]),
        ("0.weight", vec![40, 1]),
        ("2.bias", vec![40]),
        ("2.weight", vec![40, 40]),
        ("4.bias", vec![1]),
        ("4.weight", vec![1, 40]),
    ];
    assert_eq!(shapes, expected.map(|(name, shape)| (name.to_owned(), shape)));
    // The next run takes the next number.
    train(dir.path(), &["--steps", "1", "--quiet"]).args(SMALL).assert().success();
    assert!(dir.path().join("runs/sinusoid-2").is_dir());
}

/// One line of metrics and one point of a curve are drawn as dots.
#[test]
fn the_shortest_run_has_its_pictures_and_one_that_diverges_too() {
    let dir = temp();
    let short = ["--steps", "1", "--quiet", "--out", "a", "--set", "evaluation.steps=0"];
    train(dir.path(), &short).args(SMALL).args(["--set", "run.report_every=100"]).assert().success();
    let far = ["--steps", "1", "--quiet", "--out", "b", "--set", "control.lr=1e20"];
    train(dir.path(), &far).args(SMALL).assert().success();
    for (run, stem) in [("a", "task"), ("a", "training"), ("a", "adaptation"), ("b", "adaptation")] {
        let svg = fs::read_to_string(dir.path().join(format!("{run}/plots/{stem}.svg"))).unwrap();
        assert!(svg.matches("<circle").count() > 0, "{run} {stem}");
        assert_eq!(svg.contains("no task is finite"), run == "b", "{run} {stem}");
        assert!(dir.path().join(format!("{run}/plots/{stem}.png")).is_file(), "{run} {stem}");
    }
    // The tasks that diverge later are in the means before.
    let mut command = fastweights(dir.path());
    command.args(["eval", "a", "--device", "cpu", "--inner-lr", "1e6", "--steps", "9", "--json", "e.json"]);
    command.assert().success().stdout(contains("from there on they are in the median"));
    let curve = &json(dir.path().join("e.json"))["learners"]["maml"];
    assert_eq!(curve["diverged"], 20);
    assert!(curve["mean"][0].is_f64() && curve["mean"][9].is_null(), "{curve}");
}

#[test]
fn the_table_is_on_standard_output_and_progress_is_not() {
    let dir = temp();
    let run = train(dir.path(), &["--steps", "10", "--out", "a"]).args(SMALL).assert().success();
    let run = run.stdout(contains("MAML, mean ± 95 %").and(contains("20 new tasks")));
    run.stderr(contains("device: cpu").and(contains("10/10")).and(contains("trained in")));
    let mut quiet = train(dir.path(), &["--steps", "10", "--quiet", "--out", "b"]);
    quiet.args(SMALL).assert().success().stderr("");
}

#[test]
fn a_run_is_never_overwritten() {
    let dir = temp();
    fs::create_dir(dir.path().join("mine")).unwrap();
    fs::write(dir.path().join("mine/notes.txt"), "keep").unwrap();
    let refused = train(dir.path(), &["--steps", "1", "--out", "mine"]).assert().code(1);
    refused.stderr(contains("mine").and(contains("exists already")).and(contains("--out")));
    assert_eq!(files(&dir.path().join("mine")), [PathBuf::from("notes.txt")]);
    train(dir.path(), &["--steps", "1", "--out", "new/run", "--quiet"]).args(SMALL).assert().success();
    let again = train(dir.path(), &["--steps", "1", "--out", "new/run"]).assert().code(1);
    again.stderr(contains("--resume"));
}

#[test]
fn a_run_is_evaluated_anew() {
    let dir = temp();
    train(dir.path(), &["--steps", "5", "--quiet", "--out", "a"]).args(SMALL).assert().success();
    let eval = |arguments: &[&str]| {
        let mut command = fastweights(dir.path());
        command.args(["eval", "a", "--device", "cpu"]).args(arguments);
        command.assert()
    };
    eval(&[]).success().stdout(contains("20 new tasks, adapted on 5 points"));
    let other = ["--tasks", "7", "--steps", "3", "--points", "10", "--inner-lr", "0.02", "--json", "e.json"];
    eval(&other).success().stdout(contains("7 new tasks, adapted on 10 points"));
    let report = json(dir.path().join("e.json"));
    assert_eq!((&report["tasks"], &report["steps"]), (&7.into(), &serde_json::json!([0, 1, 2, 3])));
    assert_eq!(report["points"]["support"], 10);
    // The same settings give what the run itself found.
    eval(&["--json", "same.json"]).success();
    let (same, first) = (json(dir.path().join("same.json")), json(dir.path().join("a/evaluation.json")));
    assert_eq!(same["learners"], first["learners"]);
    // A rate that diverges is a result, not a failure.
    eval(&["--inner-lr", "1e6"]).success().stdout(contains("left the finite range"));
    eval(&["--tasks", "0"]).code(2).stderr(contains("evaluation.tasks"));
    for rate in ["nan", "1e39", "-1", "inf"] {
        eval(&["--inner-lr", rate]).code(2).stderr(contains("--inner-lr").and(contains("0 or more")));
    }
}
