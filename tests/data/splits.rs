//! Splits by folders, archives, and how deep classes lie.

use super::*;
use predicates::str::contains;

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
        ["Seen", "val", "Unseen"],
        ["meta_train", "meta-val", "metatest"],
        ["train_images", "val_images", "test_images"],
        ["01-train", "02-valid", "03-test"],
        ["birds--Train", "birds--eval", "birds--Test"],
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
    // A list of classes with their splits, whatever it is called.
    unpack(&dir.path().join("said"), &folders(&["all/ant", "all/bee", "all/cat", "all/dog"]));
    let list = "class,split\nant,test\nbee,train\ncat,val\ndog,train\n";
    fs::write(dir.path().join("said/classes.csv"), list).unwrap();
    images(&["said", "said"]).success().stdout(contains("classes: 2 train, 1 validation, 1 test"));
    assert_eq!(classes(dir.path(), "said"), ["train:bee", "train:dog", "validation:cat", "test:ant"]);
}

#[test]
fn a_bad_picture_names_the_way_on_and_names_without_endings_are_looked_into() {
    let dir = temp();
    let mut files = folders(&["ant", "bee", "cat"]);
    files.push(("ant/cut.png".to_owned(), files[0].1[..40].to_vec()));
    unpack(&dir.path().join("in"), &files);
    let (done, _, err) = import(dir.path(), &["x", "in"]);
    assert!(!done && err.contains("cut.png") && err.contains("; --skip-bad leaves it out"), "{err}");
    let bare: Vec<_> = folders(&["ant", "bee", "cat"])
        .into_iter()
        .map(|(name, bytes)| (name.replace(['.'], "-"), bytes))
        .collect();
    unpack(&dir.path().join("bare"), &bare);
    let (done, out, err) = import(dir.path(), &["y", "bare", "--background", "white"]);
    assert!(done && out.contains("6 images"), "{out}{err}");
}

#[test]
fn archives_of_folders_are_read_as_the_folders_are() {
    let dir = temp();
    let files = folders(&["train/ant", "train/bee", "val/cat", "test/dog"]);
    unpack(&dir.path().join("in"), &files);
    let (done, ..) = import(dir.path(), &["plain", "in"]);
    assert!(done);
    let plain = set(dir.path(), "plain");
    let below: Vec<_> =
        files.iter().map(|(name, bytes)| (format!("./deep/down/{name}"), bytes.clone())).collect();
    fs::write(dir.path().join("a.zip"), zip(&files)).unwrap();
    fs::write(dir.path().join("a.tar"), tar(&files)).unwrap();
    fs::write(dir.path().join("a.tar.gz"), gzip(&tar(&below))).unwrap();
    // An archive for each split.
    for split in ["train", "val", "test"] {
        let of: Vec<_> = (files.iter())
            .filter_map(|(name, bytes)| {
                Some((name.strip_prefix(&format!("{split}/"))?.to_owned(), bytes.clone()))
            })
            .collect();
        fs::create_dir_all(dir.path().join("parts")).unwrap();
        fs::write(dir.path().join(format!("parts/birds-{split}.zip")), zip(&of)).unwrap();
    }
    for path in ["a.zip", "a.tar", "a.tar.gz", "parts"] {
        let (done, _, err) = import(dir.path(), &["plain", path]);
        assert!(done, "{path}: {err}");
        assert_eq!(set(dir.path(), "plain").checksum(), plain.checksum(), "{path}");
    }
    let (_, _, err) = import(dir.path(), &["plain", "a.tar.gz"]);
    assert!(err.contains("all pictures lie below `deep/down`"), "{err}");
}

#[test]
fn archives_that_are_none_or_mean_harm_are_refused_by_name() {
    let dir = temp();
    let good = folders(&["ant", "bee", "cat"]);
    let whole = gzip(&tar(&good));
    let mut link = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    link.append_link(&mut header, "ant/z.png", "/etc/passwd").unwrap();
    let mut climbing = tar(&[("xx/ant/a.png".to_owned(), vec![1])]);
    climbing[..2].copy_from_slice(b"..");
    let sum: u32 =
        climbing[..148].iter().chain(&climbing[156..512]).map(|&b| u32::from(b)).sum::<u32>() + 8 * 32;
    climbing[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xff;
    for (name, bytes, words) in [
        ("cut.tgz", whole[..whole.len() / 2].to_vec(), "damaged"),
        ("flipped.tgz", flipped, "damaged"),
        ("text.tgz", gzip(b"hello"), "tar archive"),
        ("link.tar", link.into_inner().unwrap(), "`ant/z.png` is a link"),
        ("climbing.tar", climbing, "leads out of the archive"),
        ("some.7z", b"7z\xbc\xaf\x27\x1c".to_vec(), "is a 7z archive"),
        ("some.tar.xz", b"\xfd7zXZ\0".to_vec(), "packed by xz"),
        ("some.pkl", b"\x80\x04\x95".to_vec(), "Python pickle"),
        ("some.txt", b"ant bee cat".to_vec(), "is no folder, no zip archive"),
        ("none.zip", zip(&[("readme.md".to_owned(), vec![1])]), "holds no pictures"),
    ] {
        fs::write(dir.path().join(name), bytes).unwrap();
        let (done, _, err) = import(dir.path(), &["x", name]);
        assert!(!done && err.contains(name) && err.contains(words), "{name}: {err}");
    }
    fs::create_dir(dir.path().join("packed")).unwrap();
    fs::write(dir.path().join("packed/images_background.zip"), zip(&good)).unwrap();
    let (_, _, err) = import(dir.path(), &["x", "packed"]);
    assert!(err.contains("data import omniglot packed"), "{err}");
    assert_eq!(made(dir.path()), Vec::<PathBuf>::new());
}

#[test]
fn classes_below_other_folders_are_found() {
    let dir = temp();
    // A folder of alphabets, and folders around everything with others beside them.
    let alphabets = ["Greek/alpha", "Greek/beta", "Latin/a", "Latin/b"].map(|name| format!("{name}/x"));
    let mut files: Vec<_> = alphabets
        .iter()
        .flat_map(|name| {
            let color = [name.len() as u8 * 9, 3, 200];
            let picture = photo(9, 9, color, [name.as_bytes()[7]; 3], image::ImageFormat::Png);
            [(format!("{name}1.png"), picture.clone()), (format!("{name}2.png"), picture)]
        })
        .collect();
    unpack(&dir.path().join("alphabets"), &files);
    let (done, _, err) = import(dir.path(), &["a", "alphabets", "--split", "2,1,1"]);
    assert!(done && err.contains("--class-level 1"), "{err}");
    let mut names =
        classes(dir.path(), "a").iter().map(|c| c.split_once(':').unwrap().1.to_owned()).collect::<Vec<_>>();
    names.sort();
    assert_eq!(names, ["Greek/alpha", "Greek/beta", "Latin/a", "Latin/b"]);
    let (done, _, err) = import(dir.path(), &["a", "alphabets", "--class-level", "1"]);
    assert!(!done && err.contains("holds 2 folders of pictures (`Greek`, `Latin`)"), "{err}");
    let (done, _, err) = import(dir.path(), &["a", "alphabets", "--class-level", "0"]);
    assert!(!done && err.contains("--class-level"), "{err}");

    for (name, _) in &mut files {
        *name = format!("CUB/images/{}", name.replacen('/', ".", 1));
    }
    files.push(("CUB/attributes/list.txt".to_owned(), vec![b'a']));
    files.push(("CUB/images/preview.png".to_owned(), photo(4, 4, [1; 3], [2; 3], image::ImageFormat::Png)));
    unpack(&dir.path().join("cub"), &files);
    let (done, _, err) = import(dir.path(), &["b", "cub"]);
    assert!(done, "{err}");
    assert!(
        err.contains("all pictures lie below `CUB/images`") && err.contains("e.g. `CUB/images/preview.png`"),
        "{err}"
    );
    assert_eq!(set(dir.path(), "b").classes().len(), 4);

    unpack(
        &dir.path().join("flat"),
        &(0..6).map(|i| (format!("{i}.png"), drawing(i, 0))).collect::<Vec<_>>(),
    );
    let (done, _, err) = import(dir.path(), &["c", "flat"]);
    assert!(!done && err.contains("--lists FILE"), "{err}");
}
