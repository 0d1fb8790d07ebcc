use super::*;
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
fn settings_are_toml_and_bare_words_are_strings() {
    let recipe = with(&["inner.order=first", "model.hidden=[8, 8, 8]", "inner.lr=0.5"]).unwrap();
    assert_eq!(recipe.model.hidden, [8, 8, 8]);
    assert_eq!(recipe.plan().unwrap().order, crate::meta::MetaGradient::FirstOrder);
    let recipe = with(&["inner.steps=3", "inner.learned_lr=per_layer_step"]).unwrap();
    assert_eq!(recipe.plan().unwrap().learned_rates(), 9);
    assert_eq!(recipe.inner.loss_weights, [0.0, 0.0, 0.0, 1.0]);
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
fn evaluation_tasks_of_series_share_nothing_with_training() {
    let recipe = Recipe::load("series", &[parse_setting("task.series=20").unwrap()]).unwrap();
    let settings = EvaluationSettings { tasks: 3, ..recipe.evaluation.clone() };
    let batch = recipe.evaluation_tasks(&settings).unwrap();
    batch.check().unwrap();
    // The last support window ends where the first query window's last value begins.
    let (window, points) = (batch.inputs, batch.support);
    let last = &batch.support_x[(points - 1) * window..points * window];
    assert_eq!(last[1..], batch.query_x[..window - 1]);
    assert_eq!(batch.support_y[points - 1], batch.query_x[window - 1]);
    let sampler = recipe.sampler(Visit::Split);
    let crate::task::TaskSource::Series(table) = &sampler.source else { panic!("not a table") };
    assert!(!table.values().contains(&batch.query_y[0]));
}
