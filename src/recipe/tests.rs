use super::*;
use crate::error::Result;
use crate::model::{Init, Mlp, Op, Preset, Shape};
use crate::task::Visit;

fn with(settings: &[&str]) -> Result<Recipe> {
    let settings = settings.iter().map(|s| parse_setting(s)).collect::<Result<Vec<_>>>()?;
    Recipe::load("sinusoid", &settings)
}

fn refusal(settings: &[&str]) -> String {
    with(settings).expect_err("should be refused").to_string()
}

#[test]
fn every_builtin_resolves_and_reads_back_unchanged() {
    for known in builtins() {
        let recipe = Recipe::load(known.name, &[]).unwrap();
        assert_eq!(recipe.name, known.name);
        assert!(!recipe.description.is_empty() && !recipe.description.contains('\n'));
        let text = recipe.to_toml().unwrap();
        assert_eq!(Recipe::parse(&text, "other", &[]).unwrap(), recipe, "{text}");
    }
}

#[test]
fn the_default_is_the_sinusoid_of_the_seed_project() {
    let recipe = with(&[]).unwrap();
    assert_eq!((recipe.outer.iterations, recipe.outer.meta_batch), (50_000, 10));
    let control = recipe.control_plan().unwrap().unwrap();
    assert_eq!((control.outer.iterations, control.sampler.visit), (1_000_000, Visit::Halves));
    assert_eq!(control.plan.steps, 0);
    let defaults = Recipe::parse("", "sinusoid", &[]).unwrap();
    assert_eq!(defaults.inner, recipe.inner);
    assert_eq!(defaults.outer, recipe.outer);
    assert_eq!(defaults.evaluation, recipe.evaluation);
}

#[test]
fn a_control_follows_gradients_at_a_rate_for_gradients() {
    use crate::meta::OuterKind;
    for (settings, optimizer, meta_lr) in [
        (&["outer.optimizer=sgd", "outer.meta_lr=0.5"][..], OuterKind::Sgd, 0.5),
        (&["outer.optimizer=sgd", "outer.meta_lr=0.5", "inner.order=reptile"], OuterKind::Adam, 1e-3),
        (&["outer.optimizer=sgd", "outer.meta_lr=0.5", "control.optimizer=adam"], OuterKind::Adam, 1e-3),
        (&["outer.meta_lr=0.002", "control.meta_lr=0.1"], OuterKind::Adam, 0.1),
    ] {
        let outer = with(settings).unwrap().control_plan().unwrap().unwrap().outer;
        assert_eq!((outer.kind, outer.meta_lr), (optimizer, meta_lr), "{settings:?}");
    }
}

#[test]
fn settings_are_toml_and_bare_words_are_strings() {
    let recipe = with(&["inner.order=first", "model.hidden=[8, 8, 8]", "inner.lr=0.5"]).unwrap();
    let mlp = Mlp { hidden: vec![8; 3], ..Mlp::default() };
    assert_eq!(recipe.model.network, Network::Preset(Preset::Mlp(mlp)));
    assert_eq!(recipe.plan().unwrap().order, crate::meta::MetaGradient::FirstOrder);
    let recipe = with(&["inner.steps=3", "inner.learned_lr=per_layer_step"]).unwrap();
    assert_eq!(recipe.plan().unwrap().learned_rates(), 9);
    assert_eq!(recipe.inner.settings.loss_weights.unwrap(), [0.0, 0.0, 0.0, 1.0]);
}

#[test]
fn a_refusal_names_the_key_the_value_and_what_is_allowed() {
    for (settings, words) in [
        (&["inner.step=2"][..], &["`inner.step`", "did you mean `steps`", "loss_weights"][..]),
        (&["innner.steps=2"], &["`innner`", "did you mean `inner`"]),
        (&["inner.order=third"], &["`inner.order`", "third", "first, second"]),
        (&["inner.steps=two"], &["`inner.steps`", "two"]),
        (&["inner.steps=-1"], &["`inner.steps`", "-1"]),
        (&["inner=5"], &["`inner`", "5"]),
        (&["inner.steps.more=5"], &["`inner.steps.more`", "not a section"]),
        (&["inner.steps"], &["inner.steps", "key=value"]),
        (&["inner.lr=[1"], &["`inner.lr`", "[1"]),
        (&["inner.lr=nan"], &["`inner.lr`", "NaN"]),
        (&["inner.loss_weights=[1.0]"], &["`inner.loss_weights`", "2 are needed"]),
        (&["model.loss=cross_entropy"], &["`model.loss`", "mse"]),
        (&["model.loss=hubert"], &["`model.loss`", "did you mean `huber`"]),
        (&["model.loss={ type = \"huber\", delta = 0 }"], &["`model.loss.delta`", "above 0"]),
        (&["model.loss={ type = \"huber\", detla = 1 }"], &["`model.loss.detla`", "did you mean `delta`"]),
        (&["model.loss=huber", "model.loss.delta=-1"], &["`model.loss.delta`", "-1"]),
        (&["model.loss=3"], &["`model.loss`", "3", "name"]),
        (&["model.loss=bce_with_logits"], &["from 0 to 1", "bce_with_logits"]),
        (&["model.hidden=[0]"], &["`model.hidden`", "1 to"]),
        (&["task.query=6"], &["`control.visit`", "joint"]),
        (&["task.window=6"], &["`task.window`", "sinusoid"]),
        (&["task.phase=[3.0, 1.0]"], &["`task.phase`", "low"]),
        (&["outer.iterations=0"], &["`outer.iterations`", "1 to"]),
        (&["outer.betas=[1.0, 0.9]"], &["`outer.betas`"]),
        (&["name=../up"], &["name", "../up"]),
        (&["evaluation.tasks=99999999"], &["`evaluation.tasks`"]),
    ] {
        let text = refusal(settings);
        for word in words {
            assert!(text.contains(word), "{settings:?} gives: {text}, without {word}");
        }
    }
}

#[test]
fn a_wrong_type_is_told_in_words_of_a_recipe() {
    for (setting, words) in [
        ("inner.steps=-1", "`inner.steps`: is -1; a whole number of 0 or more is needed"),
        ("inner.lr=fast", "`inner.lr`: is \"fast\"; a number is needed"),
        ("inner=5", "`inner`: is 5; a section of settings"),
        ("model.hidden=40", "`model.hidden`: is 40; a list"),
        ("outer.betas=[0.9]", "`outer.betas"),
        ("control.enabled=1", "`control.enabled`: is 1; true or false is needed"),
        ("name=3", "`name`: is 3; text"),
        ("seed={ a = 1 }", "`seed`: is a section; a whole number of 0 or more is needed"),
    ] {
        let text = refusal(&[setting]);
        assert!(text.contains(words), "{setting} gives: {text}");
        for rust in ["usize", "f64", "struct", "i64", "u64", "boolean", "sequence"] {
            assert!(!text.contains(rust), "{setting} gives: {text}");
        }
    }
}

#[test]
fn settings_of_an_inner_optimizer_that_is_not_chosen_are_refused() {
    for (settings, words) in [
        (&["inner.decay=nan"][..], &["`inner.decay`", "sgd", "rmsprop uses it"][..]),
        (&["inner.momentum=7"], &["`inner.momentum`", "momentum and nesterov use it"]),
        (&["inner.betas=[2, 2]"], &["`inner.betas`", "adam"]),
        (&["inner.eps=-1.0"], &["`inner.eps`", "rmsprop and adam"]),
        (&["inner.optimizer=adam", "inner.decay=0.5"], &["`inner.decay`", "adam"]),
        (&["inner.optimizer=momentum", "inner.momentum=1.0"], &["`inner.momentum`", "less than 1"]),
        (&["inner.optimizer=rmsprop", "inner.decay=nan"], &["`inner.decay`", "NaN"]),
        (&["inner.optimizer=adam", "inner.eps=0"], &["`inner.eps`", "above 0"]),
    ] {
        let text = refusal(settings);
        assert!(words.iter().all(|word| text.contains(word)), "{settings:?} gives: {text}");
    }
    let chosen = with(&["inner.optimizer=adam", "inner.betas=[0.5, 0.9]", "inner.eps=1e-3"]).unwrap();
    assert_eq!(Recipe::parse(&chosen.to_toml().unwrap(), "x", &[]).unwrap(), chosen);
}

#[test]
fn a_file_without_a_name_in_it_may_be_called_anything() {
    for (file, name) in [("my recipe ü", "my-recipe--"), ("", "recipe"), (".x", "x"), ("a.b_c-1", "a.b_c-1")]
    {
        assert_eq!(Recipe::parse("", file, &[]).unwrap().name, name);
    }
}

#[test]
fn a_series_is_read_by_convolutions_along_it() {
    let with = |settings: &[&str]| {
        let settings = settings.iter().map(|s| parse_setting(s)).collect::<Result<Vec<_>>>()?;
        Recipe::load("series", &settings)
    };
    let layers = r#"model.layers=[
        { type = "conv1d", outputs = 6, kernel = 5, stride = 2, padding = 2, groups = 1 }, { type = "relu" },
        { type = "conv1d", outputs = 6, kernel = 3, dilation = 2, groups = 6 }, { type = "flatten" },
    ]"#;
    let recipe = with(&["model.input=[1, 1, 30]", layers]).unwrap();
    let model = recipe.model().unwrap();
    assert_eq!(model.input(), Shape::Image { channels: 1, height: 1, width: 30 });
    assert_eq!(model.nodes()[0].op, Op::conv1d(6, 5, 2, 2));
    assert_eq!(model.nodes()[3].shape, Shape::Vector(6 * 11));
    assert_eq!(Recipe::parse(&recipe.to_toml().unwrap(), "x", &[]).unwrap(), recipe);
    for (settings, words) in [
        (&[layers][..], &["conv2d", "[1, 1, n]"][..]),
        (&["model.input=[1, 1, 31]"], &["`model.input`", "[1, 1, 31]", "30 values"]),
        (&[r#"model.layers=[{ type = "conv1d", outputs = 2, kernel = [1, 3] }]"#], &["kernel", "conv1d"]),
    ] {
        let text = with(settings).expect_err("should be refused").to_string();
        for word in words {
            assert!(text.contains(word), "{settings:?} gives: {text}, without {word}");
        }
    }
}

#[test]
fn images_have_ways_and_shots_and_a_head_that_fits() {
    let with = |settings: &[&str]| {
        let settings = settings.iter().map(|s| parse_setting(s)).collect::<Result<Vec<_>>>()?;
        Recipe::load("glyphs-5way-1shot", &settings)
    };
    let recipe = with(&["task.ways=7", "task.shots=2", "task.queries=3"]).unwrap();
    assert_eq!((recipe.task.support, recipe.task.query), (14, 21));
    assert_eq!(recipe.model().unwrap().outputs(), 7);
    let all = recipe.plan().unwrap().adapted.len();
    let kept = with(&["inner.adapt_batch_norm=false"]).unwrap().plan().unwrap();
    assert_eq!((all, kept.adapted.iter().filter(|&&adapted| adapted).count()), (18, 10));
    for (settings, words) in [
        (&["task.support=5"][..], &["`task.support`", "ways"][..]),
        (&["task.ways=1"], &["`task.ways`", "2 to"]),
        (&["task.pool=5"], &["`task.pool`", "images"]),
        (&["model.hidden=[5]", "model.layers=[]"], &["`model.layers`", "model.hidden"]),
        (
            &["model.layers=[{ type = \"relu\" }]"],
            &["`model.layers`", "linear to 5", "layer 0 (relu)", "[1, 28, 28]"],
        ),
        (&["model.layers=[{ type = \"conv3d\" }]"], &["model.layers", "conv3d"]),
        (&["model.loss=mse"], &["`model.loss`", "cross_entropy"]),
        (
            &["model.loss={ type = \"cross_entropy\", label_smoothing = 1 }"],
            &["`model.loss.label_smoothing`", "below 1"],
        ),
        (&["control.enabled=true"], &["`control.enabled`"]),
        (&["evaluation.points=3"], &["`evaluation.points`", "5"]),
        (&["task.data=../x"], &["`task.data`"]),
    ] {
        let text = with(settings).expect_err("should be refused").to_string();
        for word in words {
            assert!(text.contains(word), "{settings:?} gives: {text}, without {word}");
        }
    }
    let refused = Recipe::load("sinusoid", &[parse_setting("validation.patience=5").unwrap()]).unwrap_err();
    assert!(refused.to_string().contains("validation.patience"));
}

#[test]
fn a_network_goes_by_the_name_of_a_preset_with_its_settings() {
    use crate::model::Activation;
    use crate::ops::elementwise::Function;
    let mlp = with(&["model.activation=tanh", "model.hidden=[7]"]).unwrap();
    let expected = Mlp { hidden: vec![7], activation: Activation(Function::Tanh {}), ..Mlp::default() };
    assert_eq!(mlp.model.network, Network::Preset(Preset::Mlp(expected)));
    // What the recipe says of its own network gives way to another one by name; what is typed beside it stays.
    let siren = with(&["model.preset=siren", "model.omega=10.0", "model.hidden=[8, 8]"]).unwrap();
    assert_eq!((siren.model.init, siren.model().unwrap().params().len()), (Init::Siren, 6));
    let gelu = with(&["model.activation={ type = \"gelu\", approximate = \"tanh\" }"]).unwrap();
    assert_eq!(gelu.model().unwrap().nodes()[1].op, Function::GeluTanh {}.into());
    for settings in [
        &["model.activation={ type = \"leaky_relu\", negative_slope = 0.2 }"][..],
        &["model.preset=siren", "model.first_omega=3.0"],
        &["model.preset=mlp"],
        &["model.layers=[{ type = \"linear\", outputs = 3 }]"],
    ] {
        let recipe = with(settings).unwrap();
        assert_eq!(Recipe::parse(&recipe.to_toml().unwrap(), "x", &[]).unwrap(), recipe, "{settings:?}");
    }
    let images = |settings: &[&str]| {
        let settings: Vec<_> = settings.iter().map(|s| parse_setting(s).unwrap()).collect();
        Recipe::load("omniglot-5way-1shot", &settings).unwrap()
    };
    for settings in [
        &["model.channels=8"][..],
        &["model.channels=[8, 8, 4, 4]", "model.downsample=pool"],
        &["model.preset=resnet12", "model.channels=[4, 5, 6, 7]", "model.activation=silu"],
        &["model.preset=wrn-10-1"],
    ] {
        let recipe = images(settings);
        assert_eq!(recipe.model().unwrap().outputs(), 5);
        assert_eq!(Recipe::parse(&recipe.to_toml().unwrap(), "x", &[]).unwrap(), recipe, "{settings:?}");
    }
}

#[test]
fn a_network_that_is_none_is_refused_by_name() {
    let linear = "model.layers=[{ type = \"linear\", outputs = 3 }]";
    for (settings, words) in [
        (
            &["model.preset=resnet"][..],
            &["`model.preset`", "is `resnet`", "did you mean `resnet12`", "siren"][..],
        ),
        (&["model.preset=wrn-27-10"], &["`model.preset`", "6 n + 4"]),
        (&["model.preset=conv4"], &["`model.preset`", "takes images"]),
        (
            &["model.channels=3"],
            &["`model.channels`", "mlp", "activation, hidden, output_relu", "conv4, resnet12 have it"],
        ),
        (
            &["model.preset=siren", "model.activation=relu"],
            &["`model.activation`", "first_omega, hidden, latent, omega"],
        ),
        (&["model.preset=siren", "model.omega=-1.0"], &["`model.omega`", "-1"]),
        (&["model.activation=tan"], &["`model.activation`", "did you mean `tanh`", "softplus, sine"]),
        (&["model.activation=conv2d"], &["`model.activation`", "conv2d", "softplus, sine"]),
        (&["model.activation={ type = \"elu\", omega = 2.0 }"], &["`model.activation", "omega", "alpha"]),
        (&["model.activation=3"], &["`model.activation`", "the name of a function"]),
        (&["model.hidden=[]", "model.preset=siren"], &["`model.hidden`", "1 to 64"]),
        (&[linear, "model.preset=mlp"], &["`model.layers`", "model.preset", "keep one"]),
        (&[linear, "model.activation=tanh"], &["`model.layers`", "model.activation", "keep one"]),
        (&["model.init=siren"], &["`model.init`", "no sine"]),
        (&["model.layers=[{ name = \"a..b\", type = \"relu\" }]"], &["`model.layers`", "a..b", "letters"]),
    ] {
        let text = refusal(settings);
        for word in words {
            assert!(text.contains(word), "{settings:?} gives: {text}, without {word}");
        }
    }
}

#[test]
fn data_that_do_not_fit_are_refused_by_key() {
    let load = |settings: &[&str]| {
        let settings: Vec<_> = settings.iter().map(|s| parse_setting(s).unwrap()).collect();
        let mut recipe = Recipe::load("glyphs-5way-1shot", &settings).unwrap();
        recipe.set_data(std::sync::Arc::new(crate::data::glyphs::generate(1, 90, 5, 28))).map(|()| recipe)
    };
    let recipe = load(&["evaluation.queries=2"]).unwrap();
    assert_eq!(recipe.evaluation_tasks(&recipe.evaluation, 3..5).unwrap().query, 10);
    for (setting, key) in [
        ("task.side=20", "`task.side`"),
        ("task.channels=2", "`task.channels`"),
        ("task.ways=200", "`task.ways`"),
        ("task.shots=5", "`task.ways`"),
    ] {
        let text = load(&[setting]).map(drop).expect_err("should be refused").to_string();
        assert!(text.contains(key), "{setting} gives: {text}");
    }
    // Where a class has fewer pictures than shots and queries, its tasks have the queries that there are.
    for (setting, least) in [("task.queries=5", 6), ("evaluation.queries=7", 8)] {
        let recipe = load(&[setting]).unwrap();
        let batch = recipe.evaluation_tasks(&recipe.evaluation, 0..2).unwrap();
        let weights = &batch.weights.unwrap().query;
        assert_eq!(weights.iter().sum::<f32>(), 2.0 * 5.0 * 4.0);
        let notes = recipe.notes().join("; ");
        assert!(notes.contains(&format!("have fewer than {least} images")), "{notes}");
        assert_eq!(recipe.train_plan().unwrap().sampler.weighs(), setting.starts_with("task"));
    }
}

#[test]
fn evaluation_tasks_of_series_share_nothing_with_training() {
    let recipe = Recipe::load("series", &[parse_setting("task.series=20").unwrap()]).unwrap();
    let settings = EvaluationSettings { tasks: 3, ..recipe.evaluation.clone() };
    let batch = recipe.evaluation_tasks(&settings, 0..3).unwrap();
    batch.check().unwrap();
    // The last support window ends where the first query window's last value begins.
    let (window, points) = (batch.inputs, batch.support);
    let last = &batch.support_x[(points - 1) * window..points * window];
    assert_eq!(last[1..], batch.query_x[..window - 1]);
    assert_eq!(batch.support_y[points - 1], batch.query_x[window - 1]);
    let sampler = recipe.sampler(Visit::Split).unwrap();
    let crate::task::TaskSource::Series(table) = &sampler.source else { panic!("not a table") };
    assert!(!table.values().contains(&batch.query_y[0]));
}

#[test]
fn a_run_goes_on_with_the_images_it_began_with() {
    let mut recipe = Recipe::load("glyphs-5way-1shot", &[]).unwrap();
    let set = |seed| std::sync::Arc::new(crate::data::glyphs::generate(seed, 90, 20, 28));
    recipe.set_data(set(1)).unwrap();
    let written = recipe.to_toml().unwrap();
    let mut again = Recipe::parse(&written, "again", &[]).unwrap();
    assert_eq!(again.to_toml().unwrap(), written);
    let refused = again.set_data(set(2)).unwrap_err().to_string();
    assert!(refused.contains("`task.data_sha256`") && refused.contains("glyphs"), "{refused}");
    again.set_data(set(1)).unwrap();
}

#[test]
fn several_inner_steps_start_from_gentler_weights() {
    for (settings, init) in [
        (&[][..], Init::He),
        (&["inner.steps=0"], Init::He),
        (&["inner.steps=2"], Init::Torch),
        (&["inner.steps=5", "model.init=xavier"], Init::Xavier),
    ] {
        assert_eq!(with(settings).unwrap().model.init, init);
    }
}

#[test]
fn a_rule_of_inner_steps_goes_by_its_name_with_its_numbers() {
    use crate::meta::InnerRule;
    for rule in InnerRule::ALL {
        let recipe = with(&[&format!("inner.optimizer={}", rule.name())]).unwrap();
        assert_eq!(recipe.inner.settings.optimizer.rule, rule);
        assert_eq!(recipe.algorithm().unwrap().inner, recipe.inner.settings);
        assert_eq!(Recipe::parse(&recipe.to_toml().unwrap(), "x", &[]).unwrap(), recipe);
    }
    // Runs of before spell out the usual numbers of all rules.
    let all = ["inner.momentum=0.9", "inner.decay=0.99", "inner.betas=[0.9, 0.999]", "inner.eps=1e-8"];
    assert_eq!(with(&all).unwrap(), with(&[]).unwrap());
    let refused = refusal(&["inner.optimizer=adamw"]);
    assert!(refused.contains("did you mean `adam`") && refused.contains("rmsprop"), "{refused}");
    let refused = refusal(&["inner.learned_lr=each"]);
    assert!(refused.contains("none, one, per_layer_step"), "{refused}");
}

#[test]
fn keys_of_other_kinds_of_tasks_are_refused_by_name() {
    for (settings, words) in [
        (&["task.csv=a.csv"][..], &["`task.csv`", "sinusoid", "train series --csv"][..]),
        (&["task.kind=table", "task.support=3"], &["`task.support`", "table", "ways, shots and queries"]),
        (&["task.kind=series", "task.amplitude=[1.0, 2.0]"], &["`task.amplitude`", "series"]),
        (&["task.kind=serie"], &["`task.kind`", "did you mean `series`", "images"]),
        (&["task.kind=5"], &["`task.kind`", "is 5"]),
        (&["task.amplitud=[1.0, 2.0]"], &["`task.amplitud`", "did you mean `amplitude`", "pool"]),
        (&["task.pool=many"], &["`task.pool`", "many", "whole number"]),
        (&["task=5"], &["`task`", "is 5", "a section"]),
    ] {
        let settings = settings.iter().map(|text| parse_setting(text).unwrap()).collect::<Vec<_>>();
        let text = Recipe::parse("", "x", &settings).expect_err("should be refused").to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{settings:?} gives: {text}");
    }
}
