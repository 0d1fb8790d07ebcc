//! Parameters and optimizer state as safetensors, written whole or not at all.

use crate::error::{Error, Result};
use crate::file::write_atomic;
use crate::model::Model;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// The metadata of a file, under one key: a map of several would be written in a random order.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Header {
    format: String,
    seed: u64,
    /// Meta-iterations done.
    pub(crate) step: u64,
    /// Of all else here and all tensors, in hexadecimal digits; files of format 1 have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    /// What else there is to say of the tensors, as it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) about: Option<Box<RawValue>>,
}

impl Header {
    pub(crate) fn new(seed: u64, step: u64) -> Self {
        Self { format: "2".into(), seed, step, sha256: None, about: None }
    }

    /// The seed of the draws that the tensors come from.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// With more to say.
    pub(crate) fn with_about(self, about: &impl Serialize) -> serde_json::Result<Self> {
        Ok(Self { about: Some(serde_json::value::to_raw_value(about)?), ..self })
    }

    /// Whether the file is as it was written.
    fn agrees(&self, tensors: &Named) -> bool {
        match (&*self.format, &self.sha256) {
            ("1", None) => true,
            ("2", Some(sum)) => *sum == self.checksum(tensors),
            _ => false,
        }
    }

    /// SHA-256 of numbers, what there is to say, names, types, shapes and values; every part is preceded by its length.
    fn checksum(&self, tensors: &Named) -> String {
        let mut sum = Sha256::new();
        let mut part = |bytes: &[u8]| {
            sum.update((bytes.len() as u64).to_le_bytes());
            sum.update(bytes);
        };
        part(&self.seed.to_le_bytes());
        part(&self.step.to_le_bytes());
        if let Some(about) = &self.about {
            part(b"about");
            part(about.get().as_bytes());
        }
        for (name, (dtype, shape, bytes)) in tensors {
            part(name.as_bytes());
            part(format!("{dtype:?} {shape:?}").as_bytes());
            part(bytes);
        }
        sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Tensors by their names: type, shape and bytes.
type Named = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

const KEY: &str = "fastweights";

/// Tensors on their way into a file.
#[derive(Default)]
pub(crate) struct Tensors(Named);

impl Tensors {
    pub(crate) fn add(&mut self, name: String, shape: &[usize], values: &[f32]) {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.0.insert(name, (Dtype::F32, shape.to_vec(), bytes));
    }

    pub(crate) fn add_wide(&mut self, name: String, values: &[f64]) {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.0.insert(name, (Dtype::F64, vec![values.len()], bytes));
    }

    pub(crate) fn add_theta(&mut self, prefix: &str, model: &Model, values: &[f32]) {
        for param in model.params() {
            self.add(format!("{prefix}{}", param.name), &param.shape, &values[param.range()]);
        }
    }

    pub(crate) fn write(&self, path: &Path, header: Header) -> Result<()> {
        write_atomic(path, &self.bytes(path, header)?)
    }

    /// What is written to the file of this name.
    pub(crate) fn bytes(&self, path: &Path, mut header: Header) -> Result<Vec<u8>> {
        let failed = |e: Box<dyn std::error::Error + Send + Sync>| {
            Error::file_caused(path, "cannot be put into safetensors", e)
        };
        header.sha256 = Some(header.checksum(&self.0));
        let header = serde_json::to_string(&header).map_err(|e| failed(e.into()))?;
        let metadata = HashMap::from([(KEY.to_owned(), header)]);
        self.serialized(Some(metadata)).map_err(|e| failed(e.into()))
    }

    /// Writes the tensors and nothing else.
    #[cfg(feature = "export")]
    pub(crate) fn write_alone(&self, path: &Path) -> Result<()> {
        let bytes = self.serialized(None);
        write_atomic(path, &bytes.map_err(|e| Error::file_caused(path, "cannot be put into safetensors", e))?)
    }

    /// Names, shapes and bytes of those in float32.
    #[cfg(feature = "export")]
    pub(crate) fn floats(&self) -> impl Iterator<Item = (&str, &[usize], &[u8])> {
        let floats = self.0.iter().filter(|(_, (dtype, ..))| *dtype == Dtype::F32);
        floats.map(|(name, (_, shape, bytes))| (&name[..], &shape[..], &bytes[..]))
    }

    /// The bytes of a file with this metadata.
    fn serialized(
        &self,
        metadata: Option<HashMap<String, String>>,
    ) -> Result<Vec<u8>, safetensors::SafeTensorError> {
        let views = (self.0.iter())
            .map(|(name, (dtype, shape, bytes))| Ok((name, TensorView::new(*dtype, shape.clone(), bytes)?)))
            .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
        safetensors::serialize(views, metadata)
    }
}

/// A file of tensors being read.
pub(crate) struct Source {
    path: PathBuf,
    tensors: Named,
    header: Option<Header>,
}

impl Source {
    /// Reads a file and compares it with the checksum that it carries, if this program wrote it.
    pub(crate) fn read(path: PathBuf) -> Result<Self> {
        let bytes = std::fs::read(&path).map_err(|e| Error::file_caused(&path, "cannot be read", e))?;
        Self::parse(path, &bytes)
    }

    /// The same of the bytes of a file.
    pub(crate) fn parse(path: PathBuf, bytes: &[u8]) -> Result<Self> {
        let file = SafeTensors::deserialize(bytes)
            .map_err(|e| Error::file_caused(&path, "is not a safetensors file", e))?;
        let tensors = (file.iter())
            .map(|(name, t)| (name.to_owned(), (t.dtype(), t.shape().to_vec(), t.data().to_vec())))
            .collect();
        let header = SafeTensors::read_metadata(bytes).ok();
        let header = header.and_then(|(_, all)| all.metadata().as_ref()?.get(KEY).cloned());
        let header = header.map(|text| serde_json::from_str::<Header>(&text)).transpose();
        let header =
            header.map_err(|e| Error::file_caused(&path, "is damaged: its metadata cannot be read", e))?;
        let source = Self { path, tensors, header };
        match &source.header {
            Some(header) if !header.agrees(&source.tensors) => Err(Error::file(
                &source.path,
                "is damaged: its tensors and its checksum do not agree, so a byte of it is not what was written; take \
                 a copy of it, or do without it",
            )),
            _ => Ok(source),
        }
    }

    /// What it says of the training it is from.
    pub(crate) fn header(&self) -> Result<&Header> {
        self.header.as_ref().ok_or_else(|| {
            Error::file(
                &self.path,
                "does not say which meta-iteration it is from: this program did not write it",
            )
        })
    }

    #[cfg(test)]
    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.tensors.keys()
    }

    fn get(&self, name: &str, dtype: Dtype, shape: Option<&[usize]>) -> Result<&[u8]> {
        let (found, dims, bytes) = (self.tensors.get(name))
            .ok_or_else(|| Error::file(&self.path, format!("has no tensor `{name}`")))?;
        if *found == dtype && shape.is_none_or(|shape| shape == dims) {
            Ok(bytes)
        } else {
            let wanted = shape.map_or_else(|| format!("{dtype:?}"), |shape| format!("{dtype:?} {shape:?}"));
            let reason = format!("tensor `{name}` is {found:?} {dims:?}, but the recipe needs {wanted}");
            Err(Error::file(&self.path, reason))
        }
    }

    pub(crate) fn floats(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let bytes = self.get(name, Dtype::F32, Some(shape))?;
        Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }

    pub(crate) fn wide(&self, name: &str) -> Result<Vec<f64>> {
        let bytes = self.get(name, Dtype::F64, None)?;
        let words = bytes.chunks_exact(8).map(|b| <[u8; 8]>::try_from(b).unwrap_or_default());
        Ok(words.map(f64::from_le_bytes).collect())
    }

    pub(crate) fn theta(&self, prefix: &str, model: &Model) -> Result<Vec<f32>> {
        // A graph in a file may ask for more than there is.
        let mut theta = Vec::new();
        for param in model.params() {
            theta.extend(self.floats(&format!("{prefix}{}", param.name), &param.shape)?);
        }
        Ok(theta)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small(path: &Path) -> Vec<u8> {
        let mut tensors = Tensors::default();
        tensors.add("0.weight".into(), &[2, 1], &[1.0, -2.5]);
        tensors.add_wide("sums".into(), &[0.1]);
        let about = serde_json::json!({ "eps": 1e-5, "classes": ["a", "b"] });
        tensors.write(path, Header::new(7, 120).with_about(&about).unwrap()).unwrap();
        std::fs::read(path).unwrap()
    }

    /// Whether what was written is read: a header of this program, and all that it speaks of.
    fn whole(path: &Path) -> Result<()> {
        let source = Source::read(path.to_owned())?;
        assert!(source.header()?.about.is_some());
        source.floats("0.weight", &[2, 1])?;
        source.wide("sums").map(|_| ())
    }

    #[test]
    fn no_bit_of_a_file_can_flip_unseen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("120.safetensors");
        let bytes = small(&path);
        whole(&path).unwrap();
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &flipped).unwrap();
            let error = whole(&path).expect_err(&format!("bit {bit} of {}", bytes.len()));
            assert!(error.to_string().contains("120.safetensors"), "{error}");
        }
        for len in 0..bytes.len() {
            std::fs::write(&path, &bytes[..len]).unwrap();
            assert!(whole(&path).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn files_from_before_checksums_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("old.safetensors");
        let header = r#"{"format":"1","seed":7,"step":120}"#;
        let values = [1_f32, 2.0].map(f32::to_le_bytes).concat();
        let view = TensorView::new(Dtype::F32, vec![2], &values).unwrap();
        let write = |header: &str| {
            let metadata = HashMap::from([(KEY.to_owned(), header.to_owned())]);
            std::fs::write(&path, safetensors::serialize([("x", view.clone())], Some(metadata)).unwrap())
                .unwrap();
            Source::read(path.clone())
        };
        assert_eq!(write(header).unwrap().floats("x", &[2]).unwrap(), [1.0, 2.0]);
        assert!(write(&header.replace('1', "2")).is_err(), "a later format needs its checksum");
    }
}
