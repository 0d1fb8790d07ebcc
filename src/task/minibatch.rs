//! Mini-batches of one table as tasks: all rows in shuffled order, epoch by epoch.

use super::images::distinct;
use super::{TaskFamily, Turn};
use crate::error::{Error, Result};
use crate::philox::{Philox, Purpose, below};
use std::sync::{Arc, Mutex};

/// Rows with a class or a number each, visited in mini-batches. All tasks are of one kind, so what is learned is a network that a few
/// steps on any part of the rows improve.
#[derive(Debug)]
pub struct Minibatches {
    values: Arc<[f32]>,
    targets: Vec<f32>,
    inputs: usize,
    whole: bool,
    /// The order of the epoch that was asked for last, by seed and epoch.
    order: Mutex<Option<Order>>,
}

/// All rows in the order of an epoch.
#[derive(Clone, Debug)]
struct Order {
    seed: u64,
    epoch: u64,
    rows: Arc<[u32]>,
}

impl Minibatches {
    /// Mini-batches of `values: [rows, inputs]` with a class or a number each. If `whole`, a mini-batch is both support and query;
    /// else its rows are divided among them.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorKind::Shape) if values and targets are not of the same rows.
    pub fn new(values: impl Into<Arc<[f32]>>, inputs: usize, targets: &[f32], whole: bool) -> Result<Self> {
        let values = values.into();
        if inputs == 0 || targets.is_empty() || values.len() != targets.len() * inputs {
            return Err(Error::shape("values of rows", &[targets.len(), inputs.max(1)], &[values.len()]));
        }
        Ok(Self { values, targets: targets.to_vec(), inputs, whole, order: Mutex::new(None) })
    }

    /// Mini-batches of `size` rows in an epoch.
    #[must_use]
    pub fn an_epoch(&self, size: usize) -> u64 {
        self.targets.len().div_ceil(size.max(1)) as u64
    }

    /// Rows of a mini-batch.
    fn size(&self, support: usize, query: usize) -> usize {
        if self.whole { query } else { support + query }
    }

    /// All rows in the order of an epoch.
    fn order(&self, seed: u64, epoch: u64) -> Arc<[u32]> {
        // Kept only to save time: what is in it follows from seed and epoch.
        let mut kept = self.order.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(order) = kept.as_ref().filter(|order| (order.seed, order.epoch) == (seed, epoch)) {
            return Arc::clone(&order.rows);
        }
        let n = self.targets.len();
        let mut words = Philox::stream(seed, Purpose::Shuffle, epoch as u32, (epoch >> 32) as u32);
        let mut rows: Vec<_> = (0..n as u32).collect();
        for i in 0..n.saturating_sub(1) {
            rows.swap(i, i + below(words.word(), (n - i) as u32) as usize);
        }
        let rows: Arc<[u32]> = rows.into();
        *kept = Some(Order { seed, epoch, rows: Arc::clone(&rows) });
        rows
    }

    fn put(
        &self,
        rows: impl Iterator<Item = usize>,
        (support, query): (usize, usize),
        x: &mut [f32],
        y: &mut [f32],
    ) {
        let width = self.inputs;
        for (point, row) in rows.enumerate() {
            let values = &self.values[row * width..][..width];
            let again = (self.whole && support > 0).then_some(support + point);
            for point in [Some(point), again].into_iter().flatten().filter(|&p| p < support + query) {
                x[point * width..][..width].copy_from_slice(values);
                y[point] = self.targets[row];
            }
        }
    }
}

impl TaskFamily for Minibatches {
    fn name(&self) -> &str {
        "mini-batches"
    }

    fn inputs(&self) -> usize {
        self.inputs
    }

    fn check(&self, support: usize, query: usize) -> Result<()> {
        if self.whole && support != query && support != 0 {
            return Err(Error::shape(
                "support points of a mini-batch that is also the query",
                &[query],
                &[support],
            ));
        }
        let (size, rows) = (self.size(support, query), self.targets.len());
        if size > rows {
            let reason = format!("is {size}, but there are {rows} training rows");
            return Err(Error::recipe("task.rows", reason));
        }
        Ok(())
    }

    /// Any rows, none twice.
    fn draw(&self, words: &mut Philox, support: usize, query: usize, x: &mut [f32], y: &mut [f32]) {
        let rows = distinct(words, self.targets.len(), self.size(support, query));
        self.put(rows.into_iter(), (support, query), x, y);
    }

    /// The next rows in the order of the epoch. The last mini-batch of an epoch is filled up from its end backwards, so every
    /// row is seen in every epoch and none twice in a mini-batch.
    fn visit(&self, turn: &Turn, support: usize, query: usize, x: &mut [f32], y: &mut [f32]) {
        let size = self.size(support, query);
        let (batches, number) = (self.an_epoch(size), turn.number());
        let order = self.order(turn.seed, number / batches);
        let first = ((number % batches) as usize * size).min(order.len() - size);
        let rows = order[first..first + size].iter().map(|&row| row as usize);
        self.put(rows, (support, query), x, y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Eleven rows whose only feature is their number.
    fn batches(whole: bool) -> Minibatches {
        let values: Vec<_> = (0..11).map(|row| row as f32).collect();
        Minibatches::new(values, 1, &(0..11).map(|row| (row % 2) as f32).collect::<Vec<_>>(), whole).unwrap()
    }

    fn visit(family: &Minibatches, iteration: u64, support: usize, query: usize) -> Vec<f32> {
        let turn = Turn { seed: 5, iteration, task: 0, meta_batch: 1 };
        let (mut x, mut y) = (vec![f32::NAN; support + query], vec![f32::NAN; support + query]);
        family.visit(&turn, support, query, &mut x, &mut y);
        assert!(x.iter().zip(&y).all(|(x, y)| x % 2.0 == *y), "a label went astray");
        x
    }

    #[test]
    fn every_row_is_seen_in_every_epoch_in_an_order_of_its_own() {
        let family = batches(false);
        let epoch =
            |epoch: u64| -> Vec<_> { (0..3).flat_map(|i| visit(&family, 3 * epoch + i, 2, 2)).collect() };
        for rows in [epoch(0), epoch(1)] {
            let distinct: BTreeSet<_> = rows.iter().map(|&x| x as u32).collect();
            assert_eq!(distinct.len(), 11);
            for batch in rows.chunks_exact(4) {
                assert_eq!(batch.iter().map(|&x| x as u32).collect::<BTreeSet<_>>().len(), 4);
            }
        }
        assert_ne!(epoch(0), epoch(1));
        assert_eq!(epoch(0), epoch(0));
    }

    #[test]
    fn a_whole_mini_batch_is_support_and_query_alike() {
        let points = visit(&batches(true), 1, 4, 4);
        assert_eq!(points[..4], points[4..]);
        let mut words = Philox::stream(1, Purpose::Evaluate, 0, 0);
        let (mut x, mut y) = (vec![0.0; 8], vec![0.0; 8]);
        batches(true).draw(&mut words, 4, 4, &mut x, &mut y);
        assert_eq!(x[..4], x[4..]);
        assert!(batches(true).check(4, 5).is_err());
        assert!(batches(false).check(6, 6).unwrap_err().to_string().contains("task.rows"));
    }
}
