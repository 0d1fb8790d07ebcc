//! n-way k-shot tasks from rows of numbers with a class each: a table in memory.

use super::TaskFamily;
use super::images::distinct;
use crate::error::{Error, Result};
use crate::philox::{Philox, Purpose};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

/// Few-shot classification of rows (Vinyals et al. 2016, section 2.2), the tasks of [`ImageTasks`](super::ImageTasks) for
/// vectors: `ways` classes, labelled 0 … `ways − 1` in the order in which they were drawn, and of each class as many rows
/// for support and query as asked for, no row twice. Rows are shared by reference.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    values: Arc<[f32]>,
    inputs: usize,
    classes: Vec<RowClass>,
    ways: usize,
    /// Whether classes may have fewer rows than a task takes.
    uneven: bool,
}

/// A class of [`Rows`].
#[derive(Clone, Debug, PartialEq)]
struct RowClass {
    name: String,
    rows: Arc<[u32]>,
}

impl Rows {
    /// Tasks of `ways` classes from `values: [rows, inputs]` with a label each. Classes stand in the order of their labels.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorKind::Shape) if values and labels are not of the same rows,
    /// [`NotFinite`](crate::ErrorKind::NotFinite) naming a row, and as [`Rows::only`].
    pub fn new<L: Ord + Display>(
        values: impl Into<Arc<[f32]>>,
        inputs: usize,
        labels: &[L],
        ways: usize,
    ) -> Result<Self> {
        let values = values.into();
        if inputs == 0 || values.len() != labels.len() * inputs || u32::try_from(labels.len()).is_err() {
            return Err(Error::shape("values of rows", &[labels.len(), inputs.max(1)], &[values.len()]));
        }
        if let Some(at) = values.iter().position(|v| !v.is_finite()) {
            let (row, column, value) = (at / inputs, at % inputs, values[at]);
            return Err(Error::not_finite(format!("row {row}, feature {column} is {value}")));
        }
        let mut classes = BTreeMap::<&L, Vec<u32>>::new();
        for (row, label) in labels.iter().enumerate() {
            classes.entry(label).or_default().push(row as u32);
        }
        let classes = (classes.into_iter())
            .map(|(label, rows)| RowClass { name: label.to_string(), rows: rows.into() })
            .collect();
        let rows = Self { values, inputs, classes, ways, uneven: false };
        rows.check_ways()?;
        Ok(rows)
    }

    fn check_ways(&self) -> Result<()> {
        if self.ways < 2 || self.ways > self.classes.len() {
            let classes = self.classes.len();
            let reason = format!("is {}; 2 to {classes} are possible, the classes there are", self.ways);
            return Err(Error::recipe("task.ways", reason));
        }
        Ok(())
    }

    /// The same tasks from some of the classes, by their places among [`Rows::classes`].
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming `task.ways` if they are fewer than a task's classes,
    /// [`Shape`](crate::ErrorKind::Shape) if there is no such class.
    pub fn only(&self, classes: &[usize]) -> Result<Self> {
        let pick = |&class: &usize| {
            let found = self.classes.get(class).cloned();
            found.ok_or_else(|| Error::shape("place of a class", &[self.classes.len()], &[class]))
        };
        let classes = classes.iter().map(pick).collect::<Result<_>>()?;
        let rows = Self { classes, ..self.clone() };
        rows.check_ways()?;
        Ok(rows)
    }

    /// The tasks that there are where classes are small: those of a class with fewer rows than shots and queries have the queries
    /// that there are, the others of weight 0; classes with no more rows than `shots` are left out. Where all classes have enough,
    /// these tasks are the same.
    ///
    /// # Errors
    /// As [`Rows::only`].
    pub fn uneven(&self, shots: usize, queries: usize) -> Result<Self> {
        let has = |n: usize| self.classes.iter().all(|class| class.rows.len() >= n);
        if has(shots + queries) {
            return Ok(self.clone());
        }
        let classes = (0..self.classes.len()).filter(|&class| self.classes[class].rows.len() > shots);
        Ok(Self { uneven: true, ..self.only(&classes.collect::<Vec<_>>())? })
    }

    /// Tasks from three disjoint sets of classes, `counts` of them, chosen by the seed: e.g. for meta-training,
    /// meta-validation and meta-test. A count of 0 gives nothing.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorKind::Shape) if there are fewer classes than that, and as [`Rows::only`].
    pub fn split(&self, seed: u64, counts: [usize; 3]) -> Result<[Option<Self>; 3]> {
        let mut parts = [None, None, None];
        for (part, classes) in parts.iter_mut().zip(split_classes(self.classes.len(), seed, counts)?) {
            *part = if classes.is_empty() { None } else { Some(self.only(&classes)?) };
        }
        Ok(parts)
    }

    /// Names of the classes, in the order of their labels.
    pub fn classes(&self) -> impl ExactSizeIterator<Item = &str> {
        self.classes.iter().map(|class| class.name.as_str())
    }

    /// Classes of a task.
    #[must_use]
    pub fn ways(&self) -> usize {
        self.ways
    }
}

impl TaskFamily for Rows {
    fn name(&self) -> &str {
        "rows"
    }

    fn inputs(&self) -> usize {
        self.inputs
    }

    fn check(&self, support: usize, query: usize) -> Result<()> {
        for (what, points) in [("support", support), ("query", query)] {
            if !points.is_multiple_of(self.ways) {
                let reason = format!(
                    "is {points}; a multiple of task.ways, {}, is needed for as many rows a class",
                    self.ways
                );
                return Err(Error::recipe(format!("task.{what}"), reason));
            }
        }
        let each = if self.uneven { support / self.ways + 1 } else { (support + query) / self.ways };
        match self.classes.iter().find(|class| class.rows.len() < each) {
            Some(class) => Err(Error::recipe(
                "task.queries",
                format!(
                    "with task.shots asks for {each} rows a class, but class `{}` has {}",
                    class.name,
                    class.rows.len()
                ),
            )),
            None => Ok(()),
        }
    }

    /// Words are used as for images: one a way, then, way by way, one a row.
    fn draw(&self, words: &mut Philox, support: usize, query: usize, x: &mut [f32], y: &mut [f32]) {
        let (shots, queries) = (support / self.ways, query / self.ways);
        for (way, class) in distinct(words, self.classes.len(), self.ways).into_iter().enumerate() {
            let rows = &self.classes[class].rows;
            y[support + way * queries..][..queries].fill(way as f32);
            let there = rows.len().min(shots + queries);
            for point in support + way * queries + there - shots..support + (way + 1) * queries {
                x[point * self.inputs..][..self.inputs].fill(0.0);
            }
            for (at, place) in distinct(words, rows.len(), there).into_iter().enumerate() {
                let point = match at.checked_sub(shots) {
                    None => way * shots + at,
                    Some(at) => support + way * queries + at,
                };
                let from = rows[place] as usize * self.inputs;
                x[point * self.inputs..][..self.inputs].copy_from_slice(&self.values[from..][..self.inputs]);
                y[point] = way as f32;
            }
        }
    }

    fn weighs(&self) -> bool {
        self.uneven
    }

    fn weigh(&self, words: &mut Philox, support: usize, query: usize, weights: &mut [f32]) {
        let (shots, queries) = (support / self.ways, query / self.ways);
        for (way, class) in distinct(words, self.classes.len(), self.ways).into_iter().enumerate() {
            let there = (self.classes[class].rows.len() - shots).min(queries);
            weights[support + way * queries..][there..queries].fill(0.0);
        }
    }
}

/// Places of three disjoint sets of classes, ascending, chosen by the seed.
pub(crate) fn split_classes(classes: usize, seed: u64, counts: [usize; 3]) -> Result<[Vec<usize>; 3]> {
    let total: usize = counts.iter().sum();
    if total > classes {
        return Err(Error::shape("classes to split", &[total], &[classes]));
    }
    let mut words = Philox::stream(seed, Purpose::Data, u32::MAX, 0);
    let mut order = distinct(&mut words, classes, total).into_iter();
    Ok(counts.map(|count| {
        let mut part: Vec<_> = order.by_ref().take(count).collect();
        part.sort_unstable();
        part
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Six classes of 6 or 7 rows whose features are (row, class).
    fn rows(ways: usize) -> Result<Rows> {
        let labels: Vec<_> = (0..39).map(|row| ["b", "a", "f", "c", "e", "d"][row % 6]).collect();
        let values =
            labels.iter().enumerate().flat_map(|(row, label)| [row as f32, f32::from(label.as_bytes()[0])]);
        Rows::new(values.collect::<Vec<_>>(), 2, &labels, ways)
    }

    #[test]
    fn a_task_has_distinct_classes_and_no_row_twice() {
        let rows = rows(3).unwrap();
        assert_eq!(rows.classes().collect::<Vec<_>>(), ["a", "b", "c", "d", "e", "f"]);
        let least = rows.classes.iter().map(|c| c.rows.len()).min().unwrap();
        let (shots, queries) = (1, least - 1);
        let (support, query) = (3 * shots, 3 * queries);
        rows.check(support, query).unwrap();
        let mut seen = BTreeSet::new();
        for task in 0..40 {
            let (mut x, mut y) = (vec![f32::NAN; 2 * 3 * least], vec![f32::NAN; 3 * least]);
            rows.draw(&mut Philox::stream(1, Purpose::Task, 0, task), support, query, &mut x, &mut y);
            let points: Vec<_> = x.chunks_exact(2).map(|x| (x[0] as u32, x[1] as u32)).collect();
            assert_eq!(points.iter().map(|p| p.0).collect::<BTreeSet<_>>().len(), 3 * least, "a row twice");
            for way in 0..3 {
                let of_way: BTreeSet<_> =
                    (0..3 * least).filter(|&p| y[p] == way as f32).map(|p| points[p].1).collect();
                assert_eq!(of_way.len(), 1, "way {way} mixes classes");
                let in_support = y[..support].iter().filter(|&&label| label == way as f32).count();
                assert_eq!(in_support, shots);
                seen.extend(of_way);
            }
        }
        assert_eq!(seen.len(), 6, "every class is drawn");
    }

    #[test]
    fn a_small_class_has_the_queries_that_there_are() {
        let rows = rows(6).unwrap();
        assert!(!rows.uneven(1, 5).unwrap().weighs());
        let (shots, queries) = (2, 5);
        let uneven = rows.uneven(shots, queries).unwrap();
        uneven.check(6 * shots, 6 * queries).unwrap();
        let n = 6 * (shots + queries);
        let (mut x, mut y, mut weights) = (vec![f32::NAN; 2 * n], vec![f32::NAN; n], vec![1.0; n]);
        let words = Philox::stream(1, Purpose::Task, 0, 0);
        uneven.draw(&mut words.clone(), 6 * shots, 6 * queries, &mut x, &mut y);
        uneven.weigh(&mut words.clone(), 6 * shots, 6 * queries, &mut weights);
        assert!(x.iter().chain(&y).all(|value| value.is_finite()));
        // All 39 rows, once each.
        let there: BTreeSet<_> = (0..n).filter(|&p| weights[p] == 1.0).map(|p| x[2 * p] as u32).collect();
        assert_eq!((there.len(), weights.iter().sum::<f32>()), (39, 39.0));
        assert!(weights[..6 * shots].iter().all(|&weight| weight == 1.0));
        assert!(rows.uneven(6, 1).unwrap_err().to_string().contains("task.ways"));
    }

    #[test]
    fn classes_split_by_seed_are_disjoint() {
        let rows = rows(2).unwrap();
        let names = |part: &Option<Rows>| part.as_ref().map_or(0, |rows| rows.classes().count());
        let parts = rows.split(3, [3, 0, 3]).unwrap();
        assert_eq!([names(&parts[0]), names(&parts[1]), names(&parts[2])], [3, 0, 3]);
        let all: BTreeSet<_> = parts.iter().flatten().flat_map(Rows::classes).collect();
        assert_eq!(all.len(), 6);
        assert_eq!(rows.split(3, [3, 0, 3]).unwrap(), parts);
        let others = (4..20).any(|seed| rows.split(seed, [3, 0, 3]).unwrap() != parts);
        assert!(others, "the seed changes nothing");
        assert!(rows.split(3, [4, 1, 2]).is_err());
    }

    #[test]
    fn what_cannot_be_drawn_is_refused_by_name() {
        let message = |result: Result<Rows>| result.unwrap_err().to_string();
        assert!(message(rows(7)).contains("task.ways"));
        assert!(message(Rows::new(vec![1.0; 5], 2, &[0, 1], 2)).contains("values of rows"));
        let bad = message(Rows::new(vec![1.0, 2.0, 3.0, f32::NAN], 2, &[0, 1], 2));
        assert!(bad.contains("row 1, feature 1"), "{bad}");
        let rows = rows(2).unwrap();
        let short = rows.check(2, 40).unwrap_err().to_string();
        assert!(short.contains("21 rows a class") && short.contains("class `a`"), "{short}");
        assert!(rows.check(3, 2).unwrap_err().to_string().contains("task.support"));
    }
}
