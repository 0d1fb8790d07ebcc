//! NumPy's arrays as the engine's values, where they lie, and the other way round.

use fastweights::task::{PointWeights, TaskBatch, Values};
use numpy::{PyArray1, PyArrayDyn, PyArrayMethods as _, PyUntypedArrayMethods as _};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::sync::Arc;

/// An array of any number of axes, float32 and contiguous.
pub(crate) type Array<'py> = Bound<'py, PyArrayDyn<f32>>;

/// Numbers of an array that Python owns.
struct Lent {
    start: *const f32,
    len: usize,
    _array: Py<PyArrayDyn<f32>>,
}

// SAFETY: the array is kept, and its numbers are only read. Who writes to an array while the engine computes with it may get a
// mixture of old and new numbers, as with NumPy itself.
unsafe impl Send for Lent {}
// SAFETY: as above.
unsafe impl Sync for Lent {}

impl AsRef<[f32]> for Lent {
    fn as_ref(&self) -> &[f32] {
        // SAFETY: the numbers of a contiguous array that is kept.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }
}

/// The numbers of an array, without a copy.
pub(crate) fn lent(array: &Array<'_>) -> PyResult<Values<f32>> {
    let (start, len) = (array.data().cast_const(), array.len());
    if !array.is_c_contiguous() || !start.is_aligned() {
        return Err(PyValueError::new_err("an array must be contiguous and aligned"));
    }
    if len == 0 {
        return Ok(Vec::new().into());
    }
    Ok(Values::of(Arc::new(Lent { start, len, _array: array.clone().unbind() })))
}

/// A one-dimensional array of its own.
pub(crate) fn array1(py: Python<'_>, values: Vec<f32>) -> Bound<'_, PyArray1<f32>> {
    PyArray1::from_vec(py, values)
}

/// An array of any shape.
pub(crate) fn array<'py>(py: Python<'py>, values: Vec<f32>, shape: &[usize]) -> PyResult<Array<'py>> {
    PyArray1::from_vec(py, values).reshape(shape.to_vec())
}

/// Support and query of tasks as Python gives them: `x` `[tasks, points, …]`, `y` `[tasks, points, …]`, and weights
/// `[tasks, points]` of both or of none.
#[derive(FromPyObject)]
pub(crate) struct Batch<'py>(
    Array<'py>,
    Array<'py>,
    Array<'py>,
    Array<'py>,
    Option<Array<'py>>,
    Option<Array<'py>>,
);

/// Elements behind the first two axes.
fn width(array: &Array<'_>) -> usize {
    array.shape().iter().skip(2).product()
}

impl Batch<'_> {
    /// The same as the engine's batch.
    pub(crate) fn tasks(&self) -> PyResult<TaskBatch> {
        let Self(support_x, support_y, query_x, query_y, support_weights, query_weights) = self;
        let axes = |array: &Array<'_>| match array.shape() {
            [tasks, points, ..] => Ok((*tasks, *points)),
            shape => Err(PyValueError::new_err(format!("[tasks, points, …] is needed, not {shape:?}"))),
        };
        let ((tasks, support), (_, query)) = (axes(support_x)?, axes(query_x)?);
        let weights = match (support_weights, query_weights) {
            (Some(support), Some(query)) => {
                Some(PointWeights { support: lent(support)?, query: lent(query)? })
            }
            _ => None,
        };
        let batch = TaskBatch {
            tasks,
            support,
            query,
            inputs: width(query_x),
            targets: width(query_y).max(1),
            support_x: lent(support_x)?,
            support_y: lent(support_y)?,
            query_x: lent(query_x)?,
            query_y: lent(query_y)?,
            weights,
        };
        batch.check_finite().map_err(crate::errors::exception)?;
        Ok(batch)
    }
}
