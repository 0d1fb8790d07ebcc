//! Where packed sets lie.

use super::set::{ImageSet, check_name};
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// A packed file in a data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The set's name, which is that of the file.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
}

/// The directory of sets: as given, or that of `FASTWEIGHTS_DATA`, or `fastweights` in the platform's directory for
/// data (on Linux `~/.local/share`; with the feature `import`). It need not exist.
///
/// # Errors
/// [`Failed`](crate::ErrorKind::Failed) if none of these is known.
pub fn data_dir(explicit: Option<&Path>) -> Result<PathBuf> {
    if let Some(dir) = explicit {
        return Ok(dir.to_owned());
    }
    if let Some(dir) = std::env::var_os("FASTWEIGHTS_DATA").filter(|dir| !dir.is_empty()) {
        return Ok(dir.into());
    }
    platform_dir().map(|dir| dir.join("fastweights")).ok_or_else(|| {
        Error::failed(
            "there is no home directory for data sets; name one with --data DIR or FASTWEIGHTS_DATA",
        )
    })
}

#[cfg(feature = "import")]
fn platform_dir() -> Option<PathBuf> {
    use etcetera::base_strategy::{BaseStrategy as _, choose_native_strategy};
    choose_native_strategy().ok().map(|place| place.data_dir())
}

#[cfg(not(feature = "import"))]
fn platform_dir() -> Option<PathBuf> {
    None
}

/// The file of a set.
pub(super) fn file(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.safetensors"))
}

/// Reads the set of this name from a data directory, see [`data_dir`].
///
/// # Errors
/// [`File`](crate::ErrorKind::File) if it is not there, saying how to get it and what is there, or if it is damaged.
pub fn load(name: &str, dir: Option<&Path>) -> Result<ImageSet> {
    check_name(name)?;
    let dir = data_dir(dir)?;
    let path = file(&dir, name);
    if path.is_file() {
        return ImageSet::read(path);
    }
    let names = stored(&dir)?.into_iter().map(|s| s.name).collect::<Vec<_>>();
    let there = match names.is_empty() {
        true => "no sets are there".to_owned(),
        false => format!("there: {}", names.join(", ")),
    };
    let get = match name {
        "omniglot" => {
            "get it with `fastweights data fetch omniglot`, or `fastweights data import omniglot PATH`".into()
        }
        _ => format!("make it with `fastweights data import images {name} DIR --size S`"),
    };
    Err(Error::file(path, format!("is not there; {get} ({there})")))
}

/// The packed files of a data directory, by name; none if there is no such directory.
///
/// # Errors
/// [`File`](crate::ErrorKind::File) if it cannot be read.
pub fn stored(dir: &Path) -> Result<Vec<Stored>> {
    let failed = |e| Error::file_caused(dir, "cannot be read", e);
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(failed(e)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(|n| n.to_str()?.strip_suffix(".safetensors"));
        let Some(name) = name.filter(|name| check_name(name).is_ok()) else { continue };
        let Ok(about) = std::fs::metadata(&path) else { continue };
        if about.is_file() {
            found.push(Stored { name: name.to_owned(), bytes: about.len(), path });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}
