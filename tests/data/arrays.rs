//! Pictures in NumPy's arrays.

use super::*;

/// An array as `numpy.save` writes it.
fn npy(descr: &str, shape: &[usize], bytes: &[u8]) -> Vec<u8> {
    let shape: String = shape.iter().map(|n| format!("{n}, ")).collect();
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}\n");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    [&file[..], header.as_bytes(), bytes].concat()
}

/// `numpy.savez` of arrays.
fn npz(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    zip(&arrays.iter().map(|(name, bytes)| (format!("{name}.npy"), bytes.clone())).collect::<Vec<_>>())
}

/// `n` images of 8 × 8 in three colours, the first of value 10 and so on; of planes, colour by colour.
fn images(n: usize, planes: bool) -> Vec<u8> {
    let value = |i: usize| {
        let (image, within) = (i / 192, i % 192);
        let channel = if planes { within / 64 } else { within % 3 };
        (10 * (image + 1) + channel) as u8
    };
    (0..192 * n).map(value).collect()
}

fn numbers(values: &[i64]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// The set's classes with the first red value of each of their images, in tens.
fn told(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let set = set(dir, "set");
    let of = |class: &fastweights::data::ImageClass| {
        let images = (class.first..class.first + class.count).map(|i| {
            let image = set.image(i);
            assert_eq!((image[64] - image[0], image[128] - image[0]), (1, 2), "colours stand in planes");
            image[0] / 10
        });
        (format!("{}:{}", class.split, class.name), images.collect())
    };
    set.classes().iter().map(of).collect()
}

fn row(class: &str, images: &[u8]) -> (String, Vec<u8>) {
    (class.to_owned(), images.to_vec())
}

#[test]
fn images_with_labels_become_a_set() {
    let dir = temp();
    let labels = |of: &[i64]| npy("<i8", &[of.len()], &numbers(of));
    let whole = |n: usize| npy("|u1", &[n, 8, 8, 3], &images(n, false));
    let floats: Vec<u8> =
        images(6, true).iter().flat_map(|&v| (f32::from(v) / 255.0).to_le_bytes()).collect();
    let words: Vec<u8> = "antbeeantbeecatcat".chars().flat_map(|c| (c as u32).to_le_bytes()).collect();
    let classes = [row("train:0", &[1, 3]), row("train:1", &[2, 4]), row("train:2", &[5, 6])];
    for (what, file) in [
        ("labels", npz(&[("images", whole(6)), ("labels", labels(&[0, 1, 0, 1, 2, 2]))])),
        (
            "x and y",
            npz(&[
                ("x", npy("<f4", &[6, 3, 8, 8], &floats)),
                ("y", npy("<i8", &[6, 1], &numbers(&[0, 1, 0, 1, 2, 2]))),
            ]),
        ),
        (
            "places of each class",
            npz(&[
                ("image_data", whole(6)),
                ("0", labels(&[0, 2])),
                ("1", labels(&[1, 3])),
                ("2", labels(&[4, 5])),
            ]),
        ),
        (
            "by split",
            npz(&[
                ("train_images", whole(6)),
                ("train_labels", npy("|u1", &[6], &[0, 1, 0, 1, 2, 2])),
                ("test_images", npy("|u1", &[2, 8, 8, 3], &images(2, false))),
                ("test_labels", npy("|u1", &[2], &[7, 7])),
            ]),
        ),
        ("words", npz(&[("data", whole(6)), ("labels", npy("<U3", &[6], &words))])),
    ] {
        fs::write(dir.path().join("a.npz"), file).unwrap();
        let (done, _, err) = import(dir.path(), &["set", "a.npz", "--split", "1,0,0"]);
        if what == "by split" {
            assert!(!done && err.contains("is split already"), "{err}");
            let (done, _, err) = import(dir.path(), &["set", "a.npz"]);
            assert!(done, "{err}");
            assert_eq!(told(dir.path()), [&classes[..], &[row("test:7", &[1, 2])]].concat(), "{what}");
            continue;
        }
        assert!(done, "{what}: {err}");
        let expected = match what {
            "words" => [row("train:ant", &[1, 3]), row("train:bee", &[2, 4]), row("train:cat", &[5, 6])],
            _ => classes.clone(),
        };
        assert_eq!(told(dir.path()), expected, "{what}");
    }
}

/// What the pickles of miniImageNet hold, a file for each split.
#[test]
fn a_file_for_each_split_is_a_set() {
    let dir = temp();
    fs::create_dir(dir.path().join("mini")).unwrap();
    for (split, names) in [("train", &["n01", "n02"][..]), ("val", &["n03"]), ("test", &["n04", "n05"])] {
        let n = 2 * names.len();
        let mut arrays = vec![("image_data", npy("|u1", &[n, 8, 8, 3], &images(n, false)))];
        for (i, name) in names.iter().enumerate() {
            arrays.push((*name, npy("<i8", &[2], &numbers(&[2 * i as i64, 2 * i as i64 + 1]))));
        }
        fs::write(dir.path().join(format!("mini/mini-imagenet-cache-{split}.npz")), npz(&arrays)).unwrap();
    }
    let (done, _, err) = import(dir.path(), &["set", "mini"]);
    assert!(done, "{err}");
    let expected = [
        row("train:n01", &[1, 2]),
        row("train:n02", &[3, 4]),
        row("validation:n03", &[1, 2]),
        row("test:n04", &[1, 2]),
        row("test:n05", &[3, 4]),
    ];
    assert_eq!(told(dir.path()), expected);
    // Classes in the first dimension.
    let file = npz(&[
        ("train", npy("|u1", &[3, 2, 8, 8, 3], &images(6, false))),
        ("test", npy("|u1", &[1, 2, 8, 8, 3], &images(2, false))),
    ]);
    fs::write(dir.path().join("grouped.npz"), file).unwrap();
    let (done, _, err) = import(dir.path(), &["set", "grouped.npz", "--split", "classes"]);
    assert!(done, "{err}");
    assert_eq!(set(dir.path(), "set").classes().len(), 3);
}

#[test]
fn arrays_that_are_no_pictures_are_refused_by_name() {
    let dir = temp();
    let whole = npy("|u1", &[4, 8, 8, 3], &images(4, false));
    let labels = |of: &[i64]| npy("<i8", &[of.len()], &numbers(of));
    for (what, file, words) in [
        ("no labels", npz(&[("images", whole.clone())]), "and no labels"),
        (
            "too few",
            npz(&[("images", whole.clone()), ("labels", labels(&[1, 2]))]),
            "`labels` has the shape [2]",
        ),
        (
            "beyond",
            npz(&[("images", whole.clone()), ("cat", labels(&[1, 9]))]),
            "`cat` names image 9; there are 0 to 3",
        ),
        (
            "twice",
            npz(&[("images", whole.clone()), ("cat", labels(&[1])), ("dog", labels(&[1]))]),
            "both name image 1",
        ),
        (
            "a pickle",
            npz(&[("images", whole.clone()), ("class_dict", npy("|O", &[], b"\x80\x04"))]),
            "Python objects",
        ),
        (
            "flat",
            npz(&[("images", npy("|u1", &[4, 192], &images(4, false))), ("labels", labels(&[0, 0, 1, 1]))]),
            "[n, h, w, 3]",
        ),
        (
            "negative",
            npz(&[("x", npy("<f8", &[1, 1, 1], &(-1.5_f64).to_le_bytes())), ("y", labels(&[0]))]),
            "from -1.5",
        ),
        (
            "nan",
            npz(&[("x", npy("<f8", &[1, 1, 1], &f64::NAN.to_le_bytes())), ("y", labels(&[0]))]),
            "shades",
        ),
        ("cut", npz(&[("images", whole[..200].to_vec()), ("labels", labels(&[0]))]), "was cut"),
        (
            "claims",
            npz(&[("images", npy("|u1", &[1 << 40, 8, 8, 3], &[0; 9])), ("labels", labels(&[0]))]),
            "was cut",
        ),
    ] {
        fs::write(dir.path().join("bad.npz"), file).unwrap();
        let (done, _, err) = import(dir.path(), &["set", "bad.npz"]);
        assert!(!done && err.contains("bad.npz") && err.contains(words), "{what}: {err}");
    }
    assert_eq!(made(dir.path()), Vec::<PathBuf>::new());
}
