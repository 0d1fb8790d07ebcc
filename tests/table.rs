//! Tables: what is read and refused, scaling, mini-batches and few-shot tasks, training, judging, predicting.

mod adapter;

use fastweights::backend::cpu::CpuBackend;
use fastweights::backend::gpu::GpuBackend;
use fastweights::case::relative_error;
use fastweights::data::{Columns, RowTable};
use fastweights::meta::{Backend, Trainer};
use fastweights::recipe::{EvaluationSettings, LabelledRows, Recipe, TableRows, parse_setting};
use fastweights::run::{Models, Predictions, judge, predict_rows, table_predictions};
use fastweights::task::{Visit, unit};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn file(dir: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// Rows of `classes` clouds of three features; the third is constant, the second a thousand times as wide.
fn clouds(classes: usize, rows: usize, from: u32, labels: bool) -> String {
    let mut text = format!("a,b,c{}\n", if labels { ",kind" } else { "" });
    for i in 0..(classes * rows) as u32 {
        let class = i as usize % classes;
        let mut words = fastweights::task::Philox::stream(7, fastweights::task::Purpose::Data, from, i);
        let mut noise = || 0.8 * (unit(words.word()) - 0.5);
        let angle = class as f32 * std::f32::consts::TAU / classes as f32;
        let (a, b) = (angle.cos() + noise(), 1e3 * (angle.sin() + noise()) + 5e4);
        let label = if labels { format!(",k{class:02}") } else { String::new() };
        writeln!(text, "{a},{b},4.5{label}").unwrap();
    }
    text
}

fn recipe(name: &str, train: &Path, more: &[&str]) -> fastweights::Result<Recipe> {
    let quoted =
        |key: &str, path: &Path| (key.to_owned(), toml::Value::String(path.to_str().unwrap().to_owned()));
    let mut settings = vec![quoted("task.train", train), ("task.label".to_owned(), "kind".into())];
    for text in more {
        settings.push(match text.strip_prefix("task.test=") {
            Some(path) => quoted("task.test", Path::new(path)),
            None => parse_setting(text)?,
        });
    }
    let mut recipe = Recipe::load(name, &settings)?;
    recipe.load_data(None)?;
    Ok(recipe)
}

fn trained(recipe: &Recipe) -> Models {
    let cpu = CpuBackend::new(Some(2));
    let run = |plan: &fastweights::meta::TrainPlan, state| {
        let mut trainer = Trainer::new(&cpu, plan, state).unwrap();
        trainer.advance(u64::MAX).unwrap();
        trainer.state().unwrap().params
    };
    let control = recipe.control_plan().unwrap().map(|plan| run(&plan, recipe.control_start().unwrap()));
    Models {
        maml: run(&recipe.train_plan().unwrap(), recipe.start().unwrap()),
        control,
        iterations: recipe.outer.iterations,
    }
}

#[test]
fn a_file_is_read_as_it_stands_and_refused_by_line_and_column() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, "good.csv", "\u{feff}x, label ,y\r\n 1.5,yes,\"-2e3\"\r\n0,no,4\r\n");
    let table = RowTable::read(&path, "label", true, &[]).unwrap();
    assert_eq!((table.features.as_slice(), table.len()), (&["x".to_owned(), "y".to_owned()][..], 2));
    assert_eq!(table.values, [1.5, -2000.0, 0.0, 4.0]);
    assert_eq!((table.labels.unwrap(), table.lines), (vec!["yes".to_owned(), "no".to_owned()], vec![2, 3]));
    let ignored = RowTable::read(&path, "label", true, &["y".to_owned()]).unwrap();
    assert_eq!(ignored.features, ["x"]);
    for (text, words) in [
        ("", &["bad.csv", "is empty"][..]),
        (" \n\n", &["is empty"]),
        ("x,label\n", &["no rows"]),
        ("x,y\n1,2\n", &["`task.label`", "`label`", "x, y"]),
        ("x,x,label\n1,2,a\n", &["line 1", "columns 1 and 2", "`x`"]),
        ("x,,label\n1,2,a\n", &["line 1", "column 2 has no name"]),
        ("label\na\n", &["no column of numbers"]),
        ("x,label\n1,a\nwide,b\n", &["line 3", "column `x`", "`wide` is not a number"]),
        ("x,label\n1,a\nnan,b\n", &["line 3", "column `x`", "finite"]),
        ("x,label\n1,a\n,b\n", &["line 3", "column `x`", "is empty", "task.ignore"]),
        ("x,label\n1,a\n2,\n", &["line 3", "column `label`", "missing"]),
        ("x,label\n1,a\n2\n", &["line 3 has 1 cells", "2"]),
        ("x,label\r\n1,a\r\n\r\n2\r\n", &["line 4 has 1 cells", "2"]),
        ("x,label\r\n1,\"a\nb\"\r\n\r\nwide,b\r\n", &["line 5", "column `x`", "`wide`"]),
    ] {
        let bad = file(&dir, "bad.csv", text);
        let error = RowTable::read(&bad, "label", true, &[]).unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "{text:?} gives: {error}, without {word}");
        }
    }
    let error = RowTable::read(&path, "label", true, &["z".to_owned()]).unwrap_err().to_string();
    assert!(error.contains("`task.ignore`") && error.contains("`z`"), "{error}");
}

#[test]
fn columns_are_scaled_by_training_rows_alone_and_survive_their_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, "t.csv", "w,x,label\n1,7.1,b\n3,7.1,a\n1000,8,b\n");
    let table = RowTable::read(&path, "label", true, &[]).unwrap();
    let columns = Columns::of(&table, "label", &[], 0..2).unwrap();
    assert_eq!((columns.classes.as_slice(), columns.mean[0]), (&["a".to_owned(), "b".to_owned()][..], 2.0));
    assert_eq!(columns.deviation, [1.0, 0.0]);
    // The constant column is 0 even where it is not constant any more.
    assert_eq!(columns.inputs(&table).unwrap(), [-1.0, 0.0, 1.0, 0.0, 998.0, 0.0]);
    assert_eq!(columns.labels(&table).unwrap().unwrap(), [1, 0, 1]);
    let written = file(&dir, "columns.toml", &columns.to_toml().unwrap());
    assert_eq!(Columns::read(&written).unwrap(), columns);
    let other = file(&dir, "o.csv", "x,w\n7,2\n");
    let other = RowTable::read(&other, "label", false, &[]).unwrap();
    assert_eq!(columns.inputs(&other).unwrap(), [0.0, 0.0], "columns are found by name");
    assert_eq!(columns.labels(&other).unwrap(), None);
    for (text, words) in [
        ("x,v,label\n1,2,a\n", &["o.csv", "missing `w`", "`v`"][..]),
        ("x,label\n1,a\n", &["missing `w`"]),
        ("w,x,label\n1,2,a\n1,2,c\n", &["line 3", "`c` is no class", "a, b"]),
    ] {
        let table = RowTable::read(&file(&dir, "o.csv", text), "label", false, &[]).unwrap();
        let result = columns.inputs(&table).and_then(|_| columns.labels(&table).map(drop));
        let error = result.unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "{text:?} gives: {error}, without {word}");
        }
    }
    let one = RowTable { labels: Some(vec!["b".to_owned(); 3]), ..table };
    assert!(Columns::of(&one, "label", &[], 0..3).unwrap_err().to_string().contains("two classes"));
}

#[test]
fn a_share_of_each_class_is_held_out_and_epochs_become_meta_iterations() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, "t.csv", &clouds(3, 50, 0, true));
    let own = recipe("table", &path, &["task.rows=32"]).unwrap();
    let table = own.table().unwrap();
    let TableRows::Batches { train, judged, judged_by, unlabelled } = &table.rows else {
        panic!("no batches")
    };
    assert_eq!((train.numbers.len(), judged.numbers.len(), judged_by.as_str()), (120, 30, "held-out rows"));
    assert!(unlabelled.is_none());
    for class in 0..3 {
        assert_eq!(judged.y.as_ref().unwrap().iter().filter(|&&y| y == class).count(), 10);
    }
    let mut all = [train.numbers.clone(), judged.numbers.clone()].concat();
    all.sort_unstable();
    assert_eq!(all, (1..=150).collect::<Vec<_>>());
    // 120 rows in mini-batches of 32 are four an epoch.
    assert_eq!((own.outer.iterations, own.task.support, own.task.query), (40, 32, 32));
    let batch = own.sampler(Visit::Split).unwrap().batch(0);
    assert_eq!(batch.support_x, batch.query_x);
    let halves = recipe("table", &path, &["task.rows=31", "task.batch=split", "outer.meta_batch=3"]).unwrap();
    assert_eq!((halves.outer.iterations, halves.task.support, halves.task.query), (14, 15, 16));
    let given = recipe("table", &path, &["outer.iterations=7"]).unwrap();
    assert_eq!((given.outer.iterations, given.task.support), (7, 16));
    // What is written down is read back as it is, and names the file's sum.
    let text = own.to_toml().unwrap();
    let mut again = Recipe::parse(&text, "again", &[]).unwrap();
    again.load_data(None).unwrap();
    assert_eq!(again, own);
    let other = recipe("table", &path, &["seed=1", "task.rows=32"]).unwrap();
    let TableRows::Batches { judged: others, .. } = &other.table().unwrap().rows else {
        panic!("no batches")
    };
    assert_ne!(others.numbers, judged.numbers, "the seed changes nothing");
    // A changed file is not taken for the one of the run.
    file(&dir, "t.csv", &clouds(3, 50, 1, true));
    let error = Recipe::parse(&text, "again", &[]).unwrap().load_data(None).unwrap_err().to_string();
    assert!(error.contains("t.csv") && error.contains("SHA-256"), "{error}");
}

#[test]
fn what_cannot_be_is_refused_by_key() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, "t.csv", &clouds(6, 10, 0, true));
    for (name, settings, words) in [
        ("table", &["task.rows=500"][..], &["`task.rows`", "500", "48 training rows"][..]),
        ("table", &["task.held_out=0.0"], &["`task.held_out`", "task.test"]),
        ("table", &["task.shots=2"], &["`task.shots`", "give task.ways"]),
        ("table", &["task.window=2"], &["`task.window`", "table"]),
        ("table", &["validation.every=5"], &["`validation.every`"]),
        ("table", &["model.loss=mse"], &["`model.loss`"]),
        ("table", &["task.support=3"], &["`task.support`"]),
        ("table-few-shot", &["task.epochs=3"], &["`task.epochs`", "leave task.ways out"]),
        ("table-few-shot", &[], &["`task.split`", "6 classes"]),
        ("table-few-shot", &["task.ways=2", "task.split=[3, 0, 2]"], &["validation"]),
        ("table-few-shot", &["task.ways=2", "task.queries=10"], &["11 rows a class", "class `k0"]),
        ("table-few-shot", &["control.enabled=true"], &["`control.enabled`"]),
        ("sinusoid", &[], &["`task.", "sinusoid"]),
    ] {
        let error = recipe(name, &path, settings).expect_err("should be refused").to_string();
        for word in words {
            assert!(error.contains(word), "{name} {settings:?} gives: {error}, without {word}");
        }
    }
}

fn text(dir: &TempDir, predictions: &Predictions) -> String {
    let path = dir.path().join("p.csv");
    predictions.write(&path).unwrap();
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn clouds_are_learned_judged_and_predicted() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, "t.csv", &clouds(3, 80, 0, true));
    let cpu = CpuBackend::new(Some(2));
    let own = recipe("table", &path, &["model.output_relu=false", "task.epochs=40", "evaluation.points=50"])
        .unwrap();
    let models = trained(&own);
    let judged = judge(&own, &own.evaluation, &models, &cpu, None).unwrap().report;
    let table = judged.table.as_ref().unwrap();
    assert!(table.initial.accuracy >= 0.95 && table.adapted.accuracy >= 0.95, "{table:?}");
    assert!(table.pretrained.as_ref().unwrap().accuracy >= 0.9);
    assert_eq!((judged.points.support, judged.points.query), (50, 48));
    let confusion = &table.initial.confusion;
    assert_eq!(confusion.iter().flatten().sum::<usize>(), 48);
    let right = (0..3).map(|i| confusion[i][i]).sum::<usize>();
    assert_eq!(table.initial.accuracy, right as f64 / 48.0);
    assert!((judged.learners.maml.mean[0] - table.initial.accuracy).abs() < 1e-6);
    for (class, judgement) in table.initial.per_class.iter().enumerate() {
        let taken: usize = confusion.iter().map(|row| row[class]).sum();
        assert_eq!(judgement.rows, 16);
        assert_eq!(judgement.recall, Some(confusion[class][class] as f64 / 16.0));
        assert_eq!(judgement.precision, Some(confusion[class][class] as f64 / taken as f64));
    }
    // The same model in another process, without the training file: from the columns alone.
    let held = table_predictions(&own, &models, &cpu).unwrap().unwrap();
    let TableRows::Batches { judged: rows, .. } = &own.table().unwrap().rows else { panic!("no batches") };
    let right = held.probabilities.chunks_exact(3).zip(rows.y.as_ref().unwrap()).filter(|(p, y)| {
        let best = (1..3).fold(0, |best, at| if p[at] > p[best] { at } else { best });
        best == **y
    });
    assert_eq!(right.count() as f64 / 48.0, table.initial.accuracy);
    let mut cold = Recipe::parse(&own.to_toml().unwrap(), "cold", &[]).unwrap();
    cold.control.enabled = false;
    let x = LabelledRows { y: None, ..rows.clone() };
    let columns = &own.table().unwrap().columns;
    assert_eq!(predict_rows(&cold, columns, &models, &cpu, (0, None), &x).unwrap(), held);
    assert!(predict_rows(&cold, columns, &models, &cpu, (3, None), &x).is_err(), "adapting needs the rows");
    let adapted = predict_rows(&own, columns, &models, &cpu, (3, None), &x).unwrap();
    assert_ne!(adapted, held);
    let text = text(&dir, &held);
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("row,class,p_k00,p_k01,p_k02"));
    assert_eq!(lines.next().unwrap().split(',').next(), Some(rows.numbers[0].to_string().as_str()));
    assert_eq!(lines.count(), 47);
}

#[test]
fn a_gpu_judges_and_predicts_as_the_cpu_does() {
    let Some(device) = adapter::device("a_gpu_judges_and_predicts_as_the_cpu_does") else { return };
    let (gpu, cpu) = (GpuBackend::new(device), CpuBackend::new(Some(2)));
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, "t.csv", &clouds(2, 30, 0, true));
    let own = recipe("table", &path, &[]).unwrap();
    let models = trained(&own);
    // Without a step, and with support and query of different sizes.
    for steps in [0, 3] {
        let settings = EvaluationSettings { steps, ..own.evaluation.clone() };
        let loss = |device: &dyn Backend| {
            let report = judge(&own, &settings, &models, device, Some(0.1)).unwrap().report;
            let table = report.table.unwrap();
            [table.initial.loss, table.adapted.loss]
        };
        let error = relative_error(&loss(&gpu), &loss(&cpu));
        assert!(error <= 2e-5, "{steps} steps: {error:e}");
    }
}

#[test]
fn a_test_file_is_judged_by_or_predicted() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, "t.csv", &clouds(2, 40, 0, true));
    let labelled = file(&dir, "labelled.csv", &clouds(2, 15, 1, true));
    let bare = file(&dir, "bare.csv", &clouds(2, 9, 2, false));
    let with = |test: &Path| recipe("table", &path, &[&format!("task.test={}", test.display())]);
    let own = with(&labelled).unwrap();
    let TableRows::Batches { train, judged, judged_by, unlabelled } = &own.table().unwrap().rows else {
        panic!()
    };
    assert_eq!((train.numbers.len(), judged.numbers.len(), judged_by.as_str()), (80, 30, "labelled.csv"));
    assert!(unlabelled.is_none());
    let own = with(&bare).unwrap();
    let TableRows::Batches { train, judged, unlabelled, .. } = &own.table().unwrap().rows else { panic!() };
    assert_eq!((train.numbers.len(), judged.numbers.len()), (64, 16));
    assert_eq!(unlabelled.as_ref().unwrap().numbers, (1..=18).collect::<Vec<_>>());
    let predictions = table_predictions(&own, &trained(&own), &CpuBackend::new(Some(1))).unwrap().unwrap();
    assert_eq!(predictions.numbers.len(), 18);
    assert!(predictions.probabilities.chunks_exact(2).all(|p| (p[0] + p[1] - 1.0).abs() < 1e-9));
    let foreign = file(&dir, "foreign.csv", "a,b,c,kind\n1,2,3,k00\n1,2,3,k07\n");
    let error = with(&foreign).unwrap_err().to_string();
    assert!(error.contains("foreign.csv: line 3") && error.contains("k07"), "{error}");
}

#[test]
fn new_classes_are_learned_from_a_row_each() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, "t.csv", &clouds(30, 12, 0, true));
    let own = recipe(
        "table-few-shot",
        &path,
        &["task.ways=3", "outer.iterations=300", "validation.every=0", "evaluation.tasks=200"],
    )
    .unwrap();
    let TableRows::Classes([train, validation, test]) = &own.table().unwrap().rows else {
        panic!("no classes")
    };
    let names = |rows: &Option<fastweights::task::Rows>| -> Vec<String> {
        rows.iter().flat_map(|rows| rows.classes().map(str::to_owned).collect::<Vec<_>>()).collect()
    };
    let mut all = [names(train), names(validation), names(test)].concat();
    assert_eq!([names(train).len(), names(validation).len(), names(test).len()], [18, 6, 6]);
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 30, "classes are disjoint");
    let judged =
        judge(&own, &own.evaluation, &trained(&own), &CpuBackend::new(Some(2)), None).unwrap().report;
    let curve = &judged.learners.maml;
    assert!(judged.table.is_none() && judged.classification.as_ref().unwrap().ways == 3);
    // Clouds of 30 classes on a circle overlap with their neighbours; chance is a third.
    assert!(curve.mean[0] < 0.5 && curve.mean[3] > 0.7, "{:?}", curve.mean);
    assert!(curve.ci95[3] > 0.0);
}
