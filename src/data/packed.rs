//! A set as one safetensors file: the tensor `images`, and everything else as JSON in the metadata.

use super::picture_reading::PictureReading;
use super::set::{ImageClass, ImageSet};
use super::split::Split;
use crate::error::{Error, Result};
use crate::file::write_atomic;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

/// The metadata, under one key: a map of several would be written in a random order.
#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    name: String,
    source: String,
    classes: Vec<Class>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reading: Option<PictureReading>,
    sha256: String,
}

/// A class; where its images begin follows from those before it.
#[derive(Serialize, Deserialize)]
struct Class {
    name: String,
    split: Split,
    count: usize,
}

const KEY: &str = "fastweights.images";
const TENSOR: &str = "images";
const VERSION: u32 = 1;

impl ImageSet {
    /// Reads a packed file, and checks its sum and every count.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) naming the file, what is wrong with it, and what to do.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|e| Error::file_caused(path, "cannot be read", e))?;
        let (header, shape, start) = head(path, &bytes)?;
        let [images, channels, height, width] = shape;
        let refused = |what: String| Error::file(path, format!("{what}; import it again"));
        if height != width {
            return Err(refused(format!("has images of {height} × {width} pixels, not square ones")));
        }
        let mut first = 0_usize;
        let mut classes = Vec::with_capacity(header.classes.len());
        for Class { name, split, count } in header.classes {
            classes.push(ImageClass { name, split, first, count });
            first = first.saturating_add(count);
        }
        if first != images {
            return Err(refused(format!("its classes count {first} images, but it holds {images}")));
        }
        // In place, as a set may be large.
        let mut pixels = bytes;
        pixels.drain(..start);
        let set = Self::new(header.name, channels, height, classes, pixels)
            .map_err(|e| Error::file_caused(path, "is damaged; import it again", e))?;
        let set = match header.reading {
            Some(reading) => set.with_reading(reading),
            None => set,
        };
        if set.checksum() != header.sha256 {
            return Err(refused("is damaged: its contents do not give its checksum".into()));
        }
        Ok(set.with_source(header.source))
    }

    /// Writes a packed file, whole or not at all.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) if it cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let failed = |e: Box<dyn std::error::Error + Send + Sync>| {
            Error::file_caused(path, "cannot be put into safetensors", e)
        };
        let classes = (self.classes().iter())
            .map(|c| Class { name: c.name.clone(), split: c.split, count: c.count })
            .collect();
        let header = Header {
            version: VERSION,
            name: self.name().to_owned(),
            source: self.source().to_owned(),
            classes,
            reading: Some(self.reading()).filter(|&reading| reading != PictureReading::usual(self.name())),
            sha256: self.checksum().to_owned(),
        };
        let header = serde_json::to_string(&header).map_err(|e| failed(e.into()))?;
        let shape = vec![self.images(), self.channels(), self.side(), self.side()];
        let view = TensorView::new(Dtype::U8, shape, self.pixels()).map_err(|e| failed(e.into()))?;
        let metadata = HashMap::from([(KEY.to_owned(), header)]);
        let bytes = safetensors::serialize([(TENSOR, view)], Some(metadata)).map_err(|e| failed(e.into()))?;
        write_atomic(path, &bytes)
    }
}

/// The metadata, the tensor's shape, and where its bytes begin; they reach to the end.
fn head(path: &Path, bytes: &[u8]) -> Result<(Header, [usize; 4], usize)> {
    let foreign = |e| Error::file_caused(path, "is damaged, or no safetensors file; import it again", e);
    let (length, metadata) = SafeTensors::read_metadata(bytes).map_err(foreign)?;
    let file = SafeTensors::deserialize(bytes).map_err(foreign)?;
    let text = metadata.metadata().as_ref().and_then(|m| m.get(KEY));
    let text = text.ok_or_else(|| Error::file(path, "holds no image set of `fastweights data import`"))?;
    // The version first, as a later one may look quite different.
    let version = serde_json::from_str::<serde_json::Value>(text).ok().and_then(|v| v["version"].as_u64());
    if version.is_some_and(|v| v > u64::from(VERSION)) {
        return Err(Error::file(path, "is of a later version; import it again, or update fastweights"));
    }
    let header = serde_json::from_str(text)
        .map_err(|e| Error::file_caused(path, "has damaged metadata; import it again", e))?;
    let tensor = file.tensor(TENSOR).map_err(foreign)?;
    match <[usize; 4]>::try_from(tensor.shape()) {
        Ok(shape) if tensor.dtype() == Dtype::U8 && file.len() == 1 => Ok((header, shape, length + 8)),
        _ => Err(Error::file(path, "must hold one tensor of bytes [n, c, h, w]; import it again")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::glyphs;
    use super::*;

    #[test]
    fn what_is_written_is_read_and_the_same_set_gives_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let reading = PictureReading { invert: false, background: [1, 2, 3] };
        let set = glyphs::generate(3, 7, 2, 5).with_source("drawn").with_reading(reading);
        let (a, b) = (dir.path().join("new/a.safetensors"), dir.path().join("b.safetensors"));
        set.write(&a).unwrap();
        set.write(&b).unwrap();
        assert_eq!(ImageSet::read(&a).unwrap(), set);
        assert_eq!(std::fs::read(&a).unwrap(), std::fs::read(&b).unwrap());
        assert_eq!(std::fs::read_dir(dir.path().join("new")).unwrap().count(), 1);
    }

    /// Cut anywhere, or with any bit changed, a file is refused or says the same.
    #[test]
    fn a_damaged_file_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("set.safetensors");
        let reading = PictureReading { invert: false, background: [9, 2, 3] };
        let set = glyphs::generate(3, 4, 2, 4).with_reading(reading);
        set.write(&path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let refused = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            match ImageSet::read(&path) {
                Err(error) => {
                    let text = error.to_string();
                    assert!(text.contains("set.safetensors") && text.contains("import"), "{text}");
                    true
                }
                // A bit in the set's name, its source, or in white space.
                Ok(read) => {
                    assert_eq!(read.checksum(), set.checksum());
                    false
                }
            }
        };
        for end in 0..whole.len() {
            assert!(refused(&whole[..end]), "cut at {end}");
        }
        let mut accepted = 0;
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            accepted += usize::from(!refused(&bytes));
        }
        assert!(accepted < set.name().len() + set.source().len() + 8, "{accepted}");
        assert!(refused(&[whole.clone(), vec![0]].concat()));
    }

    #[test]
    fn a_foreign_file_and_a_later_version_say_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("set.safetensors");
        let data = [0_u8; 4];
        let write = |metadata: Option<HashMap<String, String>>| {
            let view = TensorView::new(Dtype::U8, vec![4], &data).unwrap();
            std::fs::write(&path, safetensors::serialize([("x", view)], metadata).unwrap()).unwrap();
            ImageSet::read(&path).unwrap_err().to_string()
        };
        let error = write(None);
        assert!(error.contains("no image set"), "{error}");
        let error = write(Some(HashMap::from([(KEY.into(), r#"{"version":2}"#.into())])));
        assert!(error.contains("later version"), "{error}");
        let error = ImageSet::read(dir.path().join("none")).unwrap_err().to_string();
        assert!(error.contains("none") && error.contains("cannot be read"), "{error}");
    }
}
