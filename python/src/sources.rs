//! Tasks that are drawn where the training runs.

use crate::arrays::{Array, array};
use crate::errors::exception;
use crate::recipes::settings;
use fastweights::recipe::Recipe;
use fastweights::task::{Rows, Sampler, Sinusoid, TaskSource, Visit};
use numpy::PyReadonlyArray2;
use numpy::PyUntypedArrayMethods as _;
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::Arc;

/// A family of tasks with their numbers of points.
#[pyclass(frozen, module = "fastweights._engine")]
#[derive(Clone)]
pub(crate) struct Source {
    source: TaskSource,
    #[pyo3(get)]
    support: usize,
    #[pyo3(get)]
    query: usize,
    /// Rows, which may be split by their classes, with shots and queries.
    rows: Option<(Rows, usize, usize)>,
}

impl Source {
    /// The tasks of a training.
    pub(crate) fn sampler(&self, meta_batch: usize, seed: u64, visit: Visit) -> Sampler {
        let Self { source, support, query, .. } = self.clone();
        Sampler { source, seed, meta_batch, support, query, visit }
    }

    fn of_rows(rows: Rows, shots: usize, queries: usize) -> Self {
        let ways = rows.ways();
        Self {
            source: TaskSource::Custom(Arc::new(rows.clone())),
            support: ways * shots,
            query: ways * queries,
            rows: Some((rows, shots, queries)),
        }
    }
}

/// Support and query of tasks: `x`, `y`, `x`, `y`, and weights where points have some.
type Drawn<'py> = (Array<'py>, Array<'py>, Array<'py>, Array<'py>, Option<Array<'py>>, Option<Array<'py>>);

#[pymethods]
impl Source {
    #[staticmethod]
    fn sinusoid(
        amplitude: [f32; 2],
        phase: [f32; 2],
        x: [f32; 2],
        pool: Option<u32>,
        support: usize,
        query: usize,
    ) -> Self {
        let source = TaskSource::Sinusoid { family: Sinusoid { amplitude, phase, x }, pool };
        Self { source, support, query, rows: None }
    }

    #[staticmethod]
    fn of_classes(
        values: PyReadonlyArray2<'_, f32>,
        labels: Vec<i64>,
        ways: usize,
        shots: usize,
        queries: usize,
    ) -> PyResult<Self> {
        let inputs = values.shape()[1];
        let rows = Rows::new(values.as_slice()?.to_vec(), inputs, &labels, ways).map_err(exception)?;
        Ok(Self::of_rows(rows, shots, queries))
    }

    /// The same from disjoint sets of classes, so many of them; those of none are left out.
    fn split(&self, seed: u64, counts: [usize; 3]) -> PyResult<Vec<Self>> {
        let Some((rows, shots, queries)) = &self.rows else { return Ok(Vec::new()) };
        let parts = rows.split(seed, counts).map_err(exception)?;
        Ok(parts.into_iter().flatten().map(|rows| Self::of_rows(rows, *shots, *queries)).collect())
    }

    /// The tasks of a recipe.
    #[staticmethod]
    #[pyo3(signature = (recipe, overrides, data = None))]
    fn of_recipe(
        py: Python<'_>,
        recipe: String,
        overrides: Vec<String>,
        data: Option<PathBuf>,
    ) -> PyResult<Self> {
        py.detach(|| {
            let mut recipe = Recipe::load(&recipe, &settings(&overrides)?)?;
            recipe.load_data(data.as_deref())?;
            let Sampler { source, support, query, .. } = recipe.sampler(Visit::Split)?;
            Ok(Self { source, support, query, rows: None })
        })
        .map_err(exception)
    }

    #[getter]
    fn inputs(&self) -> usize {
        self.source.inputs()
    }

    /// The tasks of a meta-iteration.
    fn batch<'py>(
        &self,
        py: Python<'py>,
        iteration: u64,
        meta_batch: usize,
        seed: u64,
    ) -> PyResult<Drawn<'py>> {
        let sampler = self.sampler(meta_batch, seed, Visit::Split);
        let batch = py.detach(|| sampler.check().map(|()| sampler.batch(iteration))).map_err(exception)?;
        let (n, s, q) = (batch.tasks, batch.support, batch.query);
        let make = |values: Vec<f32>, points: usize, width: usize| array(py, values, &[n, points, width]);
        let (support_weights, query_weights) = match batch.weights {
            Some(weights) => {
                let (support, query) = (weights.support.into_vec(), weights.query.into_vec());
                (Some(array(py, support, &[n, s])?), Some(array(py, query, &[n, q])?))
            }
            None => (None, None),
        };
        Ok((
            make(batch.support_x.into_vec(), s, batch.inputs)?,
            make(batch.support_y.into_vec(), s, batch.targets)?,
            make(batch.query_x.into_vec(), q, batch.inputs)?,
            make(batch.query_y.into_vec(), q, batch.targets)?,
            support_weights,
            query_weights,
        ))
    }
}
