//! A model in the formats of other programs.
//!
//! | format | holds |
//! | --- | --- |
//! | ONNX | the whole way from the units of people's files to answers: scaling, the graph, batch norms at what they are frozen at; any number of points at a time |
//! | safetensors, NumPy's npz | weights alone, under the names that PyTorch gives them, running statistics of batch norms included |
//!
//! An ONNX file is of opset 17. What goes in and comes out has names, with their meaning beside them; the names of classes and of a
//! table's columns, in JSON, and where the model comes from, are in the file's metadata under `classes`, `columns` and `origin`.

mod arrays;
mod ends;
mod onnx;
mod ops;
mod proto;
#[cfg(test)]
mod tests;
mod writer;

use crate::adapted::Adapted;
use crate::error::Result;
use crate::file::write_atomic;
use std::path::Path;

/// A format of other programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Open Neural Network Exchange.
    Onnx,
    /// Weights as safetensors.
    Safetensors,
    /// Weights as arrays of NumPy in an archive.
    Npz,
}

impl Format {
    /// Their names, in the order of [`Format::ALL`].
    pub const NAMES: [&str; 3] = ["onnx", "safetensors", "npz"];

    /// All of them.
    pub const ALL: [Self; 3] = [Self::Onnx, Self::Safetensors, Self::Npz];
}

/// Writes a model in a format, whole or not at all.
///
/// # Errors
/// [`File`](crate::ErrorKind::File) if it cannot be written; [`Limit`](crate::ErrorKind::Limit) beyond the 2 GiB that an ONNX file
/// can have.
pub fn export(adapted: &Adapted, format: Format, path: &Path) -> Result<()> {
    match format {
        Format::Onnx => write_atomic(path, &onnx::bytes(adapted)?),
        Format::Safetensors => adapted.tensors().write_alone(path),
        Format::Npz => write_atomic(path, &arrays::npz(&adapted.tensors(), path)?),
    }
}
