//! Pictures wherever they lie: in a folder, in an archive, in arrays. What they are of follows from their paths alone, see
//! `image_layout`.

use super::archive::{self, Bounds};
use super::picture::{Picture, begins_as_picture, is_picture};
use super::{Phase, Step, Watch, arrays, tarball};
use crate::error::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most pictures of one source, so that no archive fills the memory with names.
pub(super) const MAX_PICTURES: usize = 2_000_000;
/// Files of text above this are no lists.
const MAX_TEXT: u64 = 64 << 20;
/// Files of text that are kept; a folder of more holds annotations, not lists.
const MAX_TEXTS: usize = 1000;
/// Folders below folders; also ends the walk of a link that leads to a folder above it.
const DEPTH: usize = 16;
/// Bytes by which a file is told.
const HEAD: u64 = 512;

/// Archives that are not read, by their first bytes.
const FOREIGN: [(&[u8], &str); 7] = [
    (b"BZh", "is packed by bzip2; unpack it, or pack it by gzip"),
    (b"\xfd7zXZ", "is packed by xz; unpack it, or pack it by gzip"),
    (b"\x28\xb5\x2f\xfd", "is packed by zstd; unpack it, or pack it by gzip"),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive; unpack it, or pack it as zip"),
    (b"Rar!", "is a RAR archive; unpack it, or pack it as zip"),
    (b"\x89HDF", "is an HDF5 file; save its arrays by numpy.savez"),
    (b"PAR1", "is a Parquet file; save its pictures as files, a folder a class"),
];
/// What to do with a pickle: reading one may run any program.
const PICKLE: &str = "is a Python pickle, which is not read, as it may run any program; save what it holds as arrays, e.g. \
     d = pickle.load(open(FILE, \"rb\")); numpy.savez(\"train.npz\", images=d[\"image_data\"], **d[\"class_dict\"])";

/// A file of text that may be a list.
#[derive(Debug)]
pub(super) enum Text {
    /// Out of an archive.
    Bytes(Vec<u8>),
    /// A file.
    File(PathBuf),
}

/// What a source holds.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Pictures by their paths below the source, with `/` between folders.
    pub(super) pictures: BTreeMap<String, Picture>,
    /// Files of text that may be lists, by their paths.
    pub(super) texts: BTreeMap<String, Text>,
    /// Folders, as far as the source knows them apart from its files.
    pub(super) folders: BTreeSet<String>,
    /// Archives that lie in a folder and are not looked into.
    pub(super) archives: Vec<String>,
    /// Files that are no pictures.
    pub(super) skipped: usize,
    /// What was told of the source, a line each.
    pub(super) told: Vec<String>,
}

impl Found {
    pub(super) fn add(&mut self, path: String, picture: Picture) -> Result<()> {
        if self.pictures.len() >= MAX_PICTURES {
            return Err(picture.error(format!("is one too many: at most {MAX_PICTURES} pictures are read")));
        }
        if let Some(first) = self.pictures.get(&path) {
            return Err(picture.error(format!("is there twice, first as {}", first.place())));
        }
        self.pictures.insert(path, picture);
        Ok(())
    }

    /// Keeps a file of text that may be a list; gives back whether it does.
    fn keep(&mut self, path: &str, text: impl FnOnce() -> Text) -> bool {
        let kept = is_text(path) && self.texts.len() < MAX_TEXTS;
        if kept {
            self.texts.insert(path.to_owned(), text());
        }
        kept
    }

    /// Takes the pictures of files of arrays.
    fn take_arrays(&mut self, path: &Path, files: Vec<(String, Vec<u8>)>) -> Result<()> {
        let arrays = arrays::read(path, files)?;
        self.told.extend(arrays.told);
        arrays.pictures.into_iter().try_for_each(|(path, picture)| self.add(path, picture))
    }

    /// Takes what another source holds, below a folder.
    fn take(&mut self, below: &str, other: Self) -> Result<()> {
        for (path, picture) in other.pictures {
            self.add(format!("{below}/{path}"), picture)?;
        }
        self.texts.extend(other.texts.into_iter().map(|(path, text)| (format!("{below}/{path}"), text)));
        self.folders.extend(other.folders.into_iter().map(|path| format!("{below}/{path}")));
        self.told.extend(other.told);
        self.skipped += other.skipped;
        Ok(())
    }
}

/// What a file is by its first bytes.
enum Kind {
    Zip,
    Gzip,
    Tar,
    Npy,
}

/// Looks through a folder, a zip or tar archive (gzipped or not) or a NumPy file (npz, npy).
///
/// # Errors
/// [`File`](crate::ErrorKind::File) naming it, or the file in it: unreadable, damaged, of another kind, there twice, or more
/// than the bounds.
pub(super) fn open(path: &Path, bounds: Bounds, watch: Watch<'_>) -> Result<Found> {
    if path.is_dir() {
        return folder(path, bounds, watch);
    }
    match kind(path)? {
        Kind::Zip => zip(path, bounds, watch),
        Kind::Gzip => tar(path, (bounds, true), watch),
        Kind::Tar => tar(path, (bounds, false), watch),
        Kind::Npy => {
            let failed = |e| Error::file_caused(path, "cannot be read", e);
            let size = std::fs::metadata(path).map_err(failed)?.len();
            archive::check_total(path, size, bounds)?;
            let bytes = std::fs::read(path).map_err(failed)?;
            let mut found = Found::default();
            found.take_arrays(path, vec![("images".to_owned(), bytes)])?;
            Ok(found)
        }
    }
}

/// Whether a file is an archive or an array.
pub(super) fn is_packed(path: &Path) -> bool {
    kind(path).is_ok()
}

fn kind(path: &Path) -> Result<Kind> {
    let failed = |e| Error::file_caused(path, "cannot be read", e);
    let mut head = Vec::new();
    std::fs::File::open(path).map_err(failed)?.take(HEAD).read_to_end(&mut head).map_err(failed)?;
    if let Some((_, what)) = FOREIGN.iter().find(|(start, _)| head.starts_with(start)) {
        return Err(Error::file(path, *what));
    }
    match &*head {
        [b'P', b'K', 3 | 5, ..] => Ok(Kind::Zip),
        [0x1f, 0x8b, ..] => Ok(Kind::Gzip),
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Ok(Kind::Npy),
        [0x80, 2..=5, ..] => Err(Error::file(path, PICKLE)),
        _ if head.get(257..262) == Some(b"ustar") => Ok(Kind::Tar),
        _ => {
            let reason = "is no folder, no zip archive, no tar archive (plain or gzipped) and no NumPy file (npz, npy)";
            Err(Error::file(path, reason))
        }
    }
}

fn is_text(path: &str) -> bool {
    ["csv", "tsv", "txt", "json"].iter().any(|ending| has_ending(path, ending))
}

fn has_ending(path: &str, ending: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, found)| found.eq_ignore_ascii_case(ending))
}

/// What belongs to the system and not to the set; macOS keeps attributes of `x` as `._x`.
fn is_stray(path: &str) -> bool {
    path.split('/').any(|part| part.starts_with('.') && part != "." || part == "__MACOSX")
}

fn zip(path: &Path, bounds: Bounds, watch: Watch<'_>) -> Result<Found> {
    let shared: Arc<Path> = path.into();
    let (mut found, mut npy) = (Found::default(), Vec::new());
    let wanted = |name: &str, size: u64| {
        let name = name.replace('\\', "/");
        let text = is_text(&name) && size <= MAX_TEXT;
        !is_stray(&name) && (is_picture(Path::new(&name)) || text || has_ending(&name, "npy"))
    };
    let skipped = archive::read(path, bounds, watch, wanted, |name, bytes| {
        let place = name.replace('\\', "/");
        if has_ending(&place, "npy") {
            npy.push((place[..place.len() - 4].to_owned(), bytes));
        } else if is_picture(Path::new(&place)) {
            found.add(place, Picture::Entry { archive: Arc::clone(&shared), name, bytes })?;
        } else {
            found.skipped += 1;
            found.keep(&place, || Text::Bytes(bytes));
        }
        Ok(())
    })?;
    found.skipped += skipped;
    if !npy.is_empty() {
        found.take_arrays(path, npy)?;
    }
    Ok(found)
}

fn tar(path: &Path, (bounds, gzipped): (Bounds, bool), watch: Watch<'_>) -> Result<Found> {
    let shared: Arc<Path> = path.into();
    let mut found = Found::default();
    let wanted = |name: &str, size: u64| {
        !is_stray(name) && (is_picture(Path::new(name)) || is_text(name) && size <= MAX_TEXT)
    };
    let skipped = tarball::read(path, (bounds, gzipped), watch, wanted, |name, bytes| {
        let place = name.trim_start_matches("./").to_owned();
        if is_picture(Path::new(&place)) {
            return found.add(place, Picture::Entry { archive: Arc::clone(&shared), name, bytes });
        }
        found.skipped += 1;
        found.keep(&place, || Text::Bytes(bytes));
        Ok(())
    })?;
    found.skipped += skipped;
    Ok(found)
}

/// A folder. One that holds an archive or a file of arrays for each split (`train.zip`, `mini-imagenet-test.npz`), and no
/// pictures, is as if these were unpacked in it.
pub(super) fn folder(path: &Path, bounds: Bounds, watch: Watch<'_>) -> Result<Found> {
    let mut found = Found::default();
    walk(path, &mut String::new(), 0, &mut found, watch)?;
    if !found.pictures.is_empty() {
        return Ok(found);
    }
    for name in std::mem::take(&mut found.archives) {
        let stem = name.split('.').next().unwrap_or_default();
        match super::split::named_last(stem) {
            Some(split) => {
                found.skipped -= 1;
                let inner = open(&path.join(&name), bounds, watch)?;
                found.take(&split.to_string(), inner)?;
            }
            None => found.archives.push(name),
        }
    }
    Ok(found)
}

fn walk(dir: &Path, below: &mut String, depth: usize, found: &mut Found, watch: Watch<'_>) -> Result<()> {
    let failed = |e| Error::file_caused(dir, "cannot be read", e);
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let (is_dir, name) = (path.is_dir(), path.file_name().and_then(|name| name.to_str()));
        let Some(name) = name else {
            if is_dir {
                return Err(Error::file(&path, "has a name that is not UTF-8"));
            }
            found.skipped += 1;
            continue;
        };
        let stray = is_stray(name);
        let len = below.len();
        if len > 0 {
            below.push('/');
        }
        below.push_str(name);
        if is_dir && !stray {
            if depth == DEPTH {
                return Err(Error::file(
                    &path,
                    format!("lies too deep: at most {DEPTH} folders are gone down"),
                ));
            }
            found.folders.insert(below.clone());
            walk(&path, below, depth + 1, found, watch)?;
        } else if !is_dir && !stray && path.is_file() && (is_picture(&path) || begins_as_picture(&path)) {
            found.add(below.clone(), Picture::File(path))?;
            watch(Step { phase: Phase::Read, done: found.pictures.len() as u64, total: 0 });
        } else if !is_dir {
            found.skipped += 1;
            let small =
                || std::fs::metadata(&path).is_ok_and(|about| about.is_file() && about.len() <= MAX_TEXT);
            if !stray && is_text(name) && small() {
                found.keep(below, || Text::File(path.clone()));
            } else if depth == 0 && is_archive(name) {
                found.archives.push(name.to_owned());
            }
        }
        below.truncate(len);
    }
    found.archives.sort_unstable();
    Ok(())
}

/// The files of text in a folder, by name.
pub(super) fn texts(dir: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e| Error::file_caused(dir, "cannot be read", e);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_file() && path.to_str().is_some_and(is_text) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn is_archive(name: &str) -> bool {
    ["zip", "tar", "tgz", "gz", "npz"].iter().any(|ending| has_ending(name, ending))
}
