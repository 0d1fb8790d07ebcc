//! Omniglot: 1,623 handwritten characters of 50 alphabets, each drawn by 20 people.
//!
//! Lake, Salakhutdinov and Tenenbaum, "Human-level concept learning through probabilistic program induction"
//! (Science 2015). As in few-shot learning since Santoro et al. (2016), characters of all alphabets are mixed: 1,200
//! for meta-training, here 100 of them for validation, and 423 for testing, at 28 × 28 pixels.

use super::archive::{self, Bounds};
use super::gather::Pictures;
use super::picture::{Picture, Rule};
use super::split::deal;
use super::{Imported, Phase, Step, Watch};
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Characters for training, validation and testing.
const SHARES: [usize; 3] = [1100, 100, 423];
const DRAWERS: usize = 20;
const PARTS: [&str; 2] = ["images_background", "images_evaluation"];
const RULE: Rule =
    Rule { channels: 1, side: 28, max_side: 1024, max_bytes: 8 << 20, invert: true, background: [255; 3] };
/// The published archives have 20,000 entries of some 250 bytes.
const BOUNDS: Bounds = Bounds { entries: 200_000, entry_bytes: 4 << 20, total_bytes: 256 << 20 };
/// Folders below folders; also ends the walk of a link that leads to a folder above it.
const DEPTH: usize = 8;

/// Imports Omniglot from its two archives, or from folders that hold these archives or what is in them:
/// `<Alphabet>/<character>/<drawing>.png` at any depth.
///
/// Images are `[1, 28, 28]`, ink 255 on 0. A class is called `<Alphabet>/<character>`; its images are sorted by their
/// file names, that is by drawer. The seed deals the sorted classes to the splits; other numbers of characters than
/// 1,623 are cut in the same proportions, which a note says.
///
/// # Errors
/// [`File`](crate::ErrorKind::File) naming the archive, entry or file: unreadable, damaged, too large, no picture, there
/// twice, or nothing found.
pub fn import_omniglot(paths: &[PathBuf], seed: u64, watch: Watch<'_>) -> Result<Imported> {
    let mut pictures = Pictures::default();
    for path in paths {
        if path.is_dir() {
            folder(path, &mut pictures, watch)?;
        } else {
            zip(path, &mut pictures, watch)?;
        }
    }
    let found = pictures.classes.len();
    if found < 3 {
        let place = paths.first().cloned().unwrap_or_default();
        let reason = format!(
            "holds {found} characters as `<Alphabet>/<character>/<drawing>.png`; three are needed, for training, \
             validation and testing"
        );
        return Err(Error::file(place, reason));
    }
    let splits = deal(found, SHARES, seed);
    let notes = notes(&pictures);
    let skipped = pictures.skipped;
    let (set, _) = pictures.assemble("omniglot", &RULE, (&splits, false), watch)?;
    let source =
        format!("Omniglot (Lake, Salakhutdinov and Tenenbaum 2015), MIT licence; split by seed {seed}");
    Ok(Imported { set: set.with_source(source), skipped, notes })
}

fn notes(pictures: &Pictures) -> Vec<String> {
    let mut notes = Vec::new();
    let (found, all) = (pictures.classes.len(), SHARES.iter().sum::<usize>());
    if found != all {
        notes.push(format!("{found} characters instead of Omniglot's {all}: split in the same proportions"));
    }
    let odd = pictures.classes.values().filter(|drawings| drawings.len() != DRAWERS).count();
    if odd > 0 {
        notes.push(format!("{odd} characters have other than {DRAWERS} drawings"));
    }
    notes
}

/// Adds a drawing, unless its character was found below other folders: then there are more of them than alphabet and character.
fn add(
    (class, drawing, above): (String, &str, &str),
    place: &Path,
    picture: Picture,
    pictures: &mut Pictures,
) -> Result<()> {
    // The two archives are one set, and may lie beside each other.
    let above = above.trim_end_matches(['/', '\\']).to_owned();
    let is_part = |name: &str| PARTS.iter().any(|part| name.ends_with(part));
    let first = pictures.above.entry(class.clone()).or_insert_with(|| above.clone());
    if *first != above && !(is_part(first) && is_part(&above)) {
        let reason = format!(
            "holds the character `{class}` below `{first}` and below `{above}`: there are more folders than alphabet and \
             character; import it as pictures: data import images NAME DIR --size 28 --gray"
        );
        return Err(Error::file(place, reason));
    }
    pictures.add(&class, drawing, picture)
}

/// Alphabet and character, the drawing, and the folders above them, of a file that is one.
fn parse(name: &str) -> Option<(String, &str, &str)> {
    let mut parts = name.rsplit(['/', '\\']);
    let (drawing, character, alphabet) = (parts.next()?, parts.next()?, parts.next()?);
    let png = drawing.len() > 4 && drawing.to_ascii_lowercase().ends_with(".png");
    // macOS keeps attributes of `x` as `._x`, in archives below `__MACOSX`.
    let stray = drawing.starts_with('.') || alphabet == "__MACOSX" || parts.any(|part| part == "__MACOSX");
    let named = !alphabet.is_empty() && !character.is_empty();
    let above = &name[..name.len() - drawing.len() - character.len() - alphabet.len() - 2];
    (png && named && !stray).then(|| (format!("{alphabet}/{character}"), drawing, above))
}

fn zip(path: &Path, pictures: &mut Pictures, watch: Watch<'_>) -> Result<()> {
    let shared: Arc<Path> = path.into();
    let skipped = archive::read(
        path,
        BOUNDS,
        watch,
        |name| parse(name).is_some(),
        |name, bytes| {
            let own = name.clone();
            let Some(parsed) = parse(&own) else { return Ok(()) };
            add(parsed, path, Picture::Entry { archive: Arc::clone(&shared), name, bytes }, pictures)
        },
    )?;
    pictures.skipped += skipped;
    Ok(())
}

/// A folder of the archives, of their folders, or of anything with drawings in it.
fn folder(path: &Path, pictures: &mut Pictures, watch: Watch<'_>) -> Result<()> {
    let mut parts = 0;
    for part in PARTS {
        let (archive, unpacked) = (path.join(format!("{part}.zip")), path.join(part));
        if archive.is_file() {
            zip(&archive, pictures, watch)?;
        } else if unpacked.is_dir() {
            walk(&unpacked, &mut Vec::new(), pictures, watch)?;
        } else {
            continue;
        }
        parts += 1;
    }
    if parts == 0 { walk(path, &mut Vec::new(), pictures, watch) } else { Ok(()) }
}

/// Adds the drawings below a folder; `names` are the folders that led there.
fn walk(dir: &Path, names: &mut Vec<String>, pictures: &mut Pictures, watch: Watch<'_>) -> Result<()> {
    let failed = |e| Error::file_caused(dir, "cannot be read", e);
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else {
            pictures.skipped += 1;
            continue;
        };
        names.push(name.to_owned());
        if path.is_dir() {
            if names.len() > DEPTH {
                return Err(Error::file(&path, "lies too deep; name the folder that holds the alphabets"));
            }
            walk(&path, names, pictures, watch)?;
        } else if let Some(parsed) = parse(&names.join("/")).filter(|_| path.is_file()) {
            add(parsed, dir, Picture::File(path.clone()), pictures)?;
            watch(Step { phase: Phase::Read, done: pictures.len() as u64, total: 0 });
        } else {
            pictures.skipped += 1;
        }
        names.pop();
    }
    Ok(())
}
