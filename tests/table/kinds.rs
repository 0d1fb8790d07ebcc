//! Tables as people have them: titles, units, codes, numbers of rows, archives, and what is said where a table cannot be read.

use super::*;
use std::io::Write as _;

/// Thirty rows of two columns, `a` made of `cell`, and a class.
fn rows(head: &str, cell: impl Fn(u32) -> String) -> String {
    let row =
        |i: u32| format!("{},{},{}\n", cell(i), f64::from(i * 7 % 11) / 4.0, ["x", "y"][i as usize % 2]);
    format!("{head}\n") + &(0..30).map(row).collect::<String>()
}

fn read(name: &str, bytes: &[u8]) -> fastweights::Result<Sheet> {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    Sheet::read(&path, &Dialect::default(), &[], None)
}

/// The features that a table of classes is learned from, and what is said of it.
fn learned(text: &str, regression: bool) -> fastweights::Result<(Vec<String>, String)> {
    let sheet = read("rows.csv", text.as_bytes())?;
    let choices = Choices {
        label: "kind",
        regression,
        ignore: &[],
        keep: &[],
        categories: &[],
        missing: MissingCells::Refuse,
    };
    let mut roles = Roles::of(&sheet, &choices)?;
    let columns = roles.fit(&sheet, &choices, &(0..sheet.len()).collect::<Vec<_>>())?;
    let names = columns.features.iter().map(|feature| feature.name.clone()).collect();
    Ok((names, [sheet.notes, roles.notes].concat().join("\n")))
}

#[test]
fn what_stands_above_and_around_a_table_is_passed_over() {
    let plain = read("t.csv", rows("a,b,kind", |i| i.to_string()).as_bytes()).unwrap();
    let titled = format!("Report of May\n\nin metres\n{}", rows("a,b,kind", |i| i.to_string()));
    let quoted = rows("'a','b','kind'", |i| format!("'{i}'")).replace(",x", ",'x'").replace(",y", ",'y'");
    let quoted = quoted.lines().map(|line| {
        let cells = line.split(',').map(|cell| format!("'{}'", cell.trim_matches('\''))).collect::<Vec<_>>();
        cells.join(",") + "\n"
    });
    let dollars = rows("a,b,kind", |i| format!("${i}"));
    for text in [titled, quoted.collect(), dollars] {
        let sheet = read("t.csv", text.as_bytes()).unwrap();
        assert_eq!(sheet.columns, plain.columns, "{text}");
        assert_eq!(sheet.number(7, 0).unwrap(), Some(7.0), "{text}");
        assert_eq!(sheet.cell(29, 2), "y");
    }
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in
        [("about.txt", "of the table".to_owned()), ("d/t.csv", rows("a,b,kind", |i| i.to_string()))]
    {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    let packed = read("t.zip", &archive.finish().unwrap().into_inner()).unwrap();
    assert_eq!((&packed.columns, packed.cell(3, 0)), (&plain.columns, "3"));
}

#[test]
fn mixed_units_are_no_numbers() {
    let text = rows("a,b,kind", |i| if i == 4 { "€5".to_owned() } else { format!("${i}") });
    let sheet = read("t.csv", text.as_bytes()).unwrap();
    assert_eq!((sheet.cell(4, 0), sheet.number(4, 0).unwrap()), ("€5", None));
    let (_, notes) = learned(&rows("a,b,kind", |i| format!("{i} %")), false).unwrap();
    assert!(notes.contains("`a` (%)"), "{notes}");
}

#[test]
fn columns_that_number_rows_are_told_from_measures() {
    let names = |text: &str| learned(text, false).unwrap();
    // Counted through, in the first column; called an id.
    for head in ["n,b,kind", "customer_id,b,kind"] {
        let (features, notes) = names(&rows(head, |i| (i + 1).to_string()));
        assert_eq!(features, ["b"], "{head}");
        assert!(notes.contains("it numbers the rows"), "{notes}");
    }
    // A measure that grows by one, and the only column there is.
    assert_eq!(names(&rows("size,b,kind", |i| (i + 50).to_string())).0, ["size", "b"]);
    let alone: String = (0..30).map(|i| format!("{i},{}\n", ["x", "y"][i % 2])).collect();
    assert_eq!(names(&format!("a,kind\n{alone}")).0, ["a"]);
    // Codes with zeros before them are no quantities.
    let (features, notes) =
        names(&rows("zip,b,kind", |i| ["02115", "10001", "90210"][i as usize % 3].to_owned()));
    assert_eq!(features, ["zip", "b"]);
    assert!(notes.contains("`zip` (3)"), "{notes}");
}

#[test]
fn refusals_say_what_to_type() {
    let refused = |text: &str, regression| learned(text, regression).unwrap_err().to_string();
    let texts = rows("a,b,kind", |i| format!("about {i}")).replace(",b,", ",c,");
    assert!(learned(&texts, false).unwrap().1.contains("a text of its own"));
    let only: String = (0..30).map(|i| format!("about {i},{}\n", ["x", "y"][i % 2])).collect();
    let error = refused(&format!("a,kind\n{only}"), false);
    assert!(error.contains("besides `kind`: left out: `a` (a text of its own"), "{error}");
    let error = refused(&rows("a,b,kind", |i| i.to_string()), true);
    assert!(error.contains("line 2, column `kind`: `x`") && error.contains("--label kind"), "{error}");
    let own: String = (0..30).map(|i| format!("{},thing {i}\n", i * i)).collect();
    let error = refused(&format!("a,kind\n{own}"), false);
    assert!(error.contains("a text of its own in each of the 30 rows"), "{error}");
    for (bytes, what) in [
        (&b"\xfd7zXZ\0rest"[..], "packed by xz"),
        (b"7z\xbc\xaf rest", "7-Zip"),
        (b"Obj\x01avro", "Avro"),
        (b"\xff\xfe\0\0a\0\0\0", "UTF-32"),
    ] {
        let error = read("t.csv", bytes).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
}
