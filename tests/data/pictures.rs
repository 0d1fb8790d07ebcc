//! Pictures of any kind, and what is bad among them.

use super::*;
use predicates::prelude::*;
use predicates::str::contains;

#[test]
fn folders_of_pictures_become_sets() {
    let dir = temp();
    unpack(&dir.path().join("flat"), &folders(&["ant", "bee", "cat", "dog", "eel"]));
    unpack(&dir.path().join("flat"), &[("ant/notes.txt".into(), vec![1]), (".cache/x.png".into(), vec![1])]);
    let images = |arguments: &[&str]| data(dir.path(), &[&["import", "images"], arguments].concat()).assert();
    let run = images(&["pets", "flat", "--size", "10", "--split", "3,1,1", "--seed", "5"]).success();
    run.stdout(contains("10 images of 10 × 10, color; classes: 3 train, 1 validation, 1 test"))
        .stderr(contains("as no pictures: 1 file\n"));
    let pets = set(dir.path(), "pets");
    let ant = pets.classes().iter().find(|c| c.name == "ant").unwrap();
    // The middle square of the first picture: its left half green, its right half black, in planes.
    let (image, plane) = (pets.image(ant.first), 100);
    assert!(image[plane + 52] > 200 && image[plane + 57] < 30 && image[52] < 30, "{image:?}");
    images(&["gray", "flat", "--size", "7", "--gray"]).success().stdout(contains("gray"));
    assert_eq!(set(dir.path(), "gray").channels(), 1);
    unpack(&dir.path().join("cut"), &folders(&["train/ant", "train/bee", "val/cat", "test/dog"]));
    images(&["cut", "cut", "--size", "8"]).success().stdout(contains("2 train, 1 validation, 1 test"));
    let cut = set(dir.path(), "cut");
    assert_eq!(cut.classes()[2].name, "cat");
    fs::rename(dir.path().join("cut/val"), dir.path().join("cut/validation")).unwrap();
    images(&["cut", "cut", "--size", "8", "--force"]).success();
    assert_eq!(set(dir.path(), "cut"), cut);
    images(&["cut", "cut", "--size", "8", "--force", "--split", "1,1,1"]).code(2).stderr(contains("--split"));
}

#[test]
fn pictures_of_any_kind_are_read_and_bad_ones_left_out_by_choice() {
    use image::ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff, WebP};
    let dir = temp();
    let images = |arguments: &[&str]| data(dir.path(), &[&["import", "images"], arguments].concat()).assert();
    let mut files = Vec::new();
    for (format, ending) in
        [(Bmp, "bmp"), (Gif, "gif"), (Tiff, "tif"), (WebP, "webp"), (Jpeg, "jfif"), (Png, "jpg")]
    {
        let color = photo(8, 8, [200, 10, 90], [5, 250, 30], format);
        files.push((format!("{ending}/a.{ending}"), color.clone()));
        files.push((format!("{ending}/b.{ending}"), color));
    }
    unpack(&dir.path().join("kinds"), &files);
    unpack(&dir.path().join("kinds"), &[("bmp/c.png".to_owned(), photo(8, 8, [9; 3], [99, 0, 0], Png))]);
    images(&["kinds", "kinds", "--size", "8"]).success().stdout(contains("13 images"));
    let kinds = set(dir.path(), "kinds");
    for class in kinds.classes() {
        let image = kinds.image(class.first);
        assert!(image[0].abs_diff(200) < 60 && image[7].abs_diff(5) < 60, "{}: {image:?}", class.name);
    }

    // Ink in the alpha channel alone, on white or on what is asked for; grey pictures make a grey set.
    let ink = |left: u32| {
        let picture =
            image::RgbaImage::from_fn(6, 6, |x, _| image::Rgba([0, 0, 0, if x < left { 255 } else { 0 }]));
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, Png).unwrap();
        bytes.into_inner()
    };
    let icons: Vec<_> = (0..6).map(|i| (format!("c{}/{i}.png", i / 2), ink(1 + i % 3))).collect();
    unpack(&dir.path().join("icons"), &icons);
    images(&["icons", "icons", "--size", "6"])
        .success()
        .stderr(contains("one channel"))
        .stdout(contains("gray"));
    let icons = set(dir.path(), "icons");
    let first = icons.classes().iter().find(|class| class.name == "c0").unwrap().first;
    assert_eq!(icons.image(first)[..6], [0, 255, 255, 255, 255, 255]);
    images(&["black", "icons", "--size", "6", "--background", "000000"])
        .code(1)
        .stderr(contains("all the same"));
    images(&["red", "icons", "--size", "6", "--background", "#ff0000"]).success().stdout(contains("color"));

    // A picture cut in half, an empty class and a lone picture are named, and left out where that is asked for.
    let mut files = folders(&["ant", "bee", "cat", "dog"]);
    let whole = photo(64, 64, [250, 0, 0], [0, 0, 250], Jpeg);
    files.push(("ant/half.jpg".to_owned(), whole[..whole.len() / 2].to_vec()));
    unpack(&dir.path().join("bad"), &files);
    images(&["bad", "bad", "--size", "8"]).code(1).stderr(contains("half.jpg").and(contains("was cut")));
    unpack(
        &dir.path().join("bad"),
        &[("none/a.txt".to_owned(), vec![]), ("lone/a.png".to_owned(), photo(4, 4, [1; 3], [2; 3], Png))],
    );
    images(&["bad", "bad", "--size", "8", "--skip-bad"])
        .success()
        .stderr(contains("half.jpg").and(contains("the class `lone`")))
        .stdout(contains("8 images"));
    let check = data(dir.path(), &["check", "bad"]).assert().success();
    check.stdout(contains("half.jpg").and(contains("2 classes of 2 pictures: `ant`, `dog`")));
}

#[test]
fn folders_that_are_no_sets_are_refused_by_name() {
    for (extra, arguments, code, words) in [
        (
            ("lone/a.png", photo(4, 4, [1; 3], [2; 3], image::ImageFormat::Png)),
            &[][..],
            1,
            &["`lone`", "two"][..],
        ),
        (("none/a.txt", vec![]), &[], 1, &["none", "no pictures (PNG", "--skip-bad"]),
        (("ant/c.png", b"text".to_vec()), &[], 1, &["c.png", "no picture that is read (PNG, JPEG"]),
        (("ant/c.txt", vec![]), &["--size", "0"], 2, &["--size"]),
        (("ant/c.txt", vec![]), &["--size", "4000"], 2, &["--size", "1024"]),
        (("ant/c.txt", vec![]), &["--split", "1,2"], 2, &["--split", "three"]),
        (("ant/c.txt", vec![]), &["--split", "0,0,0"], 2, &["--split"]),
    ] {
        let dir = temp();
        unpack(&dir.path().join("in"), &folders(&["ant", "bee", "cat"]));
        unpack(&dir.path().join("in"), &[(extra.0.to_owned(), extra.1)]);
        let size = if arguments.contains(&"--size") { &[][..] } else { &["--size", "6"] };
        let run = data(dir.path(), &[&["import", "images", "x", "in"], arguments, size].concat())
            .assert()
            .code(code);
        let text = String::from_utf8(run.get_output().stderr.clone()).unwrap();
        for word in words {
            assert!(text.contains(word), "{arguments:?}: {text}, without {word}");
        }
        assert_eq!(made(dir.path()), Vec::<PathBuf>::new());
    }
    let dir = temp();
    unpack(&dir.path().join("two"), &folders(&["ant", "bee"]));
    unpack(&dir.path().join("both"), &folders(&["train/ant", "train/bee", "test/ant"]));
    unpack(&dir.path().join("beside"), &folders(&["train/ant", "train/bee", "extra/cat"]));
    for (name, from, code, word) in [
        ("x", "two", 1, "three classes"),
        ("x", "both", 1, "--split classes"),
        ("x", "beside", 1, "beside the folder of training"),
        ("x", "missing", 1, "missing"),
        ("../x", "two", 2, "NAME"),
        ("glyphs", "two", 2, "NAME"),
    ] {
        let run = data(dir.path(), &["import", "images", name, from, "--size", "6"]).assert().code(code);
        run.stderr(contains(word));
    }
    assert_eq!(made(dir.path()), Vec::<PathBuf>::new());
}

/// A class of pictures in a format that is not read, an empty one, and one of grey maps, which are.
#[test]
fn formats_that_are_not_read_are_named_and_what_becomes_empty_too() {
    let dir = temp();
    let images = |arguments: &[&str]| data(dir.path(), &[&["import", "images"], arguments].concat()).assert();
    unpack(&dir.path().join("in"), &folders(&["ant", "bee", "cat"]));
    for shade in [10, 200] {
        let grey = format!("P2 3 3 255\n{}", format!("{shade} 0 0\n").repeat(3));
        unpack(&dir.path().join("in"), &[(format!("map/{shade}.pgm"), grey.into_bytes())]);
    }
    images(&["maps", "in", "--size", "4"]).success().stdout(contains("8 images"));
    let phone = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".to_vec();
    unpack(&dir.path().join("in"), &[("phone/a.heic".into(), phone), ("void/notes.txt".into(), vec![])]);
    unpack(&dir.path().join("in"), &[("raw/a.dng".into(), b"II*\0".to_vec())]);
    images(&["some", "in", "--size", "4"]).code(1).stderr(contains("`void`"));
    fs::remove_dir_all(dir.path().join("in/void")).unwrap();
    images(&["some", "in", "--size", "4"]).code(1).stderr(contains("a.heic").or(contains("a.dng")));
    fs::create_dir(dir.path().join("in/void")).unwrap();
    let some = images(&["some", "in", "--size", "4", "--skip-bad", "--quiet"]).success();
    let said = String::from_utf8(some.get_output().stderr.clone()).unwrap();
    for words in ["HEIC", "raw picture", "class `phone`", "class `raw`", "`void`"] {
        assert!(said.contains(words), "{said}, without {words}");
    }
    let classes = |name: &str| {
        let mut all: Vec<_> =
            set(dir.path(), name).classes().iter().map(|class| (class.name.clone(), class.count)).collect();
        all.sort();
        all
    };
    assert_eq!(classes("some"), classes("maps"));
}
