//! Tables learned, judged and predicted.

use super::*;

fn text(dir: &TempDir, predictions: &Answers) -> String {
    let path = dir.path().join("p.csv");
    predictions.write(&path).unwrap();
    std::fs::read_to_string(path).unwrap()
}

fn predicted(answers: &Answers) -> &Predicted {
    match answers {
        Answers::Examples(predictions) => &predictions.of,
        Answers::Ahead(_) => panic!("no rows"),
    }
}

fn probabilities(answers: &Answers) -> &[f64] {
    match predicted(answers) {
        Predicted::Classes { probabilities, .. } => probabilities,
        Predicted::Numbers { .. } => panic!("no classes"),
    }
}

/// What a run predicts for rows, after so many steps on its training rows.
fn predict(
    recipe: &Recipe,
    columns: &Columns,
    models: &Models,
    steps: usize,
    rows: &LabelledRows,
) -> fastweights::Result<Answers> {
    let (plan, params) = (recipe.plan()?, models.maml.clone());
    let start =
        Start { origin: Origin::default(), plan, params, signature: Signature::Table(columns.clone()) };
    let inputs = Inputs::Examples {
        head: vec!["row".into()],
        examples: rows.numbers.iter().map(|number| vec![number.to_string()]).collect(),
        x: rows.x.clone(),
        notes: Vec::new(),
    };
    let cpu = CpuBackend::new(Some(2));
    ready(recipe, &start, &cpu, steps)?.predict(&cpu, &inputs, 0)
}

#[test]
fn numbers_are_learned_judged_and_predicted() {
    let dir = tempfile::tempdir().unwrap();
    let mut text = "rooms,town,price\n".to_owned();
    for i in 0..200 {
        let (rooms, town) = (1 + i * 7 % 9, i % 3);
        writeln!(text, "{rooms},{},{}", ["a", "b", "c"][town], 1000 * rooms + 5000 * town + 1_000_000)
            .unwrap();
    }
    let path = file(&dir, "prices.csv", &text);
    let text = |value: &str| toml::Value::String(value.to_owned());
    let mut settings = vec![("task.train".to_owned(), text(path.to_str().unwrap()))];
    settings.extend([("task.target".to_owned(), text("price")), ("task.epochs".to_owned(), 60.into())]);
    let mut own = Recipe::load("table", &settings).unwrap();
    own.load_data(None).unwrap();
    assert!(!own.task.family.is_classification() && own.model.loss.name() == "mse");
    let (models, cpu) = (trained(&own), CpuBackend::new(Some(2)));
    let report = judge(&own, &own.evaluation, &models, &cpu, None).unwrap().report;
    let table = report.table.as_ref().unwrap();
    let Found::Numbers { by, mean } = &table.found else { panic!("no numbers") };
    // Prices are 1,000,000 to 1,019,000: by their mean within some 5,000, and exactly by rooms and town.
    assert!(mean.rmse > 3000.0 && mean.r2.unwrap().abs() < 0.1, "{mean:?}");
    assert!(by.initial.rmse < 500.0 && by.initial.r2.unwrap() > 0.98, "{by:?}");
    assert_eq!((report.metric, table.target.as_deref()), ("mse", Some("price")));
    let held = table_predictions(&own, &models, &cpu).unwrap().unwrap();
    let Predicted::Numbers { values, .. } = predicted(&held) else { panic!("no numbers") };
    assert!(values.iter().all(|v| (999_000.0..1_021_000.0).contains(v)), "{values:?}");
    assert!(self::text(&dir, &held).starts_with("row,price\n"));
    let again = Recipe::parse(&own.to_toml().unwrap(), "again", &[]).unwrap();
    assert_eq!(again.model().unwrap().outputs(), 1);
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
    let Found::Classes(by) = &table.found else { panic!("no classes") };
    assert!(by.initial.accuracy >= 0.95 && by.adapted.accuracy >= 0.95, "{table:?}");
    assert!(by.control.as_ref().unwrap().accuracy >= 0.9);
    assert_eq!((judged.points.support, judged.points.query), (50, 48));
    let confusion = &by.initial.confusion;
    assert_eq!(confusion.iter().flatten().sum::<usize>(), 48);
    let right = (0..3).map(|i| confusion[i][i]).sum::<usize>();
    assert_eq!(by.initial.accuracy, right as f64 / 48.0);
    assert!((judged.learners.maml.mean[0] - by.initial.accuracy).abs() < 1e-6);
    for (class, judgement) in by.initial.per_class.iter().enumerate() {
        let taken: usize = confusion.iter().map(|row| row[class]).sum();
        assert_eq!(judgement.rows, 16);
        assert_eq!(judgement.recall, Some(confusion[class][class] as f64 / 16.0));
        assert_eq!(judgement.precision, Some(confusion[class][class] as f64 / taken as f64));
    }
    // The same model in another process, without the training file: from the columns alone.
    let held = table_predictions(&own, &models, &cpu).unwrap().unwrap();
    let TableRows::Batches { judged: rows, .. } = &own.table().unwrap().rows else { panic!("no batches") };
    let right = probabilities(&held).chunks_exact(3).zip(rows.y.as_ref().unwrap()).filter(|(p, y)| {
        let best = (1..3).fold(0, |best, at| if p[at] > p[best] { at } else { best });
        best as f32 == **y
    });
    assert_eq!(right.count() as f64 / 48.0, by.initial.accuracy);
    let mut cold = Recipe::parse(&own.to_toml().unwrap(), "cold", &[]).unwrap();
    cold.control.enabled = false;
    let x = LabelledRows { y: None, ..rows.clone() };
    let columns = &own.table().unwrap().columns;
    assert_eq!(predict(&cold, columns, &models, 0, &x).unwrap(), held);
    assert!(predict(&cold, columns, &models, 3, &x).is_err(), "adapting needs the rows");
    let adapted = predict(&own, columns, &models, 3, &x).unwrap();
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
            let Found::Classes(by) = report.table.unwrap().found else { panic!("no classes") };
            [by.initial.loss, by.adapted.loss]
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
    let TableRows::Batches { train, judged, judged_by, tried: _, unlabelled } = &own.table().unwrap().rows
    else {
        panic!()
    };
    assert_eq!((train.numbers.len(), judged.numbers.len(), judged_by.as_str()), (80, 30, "labelled.csv"));
    assert!(unlabelled.is_none());
    let own = with(&bare).unwrap();
    let TableRows::Batches { train, judged, tried: _, unlabelled, .. } = &own.table().unwrap().rows else {
        panic!()
    };
    assert_eq!((train.numbers.len(), judged.numbers.len()), (64, 16));
    assert_eq!(unlabelled.as_ref().unwrap().numbers, (1..=18).collect::<Vec<_>>());
    let predictions = table_predictions(&own, &trained(&own), &CpuBackend::new(Some(1))).unwrap().unwrap();
    assert_eq!(probabilities(&predictions).len(), 2 * 18);
    assert!(probabilities(&predictions).chunks_exact(2).all(|p| (p[0] + p[1] - 1.0).abs() < 1e-9));
    // Judged by other rows later, it is scaled as it was learned: by the rows that were not held out.
    let mut anew = recipe("table", &path, &[]).unwrap();
    let learned = |recipe: &Recipe| {
        let table = recipe.table().unwrap();
        let TableRows::Batches { train, judged, judged_by, .. } = &table.rows else { panic!() };
        (table.columns.clone(), train.x.clone(), (judged.numbers.len(), judged_by.clone()))
    };
    let (columns, x, held) = learned(&anew);
    assert_eq!(held, (16, "held-out rows".to_owned()));
    anew.judge_rows(&labelled).unwrap();
    assert_eq!(learned(&anew), (columns, x, (30, "labelled.csv".to_owned())));
    let error = anew.judge_rows(&bare).unwrap_err().to_string();
    assert!(error.contains("bare.csv") && error.contains("no labels"), "{error}");
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
