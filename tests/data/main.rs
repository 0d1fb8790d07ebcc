//! Image sets as a person makes them: the command line, folders, archives and arrays of every kind.

mod arrays;
mod lists;
mod omniglot;
mod pictures;
mod sets;
mod splits;

use assert_cmd::Command;
use fastweights::data::ImageSet;
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

/// Files as a tar archive.
fn tar(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An import of pictures of 8 × 8 pixels; its outcome, standard output and error.
fn import(dir: &Path, arguments: &[&str]) -> (bool, String, String) {
    let all = [&["import", "images", "--force", "--size", "8"], arguments].concat();
    let output = data(dir, &all).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(!err.contains("panicked"), "{err}");
    (output.status.success(), out, err)
}

/// The names of a set's classes, `split:name` each, in order.
fn classes(dir: &Path, name: &str) -> Vec<String> {
    set(dir, name).classes().iter().map(|class| format!("{}:{}", class.split, class.name)).collect()
}
