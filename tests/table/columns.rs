//! What columns are and how they are coded, what is held out.

use super::*;

#[test]
fn words_are_categories_and_what_numbers_the_rows_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut text = "Id,sex,alive,town,name,zip,label\n".to_owned();
    for i in 0..12 {
        let town = ["rome", "oslo", "bonn"][i % 3];
        writeln!(
            text,
            "{},{},{},{town},name {i},{},{}",
            i + 5,
            ["m", "f"][i % 2],
            i % 4 < 2,
            [7, 9][i % 2],
            i % 2
        )
        .unwrap();
    }
    let path = file(&dir, "people.csv", &text);
    let categories = ["zip".to_owned()];
    let (columns, x, notes) = coded(&path, &Choices { categories: &categories, ..CHOICES }).unwrap();
    let names: Vec<_> = columns.features.iter().map(|f| (f.name.as_str(), f.coding.width())).collect();
    assert_eq!(names, [("sex", 2), ("alive", 2), ("town", 3), ("zip", 2)]);
    assert_eq!(x[..9], [0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0]);
    let notes = notes.join("\n");
    for word in
        ["`Id` (it numbers the rows)", "`name` (a text of its own", "task.keep=[\"Id\"]", "`town` (3)"]
    {
        assert!(notes.contains(word), "{notes}, without {word}");
    }
    let keep = ["Id".to_owned()];
    let kept = coded(&path, &Choices { keep: &keep, ..CHOICES }).unwrap().0;
    assert_eq!(kept.features[0].name, "Id");
    // A value that no training row had is none of them, and is told; other columns are passed over.
    let new = sheet(&file(&dir, "new.csv", "more,town,sex,alive,zip\n1,paris,m,true,7\n")).unwrap();
    let one = columns.code(&new, 0..1).unwrap();
    assert_eq!(one.x, [0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    assert_eq!(one.unknown, [("town".to_owned(), "paris".to_owned())]);
}

#[test]
fn missing_values_are_refused_filled_in_or_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let text = "a,town,label\n1,rome,x\n?,oslo,y\n3,NA,x\n8,rome,y\n-999,rome,y\n4,oslo,\n";
    let path = file(&dir, "gaps.csv", text);
    let with = |missing| {
        let dialect = Dialect { missing_values: vec!["-999".to_owned()], ..Dialect::default() };
        let sheet = Sheet::read(&path, &dialect, &[], None).unwrap();
        let choices = Choices { missing, ..CHOICES };
        let mut roles = Roles::of(&sheet, &choices)?;
        let rows = roles.rows.clone();
        let columns = roles.fit(&sheet, &choices, &rows)?;
        let coded = columns.code(&sheet, 0..sheet.len())?;
        Ok::<_, fastweights::Error>((columns, coded, rows, roles.notes))
    };
    assert!(with(MissingCells::Refuse).unwrap_err().to_string().contains("line 7, column `label`"));
    let (columns, coded, rows, _) = with(MissingCells::Drop).unwrap();
    assert_eq!((rows, coded.numbers, coded.dropped), (vec![0, 3], vec![1, 4, 6], 3));
    assert_eq!(columns.width(), 2, "town is rome alone where rows are whole");
    let (columns, coded, rows, notes) = with(MissingCells::Median).unwrap();
    assert_eq!((rows.len(), coded.dropped, columns.width()), (5, 0, 4));
    // The median of 1, 3, 8 is 3, as are the two that are missing: mean 3.6.
    assert!(
        (coded.x[4] - coded.x[8]).abs() < 1e-6 && coded.x[5] == 1.0 && coded.x[9] == 0.0,
        "{:?}",
        coded.x
    );
    assert_eq!(coded.x[10..12], [0.0, 0.0], "a missing category is none of the values");
    assert!(notes.join(" ").contains("1 row left out without `label`"), "{notes:?}");
    let written = file(&dir, "columns.toml", &columns.to_toml().unwrap());
    assert_eq!(Columns::read(&written).unwrap(), columns);
}

#[test]
fn columns_are_scaled_by_training_rows_alone_and_survive_their_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, "t.csv", "w,x,label\n1,7.1,b\n3,7.1,a\n1000,8,b\n");
    let table = sheet(&path).unwrap();
    let mut roles = Roles::of(&table, &CHOICES).unwrap();
    let columns = roles.fit(&table, &CHOICES, &[0, 1]).unwrap();
    assert_eq!(columns.classes(), ["a", "b"]);
    // The constant column is 0 even where it is not constant any more.
    assert_eq!(columns.code(&table, 0..3).unwrap().x, [-1.0, 0.0, 1.0, 0.0, 998.0, 0.0]);
    assert_eq!(columns.targets(&table, &[1, 2, 3]).unwrap().unwrap(), [1.0, 0.0, 1.0]);
    let written = file(&dir, "columns.toml", &columns.to_toml().unwrap());
    assert_eq!(Columns::read(&written).unwrap(), columns);
    // One row is enough, its columns in another order.
    let other = file(&dir, "o.csv", "x,w\n7,2\n");
    let other = Sheet::read(&other, &columns.dialect(), &columns.names(), None).unwrap();
    assert_eq!(columns.code(&other, 0..1).unwrap().x, [0.0, 0.0], "columns are found by name");
    assert_eq!(columns.targets(&other, &[1]).unwrap(), None);
    for (text, words) in [
        ("x,v,label\n1,2,a\n", &["o.csv", "missing `w`", "`v`"][..]),
        ("w,x,label\n1,2,a\n1,2,c\n", &["line 3", "`c` is no class", "`a`, `b`"]),
    ] {
        let table = sheet(&file(&dir, "o.csv", text)).unwrap();
        let numbers: Vec<_> = (1..=table.len()).collect();
        let result = columns.code(&table, 0..1).and_then(|_| columns.targets(&table, &numbers).map(drop));
        let error = result.unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "{text:?} gives: {error}, without {word}");
        }
    }
    let one = file(&dir, "one.csv", "w,label\n1,b\n2,b\n");
    assert!(coded(&one, &CHOICES).unwrap_err().to_string().contains("two classes"));
}

#[test]
fn a_share_of_each_class_is_held_out_and_epochs_become_meta_iterations() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, "t.csv", &clouds(3, 50, 0, true));
    let own = recipe("table", &path, &["task.rows=32", "task.epochs=10"]).unwrap();
    let table = own.table().unwrap();
    let TableRows::Batches { train, judged, judged_by, tried: _, unlabelled } = &table.rows else {
        panic!("no batches")
    };
    assert_eq!((train.numbers.len(), judged.numbers.len(), judged_by.as_str()), (120, 30, "held-out rows"));
    assert!(unlabelled.is_none());
    for class in 0..3 {
        assert_eq!(judged.y.as_ref().unwrap().iter().filter(|&&y| y == class as f32).count(), 10);
    }
    let mut all = [train.numbers.clone(), judged.numbers.clone()].concat();
    all.sort_unstable();
    assert_eq!(all, (1..=150).collect::<Vec<_>>());
    // 120 rows in mini-batches of 32 are four an epoch.
    assert_eq!((own.outer.iterations, own.task.support, own.task.query), (40, 32, 32));
    let batch = own.sampler(Visit::Split).unwrap().batch(0);
    assert_eq!(batch.support_x, batch.query_x);
    let halves =
        recipe("table", &path, &["task.rows=31", "task.epochs=10", "task.batch=split", "outer.meta_batch=3"])
            .unwrap();
    assert_eq!((halves.outer.iterations, halves.task.support, halves.task.query), (14, 15, 16));
    let given = recipe("table", &path, &["outer.iterations=7"]).unwrap();
    assert_eq!((given.outer.iterations, given.task.support), (7, 32));
    let usual = recipe("table", &path, &[]).unwrap();
    assert_eq!(usual.outer.iterations, 200 * 4, "a small table is gone through 200 times");
    // What is written down is read back as it is, and names the file's sum.
    let text = own.to_toml().unwrap();
    let mut again = Recipe::parse(&text, "again", &[]).unwrap();
    again.load_data(None).unwrap();
    assert_eq!(again, own);
    let other = recipe("table", &path, &["seed=1", "task.rows=32", "task.epochs=10"]).unwrap();
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
        (
            "table",
            &["validation.every=5", "task.held_out=0.8"],
            &["`validation.every`", "none of 12 rows", "=0"],
        ),
        ("table", &["model.loss=mse"], &["`model.loss`"]),
        ("table", &["task.support=3"], &["`task.support`"]),
        ("table-few-shot", &["task.epochs=3"], &["`task.epochs`", "leave task.ways out"]),
        ("table-few-shot", &[], &["`task.ways`", "6 classes", "task.ways=3"]),
        (
            "table-few-shot",
            &["task.ways=2", "task.split=[5, 0, 1]"],
            &["`task.split`", "6 classes", "[2, 2, 2]"],
        ),
        ("table", &["task.target=a"], &["`task.target`", "task.label", "keep one"]),
        ("table-few-shot", &["task.ways=2", "task.split=[3, 0, 2]"], &["validation"]),
        ("table-few-shot", &["control.enabled=true"], &["`control.enabled`"]),
        ("sinusoid", &[], &["`task.", "sinusoid"]),
    ] {
        let error = recipe(name, &path, settings).expect_err("should be refused").to_string();
        for word in words {
            assert!(error.contains(word), "{name} {settings:?} gives: {error}, without {word}");
        }
    }
}

#[test]
fn ids_dates_and_labels_that_differ_in_case_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut text = "user_id,shop_id,PAID,seen,a,label\n".to_owned();
    for i in 0..200_u32 {
        let label = ["yes", "no", "Yes"][i as usize % 3];
        writeln!(text, "{},{},{},2024-{:02}-07,{i}.5,{label}", 900 + i / 2, i % 4, i % 90, 1 + i % 12)
            .unwrap();
    }
    let path = file(&dir, "users.csv", &text);
    let (columns, _, notes) = coded(&path, &CHOICES).unwrap();
    let names: Vec<_> = columns.features.iter().map(|f| (f.name.as_str(), f.coding.width())).collect();
    assert_eq!(names, [("shop_id", 4), ("PAID", 1), ("a", 1)]);
    let notes = notes.join("\n");
    for word in ["`user_id` (numbers that are ids)", "`seen` (dates;", "case alone", "`Yes`, `yes`"] {
        assert!(notes.contains(word), "{notes}, without {word}");
    }
    let keep = ["user_id".to_owned(), "seen".to_owned()];
    let kept = coded(&path, &Choices { keep: &keep, ..CHOICES }).unwrap().0;
    let names: Vec<_> = kept.features.iter().map(|f| (f.name.as_str(), f.coding.width())).collect();
    assert_eq!(names[0], ("user_id", 1));
    assert_eq!(names[3], ("seen", 12));
}
