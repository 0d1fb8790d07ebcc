//! What is split, scaled and learned, and what the report says of it.

use super::*;

#[test]
fn settings_that_do_not_fit_the_series_are_refused_by_key() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "t.csv", table(&rows(12)).as_bytes());
    for (setting, words) in [
        ("task.train_series=12", &["task.train_series", "is 12", "at most 11"][..]),
        ("task.window=80", &["task.window", "92", "88"]),
        ("evaluation.points=60", &["evaluation.points", "is 60"]),
        ("task.series=5", &["task.series", "generated"]),
        ("task.sha256=\"00\"", &["t.csv", "SHA-256", "is not the file"]),
        ("task.missing=guess", &["task.missing", "refuse", "drop"]),
        ("task.scale=log", &["task.scale", "none", "standard"]),
        ("evaluation.protocol=behind", &["evaluation.protocol", "ahead", "same"]),
    ] {
        let text = load(&path, &[setting]).expect_err("should be refused").to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{setting}: {text}");
    }
    // One series alone cannot be both learned from and judged on.
    let path = write(dir.path(), "one.csv", table(&rows(1)).as_bytes());
    assert!(load(&path, &[]).unwrap_err().to_string().contains("has 1 series"));
    for (recipe, setting, words) in [
        ("sinusoid", "task.csv=x", &["task.csv", "sinusoid", "train series"][..]),
        ("series", "task.id_column=x", &["task.id_column", "needs task.csv"]),
        ("sinusoid", "evaluation.protocol=same", &["evaluation.protocol", "sinusoid"]),
    ] {
        let error = Recipe::load(recipe, &[parse_setting(setting).unwrap()]).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
}

#[test]
fn series_are_split_by_the_seed_and_by_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let mut all = rows(12);
    all.push("short,0,1".into());
    let split = |name: &str, rows: &[String], setting: &str| {
        let recipe = load(&write(dir.path(), name, table(rows).as_bytes()), &[setting]).unwrap();
        let data = Arc::clone(recipe.series().unwrap());
        assert_eq!((data.short, data.set.series.len()), (1, 13));
        let csv = recipe.task.family.csv().unwrap();
        assert_eq!(csv.train_series, Some(data.train.count()));
        assert!(csv.csv.starts_with('/') || csv.csv.contains(":\\"), "{}", csv.csv);
        let values =
            |table: &SeriesTable| -> HashSet<u32> { table.values().iter().map(|v| v.to_bits()).collect() };
        // Values are drawn, so that series share next to none.
        assert!(values(&data.train).intersection(&values(&data.held_out)).count() < 3);
        assert_eq!(data.train.count() + data.held_out.count(), 12);
        data.held_out_numbers.clone()
    };
    let usual = split("a.csv", &all, "seed=0");
    assert_eq!(usual.len(), 3);
    assert_eq!(usual, split("b.csv", &mixed(&all), "seed=0"));
    assert_ne!(usual, split("a.csv", &all, "seed=1"));
    assert_eq!(split("a.csv", &all, "task.train_series=5").len(), 7);
}

#[test]
fn nothing_of_a_query_is_in_what_a_task_is_adapted_on_or_scaled_by() {
    // Every value is another, and tells its place.
    let lengths = [70, 55, 64];
    let values: Vec<f32> = (0..lengths.iter().sum::<usize>()).map(|v| (v as f32).powi(2)).collect();
    let recipe = {
        let dir = tempfile::tempdir().unwrap();
        load(&write(dir.path(), "t.csv", table(&rows(8)).as_bytes()), &["task.scale=none"]).unwrap()
    };
    let mut sampler = recipe.sampler(Visit::Split).unwrap();
    sampler.source = TaskSource::Series(SeriesTable::ragged(values.clone(), &lengths, 12).unwrap());
    for iteration in 0..50 {
        let batch = sampler.batch(iteration);
        for task in 0..batch.tasks {
            let (support, query) = (&batch.support_y[task * 8..][..8], &batch.query_y[task * 4..][..4]);
            let place = |y: &f32| values.iter().position(|v| v == y).unwrap();
            let places: Vec<_> = support.iter().chain(query).map(place).collect();
            assert!(places.windows(2).all(|pair| pair[1] == pair[0] + 1), "{places:?}");
            // No window reaches across the border of two series.
            assert_eq!(place(&batch.support_x[task * 8 * 12]), places[0] - 12);
            let series = |at: usize| [70, 125, 189].iter().position(|&end| at < end);
            assert_eq!(series(places[0] - 12), series(places[11]));
        }
    }
    // Other values from the first query target on: the support and the first query window stay to the bit.
    let known = SeriesTable::ragged(values.clone(), &lengths, 12).unwrap().standardised(0.0);
    let mut changed = values.clone();
    for (i, end) in [70, 125, 189].into_iter().enumerate() {
        changed[end - 4..end].fill(1e5 * (i + 1) as f32);
    }
    let other = SeriesTable::ragged(changed, &lengths, 12).unwrap().standardised(0.0);
    let (a, b) = (known.last_windows(0..3, 8, 4, false), other.last_windows(0..3, 8, 4, false));
    assert_eq!((&a.support_x, &a.support_y), (&b.support_x, &b.support_y));
    for task in 0..3 {
        assert_eq!(a.query_x[task * 48..][..12], b.query_x[task * 48..][..12]);
        assert_ne!(a.query_y[task * 4..][..4], b.query_y[task * 4..][..4]);
    }
    let (a, b) = (known.last_windows(0..3, 4, 4, true), other.last_windows(0..3, 4, 4, true));
    assert_eq!(a.query_x[..12], b.query_x[..12]);
    assert_eq!(a.support_y, a.query_y);
}

#[test]
fn a_short_training_beats_the_naive_forecast_and_the_report_says_where() {
    let recipe = {
        let settings = ["evaluation.tasks=200", "outer.iterations=2000", "seed=4"];
        let settings: Vec<_> = settings.iter().map(|text| parse_setting(text).unwrap()).collect();
        Recipe::load("series", &settings).unwrap()
    };
    let models = train(&recipe, 2000);
    let report = judged(&recipe, &models).report;
    let naive = report.learners.naive.as_ref().unwrap();
    assert!(naive.mean.iter().all(|mean| *mean == naive.mean[0]));
    let maml = &report.learners.maml;
    assert!(maml.mean[10] + maml.ci95[10] < 0.8 * naive.mean[10], "{:?} {:?}", maml.mean, naive.mean[0]);
    assert!(maml.mean[10] < 0.85 * maml.mean[0], "{:?}", maml.mean);
    let series = report.series.unwrap();
    assert!(series.after_adaptation.naive.mean < 0.0 && series.after_adaptation.control.is_some());
    assert_eq!(series.traits.len(), 3);
    for kind in &series.traits {
        assert_eq!(kind.thirds.iter().map(|third| third.series).sum::<usize>(), 200);
        let mean = |of: fn(&fastweights::run::Effect) -> f64| {
            kind.thirds.iter().map(|t| of(&t.maml) * t.series as f64).sum::<f64>() / 200.0
        };
        assert!((mean(|e| e.before) - maml.mean[0]).abs() < 1e-6, "{}", kind.name);
        assert!((mean(|e| e.after) - maml.mean[10]).abs() < 1e-6, "{}", kind.name);
        assert!(kind.thirds.windows(2).all(|pair| pair[0].range[1] <= pair[1].range[0]));
    }
}

#[test]
fn judging_on_what_was_adapted_on_is_named_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "t.csv", table(&rows(12)).as_bytes());
    let recipe = load(&path, &["evaluation.protocol=same", "evaluation.points=10"]).unwrap();
    let report = judged(&recipe, &train(&recipe, 50)).report;
    let value = serde_json::to_value(&report).unwrap();
    assert_eq!(value["series"]["protocol"], "same");
    assert_eq!((report.points.support, report.points.query, report.tasks), (10, 10, 3));
    assert_eq!(value["series"]["csv_sha256"], recipe.series().unwrap().set.sha256.as_str());
    // Adapting on what it is judged on lowers the loss of all of them.
    assert!(report.learners.maml.mean[10] < report.learners.maml.mean[0]);
    let ahead = load(&path, &[]).unwrap();
    let report = judged(&ahead, &train(&ahead, 5)).report;
    assert_eq!(serde_json::to_value(&report).unwrap()["series"]["protocol"], "ahead");
    assert_eq!((report.points.support, report.points.query), (8, 4));
}
