//! Readers of foreign files, each as a function of bytes: an answer or an error in words, whatever the bytes are.
//!
//! What comes back says what became of them, numbers and quoted names left out: a driver keeps inputs that come to something new.

use fastweights::adapted::Adapted;
use fastweights::backend::cpu::CpuBackend;
use fastweights::case::Case;
use fastweights::data::{
    Choices, Dialect, MissingCells, PictureForm, Roles, SeriesColumns, SeriesSet, Sheet, import_omniglot,
    load,
};
use fastweights::learner::{Algorithm, Maml, MetaLearner};
use fastweights::meta::Loss;
use fastweights::model::Model;
use fastweights::recipe::Recipe;
use std::path::{Path, PathBuf};

/// A reader of foreign bytes.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    /// Its name, and that of its corpus.
    pub(crate) name: &'static str,
    /// Reads bytes, with a folder of its own to put them in.
    pub(crate) run: fn(&[u8], &Path) -> String,
}

/// All of them.
pub(crate) const TARGETS: [Target; 8] = [
    Target { name: "checkpoint", run: checkpoint },
    Target { name: "adapted", run: adapted },
    Target { name: "case", run: case },
    Target { name: "csv", run: csv },
    Target { name: "archive", run: archive },
    Target { name: "picture", run: picture },
    Target { name: "recipe", run: recipe },
    Target { name: "images", run: images },
];

fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).expect("a folder that can be written");
    path
}

/// What became of it, without numbers and names: those are without end.
fn said<T>(result: fastweights::Result<T>) -> String {
    let Err(error) = result else { return "read".to_owned() };
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text += &format!(" | {error}");
        cause = error.source();
    }
    let (mut plain, mut quoted) = (String::new(), false);
    for c in text.chars() {
        match c {
            '`' | '"' => quoted = !quoted,
            _ if quoted || c.is_ascii_digit() => {}
            _ => plain.push(c),
        }
    }
    plain
}

fn checkpoint(bytes: &[u8], folder: &Path) -> String {
    let path = write(folder, "0.safetensors", bytes);
    let cpu = CpuBackend::new(Some(1));
    let model = Model::mlp(1, &[3], 1, false).expect("a model");
    let mut learner = Maml::new(Algorithm::maml(model, Loss::mse()), &cpu).expect("a learner");
    said(learner.load(&path))
}

fn adapted(bytes: &[u8], folder: &Path) -> String {
    let path = write(folder, "adapted.safetensors", bytes);
    let found = Adapted::load(&path);
    if let Ok(found) = &found {
        assert_eq!(found.weights().len(), found.model().param_count());
    }
    said(found)
}

fn case(bytes: &[u8], folder: &Path) -> String {
    let path = write(folder, "case.safetensors", bytes);
    let found = Case::read(&path);
    if let Ok(case) = &found {
        assert!(case.params.len() == case.plan.meta_len() && case.tasks.check().is_ok());
    }
    said(found)
}

/// A table and series, in whatever text, plain or packed.
fn csv(bytes: &[u8], folder: &Path) -> String {
    let path = write(folder, "text.csv", bytes);
    let sheet = match Sheet::read(&path, &Dialect::default(), &[], None) {
        Ok(sheet) => sheet,
        Err(error) => return said::<()>(Err(error)),
    };
    let series = said(SeriesSet::read(&path, &SeriesColumns::default(), &Dialect::default(), None));
    let mut all = series;
    for missing in [MissingCells::Refuse, MissingCells::Median, MissingCells::Drop] {
        let (ignore, keep, categories) = (&[], &[], &[]);
        let label = sheet.columns.last().map_or("label", |name| name.as_str());
        let choices = Choices { label, regression: false, ignore, keep, categories, missing };
        let roles = Roles::of(&sheet, &choices);
        let coded = roles.and_then(|mut roles| {
            let rows = roles.rows.clone();
            let columns = roles.fit(&sheet, &choices, &rows)?;
            let x = columns.code(&sheet, rows.into_iter())?.x;
            assert!(x.iter().all(|value| value.is_finite()));
            Ok(())
        });
        all += " / ";
        all += &said(coded);
    }
    all
}

/// An archive of pictures, and one of a table.
fn archive(bytes: &[u8], folder: &Path) -> String {
    let path = write(folder, "set.zip", bytes);
    let pictures = said(import_omniglot(std::slice::from_ref(&path), 0, &|_| {}));
    let table = said(Sheet::read(&path, &Dialect::default(), &[], None));
    format!("{pictures} / {table}")
}

fn picture(bytes: &[u8], folder: &Path) -> String {
    let path = write(folder, "picture.png", bytes);
    let mut all = String::new();
    for (channels, invert) in [(1, true), (3, false)] {
        let form = PictureForm { channels, side: 5, invert, background: [255; 3] };
        let found = form.read(&path);
        if let Ok(found) = &found {
            assert_eq!(found.pixels.len(), form.len());
        }
        all += &said(found);
    }
    all
}

fn recipe(bytes: &[u8], _: &Path) -> String {
    let text = String::from_utf8_lossy(bytes);
    let found = Recipe::parse(&text, "some", &[]);
    if let Ok(recipe) = &found {
        let written = recipe.to_toml().expect("a recipe as TOML");
        assert!(Recipe::parse(&written, "some", &[]).is_ok(), "{written}");
    }
    said(found)
}

/// A packed set of images.
fn images(bytes: &[u8], folder: &Path) -> String {
    write(folder, "some.safetensors", bytes);
    let found = load("some", Some(folder));
    if let Ok(set) = &found {
        assert_eq!(set.pixels().len(), set.images() * set.channels() * set.side() * set.side());
    }
    said(found)
}
