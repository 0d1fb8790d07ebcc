//! Splits and classes by published lists.

use super::*;

/// Pictures of five classes of two.
fn pictures(place: impl Fn(&str, usize) -> String) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for (class, name) in ["ant", "bee", "cat", "dog", "eel"].into_iter().enumerate() {
        files.extend((0..2).map(|i| (place(name, i), drawing(class, i))));
    }
    files
}

fn text(name: &str, text: &str) -> (String, Vec<u8>) {
    (name.to_owned(), text.as_bytes().to_vec())
}

const SPLIT: [&str; 4] = ["train:ant", "train:bee", "validation:cat", "test:dog"];

#[test]
fn lists_of_classes_or_pictures_split_a_set() {
    let in_folders = |name: &str, i: usize| format!("data/{name}/{i}.png");
    let flat = |name: &str, i: usize| format!("images/{name}{i}.png");
    let table = |classes: &[&str]| -> String {
        let rows = classes.iter().flat_map(|class| (0..2).map(move |i| format!("{class}{i}.png,{class}\n")));
        "filename,label\n".to_owned() + &rows.collect::<String>()
    };
    let json = |names: &[&str]| {
        let paths: Vec<_> = names
            .iter()
            .flat_map(|name| (0..2).map(move |i| format!("/home/x/data/{name}/{i}.png")))
            .collect();
        let labels: Vec<_> = (0..2 * names.len()).map(|i| i / 2).collect();
        serde_json::json!({ "label_names": names, "image_names": paths, "image_labels": labels }).to_string()
    };
    for (what, files, lists) in [
        (
            "CIFAR-FS",
            pictures(in_folders),
            vec![
                text("splits/train.txt", "ant\nbee\n"),
                text("splits/val.txt", "cat\n"),
                text("splits/test.txt", "dog\n"),
            ],
        ),
        (
            "miniImageNet",
            pictures(flat),
            vec![
                text("train.csv", &table(&["ant", "bee"])),
                text("val.csv", &table(&["cat"])),
                text("test.csv", &table(&["dog"])),
            ],
        ),
        (
            "CUB",
            pictures(in_folders),
            vec![
                text("base.json", &json(&["ant", "bee"])),
                text("val.json", &json(&["cat"])),
                text("novel.json", &json(&["dog"])),
            ],
        ),
        (
            "one of all",
            pictures(in_folders),
            vec![text("split.json", r#"{"train": ["ant", "bee"], "val": ["cat"], "test": ["dog"]}"#)],
        ),
        (
            "one table",
            pictures(in_folders),
            vec![text("splits.csv", "class;set\nant;train\nbee;train\ncat;val\ndog;test\n")],
        ),
    ] {
        let dir = temp();
        let all = [files, lists].concat();
        unpack(&dir.path().join("in"), &all);
        fs::write(dir.path().join("in.zip"), zip(&all)).unwrap();
        for from in ["in", "in.zip"] {
            let (done, out, err) = import(dir.path(), &["set", from]);
            assert!(done, "{what}: {err}");
            assert_eq!(classes(dir.path(), "set"), SPLIT, "{what}: {out}{err}");
            assert!(err.contains("left out, as in no list: 2 pictures"), "{what}: {err}");
            assert!(!err.contains("as no pictures"), "{what}: {err}");
        }
    }
}

#[test]
fn lists_are_named_where_there_are_several_and_say_what_is_missing() {
    let dir = temp();
    let mut files = pictures(|name, i| format!("data/{name}/{i}.png"));
    for (folder, test) in [("splits/one", "dog\n"), ("splits/two", "dog\neel\n")] {
        files.push(text(&format!("{folder}/train.txt"), "ant\nbee\n"));
        files.push(text(&format!("{folder}/val.txt"), "cat\n"));
        files.push(text(&format!("{folder}/test.txt"), test));
    }
    files.push(text("other/train.txt", "ant\nbee\nlynx\nfox\n"));
    files.push(text("other/test.txt", "cat\n"));
    files.push(text("other/nothing.txt", "zebra\nyak\n"));
    unpack(&dir.path().join("in"), &files);
    let (done, _, err) = import(dir.path(), &["set", "in"]);
    assert!(!done, "{err}");
    for from in ["splits/one", "in/splits/one"] {
        let (done, _, err) = import(dir.path(), &["set", "in", "--lists", from]);
        assert!(done, "{err}");
        assert_eq!(classes(dir.path(), "set"), SPLIT);
    }
    let (done, _, err) = import(
        dir.path(),
        &["set", "in", "--lists", "in/splits/two/test.txt", "--lists", "in/splits/two/train.txt"],
    );
    assert!(done && err.contains("there are no classes for validation"), "{err}");
    assert_eq!(classes(dir.path(), "set"), ["train:ant", "train:bee", "test:dog", "test:eel"]);

    let other = ["set", "in", "--lists", "other/train.txt", "--lists", "other/test.txt"];
    let (done, _, err) = import(dir.path(), &other);
    assert!(
        !done && err.contains("2 lines name what is not there: `lynx`, `fox`") && err.contains("--skip-bad"),
        "{err}"
    );
    let (done, _, err) = import(dir.path(), &[&other[..], &["--skip-bad"]].concat());
    assert!(done && err.contains("`lynx`, `fox`"), "{err}");
    for (lists, words) in [("other/nothing.txt", "names none of the pictures"), ("no/such", "is no list")] {
        let (done, _, err) = import(dir.path(), &["set", "in", "--lists", lists]);
        assert!(!done && err.contains(words), "{err}");
    }
    let check = data(dir.path(), &["check", "in", "--lists", "splits/one"]).output().unwrap();
    let said = String::from_utf8(check.stdout).unwrap();
    for words in [
        "classes by lists: `splits/one/test.txt`",
        "train: 2 classes of 2 pictures: `ant`, `bee`",
        "105 × 105",
    ] {
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn a_table_of_labels_gives_flat_pictures_their_classes() {
    let dir = temp();
    let mut files = pictures(|name, i| format!("train/{}{i}.png", &name[..1]));
    let rows: String = ["ant", "bee", "cat", "dog", "eel"]
        .iter()
        .flat_map(|name| (0..2).map(move |i| format!("{}{i},{name}\n", &name[..1])))
        .collect();
    files.push(text("labels.csv", &format!("id,breed\n{rows}")));
    unpack(&dir.path().join("dogs"), &files);
    let (done, _, err) = import(dir.path(), &["dogs", "dogs", "--split", "3,1,1"]);
    assert!(done, "{err}");
    let mut names: Vec<_> =
        classes(dir.path(), "dogs").iter().map(|c| c.split_once(':').unwrap().1.to_owned()).collect();
    names.sort();
    assert_eq!(names, ["ant", "bee", "cat", "dog", "eel"]);
}

/// A table of all pictures that says their splits is a list, whatever it is called.
#[test]
fn a_table_of_all_pictures_with_their_splits_need_not_be_called_so() {
    let dir = temp();
    let files = pictures(|name, i| format!("img/{name}/{i}.png"));
    let split = |name: &str| match name {
        "ant" | "bee" => "train",
        "cat" => "valid",
        _ => "test",
    };
    let rows: String = (files.iter())
        .map(|(path, _)| (path, path.split('/').nth(1).unwrap()))
        .map(|(path, class)| format!("{path},{class},{}\n", split(class)))
        .collect();
    let meta = text("meta.csv", &format!("path,kind,part\n{rows}"));
    unpack(&dir.path().join("in"), &[files, vec![meta]].concat());
    let (done, out, err) = import(dir.path(), &["set", "in"]);
    assert!(done && out.contains("2 train, 1 validation, ") && err.contains("`meta.csv`"), "{out}{err}");
    // One that leaves pictures out is not taken for the split of all.
    fs::write(dir.path().join("in/meta.csv"), format!("path,kind,part\n{}", rows.lines().next().unwrap()))
        .unwrap();
    let (done, _, err) = import(dir.path(), &["other", "in"]);
    assert!(done && !err.contains("by lists"), "{err}");
}
