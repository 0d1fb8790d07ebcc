//! Files of any program, and labels.

use super::*;

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
        ("x,label\n1,a\n2,\n", &["line 3", "column `label`: is missing; --set task.missing=drop"]),
        ("x,label\n1,a\n2,\n3,\n", &["line 3", "is missing, as in 2 of 3 rows"]),
        ("x,label\n1,a\n2\n", &["line 3 has 1 cell, the header 2"]),
        ("x,label\n1,a,5\n2,b,\n", &["line 2 has 3 cells", "2"]),
        ("x,label\r\n1,a\r\n\r\n2\r\n", &["line 4 has 1 cell, the header 2"]),
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
    let sparse = "@relation r\n@attribute a numeric\n@attribute b real\n@attribute label {x,y}\n@data\n{0 1.5, 1 2}\n{0 2.5, 1 3, 2 y}\n{0 3.5, 1 5}\n";
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
        ("sparse.arff", sparse.as_bytes().to_vec()),
        ("caret.csv", plain.replace(',', "^").into_bytes()),
        ("tilde.txt", plain.replace(',', "~").into_bytes()),
        ("hive.txt", plain.replace(',', "\u{1}").into_bytes()),
        ("joined.csv", format!("{plain}{}", &plain[..10]).into_bytes()),
        ("titled.csv", format!("made by a tool\n\n{plain}").into_bytes()),
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
fn what_stands_in_files_besides_rows_is_passed_over_and_said() {
    let dir = tempfile::tempdir().unwrap();
    let rows = "1.5,2,x\n2.5,3,y\n-3.5,5,x\n4,6,y\n";
    let (_, expected, notes) =
        coded(&file(&dir, "plain.csv", &format!("a,b,label\n{rows}")), &CHOICES).unwrap();
    assert!(notes.is_empty(), "{notes:?}");
    for (name, text, words) in [
        (
            "units",
            format!("a,b,label\n[m],[s],[-]\n{rows}"),
            "line 2 holds units and is passed over: `[m]`, `[s]`, `[-]`",
        ),
        ("words", format!("a,b,label\nmetres,seconds,\n{rows}"), "line 2 holds units"),
        ("joined", format!("a,b,label\n{rows}a,b,label\n"), "stand again in line 6: passed over"),
        ("title", format!("By me\na,b,label\n{rows}"), "the line above the table is passed over"),
        ("brackets", format!("a,b,label\n{}", rows.replace("-3.5", "(3.5)")), "`a` (in brackets: below 0)"),
        (
            "money",
            format!(
                "a,b,label\n{}",
                rows.replace("-3.5", "($3.5)")
                    .replace("1.5", "$1.5")
                    .replace("2.5", "$2.5")
                    .replace("\n4,", "\n$4,")
            ),
            "`a` ($)",
        ),
    ] {
        let path = file(&dir, name, &text);
        let (_, x, _) = coded(&path, &CHOICES).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(x, expected, "{name}");
        let notes = sheet(&path).unwrap().notes.join("\n");
        assert!(notes.contains(words), "{name}: {notes}");
    }
    // Words in one column are values; so is a first row that stands there twice, where nothing tells it from others.
    let (columns, ..) =
        coded(&file(&dir, "one.csv", "a,c,label\n1,big,x\n2,big,y\n3,small,x\n4,big,y\n"), &CHOICES).unwrap();
    assert_eq!(columns.features.len(), 2);
    assert_eq!(sheet(&file(&dir, "words.csv", "x,s\ny,t\nx,s\ny,s\n")).unwrap().len(), 4);
    // Of ARFF quotes go, and what the file calls a category is one.
    let arff = "@relation r\n@attribute n {1,2,3}\n@attribute 'a b' real\n@attribute label {'x y',z}\n@data\n\
                1,5,'x y'\n2,6,z\n3, 7 ,'x y' % seen\n1,8,z\n";
    let (columns, x, notes) = coded(&file(&dir, "n.arff", arff), &CHOICES).unwrap();
    assert_eq!((columns.classes(), x.len()), (&["x y".to_owned(), "z".to_owned()][..], 4 * 4), "{notes:?}");
    assert!(notes.iter().any(|note| note.contains("an input for each value: `n` (3)")), "{notes:?}");
}

#[test]
fn words_for_no_value_are_known() {
    let dir = tempfile::tempdir().unwrap();
    for word in [
        "",
        "NA",
        "n/a",
        "N.A.",
        "#N/A",
        "#N/A N/A",
        "<NA>",
        "NaN",
        "-nan",
        "NaT",
        "1.#QNAN",
        "-1.#IND",
        "NULL",
        "(null)",
        "none",
        "nil",
        "undefined",
        "?",
        "-",
        "--",
        ".",
        "..",
        "\\N",
        "#VALUE!",
        "#DIV/0!",
        "#REF!",
    ] {
        let path = file(&dir, "words.csv", &format!("a,b,label\n1,2,x\n{word},3,y\n5,4,x\n6,7,y\n"));
        let error = coded(&path, &CHOICES).unwrap_err().to_string();
        assert!(
            error.contains("line 3, column `a`") && error.contains("task.missing=median"),
            "{word}: {error}"
        );
        let (_, x, notes) = coded(&path, &Choices { missing: MissingCells::Drop, ..CHOICES }).unwrap();
        assert_eq!(
            (x.len(), notes[0].as_str()),
            (6, "1 of 4 rows left out since a value is missing"),
            "{word}"
        );
    }
}
