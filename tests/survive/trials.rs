//! Trials during training, for every kind of tasks: on what nothing else sees, the same bytes wherever they are broken off, and an
//! early end.

use fastweights::backend::cpu::CpuBackend;
use fastweights::data::Split;
use fastweights::recipe::{Recipe, TableRows, parse_setting};
use fastweights::run::{Ending, EventFile, Experiment, Models, RunDir, ValidationLine, read_validation};
use std::cell::Cell;
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// A kind of tasks: its recipe, what makes it small, and whether its trials have an accuracy.
struct Kind {
    recipe: &'static str,
    settings: Vec<String>,
    classes: bool,
}

/// Files of rows, of series and of points of fields, each with noise that is no noise.
fn write_data(root: &Path) -> [PathBuf; 3] {
    let value = |a: usize, b: usize| ((a * 7 + b * b * 3) % 17) as f64 / 17.0 + (a % 3) as f64;
    let (mut rows, mut series, mut points) =
        ("a,b,label\n".to_owned(), "id,value\n".to_owned(), "id,x,y,u\n".to_owned());
    for row in 0..60 {
        writeln!(rows, "{},{},c{}", value(row, 1), value(row, 2), row % 3).unwrap();
    }
    for id in 0..12 {
        for t in 0..20 {
            writeln!(series, "s{id},{}", value(id, t)).unwrap();
            writeln!(points, "f{id},{},{},{}", t % 5, t / 5, value(id, t)).unwrap();
        }
    }
    [("rows.csv", rows), ("series.csv", series), ("points.csv", points)].map(|(name, text)| {
        let path = root.join(name);
        std::fs::write(&path, text).unwrap();
        path
    })
}

fn kinds(root: &Path) -> Vec<Kind> {
    let [rows, series, points] = write_data(root).map(|path| path.display().to_string());
    let kind = |recipe, classes, settings: &[&str]| Kind {
        recipe,
        classes,
        settings: settings.iter().map(|&s| s.to_owned()).collect(),
    };
    let (rows, series) = (format!("task.train='{rows}'"), format!("task.csv='{series}'"));
    let points = format!("task.csv='{points}'");
    let small = "model.layers=[]";
    let field = ["model.preset=siren", "model.hidden=[4]", "evaluation.tasks=3", "evaluation.steps=1"];
    vec![
        kind("sinusoid", false, &["evaluation.tasks=5"]),
        kind("series", false, &["task.series=9", "task.length=60", "evaluation.tasks=5"]),
        kind("series", false, &[&series, "task.window=4", "task.support=3", "task.query=3"]),
        kind("table", true, &[&rows]),
        kind("table", false, &[&rows, "task.target=b", "task.ignore=[\"label\"]"]),
        kind("table-few-shot", true, &["task.ways=2", small, "evaluation.tasks=5"]),
        kind("field", false, &[&["task.side=6"][..], &field[..]].concat()),
        kind(
            "field",
            false,
            &[&[&*points, "task.coordinates=[\"x\", \"y\"]", "task.values=[\"u\"]"][..], &field[..]].concat(),
        ),
    ]
}

fn recipe(kind: &Kind, more: &[&str]) -> Recipe {
    let usual = [
        "outer.iterations=12",
        "outer.meta_batch=2",
        "validation.every=4",
        "run.checkpoint_every=5",
        "run.report_every=3",
    ];
    let settings =
        usual.iter().copied().chain(kind.settings.iter().map(String::as_str)).chain(more.iter().copied());
    let settings: Vec<_> = settings.map(|text| parse_setting(text).unwrap()).collect();
    let mut recipe = Recipe::load(kind.recipe, &settings).unwrap();
    recipe.load_data(None).unwrap();
    recipe
}

/// Goes on with a run until it ends or `asked` has it end.
fn train(recipe: &Recipe, dir: &RunDir, asked: &dyn Fn() -> bool) -> Ending {
    let device = CpuBackend::new(Some(1));
    let mut experiment =
        Experiment::resume(recipe.clone(), dir, &device, &device, &mut |e| panic!("{e}")).unwrap();
    experiment.listen(asked);
    dir.begin(recipe, "cpu".to_owned(), experiment.iteration()).unwrap();
    let mut events = EventFile::resume(dir, experiment.iteration()).unwrap();
    let ending = experiment.run(dir, &device, None, &mut |progress| {
        events.add(progress).unwrap();
        ControlFlow::Continue(())
    });
    events.close(dir).unwrap();
    ending.unwrap()
}

fn lines(dir: &RunDir) -> Vec<ValidationLine> {
    read_validation(&dir.validation()).unwrap()
}

/// What must be the same bytes however a run was cut.
fn bytes(dir: &RunDir) -> Vec<Vec<u8>> {
    let best = dir.best_checkpoint();
    let step = best.steps().unwrap()[0];
    let last = dir.checkpoints();
    let files = [
        dir.metrics(),
        dir.validation(),
        best.model_path(step),
        best.state_path(step),
        last.model_path(12),
        last.state_path(12),
    ];
    files.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// How often a tag stands in a run's event file.
fn events(dir: &RunDir, tag: &str) -> usize {
    let file = dir.path().join("tensorboard/events.out.tfevents.0.curves");
    std::fs::read(file).unwrap().windows(tag.len()).filter(|part| *part == tag.as_bytes()).count()
}

#[test]
fn every_kind_of_tasks_is_tried_and_a_trial_that_is_broken_off_is_made_up_for() {
    let root = tempfile::tempdir().unwrap();
    for (n, kind) in kinds(root.path()).iter().enumerate() {
        let recipe = recipe(kind, &[]);
        let [whole, cut] =
            ["whole", "cut"].map(|name| RunDir::create(root.path().join(format!("{n}-{name}"))).unwrap());
        assert_eq!(train(&recipe, &whole, &|| false), Ending::Finished, "{}", kind.recipe);
        let found = lines(&whole);
        assert_eq!(
            found.iter().map(|line| line.iteration).collect::<Vec<_>>(),
            [4, 8, 12],
            "{}",
            kind.recipe
        );
        for line in &found {
            assert_eq!(line.accuracy.is_some(), kind.classes, "{}: {line:?}", kind.recipe);
            assert_eq!(line.train_accuracy.is_some(), recipe.task.family.is_few_shot(), "{line:?}");
            assert!(line.loss.is_finite(), "{}: {line:?}", kind.recipe);
        }
        assert!(found[0].best);
        // Every third look ends the run, be it within a trial or behind a block.
        let looks = Cell::new(n);
        let asked = || {
            looks.set(looks.get() + 1);
            looks.get().is_multiple_of(3)
        };
        let mut attempts = 1;
        while train(&recipe, &cut, &asked) == Ending::Stopped {
            attempts += 1;
            assert!(attempts < 50, "{} does not get on", kind.recipe);
        }
        assert!(attempts > 2, "{}: ended {attempts} times", kind.recipe);
        assert_eq!(bytes(&cut), bytes(&whole), "{}", kind.recipe);
        for dir in [&whole, &cut] {
            assert_eq!(events(dir, "trial/loss"), 3, "{}", kind.recipe);
            assert_eq!(events(dir, "loss/query"), 4, "{}", kind.recipe);
        }
    }
}

/// However slow it is: nothing is known of its speed before.
#[test]
fn an_end_is_heard_after_the_first_meta_iteration() {
    let root = tempfile::tempdir().unwrap();
    let (recipe, device) = (recipe(&kinds(root.path())[0], &[]), CpuBackend::new(Some(1)));
    let dir = RunDir::create(root.path().join("run")).unwrap();
    let mut experiment = Experiment::new(recipe, &device, &device).unwrap();
    let ending = experiment.run(&dir, &device, None, &mut |_| ControlFlow::Break(())).unwrap();
    assert_eq!((ending, experiment.iteration()), (Ending::Stopped, 1));
    assert_eq!(dir.checkpoints().steps().unwrap(), [0, 1]);
}

#[test]
fn training_ends_where_trials_find_nothing_better_whatever_the_tasks() {
    let root = tempfile::tempdir().unwrap();
    for (n, kind) in kinds(root.path()).iter().enumerate() {
        // Nothing is learned.
        let still = [
            "validation.patience=4",
            "outer.iterations=40",
            "outer.meta_lr=1e-30",
            "run.keep=1",
            "outer.optimizer=sgd",
        ];
        let dir = RunDir::create(root.path().join(n.to_string())).unwrap();
        let recipe = recipe(kind, &still);
        assert_eq!(train(&recipe, &dir, &|| false), Ending::Early, "{}", kind.recipe);
        assert_eq!(dir.checkpoints().steps().unwrap(), [8], "{}", kind.recipe);
        // The best is older than what is kept of the control.
        let models = Models::load(&dir, &recipe, &mut |e| panic!("{e}")).unwrap();
        assert_eq!((models.iterations, models.control.is_some()), (4, recipe.control.enabled));
    }
}

#[test]
fn trials_are_made_on_what_nothing_else_sees() {
    let root = tempfile::tempdir().unwrap();
    for kind in kinds(root.path()) {
        let (tried, untried) = (recipe(&kind, &[]), recipe(&kind, &["validation.every=0"]));
        // What is judged by is the same with trials and without.
        if let (Some(with), Some(without)) = (tried.table(), untried.table()) {
            match (&with.rows, &without.rows) {
                (
                    TableRows::Batches { train, tried: Some(rows), judged, .. },
                    TableRows::Batches { train: all, tried: None, judged: same, .. },
                ) => {
                    assert_eq!(judged.numbers, same.numbers);
                    let mut both = [&train.numbers[..], &rows.numbers].concat();
                    both.sort_unstable();
                    assert_eq!(both, all.numbers);
                    assert!(rows.numbers.len() * 5 >= all.numbers.len() - 5, "{}", rows.numbers.len());
                }
                (TableRows::Classes(_), TableRows::Classes(_)) => {}
                other => panic!("{other:?}"),
            }
            continue;
        }
        let first = |recipe: &Recipe| recipe.evaluation_tasks(&recipe.evaluation, 0..1).unwrap();
        let one = tried.validation_tasks(Split::Validation, 0..1).unwrap();
        assert_ne!(one.query_y, first(&tried).query_y, "{}", kind.recipe);
        if let (Some(with), Some(without)) = (tried.series(), untried.series()) {
            let count = with.tried.as_ref().unwrap().count();
            assert_eq!(
                (with.learned + count, with.held_out_numbers.clone()),
                (without.learned, without.held_out_numbers.clone())
            );
            assert_eq!(count, 1);
            // A run with trials is judged on other series, too.
            let other = root.path().join("other.csv");
            let text = std::fs::read_to_string(root.path().join("series.csv")).unwrap();
            std::fs::write(&other, text.replace("s1", "t1")).unwrap();
            let mut elsewhere = tried.clone();
            elsewhere.judge_series(&other).unwrap();
            assert_eq!(elsewhere.evaluation_count(&elsewhere.evaluation), 12);
        }
        if let (Some(with), Some(without)) = (tried.fields(), untried.fields()) {
            assert_eq!((with.learned + 1, &with.held_out_names), (without.learned, &without.held_out_names));
        }
    }
}
