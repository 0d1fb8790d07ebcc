//! Tables: what is read and refused, scaling, mini-batches and few-shot tasks, training, judging, predicting.

mod adapter;

use fastweights::adapted::{Answers, Inputs, Origin, Predicted, Signature, Start};
use fastweights::backend::cpu::CpuBackend;
use fastweights::backend::gpu::GpuBackend;
use fastweights::case::relative_error;
use fastweights::data::{Choices, Columns, Dialect, MissingCells, Roles, Sheet, Target};
use fastweights::meta::{Backend, Trainer};
use fastweights::recipe::{EvaluationSettings, LabelledRows, Recipe, TableRows, parse_setting};
use fastweights::run::{Found, Models, judge, ready, table_predictions};
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

fn sheet(path: &Path) -> fastweights::Result<Sheet> {
    Sheet::read(path, &Dialect::default(), &[], None)
}

const CHOICES: Choices<'_> = Choices {
    label: "label",
    regression: false,
    ignore: &[],
    keep: &[],
    categories: &[],
    missing: MissingCells::Refuse,
};

/// Reads, and codes all rows by the statistics of all.
fn coded(path: &Path, choices: &Choices<'_>) -> fastweights::Result<(Columns, Vec<f32>, Vec<String>)> {
    let sheet = sheet(path)?;
    let mut roles = Roles::of(&sheet, choices)?;
    let rows = roles.rows.clone();
    let columns = roles.fit(&sheet, choices, &rows)?;
    let x = columns.code(&sheet, rows.into_iter())?.x;
    Ok((columns, x, roles.notes))
}

#[test]
fn a_file_is_read_as_it_stands_and_refused_by_line_and_column() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(&dir, "good.csv", "\u{feff}x, label ,y\r\n 1.5,yes,\"-2e3\"\r\n0,no,4\r\n");
    let table = sheet(&path).unwrap();
    assert_eq!((table.columns.as_slice(), table.len()), (&["x".into(), "label".into(), "y".into()][..], 2));
    assert_eq!((table.number(0, 2).unwrap(), table.cell(1, 1), table.line(1)), (Some(-2000.0), "no", 3));
    let ignore = ["y".to_owned()];
    let (columns, ..) = coded(&path, &Choices { ignore: &ignore, ..CHOICES }).unwrap();
    assert_eq!(columns.features.len(), 1);
    for (text, words) in [
        ("", &["bad.csv", "is empty"][..]),
        (" \n\n", &["is empty"]),
        ("x,label\n", &["no rows"]),
        ("x,y\n1,2\n3,4\n", &["`task.label`", "`label`", "`x`, `y`"]),
        ("x,x,label\n1,2,a\n", &["line 1", "columns 1 and 2", "`x`"]),
        ("label\na\nb\n", &["no column to learn from"]),
        (
            "x,label\n1,a\n2,b\n5,a\nwide,b\n",
            &["line 5", "column `x`", "`wide` is not a number", "task.missing_values"],
        ),
        ("x,label\n1,a\ninf,b\n2,b\n3,a\n", &["line 3", "column `x`", "finite"]),
        ("x,label\n1,a\n1e99,b\n", &["line 3", "column `x`", "finite"]),
        ("x,label\n1,a\n,b\n", &["line 3", "column `x`", "is empty", "task.ignore", "task.missing=median"]),
        ("x,label\n1,a\n?,b\n", &["line 3", "column `x`", "`?` stands for no value"]),
        ("x,label\n1,a\n2,\n", &["line 3", "column `label`", "missing", "in 1 rows"]),
        ("x,label\n1,a\n2\n", &["line 3 has 1 cells", "2"]),
        ("x,label\n1,a,5\n2,b,\n", &["line 2 has 3 cells", "2"]),
        ("x,label\r\n1,a\r\n\r\n2\r\n", &["line 4 has 1 cells", "2"]),
        ("x,label\r\n1,\"a\nb\"\r\n3,b\r\n2,b\r\n\r\nwide,b\r\n", &["line 7", "column `x`", "`wide`"]),
        ("x,label\n\"1,234\",a\n\"2,345\",b\n", &["line 2", "column `x`", "task.decimal=comma"]),
        ("5.1,3.5,x\n4.9,3.0,y\n4.7,3.2,x\n", &["`task.label`", "`1`, `2`, `3`", "task.header=true"]),
    ] {
        let bad = file(&dir, "bad.csv", text);
        let error = coded(&bad, &CHOICES).expect_err("should be refused").to_string();
        for word in words {
            assert!(error.contains(word), "{text:?} gives: {error}, without {word}");
        }
    }
    let ignore = ["z".to_owned()];
    let error = coded(&path, &Choices { ignore: &ignore, ..CHOICES }).unwrap_err().to_string();
    assert!(error.contains("`task.ignore`") && error.contains("`z`"), "{error}");
    let wide: String =
        (0..3000).map(|i| format!("V{i},")).collect::<String>() + "kind\n" + &"1,".repeat(3000) + "a\n";
    let error = coded(&file(&dir, "wide.csv", &wide), &CHOICES).unwrap_err().to_string();
    assert!(error.len() < 400 && error.contains("and 2991 more"), "{error}");
}

#[test]
fn any_program_may_have_written_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let plain = "a,b,label\n1.5,2,x\n2.5,3,y\n3.5,5,x\n";
    let expected = coded(&file(&dir, "plain.csv", plain), &CHOICES).unwrap().1;
    let utf16: Vec<u8> = format!("\u{feff}{plain}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let arff = "% by hand\n@relation r\n@attribute a numeric\n@attribute b real\n@attribute label {x,y}\n@data\n1.5,2,x\n2.5,3,y\n% no\n3.5,5,x\n";
    let gzipped = {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packed, plain.as_bytes()).unwrap();
        packed.finish().unwrap()
    };
    for (name, bytes) in [
        ("semicolon.csv", plain.replace(',', ";").into_bytes()),
        ("german.csv", plain.replace(',', ";").replace('.', ",").into_bytes()),
        ("tab.tsv", plain.replace(',', "\t").into_bytes()),
        ("bar.txt", plain.replace(',', "|").into_bytes()),
        ("blank.dat", plain.replace(',', "   ").into_bytes()),
        ("sep.csv", format!("sep=;\r\n{}", plain.replace(',', ";").replace('\n', "\r\n")).into_bytes()),
        ("comment.csv", format!("# made by a tool\n{plain}").into_bytes()),
        ("trailing.csv", plain.replace('\n', ",\n").into_bytes()),
        ("rows-trailing.csv", plain.replace('\n', ",\n").replacen(",\n", "\n", 1).into_bytes()),
        ("pandas.csv", b",a,b,label\n0,1.5,2,x\n1,2.5,3,y\n2,3.5,5,x\n".to_vec()),
        ("r.csv", b"a,b,label\nr1,1.5,2,x\nr2,2.5,3,y\nr3,3.5,5,x\n".to_vec()),
        ("utf16.csv", utf16),
        ("weka.arff", arff.as_bytes().to_vec()),
        ("packed.csv.gz", gzipped),
        (
            "quoted.csv",
            b"\"a\",\"b\",\"label\"\n\"1.5\",\"2\",\"x\"\n\"2.5\",\"3\",\"y\"\n\"3.5\",\"5\",\"x\"\n"
                .to_vec(),
        ),
    ] {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let (_, x, _) = coded(&path, &CHOICES).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(x, expected, "{name}");
    }
    let bare = file(&dir, "bare.csv", &plain[10..]);
    let (columns, x, _) = coded(&bare, &Choices { label: "3", ..CHOICES }).unwrap();
    assert_eq!((x, columns.named), (expected, false));
    let latin = dir.path().join("latin.csv");
    std::fs::write(&latin, b"a,label\n1,M\xe4i\n2,y\n").unwrap();
    assert_eq!(coded(&latin, &CHOICES).unwrap().0.classes(), ["Mäi", "y"]);
}

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
    for word in ["`Id (it numbers the rows)`", "`name (a text of its own", "task.keep=[\"Id\"]", "`town (3)`"]
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
    assert!(notes.join(" ").contains("1 rows left out that have no `label`"), "{notes:?}");
    let written = file(&dir, "columns.toml", &columns.to_toml().unwrap());
    assert_eq!(Columns::read(&written).unwrap(), columns);
}

#[test]
fn labels_that_are_numbers_are_classes_or_a_quantity() {
    let dir = tempfile::tempdir().unwrap();
    let labelled = |label: &dyn Fn(usize) -> String| {
        let rows = (0..60).map(|i| format!("{}.5,{}\n", i * 7 % 60, label(i)));
        file(&dir, "numbers.csv", &("x,label\n".to_owned() + &rows.collect::<String>()))
    };
    let classes = |label: &dyn Fn(usize) -> String| {
        coded(&labelled(label), &CHOICES).map(|(c, ..)| c.classes().to_vec())
    };
    assert_eq!(classes(&|i| ["0", "0.0", "1", "1.0"][i % 4].to_owned()).unwrap(), ["0", "1"]);
    assert_eq!(classes(&|i| (i % 12).to_string()).unwrap()[..3], ["0", "1", "2"]);
    assert_eq!(classes(&|i| (i % 30).to_string()).unwrap().len(), 30, "counted through from 0");
    let quantities: [&dyn Fn(usize) -> String; 2] =
        [&|i| format!("{}.5", i % 5), &|i| (100 + 3 * i).to_string()];
    for label in quantities {
        let error = classes(label).unwrap_err().to_string();
        assert!(error.contains("--target label") && error.contains("task.categories"), "{error}");
    }
    let path = labelled(&|i| format!("{}.5", i % 5));
    let categories = ["label".to_owned()];
    assert_eq!(coded(&path, &Choices { categories: &categories, ..CHOICES }).unwrap().0.outputs(), 5);
    let (columns, ..) = coded(&path, &Choices { regression: true, ..CHOICES }).unwrap();
    let Target::Number { mean, .. } = columns.target else { panic!("no number") };
    assert!((mean - 2.5).abs() < 1e-12 && columns.outputs() == 1);
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
    let TableRows::Batches { train, judged, judged_by, unlabelled } = &table.rows else {
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
        ("table", &["validation.every=5"], &["`validation.every`"]),
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
    assert!(crate::text(&dir, &held).starts_with("row,price\n"));
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
    assert!(by.pretrained.as_ref().unwrap().accuracy >= 0.9);
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
    assert_eq!(probabilities(&predictions).len(), 2 * 18);
    assert!(probabilities(&predictions).chunks_exact(2).all(|p| (p[0] + p[1] - 1.0).abs() < 1e-9));
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
