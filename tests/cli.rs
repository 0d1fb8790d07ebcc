//! The command line as a person types it.

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Settings that make a run take a moment.
const SMALL: [&str; 8] = [
    "--set",
    "task.pool=500",
    "--set",
    "evaluation.tasks=20",
    "--set",
    "evaluation.dense=20",
    "--set",
    "run.report_every=5",
];

fn fastweights(dir: &Path) -> Command {
    let mut command = Command::cargo_bin("fastweights").expect("the program is built");
    command.current_dir(dir);
    command
}

/// A command that trains on the CPU.
fn train(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = fastweights(dir);
    command.args(["train", "--device", "cpu"]).args(arguments);
    command
}

fn temp() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn json(path: impl AsRef<Path>) -> serde_json::Value {
    serde_json::from_slice(&fs::read(path).expect("the file is there")).expect("it is JSON")
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.safetensors"))
}

/// All files below a directory, by their relative paths.
fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path.strip_prefix(root).expect("below it").to_owned());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn recipes_are_listed_and_printed() {
    let dir = temp();
    let list = fastweights(dir.path()).arg("recipes").assert().success();
    let list = String::from_utf8(list.get_output().stdout.clone()).unwrap();
    for name in
        ["sinusoid ", "sinusoid-paper ", "sinusoid-paper-5steps ", "sinusoid-first-order ", "sinusoid-anil "]
    {
        assert!(list.contains(name), "{list}");
    }
    let one = fastweights(dir.path()).args(["recipes", "sinusoid-anil"]).assert().success();
    let text = String::from_utf8(one.get_output().stdout.clone()).unwrap();
    assert!(text.contains("adapt = \"head\""), "{text}");
    // What is printed can be edited and trained.
    fs::write(dir.path().join("mine.toml"), text.replace("50_000", "7")).unwrap();
    train(dir.path(), &["mine.toml", "--quiet", "--set", "evaluation.tasks=3"]).assert().success();
    assert!(dir.path().join("runs/sinusoid-anil-1/checkpoints/7.safetensors").is_file());
    let wrong = fastweights(dir.path()).args(["recipes", "sinusoid-anli"]).assert().code(2);
    wrong.stderr(contains("did you mean `sinusoid-anil`"));
}

/// Every recipe that brings its tasks along trains, with its control, to the pictures.
#[test]
fn a_network_is_printed_drawn_and_told_to_programs() {
    let dir = temp();
    let model = |arguments: &[&str]| {
        let out = fastweights(dir.path()).arg("model").args(arguments).output().unwrap();
        (out.status.code(), [out.stdout, out.stderr].map(|text| String::from_utf8(text).unwrap()))
    };
    let resnet = ["omniglot-5way-1shot", "--set", "model.preset=resnet12"];
    let (code, [text, _]) = model(&[&resnet[..], &["--svg", "net.svg"]].concat());
    let row = text.lines().find(|line| line.starts_with("layer2.0.downsample.0")).unwrap();
    let words: Vec<&str> = row.split_whitespace().rev().take(3).collect();
    assert_eq!((code, &words[..]), (Some(0), &["125440", "2007040", "10240"][..]), "{row}");
    assert!(
        text.contains("12426245")
            && fs::read_to_string(dir.path().join("net.svg")).unwrap().contains("layer4.0")
    );
    let (code, [text, _]) = model(&[&resnet[..], &["--json"]].concat());
    let graph: serde_json::Value = serde_json::from_str(&text).unwrap();
    let sum = graph["nodes"].as_array().unwrap().iter().find(|node| node["name"] == "layer1.0.add").unwrap();
    assert_eq!((code, &graph["parameters"], &graph["input"][1]), (Some(0), &12_426_245.into(), &28.into()));
    assert_eq!((&sum["op"]["type"], &sum["inputs"][1]), (&"add".into(), &"layer1.0.downsample.1".into()));
    // A table's width is known once its rows are.
    assert!(model(&["table-few-shot"]).1[0].contains("linear to 5"));
    for (arguments, words) in [
        (&["nonsense"][..], "neither a recipe nor a file"),
        (&["sinusoid", "--set", "model.preset=resnet12"], "`model.preset`"),
        (&["sinusoid", "--set", "model.activation=swish"], "softplus, sine"),
        (
            &[
                "sinusoid",
                "--set",
                r#"model.layers=[{ name = "a", type = "linear", outputs = 3 },
                   { name = "b", type = "batch_norm", inputs = ["input"] }, { type = "add", inputs = ["a", "b"] }]"#,
            ],
            "its inputs must be of one shape, not [3] and [1]",
        ),
        (
            &[
                "glyphs-5way-1shot",
                "--set",
                r#"model.layers=[{ name = "a", type = "conv2d", outputs = 3, kernel = 3, inputs = ["input"] },
                   { name = "b", type = "max_pool2d", kernel = 2, inputs = ["input"] },
                   { name = "both", type = "concat", inputs = ["a", "b"] }, { type = "flatten" }]"#,
            ],
            "node `both` (concat): its inputs must be alike but for features, not [3, 26, 26] and [1, 14, 14]",
        ),
    ] {
        let (code, [out, err]) = model(&[arguments, &["--svg", "no.svg"]].concat());
        assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
        assert!(err.contains(words) && !dir.path().join("no.svg").exists(), "{err}");
    }
}

#[test]
fn every_recipe_that_needs_no_files_trains() {
    let dir = temp();
    let mut trained = 0;
    for known in fastweights::recipe::builtins() {
        let mut recipe = fastweights::recipe::Recipe::load(known.name, &[]).unwrap();
        if recipe.load_data(Some(dir.path())).is_err() {
            continue;
        }
        let image = known.name.starts_with("glyphs");
        let mut command = train(dir.path(), &[known.name, "--quiet", "--out", known.name]);
        command.args(["--steps", if image { "3" } else { "60" }]);
        // Of mini-batches of a table one task is judged.
        if !known.name.starts_with("table") || known.name == "table-few-shot" {
            command.args(["--set", "evaluation.tasks=5"]);
        }
        if image {
            command.args(["--set", "outer.meta_batch=4", "--set", "validation.tasks=4"]);
        }
        command.assert().success();
        assert!(dir.path().join(known.name).join("evaluation.json").is_file(), "{}", known.name);
        trained += 1;
    }
    assert!(trained >= 13, "{trained}");
}

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
    for learner in ["maml", "pretrained"] {
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

#[test]
fn a_wrong_call_names_the_key_and_writes_nothing() {
    let dir = temp();
    for (arguments, words) in [
        (&["train", "--set", "inner.stepz=5"][..], &["`inner.stepz`", "did you mean `steps`"][..]),
        (&["train", "--set", "inner.order=both"], &["`inner.order`", "both", "first, second"]),
        (&["train", "--set", "inner.steps=many"], &["`inner.steps`", "many"]),
        (&["train", "--set", "model.loss=cross_entropy"], &["`model.loss`", "mse"]),
        (&["train", "--set", "nonsense"], &["nonsense", "key=value"]),
        (&["train", "--steps", "0"], &["`--steps (outer.iterations)`", "1 to"]),
        (&["train", "--steps", "-1"], &["--steps"]),
        (&["train", "--seed", "99999999999999999999"], &["--seed"]),
        (&["train", "--threads", "0"], &["--threads"]),
        (&["train", "--device", "cpu-f64"], &["cpu-f64"]),
        (&["train", "sinusiod"], &["did you mean `sinusoid`"]),
        (&["train", "no/such/file.toml"], &["no/such/file.toml"]),
        (&["bench", "--workload", "sin"], &["--workload", "sine-paper-5steps"]),
        (&["bench", "--blocks", "4"], &["--blocks"]),
        (&["gradcheck"], &["FILE"]),
        (&["frobnicate"], &["frobnicate"]),
        (&[], &["Usage"]),
    ] {
        let run = fastweights(dir.path()).args(arguments).assert().code(2);
        let text = String::from_utf8(run.get_output().stderr.clone()).unwrap();
        for word in words {
            assert!(text.contains(word), "{arguments:?} gives: {text}, without {word}");
        }
        assert!(!text.contains("panicked"), "{text}");
    }
    assert_eq!(files(dir.path()), Vec::<PathBuf>::new());
    fs::write(dir.path().join("broken.toml"), "seed = 1\n[inner\nsteps = 2\n").unwrap();
    let broken = train(dir.path(), &["broken.toml"]).assert().code(1);
    broken.stderr(contains("broken.toml").and(contains("line 2")));
}

#[test]
fn what_does_not_fit_into_memory_is_refused_before_anything_is_written() {
    let dir = temp();
    for settings in [
        // More than eight tebibytes each, for the sums of a meta-batch's chunks.
        &["outer.meta_batch=1048576", "model.hidden=[16384,16384]"][..],
        &["outer.meta_batch=1048576", "model.hidden=[16384,16384]", "inner.steps=1000"],
    ] {
        let settings: Vec<_> = settings.iter().flat_map(|s| ["--set", s]).collect();
        let run = train(dir.path(), &["--steps", "1", "--quiet"]).args(settings).assert().code(1);
        run.stderr(contains("memory for").and(contains("needed")).and(contains("outer.meta_batch")));
    }
    assert_eq!(files(dir.path()), Vec::<PathBuf>::new());
}

#[test]
fn no_such_adapter_lists_what_there_is() {
    let dir = temp();
    let run = fastweights(dir.path()).args(["train", "--device", "no such adapter"]).assert().code(1);
    run.stderr(contains("no such adapter"));
    fastweights(dir.path()).arg("devices").assert().success().stdout(contains("cpu"));
    assert_eq!(files(dir.path()), Vec::<PathBuf>::new());
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

#[test]
fn gradcheck_passes_the_golden_cases_and_names_what_it_cannot_do() {
    let dir = temp();
    let known = ["sine_k1", "sine_k2_head", "sine_k3_learned_lr", "sine_k5_first", "table_k5"].map(golden);
    for device in ["cpu-f64", "cpu"] {
        let mut command = fastweights(dir.path());
        command.args(["gradcheck", "--device", device]).args(&known);
        command.assert().success().stdout(contains("meta_grad.0.weight").and(contains("FAILED").not()));
    }
    let mut command = fastweights(dir.path());
    let strange = dir.path().join("strange.safetensors");
    let mut bytes = fs::read(golden("sine_k1")).unwrap();
    let relu = bytes.windows(4).position(|w| w == b"relu").unwrap();
    bytes[relu..relu + 4].copy_from_slice(b"rely");
    fs::write(&strange, bytes).unwrap();
    command.args(["gradcheck", "--device", "cpu-f64"]).args([strange, golden("sine_k1")]);
    let mixed = command.assert().code(1).stderr(contains("1 of 2"));
    mixed.stdout(contains("unsupported").and(contains("rely")).and(contains("sine_k1.safetensors: ok")));
    let mut command = fastweights(dir.path());
    command.args(["gradcheck", "--device", "cpu", "missing.safetensors"]);
    command.assert().code(1).stdout(contains("missing.safetensors"));
}

#[test]
fn gradcheck_writes_what_it_computed_and_fails_on_a_wrong_answer() {
    let dir = temp();
    let mut command = fastweights(dir.path());
    command.args(["gradcheck", "--device", "cpu", "--out", "out.safetensors"]);
    command.arg(golden("sine_k3_learned_lr")).assert().success();
    let bytes = fs::read(dir.path().join("out.safetensors")).unwrap();
    let answers = fs::read(golden("sine_k3_learned_lr")).unwrap();
    let (ours, answers) = (
        safetensors::SafeTensors::deserialize(&bytes).unwrap(),
        safetensors::SafeTensors::deserialize(&answers).unwrap(),
    );
    for name in ["meta_grad.2.weight", "meta_grad_lr.2.weight", "meta_loss", "query_loss", "support_loss"] {
        let (a, b) = (ours.tensor(name).unwrap(), answers.tensor(name).unwrap());
        assert_eq!((a.shape(), a.dtype()), (b.shape(), b.dtype()), "{name}");
    }
    let mut command = fastweights(dir.path());
    command.args(["gradcheck", "--out", "two.safetensors"]).args([golden("sine_k1"), golden("sine_k5")]);
    command.assert().code(2).stderr(contains("--out"));
    // One flipped bit of an answer's exponent, and one answer that is not a number.
    let case = fs::read(golden("sine_k1")).unwrap();
    let (header, _) = safetensors::SafeTensors::read_metadata(&case).unwrap();
    let file = safetensors::SafeTensors::deserialize(&case).unwrap();
    let at = file.tensor("meta_grad.0.weight").unwrap().data().as_ptr() as usize - case.as_ptr() as usize;
    assert!(at > header);
    for (name, value) in [("wrong", 1e3_f64), ("nan", f64::NAN)] {
        let mut damaged = case.clone();
        damaged[at..at + 8].copy_from_slice(&value.to_le_bytes());
        let path = dir.path().join(format!("{name}.safetensors"));
        fs::write(&path, damaged).unwrap();
        let mut command = fastweights(dir.path());
        command.args(["gradcheck", "--device", "cpu-f64"]).arg(&path);
        command.assert().code(1).stdout(contains("FAILED").and(contains("meta_grad.0.weight")));
    }
}

/// A case with its header of tensors, or its description, changed.
fn changed_case(to: &Path, change: impl Fn(&mut serde_json::Value, &mut serde_json::Value)) {
    let bytes = fs::read(golden("sine_k1")).unwrap();
    let data = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: serde_json::Value = serde_json::from_slice(&bytes[8..data]).unwrap();
    let mut case = serde_json::from_str(header["__metadata__"]["case"].as_str().unwrap()).unwrap();
    change(&mut header, &mut case);
    header["__metadata__"]["case"] = case.to_string().into();
    let header = header.to_string();
    let parts = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &bytes[data..]];
    fs::write(to, parts.concat()).unwrap();
}

#[test]
fn gradcheck_refuses_a_case_whose_tensors_are_missing_or_of_another_shape() {
    let dir = temp();
    let path = dir.path().join("case.safetensors");
    let refuses = |words: &[&str]| {
        let mut command = fastweights(dir.path());
        command.args(["gradcheck", "--device", "cpu-f64"]).arg(&path);
        let output = command.assert().code(1);
        let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
        assert!(words.iter().all(|word| text.contains(word)), "{text}, without one of {words:?}");
    };
    for name in ["meta_loss", "meta_grad.2.weight", "query_loss", "support_loss", "theta.0.bias"] {
        changed_case(&path, |header, _| {
            // Nothing of the data may be left without a name.
            let tensor = header.as_object_mut().unwrap().remove(name).unwrap();
            header["other"] = tensor;
        });
        refuses(&[name, "missing"]);
    }
    for (name, shape, needed) in [
        ("theta.0.weight", [1, 40].as_slice(), "[40, 1]"),
        ("meta_grad.2.weight", &[1600], "[40, 40]"),
        ("support_x", &[5, 3, 1], "[3, 5, 1]"),
    ] {
        changed_case(&path, |header, _| header[name]["shape"] = shape.into());
        refuses(&[name, needed, &format!("{shape:?}")]);
    }
    changed_case(&path, |_, case| case["inner"]["steps"] = 10_000_000.into());
    refuses(&["inner.steps", "10000000", "1000"]);
    changed_case(&path, |_, case| case["inner"]["steps"] = 1000.into());
    refuses(&["query_loss", "[3, 1001]"]);
}

#[test]
fn help_names_every_workload_and_the_oracle() {
    let dir = temp();
    let help = fastweights(dir.path()).args(["bench", "--help"]).assert().success();
    let text = String::from_utf8(help.get_output().stdout.clone()).unwrap();
    for workload in fastweights::workloads::WORKLOADS {
        assert!(text.contains(workload.name), "{}: {text}", workload.name);
    }
    fastweights(dir.path()).args(["gradcheck", "--help"]).assert().success().stdout(contains("cpu-f64"));
}

#[test]
fn bench_writes_an_array() {
    let dir = temp();
    let mut command = fastweights(dir.path());
    command.args(["bench", "--device", "cpu", "--seconds", "0.005", "--json", "bench.json"]);
    command.args(["--workload", "sine", "--workload", "series", "--workload", "sine-paper-first-order"]);
    command.args(["--meta-batch", "3", "--meta-batch", "17"]).assert().success().stdout(contains("GFLOP/s"));
    let rows = json(dir.path().join("bench.json"));
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 6);
    for row in rows {
        for key in ["iterations_per_s", "tasks_per_s", "gflops"] {
            assert!(row[key].as_f64().unwrap() > 0.0, "{row}");
        }
        assert!(row["samples_per_s"].as_array().unwrap().len() >= 5);
    }
    assert_eq!((&rows[2]["workload"], &rows[2]["inner_steps"]), (&"series".into(), &5.into()));
    assert_eq!((&rows[4]["order"], &rows[5]["meta_batch"]), (&"first".into(), &17.into()));
}

/// A reader that is gone, as after `| head -1`.
#[cfg(unix)]
#[test]
fn a_closed_pipe_is_survived() {
    use std::process::{Command, Stdio};
    for arguments in [&["recipes"][..], &["recipes", "sinusoid"], &["--help"], &["devices"]] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fastweights"))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !stderr.contains("panicked"), "{arguments:?}: {stderr}");
    }
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
