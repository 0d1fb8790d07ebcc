//! Tasks as plain arrays.

use super::values::Values;
use crate::error::{Error, Result};

/// A batch of tasks, all of one shape.
///
/// `T` is `f32` for backends and `f64` for the oracle. For `cross_entropy` a target is one number a
/// point: the class index.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskBatch<T = f32> {
    /// Number of tasks.
    pub tasks: usize,
    /// Support points a task.
    pub support: usize,
    /// Query points a task.
    pub query: usize,
    /// Features of a point.
    pub inputs: usize,
    /// Targets of a point: the model's outputs for `mse`, 1 for `cross_entropy`.
    pub targets: usize,
    /// `[tasks, support, inputs]`.
    pub support_x: Values<T>,
    /// `[tasks, support, targets]`.
    pub support_y: Values<T>,
    /// `[tasks, query, inputs]`.
    pub query_x: Values<T>,
    /// `[tasks, query, targets]`.
    pub query_y: Values<T>,
    /// A weight for each point, where tasks have fewer points than the batch holds, or points that count more than others.
    pub weights: Option<PointWeights<T>>,
}

/// How much each point of each task counts: means run over weights, and a point of weight 0 is as if it were not there,
/// in batch norms as in losses; its numbers must be finite and its targets may be any. So tasks of unequal shots, ways and
/// lengths go in one batch.
#[derive(Clone, Debug, PartialEq)]
pub struct PointWeights<T = f32> {
    /// `[tasks, support]`.
    pub support: Values<T>,
    /// `[tasks, query]`.
    pub query: Values<T>,
}

impl<T: Copy + Default> TaskBatch<T> {
    /// A batch of zeros.
    #[must_use]
    pub fn zeros(tasks: usize, support: usize, query: usize, inputs: usize, targets: usize) -> Self {
        let zeros = |points, width| vec![T::default(); tasks * points * width].into();
        Self {
            tasks,
            support,
            query,
            inputs,
            targets,
            support_x: zeros(support, inputs),
            support_y: zeros(support, targets),
            query_x: zeros(query, inputs),
            query_y: zeros(query, targets),
            weights: None,
        }
    }

    /// Puts a task into `slot`: all its points, support points first, `x: [support + query, inputs]` and
    /// `y: [support + query, targets]`.
    ///
    /// # Panics
    /// If there is no such slot, or `x` or `y` is shorter.
    pub fn put(&mut self, slot: usize, x: &[T], y: &[T]) {
        let (support, query, inputs, targets) = (self.support, self.query, self.inputs, self.targets);
        for (to, from, skip, points, width) in [
            (&mut self.support_x, x, 0, support, inputs),
            (&mut self.support_y, y, 0, support, targets),
            (&mut self.query_x, x, support, query, inputs),
            (&mut self.query_y, y, support, query, targets),
        ] {
            to[slot * points * width..][..points * width]
                .copy_from_slice(&from[skip * width..][..points * width]);
        }
    }

    /// Puts the weights of a task's points into `slot`, `[support + query]`, support points first; all others count as one
    /// until they are put.
    ///
    /// # Panics
    /// If there is no such slot, or `weights` is shorter.
    pub fn put_weights(&mut self, slot: usize, weights: &[T])
    where
        T: From<u8>,
    {
        let (tasks, support, query) = (self.tasks, self.support, self.query);
        let ones = |points: usize| vec![T::from(1); tasks * points].into();
        let all =
            self.weights.get_or_insert_with(|| PointWeights { support: ones(support), query: ones(query) });
        all.support[slot * support..][..support].copy_from_slice(&weights[..support]);
        all.query[slot * query..][..query].copy_from_slice(&weights[support..][..query]);
    }

    /// Checks that the arrays have the lengths that the counts say, and that weights are some.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorKind::Shape) naming the array, [`Failed`](crate::ErrorKind::Failed) naming the task.
    pub fn check(&self) -> Result<()>
    where
        T: Into<f64>,
    {
        for (name, array, points, width) in [
            ("support_x", &self.support_x, self.support, self.inputs),
            ("support_y", &self.support_y, self.support, self.targets),
            ("query_x", &self.query_x, self.query, self.inputs),
            ("query_y", &self.query_y, self.query, self.targets),
        ] {
            if array.len() != self.tasks * points * width {
                return Err(Error::shape(name, &[self.tasks, points, width], &[array.len()]));
            }
        }
        let Some(weights) = &self.weights else { return Ok(()) };
        for (name, array, points) in [
            ("support weights", &weights.support, self.support),
            ("query weights", &weights.query, self.query),
        ] {
            if array.len() != self.tasks * points {
                return Err(Error::shape(name, &[self.tasks, points], &[array.len()]));
            }
            for (task, weights) in array.chunks_exact(points.max(1)).enumerate() {
                let weights = || weights.iter().map(|&weight| -> f64 { weight.into() });
                let valid = weights().all(|weight| weight >= 0.0 && weight.is_finite());
                if !valid || weights().sum::<f64>() <= 0.0 {
                    let reason = "numbers of 0 or more are needed, one of them above 0";
                    return Err(Error::failed(format!("{name} of task {task}: {reason}")));
                }
            }
        }
        Ok(())
    }

    /// Checks that every feature is finite, and every target and weight of points that count.
    ///
    /// # Errors
    /// [`NotFinite`](crate::ErrorKind::NotFinite) naming set, task, point and number.
    pub fn check_finite(&self) -> Result<()>
    where
        T: Into<f64>,
    {
        let weights = |set: fn(&PointWeights<T>) -> &Values<T>| self.weights.as_ref().map(set);
        let (support, query) = (weights(|weights| &weights.support), weights(|weights| &weights.query));
        for (name, array, weights, points, width) in [
            ("support x", &self.support_x, None, self.support, self.inputs),
            ("support y", &self.support_y, support, self.support, self.targets),
            ("query x", &self.query_x, None, self.query, self.inputs),
            ("query y", &self.query_y, query, self.query, self.targets),
        ] {
            let bad = |value: T| !Into::<f64>::into(value).is_finite();
            // The quick look that is enough, nearly always.
            if !array.iter().fold(false, |any, &value| any | bad(value)) {
                continue;
            }
            let counts = |at: usize| {
                weights.is_none_or(|weights| weights.get(at / width).is_some_and(|&w| w.into() > 0.0))
            };
            if let Some(at) = (0..array.len()).find(|&at| bad(array[at]) && counts(at)) {
                let (task, point) = (at / width / points, at / width % points);
                let value = Into::<f64>::into(array[at]);
                return Err(Error::not_finite(format!("{name} of task {task}, point {point}: {value}")));
            }
        }
        Ok(())
    }

    /// The same tasks in another number type.
    #[must_use]
    pub fn map<U>(&self, f: impl Fn(T) -> U) -> TaskBatch<U> {
        let map = |array: &[T]| array.iter().map(|&v| f(v)).collect();
        TaskBatch {
            tasks: self.tasks,
            support: self.support,
            query: self.query,
            inputs: self.inputs,
            targets: self.targets,
            support_x: map(&self.support_x),
            support_y: map(&self.support_y),
            query_x: map(&self.query_x),
            query_y: map(&self.query_y),
            weights: (self.weights.as_ref())
                .map(|all| PointWeights { support: map(&all.support), query: map(&all.query) }),
        }
    }

    /// The tasks `range` alone.
    #[must_use]
    pub fn slice(&self, range: std::ops::Range<usize>) -> Self {
        let cut = |array: &[T], points: usize, width: usize| {
            array[range.start * points * width..range.end * points * width].to_vec().into()
        };
        Self {
            tasks: range.len(),
            support: self.support,
            query: self.query,
            inputs: self.inputs,
            targets: self.targets,
            support_x: cut(&self.support_x, self.support, self.inputs),
            support_y: cut(&self.support_y, self.support, self.targets),
            query_x: cut(&self.query_x, self.query, self.inputs),
            query_y: cut(&self.query_y, self.query, self.targets),
            weights: (self.weights.as_ref()).map(|all| PointWeights {
                support: cut(&all.support, self.support, 1),
                query: cut(&all.query, self.query, 1),
            }),
        }
    }
}
