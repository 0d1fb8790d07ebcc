//! Recipes, networks and help.

use super::*;

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
    fs::write(dir.path().join("none.toml"), "# to come\n").unwrap();
    train(dir.path(), &["none.toml"]).assert().failure().stderr(contains("none.toml: is empty"));
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
        // Fields are large, and a control is judged at many rates.
        let field = known.name.starts_with("field");
        command.args([
            "--steps",
            if field {
                "2"
            } else if image {
                "3"
            } else {
                "60"
            },
        ]);
        // Of mini-batches of a table one task is judged.
        if !known.name.starts_with("table") || known.name == "table-few-shot" {
            command.args(["--set", if field { "evaluation.tasks=2" } else { "evaluation.tasks=5" }]);
        }
        if field {
            command.args(["--set", "task.side=8", "--set", "task.points=20", "--set", "evaluation.steps=2"]);
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
fn help_names_every_workload_and_the_oracle() {
    let dir = temp();
    let help = fastweights(dir.path()).args(["bench", "--help"]).assert().success();
    let text = String::from_utf8(help.get_output().stdout.clone()).unwrap();
    for workload in fastweights::workloads::WORKLOADS {
        assert!(text.contains(workload.name), "{}: {text}", workload.name);
    }
    fastweights(dir.path()).args(["gradcheck", "--help"]).assert().success().stdout(contains("cpu-f64"));
}
