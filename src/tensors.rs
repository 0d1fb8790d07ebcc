//! Parameters and optimizer state as safetensors, written whole or not at all.

use crate::error::{Error, Result};
use crate::file::write_atomic;
use crate::model::Model;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// The metadata of a file, under one key: a map of several would be written in a random order.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Header {
    format: String,
    seed: u64,
    /// Meta-iterations done.
    pub(crate) step: u64,
}

impl Header {
    pub(crate) fn new(seed: u64, step: u64) -> Self {
        Self { format: "1".into(), seed, step }
    }
}

const KEY: &str = "fastweights";

/// Tensors on their way into a file.
#[derive(Default)]
pub(crate) struct Tensors(BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>);

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

    pub(crate) fn write(&self, path: &Path, header: &Header) -> Result<()> {
        let failed = |e: Box<dyn std::error::Error + Send + Sync>| {
            Error::file_caused(path, "cannot be put into safetensors", e)
        };
        let header = serde_json::to_string(header).map_err(|e| failed(e.into()))?;
        let views = (self.0.iter())
            .map(|(name, (dtype, shape, bytes))| Ok((name, TensorView::new(*dtype, shape.clone(), bytes)?)))
            .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
            .map_err(|e| failed(e.into()))?;
        let bytes = safetensors::serialize(views, Some(HashMap::from([(KEY.to_owned(), header)])))
            .map_err(|e| failed(e.into()))?;
        write_atomic(path, &bytes)
    }
}

/// A file of tensors being read.
pub(crate) struct Source {
    path: PathBuf,
    tensors: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>,
    header: Option<String>,
}

impl Source {
    pub(crate) fn read(path: PathBuf) -> Result<Self> {
        let bytes = std::fs::read(&path).map_err(|e| Error::file_caused(&path, "cannot be read", e))?;
        let file = SafeTensors::deserialize(&bytes)
            .map_err(|e| Error::file_caused(&path, "is not a safetensors file", e))?;
        let tensors = (file.iter())
            .map(|(name, t)| (name.to_owned(), (t.dtype(), t.shape().to_vec(), t.data().to_vec())))
            .collect();
        let header = SafeTensors::read_metadata(&bytes).ok();
        let header = header.and_then(|(_, all)| all.metadata().as_ref()?.get(KEY).cloned());
        Ok(Self { path, tensors, header })
    }

    /// What it says of the training it is from.
    pub(crate) fn header(&self) -> Result<Header> {
        let text = self.header.as_deref().ok_or_else(|| {
            Error::file(
                &self.path,
                "does not say which meta-iteration it is from: this program did not write it",
            )
        })?;
        serde_json::from_str(text).map_err(|e| Error::file_caused(&self.path, "has damaged metadata", e))
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
        let mut theta = Vec::with_capacity(model.param_count());
        for param in model.params() {
            theta.extend(self.floats(&format!("{prefix}{}", param.name), &param.shape)?);
        }
        Ok(theta)
    }
}
