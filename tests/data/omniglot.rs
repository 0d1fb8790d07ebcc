//! Omniglot, from its archives and folders, however packed.

use super::*;
use fastweights::data::Split;
use predicates::prelude::*;
use predicates::str::contains;

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
        import(&["all.zip"]).stderr(contains("as no pictures: 3 files"));
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
        ("text", bad(b"not a picture".to_vec()), &["0099_01.png", "no picture that is read"]),
        ("nothing", bad(vec![]), &["0099_01.png", "no picture that is read"]),
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

/// Packed anew as tar, white on black, or one folder deeper.
#[test]
fn omniglot_repacked_inverted_or_deeper_is_known_for_what_it_is() {
    let dir = temp();
    archives(dir.path());
    let import = |path: &str| data(dir.path(), &["import", "omniglot", "--force", path]).assert();
    import(".").success();
    let first = set(dir.path(), "omniglot");
    let files = [part("images_background", 0..6), part("images_evaluation", 6..10)].concat();
    fs::write(dir.path().join("all.tar"), tar(&files)).unwrap();
    fs::write(dir.path().join("all.tgz"), gzip(&tar(&files))).unwrap();
    for path in ["all.tar", "all.tgz"] {
        import(path).success();
        assert_eq!(set(dir.path(), "omniglot"), first, "{path}");
    }

    let inverted: Vec<_> = (files.iter())
        .map(|(name, bytes)| {
            let mut picture = image::load_from_memory(bytes).unwrap();
            picture.invert();
            let mut bytes = Cursor::new(Vec::new());
            picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
            (name.clone(), bytes.into_inner())
        })
        .collect();
    fs::write(dir.path().join("inverted.zip"), zip(&inverted)).unwrap();
    import("inverted.zip").success().stderr(contains("white on black"));
    assert_eq!(set(dir.path(), "omniglot"), first);

    // Rotations as folders: `Greek/character00/rot000` and `Latin/character00/rot000` are two classes.
    let deeper: Vec<_> = (0..3)
        .flat_map(|class| {
            ["Greek", "Latin"].into_iter().flat_map(move |alphabet| {
                (0..2).map(move |i| {
                    (
                        format!("{alphabet}/character{class:02}/rot{:03}/{i}.png", 90 * (i % 2)),
                        drawing(class, i),
                    )
                })
            })
        })
        .collect();
    let twice = |(name, bytes): &(String, Vec<u8>)| (name.replace(".png", "b.png"), bytes.clone());
    let deeper = [deeper.iter().map(twice).collect(), deeper].concat();
    fs::write(dir.path().join("deeper.zip"), zip(&deeper)).unwrap();
    import("deeper.zip")
        .code(1)
        .stderr(contains("more folders than alphabet").and(contains("import images")));
    let run =
        data(dir.path(), &["import", "images", "deep", "deeper.zip", "--size", "28", "--gray", "--invert"]);
    let mut run = run;
    run.assert().success().stderr(contains("3 levels down, e.g. `Greek/character00/rot000`"));
    let deep = set(dir.path(), "deep");
    assert_eq!((deep.classes().len(), deep.channels()), (12, 1));
    assert!(deep.image(0)[0] < 20, "paper is 0");
}
