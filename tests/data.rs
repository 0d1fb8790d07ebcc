//! Image sets as a person makes them: the command line, archives of every kind, and a small server.

use assert_cmd::Command;
use fastweights::data::{ImageSet, Split};
use predicates::prelude::*;
use predicates::str::contains;
use std::fs;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The program, with its own data directory `sets` in `dir`.
fn data(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("fastweights").expect("the program is built");
    command.current_dir(dir).env("FASTWEIGHTS_DATA", dir.join("sets")).arg("data").args(arguments);
    command
}

fn temp() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// A set that an import made.
fn set(dir: &Path, name: &str) -> ImageSet {
    ImageSet::read(dir.join("sets").join(format!("{name}.safetensors"))).expect("a packed set")
}

/// What lies in the data directory.
fn made(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join("sets")).into_iter().flatten();
    entries.map(|e| e.expect("an entry").path()).collect()
}

/// A drawing as Omniglot has them: 105 × 105 pixels of 1 bit, paper 1, a bar of ink 0 whose place tells the class
/// (its column) and the drawer (its length).
fn drawing(class: usize, drawer: usize) -> Vec<u8> {
    let (side, row) = (105, 105_usize.div_ceil(8));
    let mut bits = vec![0xff_u8; side * row];
    for y in 10..40 + 2 * drawer {
        for x in 10 + 7 * class..16 + 7 * class {
            bits[y * row + x / 8] &= !(0x80 >> (x % 8));
        }
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side as u32, side as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    encoder.write_header().unwrap().write_image_data(&bits).unwrap();
    bytes
}

/// Files of one part, as published: `classes` characters of two alphabets, 4 drawings each.
fn part(name: &str, classes: std::ops::Range<usize>) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for class in classes {
        let alphabet = if class % 2 == 0 { "Greek" } else { "Braille" };
        for drawer in 0..4 {
            let path = format!("{name}/{alphabet}/character{class:02}/{class:04}_{:02}.png", drawer + 1);
            files.push((path, drawing(class, drawer)));
        }
    }
    files
}

fn zip(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        let options = zip::write::SimpleFileOptions::default();
        if name.ends_with('/') {
            writer.add_directory(name.as_str(), options).unwrap();
        } else {
            writer.start_file(name.as_str(), options).unwrap();
            writer.write_all(bytes).unwrap();
        }
    }
    writer.finish().unwrap().into_inner()
}

/// Both archives in `dir`.
fn archives(dir: &Path) {
    fs::write(dir.join("images_background.zip"), zip(&part("images_background", 0..6))).unwrap();
    fs::write(dir.join("images_evaluation.zip"), zip(&part("images_evaluation", 6..10))).unwrap();
}

fn unpack(dir: &Path, files: &[(String, Vec<u8>)]) {
    for (name, bytes) in files {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

#[test]
fn omniglot_comes_out_the_same_from_archives_and_folders_in_any_order() {
    let dir = temp();
    archives(dir.path());
    let import = |arguments: &[&str]| {
        data(dir.path(), &["import", "omniglot", "--force"]).args(arguments).assert().success()
    };
    let run = import(&["images_background.zip", "images_evaluation.zip"]);
    run.stdout(contains("40 images of 28 × 28").and(contains("6 train, 1 validation, 3 test")))
        .stderr(contains("10 characters instead of Omniglot's 1623").and(contains("20 drawings")));
    let first = set(dir.path(), "omniglot");
    assert_eq!((first.images(), first.channels(), first.side()), (40, 1, 28));
    import(&["images_evaluation.zip", "images_background.zip"]);
    assert_eq!(set(dir.path(), "omniglot"), first);
    import(&["."]);
    assert_eq!(set(dir.path(), "omniglot"), first);
    // Other tops, other orders, and what file systems leave behind.
    let mut files = part("images_background", 0..6);
    files.extend(part("images_evaluation", 6..10));
    files.reverse();
    for prefix in ["", "omniglot/python/"] {
        let mut renamed = files.clone();
        for (name, _) in &mut renamed {
            let rest = name.split_once('/').unwrap().1.to_owned();
            *name = format!("{prefix}{rest}");
        }
        renamed.insert(0, (format!("{prefix}Greek/"), vec![]));
        renamed.push((format!("{prefix}Greek/.DS_Store"), vec![1]));
        renamed.push((format!("__MACOSX/{prefix}Greek/character00/._0000_01.png"), vec![2]));
        renamed.push(("README.md".into(), vec![3]));
        fs::write(dir.path().join("all.zip"), zip(&renamed)).unwrap();
        import(&["all.zip"]).stderr(contains("3 files that are no pictures"));
        assert_eq!(set(dir.path(), "omniglot"), first);
    }
    unpack(&dir.path().join("unpacked"), &files);
    fs::write(dir.path().join("unpacked/.DS_Store"), "x").unwrap();
    for place in ["unpacked", "unpacked/images_background"] {
        import(&[place]);
        assert_eq!(set(dir.path(), "omniglot") == first, place == "unpacked", "{place}");
    }
    import(&["unpacked/images_background", "unpacked/images_evaluation"]);
    assert_eq!(set(dir.path(), "omniglot").checksum(), first.checksum());
    import(&["unpacked", "--seed", "1"]);
    assert_ne!(set(dir.path(), "omniglot").checksum(), first.checksum());
}

#[test]
fn omniglot_is_ink_on_nothing_upright_and_sorted_by_drawer() {
    let dir = temp();
    archives(dir.path());
    data(dir.path(), &["import", "omniglot", "."]).assert().success();
    let set = set(dir.path(), "omniglot");
    let names = |split| set.classes()[set.split(split)].iter().map(|c| c.name.clone()).collect::<Vec<_>>();
    for split in Split::ALL {
        assert!(names(split).is_sorted(), "{split}");
    }
    for class in set.classes() {
        let number: usize = class.name[class.name.len() - 2..].parse().unwrap();
        let mut before = 0;
        for drawer in 0..class.count {
            let image = set.image(class.first + drawer);
            let ink = |x: usize, y: usize| image[y * 28 + x];
            // The bar's middle, at (13 + 7 class) · 28 / 105, and a place right of it.
            let x = (13 + 7 * number) * 28 / 105;
            assert!(ink(x, 6) > 200 && ink((x + 4) % 28, 6) < 20 && ink(x, 0) < 20, "{class:?} {drawer}");
            // Drawers draw longer and longer bars.
            let total = image.iter().map(|&p| u32::from(p)).sum::<u32>();
            assert!(total > before, "{class:?} {drawer}");
            before = total;
        }
    }
    let again = data(dir.path(), &["import", "omniglot", "."]).assert().code(1);
    again.stderr(contains("omniglot.safetensors").and(contains("--force")));
}

/// Every one of these must name its file and leave nothing behind.
#[test]
fn hostile_and_damaged_archives_are_refused_by_name() {
    let good = part("images_background", 0..4);
    let with = |name: &str, bytes: Vec<u8>| zip(&[&good[..], &[(name.to_owned(), bytes)]].concat());
    let one = "images_background/Greek/character99/0099_01.png";
    // Beside a sound one, as a class of one picture is refused for that alone.
    let bad = |bytes: Vec<u8>| {
        let sound = ("images_background/Greek/character99/0099_02.png".to_owned(), drawing(0, 0));
        zip(&[&good[..], &[sound, (one.to_owned(), bytes)]].concat())
    };
    // A header that declares 200,000 × 200,000 pixels; its check sum is right.
    let mut vast = drawing(0, 0);
    vast[16..24].copy_from_slice(&[0, 3, 13, 64, 0, 3, 13, 64]);
    let sum = crc32(&vast[12..29]);
    vast[29..33].copy_from_slice(&sum.to_be_bytes());
    let mut cut = drawing(0, 0);
    cut.truncate(cut.len() - 30);
    let whole = zip(&good);
    // An entry that declares few bytes and unpacks to many.
    let mut bomb = with(one, vec![0; 5 << 20]);
    let size = (5_u32 << 20).to_le_bytes();
    let mut patched = 0;
    for at in 0..bomb.len() - 4 {
        if bomb[at..at + 4] == size {
            bomb[at..at + 4].copy_from_slice(&100_u32.to_le_bytes());
            patched += 1;
        }
    }
    assert!(patched >= 1);
    // The directory names one file twice.
    let mut twice = with("images_background/Greek/character00/0000_99.png", drawing(0, 0));
    for at in 0..twice.len() - 11 {
        if &twice[at..at + 11] == b"0000_99.png" {
            twice[at..at + 11].copy_from_slice(b"0000_01.png");
        }
    }
    let nested = "x/images_background/Greek/character00/0000_01.png";
    let many = (0..200_001).map(|i| (format!("{i}"), vec![])).collect::<Vec<_>>();
    let mut broken = whole.clone();
    broken[80] ^= 0xff;
    for (what, bytes, words) in [
        ("truncated", whole[..whole.len() / 2].to_vec(), &["zip archive"][..]),
        ("empty", vec![], &["zip archive"]),
        ("no zip", b"hello".to_vec(), &["zip archive"]),
        ("no entries", zip(&[]), &["holds 0 characters"]),
        ("declared bomb", with(one, vec![0; 5 << 20]), &["0099_01.png", "4194304"]),
        ("hidden bomb", bomb, &["0099_01.png"]),
        ("parent", with("../Greek/character00/0000_77.png", drawing(0, 0)), &["../Greek", "leads out"]),
        ("absolute", with("/Greek/character00/0000_77.png", drawing(0, 0)), &["/Greek", "leads out"]),
        ("drive", with("C:\\Greek\\character00\\0000_77.png", drawing(0, 0)), &["C:", "leads out"]),
        ("vast", bad(vast), &["0099_01.png", "200000 × 200000"]),
        ("cut picture", bad(cut), &["0099_01.png", "damaged"]),
        ("text", bad(b"not a picture".to_vec()), &["0099_01.png", "no PNG"]),
        ("nothing", bad(vec![]), &["0099_01.png", "no PNG"]),
        ("twice", twice, &["one name"]),
        ("twice, nested", with(nested, drawing(0, 0)), &["0000_01.png", "twice"]),
        ("alone", with(one, drawing(0, 0)), &["0099_01.png", "only picture of the class", "character99"]),
        ("two classes", zip(&part("images_background", 0..2)), &["holds 2 characters", "three"]),
        ("entries", zip(&many), &["200001 entries"]),
        ("flipped", broken, &["entry"]),
    ] {
        let dir = temp();
        fs::write(dir.path().join("bad.zip"), bytes).unwrap();
        let run = data(dir.path(), &["import", "omniglot", "bad.zip"]).assert().code(1);
        let text = String::from_utf8(run.get_output().stderr.clone()).unwrap();
        for word in [&["bad.zip"], words].concat() {
            assert!(text.contains(word), "{what}: {text}, without {word}");
        }
        assert!(!text.contains("panicked"), "{what}: {text}");
        assert_eq!(made(dir.path()), Vec::<PathBuf>::new(), "{what}");
    }
    let dir = temp();
    data(dir.path(), &["import", "omniglot", "none.zip"]).assert().code(1).stderr(contains("none.zip"));
    data(dir.path(), &["import", "omniglot"]).assert().code(2).stderr(contains("PATH"));
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

/// A color picture, left half of one color and right half of another.
fn photo(width: u32, height: u32, left: [u8; 3], right: [u8; 3], format: image::ImageFormat) -> Vec<u8> {
    let picture =
        image::RgbImage::from_fn(width, height, |x, _| image::Rgb(if x < width / 2 { left } else { right }));
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Folders of two pictures each.
fn folders(names: &[&str]) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for (i, name) in names.iter().enumerate() {
        let color = [40 * i as u8, 250, 10];
        files.push((format!("{name}/a.png"), photo(40, 20, color, [0; 3], image::ImageFormat::Png)));
        files.push((format!("{name}/deep/b.JPG"), photo(20, 30, color, color, image::ImageFormat::Jpeg)));
    }
    files
}

#[test]
fn folders_of_pictures_become_sets() {
    let dir = temp();
    unpack(&dir.path().join("flat"), &folders(&["ant", "bee", "cat", "dog", "eel"]));
    unpack(&dir.path().join("flat"), &[("ant/notes.txt".into(), vec![1]), (".cache/x.png".into(), vec![1])]);
    let images = |arguments: &[&str]| data(dir.path(), &[&["import", "images"], arguments].concat()).assert();
    let run = images(&["pets", "flat", "--size", "10", "--split", "3,1,1", "--seed", "5"]).success();
    run.stdout(contains("10 images of 10 × 10, color; classes: 3 train, 1 validation, 1 test"))
        .stderr(contains("1 files that are no pictures"));
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
    check.stdout(contains("half.jpg").and(contains("2 to 2 a class")));
}

#[test]
fn splits_are_known_by_any_of_their_usual_names() {
    let dir = temp();
    let images = |arguments: &[&str]| {
        data(dir.path(), &[&["import", "images", "--size", "8"], arguments].concat()).assert()
    };
    for (i, names) in [
        ["Train", "Val", "Test"],
        ["training", "valid", "testing"],
        ["base", "dev", "novel"],
        ["meta_train", "meta-val", "metatest"],
    ]
    .into_iter()
    .enumerate()
    {
        let [train, val, test] = names;
        let of = |part: &str, class: &str| format!("{part}/{class}");
        let classes = [of(train, "ant"), of(train, "bee"), of(val, "cat"), of(test, "dog")];
        let from = format!("in{i}");
        unpack(&dir.path().join(&from), &folders(&classes.each_ref().map(String::as_str)));
        images(&[&format!("set{i}"), &from])
            .success()
            .stdout(contains("classes: 2 train, 1 validation, 1 test"));
    }
    unpack(
        &dir.path().join("pets"),
        &folders(&["train/ant", "train/bee", "train/cat", "test/ant", "test/bee", "test/cat"]),
    );
    images(&["pets", "pets"]).code(1).stderr(contains("--split classes"));
    images(&["pets", "pets", "--split", "classes"]).success().stdout(contains("12 images"));
    unpack(&dir.path().join("two"), &folders(&["train/ant", "train/bee", "test/cat", "test/dog"]));
    images(&["two", "two"]).success().stderr(contains("validation.every=0"));
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
        (("ant/c.png", b"text".to_vec()), &[], 1, &["c.png", "no PNG, JPEG"]),
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

#[test]
fn sets_are_listed_and_a_missing_one_says_how_to_get_it() {
    let dir = temp();
    data(dir.path(), &["list"])
        .assert()
        .success()
        .stdout(contains("no sets"))
        .stderr(contains("fetch omniglot"));
    data(dir.path(), &["list", "--json"]).assert().success().stdout("[]\n");
    let error = fastweights::data::load("omniglot", Some(&dir.path().join("sets"))).unwrap_err().to_string();
    assert!(error.contains("fetch omniglot") && error.contains("no sets are there"), "{error}");
    archives(dir.path());
    data(dir.path(), &["import", "omniglot", "."]).assert().success();
    data(dir.path(), &["list"]).assert().success().stdout(contains("40 images of 28 × 28"));
    let run = data(dir.path(), &["list", "--json"]).assert().success();
    let rows: serde_json::Value = serde_json::from_slice(&run.get_output().stdout).unwrap();
    assert_eq!((&rows[0]["name"], &rows[0]["classes"]["test"]), (&"omniglot".into(), &3.into()));
    let error = fastweights::data::load("mini", Some(&dir.path().join("sets"))).unwrap_err().to_string();
    assert!(error.contains("import images mini") && error.contains("there: omniglot"), "{error}");
    // Elsewhere, and damaged.
    let sets = dir.path().join("sets");
    let other = data(temp().path(), &["list", "--data"]).arg(&sets).assert().success();
    other.stdout(contains("omniglot"));
    fs::write(sets.join("bad.safetensors"), "bad").unwrap();
    data(dir.path(), &["list"]).assert().success().stdout(contains("bad.safetensors: is damaged"));
}
