//! Omniglot: 1,623 handwritten characters of 50 alphabets, each drawn by 20 people.
//!
//! Lake, Salakhutdinov and Tenenbaum, "Human-level concept learning through probabilistic program induction"
//! (Science 2015). As in few-shot learning since Santoro et al. (2016), characters of all alphabets are mixed: 1,200
//! for meta-training, here 100 of them for validation, and 423 for testing, at 28 × 28 pixels.

use super::archive::Bounds;
use super::found;
use super::gather::Pictures;
use super::opened::OpenedPictures;
use super::picture::{Picture, Rule};
use super::set::ImageSet;
use super::split::deal;
use super::{Imported, Watch};
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// Characters for training, validation and testing.
const SHARES: [usize; 3] = [1100, 100, 423];
const DRAWERS: usize = 20;
const PARTS: [&str; 2] = ["images_background", "images_evaluation"];
const RULE: Rule =
    Rule { channels: 1, side: 28, max_side: 1024, max_bytes: 8 << 20, invert: true, background: [255; 3] };
/// The published archives have 20,000 entries of some 250 bytes.
const BOUNDS: Bounds = Bounds { entries: 200_000, entry_bytes: 4 << 20, total_bytes: 256 << 20 };

/// Imports Omniglot from its two archives, packed as zip or tar, or from folders that hold these archives or what is in them:
/// `<Alphabet>/<character>/<drawing>.png` at any depth. Drawings in white on black are taken as they are, which a note says.
///
/// Images are `[1, 28, 28]`, ink 255 on 0. A class is called `<Alphabet>/<character>`; its images are sorted by their
/// file names, that is by drawer. The seed deals the sorted classes to the splits; other numbers of characters than
/// 1,623 are cut in the same proportions, which a note says.
///
/// # Errors
/// [`File`](crate::ErrorKind::File) naming the archive, entry or file: unreadable, damaged, too large, no picture, there
/// twice, or nothing found.
pub fn import_omniglot(paths: &[PathBuf], seed: u64, watch: Watch<'_>) -> Result<Imported> {
    open_omniglot(paths, seed, watch)?.import(None, watch)
}

/// The first half of [`import_omniglot`]: finds the drawings, and decodes none yet.
///
/// # Errors
/// As there.
pub fn open_omniglot(paths: &[PathBuf], seed: u64, watch: Watch<'_>) -> Result<OpenedPictures> {
    let mut pictures = Pictures::default();
    for path in paths {
        take(path, &mut pictures, watch)?;
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
    Ok(OpenedPictures {
        name: "omniglot".to_owned(),
        rule: RULE,
        splits,
        skip_bad: None,
        told: Vec::new(),
        notes: notes(&pictures),
        pictures,
        finish: Box::new(move |assembled, _, notes| finish(assembled.set, seed, notes)),
    })
}

/// The drawings as they are published, with their source.
fn finish(mut set: ImageSet, seed: u64, notes: &mut Vec<String>) -> Result<ImageSet> {
    if is_mostly_light(&set) {
        let upright = set.pixels().iter().map(|pixel| 255 - pixel).collect();
        set = ImageSet::new(set.name(), set.channels(), set.side(), set.classes().to_vec(), upright)?;
        notes.push(
            "the drawings are white on black, unlike the published ones: they are taken as they are"
                .to_owned(),
        );
    }
    let source =
        format!("Omniglot (Lake, Salakhutdinov and Tenenbaum 2015), MIT licence; split by seed {seed}");
    Ok(set.with_source(source))
}

/// Whether there is more ink than paper, which no drawing has.
fn is_mostly_light(set: &ImageSet) -> bool {
    let sum: u64 = set.pixels().iter().map(|&pixel| u64::from(pixel)).sum();
    2 * sum > 255 * set.pixels().len() as u64
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
    let above = above.trim_end_matches('/').to_owned();
    let is_part = |name: &str| PARTS.iter().any(|part| name.ends_with(part));
    let first = pictures.above.entry(class.clone()).or_insert_with(|| above.clone());
    if *first != above && !(is_part(first) && is_part(&above)) {
        let reason = format!(
            "holds the character `{class}` below `{first}` and below `{above}`: there are more folders than alphabet and \
             character; import it as pictures, whose classes are whole paths: data import images NAME DIR --size 28 --gray --invert"
        );
        return Err(Error::file(place, reason));
    }
    pictures.add(&class, drawing, picture)
}

/// Alphabet and character, the drawing, and the folders above them, of a file that is one.
fn parse(name: &str) -> Option<(String, &str, &str)> {
    let mut parts = name.rsplit('/');
    let (drawing, character, alphabet) = (parts.next()?, parts.next()?, parts.next()?);
    let png = drawing.len() > 4 && drawing.to_ascii_lowercase().ends_with(".png");
    let named = !alphabet.is_empty() && !character.is_empty();
    let above = &name[..name.len() - drawing.len() - character.len() - alphabet.len() - 2];
    (png && named).then(|| (format!("{alphabet}/{character}"), drawing, above))
}

/// Takes the drawings of an archive or a folder, which may hold both archives or what is in them.
fn take(path: &Path, pictures: &mut Pictures, watch: Watch<'_>) -> Result<()> {
    let part = |part: &&str| {
        let (archive, unpacked) = (path.join(format!("{part}.zip")), path.join(part));
        if archive.is_file() { Some(archive) } else { Some(unpacked).filter(|unpacked| unpacked.is_dir()) }
    };
    let parts: Vec<_> = PARTS.iter().filter_map(part).collect();
    let places = if path.is_dir() && !parts.is_empty() { parts } else { vec![path.to_owned()] };
    for place in places {
        let found = found::open(&place, BOUNDS, watch)?;
        pictures.skipped += found.skipped;
        for (name, picture) in found.pictures {
            match parse(&name) {
                Some(parsed) => add(parsed, &place, picture, pictures)?,
                None => pictures.skipped += 1,
            }
        }
    }
    Ok(())
}
