//! How well learners do on new tasks: losses or accuracies after each step of adaptation, summed up over tasks.

use super::Evaluation;
use crate::losses::Loss;
use crate::task::TaskBatch;
use serde::{Deserialize, Serialize};

/// The loss or the accuracy against steps of adaptation, over tasks; index `j` is after `j` steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// Mean over the tasks whose value after so many steps is finite; NaN where none is.
    pub mean: Vec<f64>,
    /// Half the width of its 95 % interval, `1.96 · σ / √n`, σ the standard deviation (n − 1) over the same `n` tasks.
    pub ci95: Vec<f64>,
    /// Median over all tasks; a loss that is not finite counts as the largest.
    pub median: Vec<f64>,
    /// Tasks with a loss that is not finite after any number of steps.
    pub diverged: usize,
    /// Tasks whose losses are finite, but after some step more than ten times that before adapting: they are in
    /// the mean, which a single one can lift by orders of magnitude.
    #[serde(default)]
    pub runaway: usize,
}

impl Curve {
    /// Sums up the losses of a result, `[tasks, steps + 1]`.
    ///
    /// ```
    /// # use fastweights::meta::{Curve, Evaluation};
    /// let query_loss = vec![4.0, 2.0, 6.0, 1.0, 5.0, f32::INFINITY];
    /// let curve = Curve::of(&Evaluation { query_loss, predictions: None }, 1);
    /// // After the step, the third task is in the median alone.
    /// assert_eq!(curve.mean, [5.0, 1.5]);
    /// assert_eq!(curve.median, [5.0, 2.0]);
    /// assert_eq!((curve.diverged, curve.runaway), (1, 0));
    /// ```
    #[must_use]
    pub fn of(evaluation: &Evaluation, steps: usize) -> Self {
        let rows = evaluation.query_loss.chunks_exact(steps + 1);
        let finite = rows.filter(|row| row.iter().all(|v| v.is_finite()));
        let runaway = finite.filter(|row| row.iter().any(|&v| v > 10.0 * row[0])).count();
        Self { runaway, ..Self::of_values(&evaluation.query_loss, steps) }
    }

    /// Sums up any values, `[tasks, steps + 1]`, e.g. accuracies.
    #[must_use]
    pub fn of_values(values: &[impl Copy + Into<f64>], steps: usize) -> Self {
        let values: Vec<f64> = values.iter().map(|&v| v.into()).collect();
        let rows: Vec<_> = values.chunks_exact(steps + 1).collect();
        let diverged = rows.iter().filter(|row| !row.iter().all(|v| v.is_finite())).count();
        let mut curve = Self { diverged, ..Self::default() };
        for step in 0..=steps {
            let finite = || rows.iter().map(|row| row[step]).filter(|v| v.is_finite());
            let n = finite().count() as f64;
            let mean = finite().sum::<f64>() / n;
            let squares = finite().map(|v| (v - mean).powi(2)).sum::<f64>();
            let deviation = (squares / (n - 1.0)).sqrt();
            curve.mean.push(mean);
            // One task has no spread to tell.
            curve.ci95.push(if n > 1.0 { 1.96 * deviation / n.sqrt() } else { f64::NAN });
            curve.median.push(median(rows.iter().map(|row| row[step])));
        }
        curve
    }
}

/// Share of the query points that are judged rightly, `[tasks, steps + 1]`, as the loss decides: the largest output for a
/// class, each output above 0 or not for `bce_with_logits`. Points count by their weights. Nothing where predictions were
/// not asked for, and where targets are no decisions.
#[must_use]
pub fn accuracy(loss: Loss, evaluation: &Evaluation, tasks: &TaskBatch) -> Vec<f64> {
    let Some(predictions) = &evaluation.predictions else { return Vec::new() };
    let (count, query) = (tasks.tasks, tasks.query);
    if count * query == 0 || predictions.is_empty() {
        return Vec::new();
    }
    let steps = evaluation.query_loss.len() / count;
    let outputs = predictions.len() / (steps * count * query);
    let mut right = vec![(0.0, 0.0); count * steps];
    for (i, row) in predictions.chunks_exact(outputs).enumerate() {
        let (step, point) = (i / (count * query), i % (count * query));
        let weight = tasks.weights.as_ref().map_or(1.0, |weights| f64::from(weights.query[point]));
        if weight == 0.0 {
            continue;
        }
        let Some(share) = loss.right(row, &tasks.query_y[point * tasks.targets..][..tasks.targets]) else {
            return Vec::new();
        };
        let (sum, all) = &mut right[point / query * steps + step];
        (*sum, *all) = (*sum + weight * share, *all + weight);
    }
    right.into_iter().map(|(right, all)| right / all).collect()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.map(|v| if v.is_nan() { f64::INFINITY } else { v }).collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => 0.5 * (values[n / 2 - 1] + values[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::PointWeights;

    #[test]
    fn a_task_is_in_the_means_of_the_steps_at_which_it_is_finite() {
        // One of three tasks diverges at the first step, another at the second, the last at the third.
        let (nan, inf) = (f32::NAN, f32::INFINITY);
        let query_loss = vec![1.0, inf, inf, nan, 2.0, 4.0, nan, nan, 6.0, 8.0, 10.0, inf];
        let curve = Curve::of(&Evaluation { query_loss, predictions: None }, 3);
        assert_eq!(curve.mean[..3], [3.0, 6.0, 10.0]);
        assert!(curve.mean[3].is_nan() && curve.ci95[3].is_nan());
        assert!(curve.ci95[2].is_nan());
        assert_eq!(curve.median[..3], [2.0, 8.0, f64::INFINITY]);
        assert_eq!(curve.diverged, 3);
    }

    #[test]
    fn accuracy_counts_the_first_largest_output() {
        let mut tasks = TaskBatch::zeros(2, 0, 2, 1, 1);
        tasks.query_y = vec![0.0, 1.0, 1.0, 1.0].into();
        // One step of adaptation, two tasks, two points, two classes.
        let before = [1.0, 0.0, 0.0, 1.0, 2.0, 1.0, 1.0, 1.0];
        let after = [0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, f32::NAN];
        let predictions = Some([before, after].concat());
        let evaluation = Evaluation { query_loss: vec![0.0; 4], predictions };
        assert_eq!(accuracy(Loss::cross_entropy(), &evaluation, &tasks), [1.0, 0.5, 0.0, 0.5]);
        // A point without a weight counts nowhere.
        tasks.weights = Some(PointWeights { support: vec![].into(), query: vec![1.0, 0.0, 1.0, 3.0].into() });
        assert_eq!(accuracy(Loss::cross_entropy(), &evaluation, &tasks), [1.0, 0.0, 0.0, 0.25]);
        assert!(accuracy(Loss::mse(), &evaluation, &tasks).is_empty());
    }

    #[test]
    fn outputs_above_zero_are_decisions_where_targets_are() {
        let mut tasks = TaskBatch::zeros(1, 0, 2, 1, 2);
        tasks.query_y = vec![0.0, 1.0, 1.0, 1.0].into();
        let predictions = Some(vec![-0.1, 0.2, 0.0, f32::INFINITY]);
        let evaluation = Evaluation { query_loss: vec![0.0], predictions };
        assert_eq!(accuracy(Loss::bce_with_logits(), &evaluation, &tasks), [0.5]);
        tasks.query_y[2] = 0.3;
        assert!(accuracy(Loss::bce_with_logits(), &evaluation, &tasks).is_empty());
    }
}
