//! Readers of foreign files on bytes that no program wrote: whatever they are, an answer or an error, never a panic, and no
//! memory for what a damaged header says.

use fastweights::case::Case;
use fastweights::data::{
    Choices, Dialect, ImageImport, MissingCells, Roles, SeriesColumns, SeriesSet, Sheet,
};
use fastweights::recipe::Recipe;
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn golden(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    fs::read(folder.join(format!("{name}.safetensors"))).unwrap()
}

fn write(dir: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

/// What happens to a file: some bytes are changed, then it is cut or something is put at its end.
#[derive(Clone, Debug)]
struct Damage {
    changes: Vec<(prop::sample::Index, u8)>,
    cut: Option<prop::sample::Index>,
    tail: Vec<u8>,
}

fn damage() -> impl Strategy<Value = Damage> {
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8);
    let tail = prop::collection::vec(any::<u8>(), 0..16);
    (changes, prop::option::weighted(0.3, any::<prop::sample::Index>()), tail)
        .prop_map(|(changes, cut, tail)| Damage { changes, cut, tail })
}

impl Damage {
    /// Does it to the first `head` bytes, where formats keep what they are.
    fn to(&self, bytes: &[u8], head: usize) -> Vec<u8> {
        let mut all = bytes.to_vec();
        let head = head.min(all.len());
        for (at, value) in self.changes.iter().filter(|_| head > 0) {
            all[at.index(head)] = *value;
        }
        if let Some(cut) = &self.cut {
            all.truncate(cut.index(bytes.len() + 1));
        }
        all.extend(&self.tail);
        all
    }
}

/// A line of text as tables have them, with what spoils them.
fn cells() -> impl Strategy<Value = String> {
    let cell = prop_oneof![
        4 => "-?[0-9]{1,4}(\\.[0-9]{1,3})?",
        1 => "[a-z ]{0,5}",
        1 => prop::sample::select(vec!["", "NaN", "inf", "1e400", "\"", "\"a,b\"", "2001-02-30", "\u{feff}", "é", "\0"])
            .prop_map(str::to_owned),
    ];
    prop::collection::vec(cell, 0..5).prop_map(|cells| cells.join(","))
}

fn text() -> impl Strategy<Value = String> {
    let header =
        prop::sample::select(vec!["id,value", "a,b,label", "label", "id,value,time", "\u{feff}id;value", ""]);
    let end = prop::sample::select(vec!["\n", "\r\n", "\r"]);
    (header, prop::collection::vec(cells(), 0..12), end)
        .prop_map(|(header, lines, end)| [&[header.to_owned()], &lines[..]].concat().join(end))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cases(damage in damage()) {
        let dir = tempfile::tempdir().unwrap();
        for name in ["table_k5", "concat_k3"] {
            let path = write(&dir, "case.safetensors", &damage.to(&golden(name), 1200));
            // What can be read has the shapes that it says.
            if let Ok(case) = Case::read(&path) {
                prop_assert!(case.params.len() == case.plan.meta_len() && case.tasks.check().is_ok());
            }
        }
    }

    #[test]
    fn tables(text in text(), damage in damage()) {
        let dir = tempfile::tempdir().unwrap();
        for bytes in [text.as_bytes().to_vec(), damage.to(text.as_bytes(), usize::MAX)] {
            let path = write(&dir, "table.csv", &bytes);
            for missing in [MissingCells::Refuse, MissingCells::Median, MissingCells::Drop] {
                let Ok(sheet) = Sheet::read(&path, &Dialect::default(), &[], None) else { continue };
                let (ignore, keep, categories) = (&[], &[], &[]);
                let choices = Choices { label: "label", regression: false, ignore, keep, categories, missing };
                let Ok(mut roles) = Roles::of(&sheet, &choices) else { continue };
                let rows = roles.rows.clone();
                if let Ok(columns) = roles.fit(&sheet, &choices, &rows) {
                    let x = columns.code(&sheet, rows.into_iter()).unwrap().x;
                    prop_assert!(x.len() == roles.rows.len() * columns.width() && x.iter().all(|v| v.is_finite()));
                }
            }
        }
    }

    #[test]
    fn series(text in text(), damage in damage()) {
        let dir = tempfile::tempdir().unwrap();
        for bytes in [text.as_bytes().to_vec(), damage.to(text.as_bytes(), usize::MAX)] {
            let path = write(&dir, "series.csv", &bytes);
            for time in [None, Some("time")] {
                let drop_missing = time.is_some();
                let columns = SeriesColumns { time: time.map(Into::into), drop_missing, ..SeriesColumns::default() };
                if let Ok(set) = SeriesSet::read(&path, &columns, &Dialect::default(), None) {
                    prop_assert!(set.series.iter().flat_map(|(_, values)| values).all(|v| v.is_finite()));
                }
            }
        }
    }

    #[test]
    fn recipes(text in "(\\[?(task|model|inner)\\]?|steps|layers| = |\\[|\\]|\\{|\\}|\"linear\"|type|inputs|[0-9]{1,3}|\n|,){0,30}") {
        if let Ok(recipe) = Recipe::parse(&text, "some", &[]) {
            prop_assert!(Recipe::parse(&recipe.to_toml().unwrap(), "some", &[]).is_ok());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pictures(damage in damage()) {
        let dir = tempfile::tempdir().unwrap();
        let mut png = Vec::new();
        let mut encoder = png::Encoder::new(&mut png, 6, 5);
        encoder.set_color(png::ColorType::Rgba);
        encoder.write_header().unwrap().write_image_data(&[7; 6 * 5 * 4]).unwrap();
        for class in 0..6 {
            for picture in 0..2 {
                let bytes = if class + picture == 0 { damage.to(&png, usize::MAX) } else { png.clone() };
                write(&dir, &format!("set/c{class}/{picture}.png"), &bytes);
            }
        }
        let import = ImageImport::new("some", 4);
        if let Ok(imported) = import.run(&dir.path().join("set"), &|_| {}) {
            prop_assert!(imported.set.images() >= 11);
        }
    }
}
