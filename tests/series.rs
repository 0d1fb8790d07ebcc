//! Series from long tables: the same run from every form of the same table, nothing of the queries in what is adapted
//! on, and a forecast that is learned.

use fastweights::backend::cpu::CpuBackend;
use fastweights::data::{Dialect, Gaps, Layout, SeriesColumns, SeriesSet};
use fastweights::meta::Trainer;
use fastweights::recipe::{Recipe, parse_setting};
use fastweights::run::{Judged, Models, judge};
use fastweights::task::{SeriesTable, TaskSource, Traits, Visit};
use std::collections::HashSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows `id,time,value` of generated series of different lengths.
fn rows(count: usize) -> Vec<String> {
    let mut rows = Vec::new();
    for i in 0..count {
        let mut values = Vec::new();
        Traits::draw(5, i, 60 + 7 * (i % 5)).series_into(&mut values);
        rows.extend(values.iter().enumerate().map(|(t, y)| format!("s{i},{t},{}", 1000.0 * y + 50.0)));
    }
    rows
}

fn table(rows: &[String]) -> String {
    format!("id,time,realValue\n{}\n", rows.join("\n"))
}

/// Another order of the same rows: every 7th, seven times over.
fn mixed(rows: &[String]) -> Vec<String> {
    (0..7).flat_map(|first| rows.iter().skip(first).step_by(7).rev().cloned()).collect()
}

fn write(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut file = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    file.write_all(bytes).unwrap();
    file.finish().unwrap()
}

fn columns(time: Option<&str>, drop_missing: bool) -> SeriesColumns {
    let time = time.map(str::to_owned);
    let names = |name: &str| vec![name.to_owned()];
    SeriesColumns {
        ids: names("id"),
        values: names("realValue"),
        time,
        drop_missing,
        ..SeriesColumns::default()
    }
}

fn read(path: &Path, columns: &SeriesColumns) -> fastweights::Result<SeriesSet> {
    SeriesSet::read(path, columns, &Dialect::default(), None)
}

fn load(path: &Path, more: &[&str]) -> fastweights::Result<Recipe> {
    let mut settings = vec![
        parse_setting("task.time_column=time")?,
        ("task.csv".to_owned(), toml::Value::String(path.display().to_string())),
    ];
    for text in
        ["task.window=12", "task.support=8", "task.query=4", "outer.iterations=300"].iter().chain(more)
    {
        settings.push(parse_setting(text)?);
    }
    let mut recipe = Recipe::load("series", &settings)?;
    recipe.load_data(None)?;
    Ok(recipe)
}

fn train(recipe: &Recipe, iterations: u64) -> Models {
    let cpu = CpuBackend::new(Some(1));
    let mut trainer = Trainer::new(&cpu, &recipe.train_plan().unwrap(), recipe.start().unwrap()).unwrap();
    trainer.advance(iterations).unwrap();
    let control = recipe.control_plan().unwrap().map(|plan| {
        let mut control = Trainer::new(&cpu, &plan, recipe.control_start().unwrap()).unwrap();
        control.advance(iterations).unwrap();
        control.state().unwrap().params
    });
    Models { maml: trainer.state().unwrap().params, control, iterations }
}

fn judged(recipe: &Recipe, models: &Models) -> Judged {
    judge(recipe, &recipe.evaluation, models, &CpuBackend::new(Some(1)), None).unwrap()
}

#[test]
fn every_form_and_order_of_a_table_gives_the_same_run() {
    let dir = tempfile::tempdir().unwrap();
    let rows = rows(12);
    let plain = table(&rows);
    let hidden = [("table.csv", plain.as_bytes()), ("__MACOSX/._table.csv", b"".as_slice())];
    let forms = [
        write(dir.path(), "plain.csv", plain.as_bytes()),
        write(dir.path(), "mixed.csv", table(&mixed(&rows)).as_bytes()),
        write(dir.path(), "packed.zip", &zipped(&hidden)),
        write(dir.path(), "packed.gz", &gzipped(plain.as_bytes())),
        // With a mark of byte order, line ends of Windows, blanks, quotes and columns that nobody asked for.
        write(
            dir.path(),
            "foreign.csv",
            format!(
                "\u{feff}time, realValue ,note,\"id\"\r\n{}\r\n",
                rows.iter()
                    .map(|row| {
                        let [id, time, value] = row.splitn(3, ',').collect::<Vec<_>>().try_into().unwrap();
                        format!("{time}, {value} ,\"a, b\",\"{id}\"")
                    })
                    .collect::<Vec<_>>()
                    .join("\r\n")
            )
            .as_bytes(),
        ),
    ];
    let mut first = None;
    for form in &forms {
        let set = read(form, &columns(Some("time"), false)).unwrap();
        assert_eq!(set.series.len(), 12);
        let lengths: Vec<_> = set.series.iter().take(3).map(|(_, values)| values.len()).collect();
        // By name: s0, s1, s10.
        assert_eq!(lengths, [60, 67, 60]);
        let recipe = load(form, &[]).unwrap();
        let models = train(&recipe, 20);
        let learners = serde_json::to_value(&judged(&recipe, &models).report.learners).unwrap();
        let run = (set.series, models.maml, learners);
        match &first {
            Some(first) => assert!(*first == run, "{}", form.display()),
            None => first = Some(run),
        }
    }
}

#[test]
fn dates_sort_rows() {
    let dir = tempfile::tempdir().unwrap();
    let text = "id,time,realValue\na,2024-03-01,3\na,2024-02-29T23:30+01:00,1\na,2024-02-29 23:30,2\nb,1999-12-31,9\n";
    let path = write(dir.path(), "t.csv", text.as_bytes());
    let set = read(&path, &columns(Some("time"), false)).unwrap();
    assert_eq!(set.series, [("a".to_owned(), vec![1.0, 2.0, 3.0]), ("b".to_owned(), vec![9.0])]);
    // A column of dates is known for what it is; of numbers, it has to be said.
    assert_eq!(read(&path, &columns(None, false)).unwrap().series[0].1, [1.0, 2.0, 3.0]);
    let path = write(dir.path(), "n.csv", b"id,hour,realValue\na,3,3\na,1,1\na,2,2\n");
    assert_eq!(read(&path, &columns(None, false)).unwrap().series[0].1, [3.0, 1.0, 2.0]);
}

#[test]
fn what_is_wrong_with_a_table_is_told_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let good = "id,time,realValue\na,0,1\n";
    let gz = gzipped(good.as_bytes());
    let two = zipped(&[("one.csv", good.as_bytes()), ("two.csv", good.as_bytes())]);
    let cases: [(&str, &[u8], &[&str]); 16] = [
        (
            "column",
            b"name,time,realValue\na,0,1\n",
            &["task.id_column", "`id`", "`name`, `time`, `realValue`"],
        ),
        ("twice", b"id,time,realValue,id\na,0,1,b\n", &["columns 1 and 4", "`id`"]),
        ("time", b"id,when,realValue\na,0,1\n", &["task.time_column", "`when`"]),
        ("word", b"id,time,realValue\na,0,1\na,1,lots\n", &["word", "line 3", "`realValue` is `lots`"]),
        ("infinite", b"id,time,realValue\na,0,1e39\na,1,2\n", &["line 2", "1e39", "finite"]),
        ("missing", b"id,time,realValue\na,0,1\na,1,\n", &["line 3", "no value", "task.missing"]),
        ("name", b"id,time,realValue\n,0,1\n", &["line 2", "`id` is empty"]),
        ("moment", b"id,time,realValue\na,soon,1\n", &["line 2", "`time` is `soon`"]),
        (
            "kinds",
            b"id,time,realValue\na,2024-01-01,1\na,5,1\n",
            &["line 3", "the number `5`", "a date before"],
        ),
        ("again", b"id,time,realValue\na,0,1\nb,0,1\na,0.0,2\n", &["line 4", "series `a`", "line 2"]),
        ("ragged", b"id,time,realValue\na,0\n", &["ragged", "line 2"]),
        ("empty", b"", &["empty", "is empty"]),
        ("header", b"id,time,realValue\n", &["no row"]),
        ("several", &two, &["2 files", "one.csv"]),
        ("none", &zipped(&[]), &["without a file"]),
        ("cut", &gz[..gz.len() / 2], &["cut", "damaged"]),
    ];
    for (name, bytes, words) in cases {
        let path = write(dir.path(), name, bytes);
        let error = read(&path, &columns(Some("time"), false)).expect_err(name).to_string();
        for word in words {
            assert!(error.contains(word), "{name}: {error}, without {word}");
        }
    }
    let error = read(&dir.path().join("nowhere"), &columns(None, false)).unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
    // Left out if that is asked for, and counted.
    let gaps = b"id,time,realValue\na,0,1\na,1,\na,2,NaN\na,3,4\na,4,5\na,5,6\nb,0,NA\n";
    let path = write(dir.path(), "gaps", gaps);
    let set = read(&path, &columns(Some("time"), true)).unwrap();
    assert_eq!((set.series, set.dropped), (vec![("a".to_owned(), vec![1.0, 4.0, 5.0, 6.0])], 3));
    assert!(set.notes.iter().any(|note| note.contains("2 times are missing")), "{:?}", set.notes);
    let filled = SeriesColumns { gaps: Gaps::Fill, ..columns(Some("time"), true) };
    assert_eq!(read(&path, &filled).unwrap().series[0].1, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
}

#[test]
fn series_stand_in_columns_rows_and_files() {
    let dir = tempfile::tempdir().unwrap();
    let told = SeriesColumns::default();
    let names = |set: &SeriesSet| set.series.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let wide = write(dir.path(), "wide.csv", b"date,b,a\n2024-01-02,5,\n2024-01-01,4,1\n2024-01-03,6,\n");
    let set = read(&wide, &told).unwrap();
    assert_eq!(set.series, [("a".to_owned(), vec![1.0]), ("b".to_owned(), vec![4.0, 5.0, 6.0])]);
    let one = SeriesColumns { values: vec!["b".to_owned()], ..told.clone() };
    assert_eq!(names(&read(&wide, &one).unwrap()), ["b"]);
    // One series, without a name of its own; times go on in their own step.
    let months: String = (0..30).map(|m| format!("{}-{:02},{m}\n", 1949 + m / 12, m % 12 + 1)).collect();
    let set = read(&write(dir.path(), "months.csv", format!("Month,Passengers\n{months}").as_bytes()), &told)
        .unwrap();
    assert_eq!((names(&set), set.series[0].1.len()), (vec!["Passengers".to_owned()], 30));
    assert_eq!(set.time_after(0, 1).unwrap(), "1951-07");
    let pieces = SeriesColumns { pieces: 4, ..told.clone() };
    let set = read(&dir.path().join("months.csv"), &pieces).unwrap();
    assert_eq!(set.series.iter().map(|(_, values)| values.len()).collect::<Vec<_>>(), [7, 8, 7, 8]);
    assert_eq!(names(&set)[0], "Passengers (1 of 4)");
    // A row each, as long as it is.
    let row = |name: &str, n: usize| format!("{name}{}{}\n", ",7.5".repeat(n), ",".repeat(25 - n));
    let head: String = (1..=26).map(|v| format!("V{v},")).collect();
    let text = format!("{}\n{}{}", head.trim_end_matches(','), row("H1", 25), row("H2", 22));
    let set = read(&write(dir.path(), "rows.csv", text.as_bytes()), &told).unwrap();
    assert_eq!(
        set.series.iter().map(|(name, v)| (name.as_str(), v.len())).collect::<Vec<_>>(),
        [("H1", 25), ("H2", 22)]
    );
    // Two columns name a series together.
    let keys = write(dir.path(), "keys.csv", b"store,item,day,sold\n1,1,1,5\n1,2,1,6\n1,1,2,7\n1,2,2,8\n");
    let both = SeriesColumns {
        ids: vec!["store,item".to_owned()],
        values: vec!["sold".to_owned()],
        time: Some("day".to_owned()),
        ..told.clone()
    };
    let set = read(&keys, &both).unwrap();
    assert_eq!(set.series, [("1/1".to_owned(), vec![5.0, 7.0]), ("1/2".to_owned(), vec![6.0, 8.0])]);
    let error =
        read(&keys, &SeriesColumns { ids: vec!["store".to_owned()], ..both }).unwrap_err().to_string();
    assert!(
        error.contains("line 3") && error.contains("`item`") && error.contains("--id-column A,B"),
        "{error}"
    );
    // A folder of files.
    fs::create_dir(dir.path().join("all")).unwrap();
    for name in ["x", "y"] {
        write(&dir.path().join("all"), &format!("{name}.csv"), b"time,value\n2,2\n1,1\n");
    }
    assert_eq!(
        read(&dir.path().join("all"), &told).unwrap().series,
        [("x".to_owned(), vec![1.0, 2.0]), ("y".to_owned(), vec![1.0, 2.0])]
    );
    // A row for each series and time was meant.
    let wrong = SeriesColumns { ids: vec!["date".to_owned()], values: vec!["b".to_owned()], ..told.clone() };
    let error = read(&wide, &wrong).unwrap_err().to_string();
    assert!(error.contains("task.id_column") && error.contains("--value-column A,B,C"), "{error}");
    let by_rows = SeriesColumns { layout: Some(Layout::Rows), ..told };
    assert_eq!(
        read(&write(dir.path(), "short.csv", b"n,1,2,3\na,1,2,3\nb,4,5,6\n"), &by_rows).unwrap().series[1].1,
        [4.0, 5.0, 6.0]
    );
}

#[test]
fn gaps_are_counted_and_a_level_takes_no_digits() {
    let dir = tempfile::tempdir().unwrap();
    let text = "id,day,y\na,01.01.2024,1\na,02.01.2024,2\na,05.01.2024,5\na,13.01.2024,13\n";
    let set = read(&write(dir.path(), "gaps.csv", text.as_bytes()), &SeriesColumns::default()).unwrap();
    let notes = set.notes.join("\n");
    assert!(
        notes.contains("9 times are missing (the step is 1 day)") && notes.contains("after line 3"),
        "{notes}"
    );
    assert_eq!(set.time_after(0, 2).unwrap(), "2024-01-15");
    let months = "id,day,y\na,2024-01-31,1\na,2024-02-29,2\na,2024-03-31,3\na,2024-05-31,5\n";
    let set = read(&write(dir.path(), "months.csv", months.as_bytes()), &SeriesColumns::default()).unwrap();
    assert!(
        set.notes.iter().any(|note| note.contains("1 times are missing (the step is 1 month)")),
        "{:?}",
        set.notes
    );
    // The same series a billion higher are the same to a model.
    let table = |level: f64| {
        let rows: Vec<_> = rows(12)
            .iter()
            .map(|row| {
                let (key, value) = row.rsplit_once(',').unwrap();
                format!("{key},{}", (value.parse::<f64>().unwrap() * 64.0).round() / 64.0 + level)
            })
            .collect();
        let recipe = load(&write(dir.path(), "level.csv", table(&rows).as_bytes()), &[]).unwrap();
        recipe.evaluation_tasks(&recipe.evaluation, 0..3).unwrap().query_x
    };
    assert_eq!(table(0.0), table(1_073_741_824.0));
}

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
        let settings = ["evaluation.tasks=200", "outer.iterations=2000", "seed=3"];
        let settings: Vec<_> = settings.iter().map(|text| parse_setting(text).unwrap()).collect();
        Recipe::load("series", &settings).unwrap()
    };
    let models = train(&recipe, 2000);
    let report = judged(&recipe, &models).report;
    let naive = report.learners.naive.as_ref().unwrap();
    assert!(naive.mean.iter().all(|mean| *mean == naive.mean[0]));
    let maml = &report.learners.maml;
    assert!(maml.mean[10] + maml.ci95[10] < 0.8 * naive.mean[10], "{:?} {:?}", maml.mean, naive.mean[0]);
    assert!(maml.mean[10] < 0.95 * maml.mean[0], "{:?}", maml.mean);
    let series = report.series.unwrap();
    assert!(series.after_adaptation.naive.mean < 0.0 && series.after_adaptation.pretrained.is_some());
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
