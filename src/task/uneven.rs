//! n-way k-shot tasks from classes of unequal size: as many queries of a class as there are.

use super::images::distinct;
use super::{ImageTasks, TaskFamily};
use crate::data::ImageClass;
use crate::error::{Error, Result};
use crate::philox::{Philox, below};

/// The tasks of [`ImageTasks`] where classes are too small for all queries: those of a class with fewer images than shots and
/// queries have the queries that there are, the others of weight 0. Classes with no more images than shots are left out.
#[derive(Clone, Debug)]
pub struct UnevenImages {
    tasks: ImageTasks,
    /// Classes that have a query, by their places in the set.
    classes: Vec<usize>,
}

impl UnevenImages {
    /// The tasks of those classes that have more than `shots` images.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming `task.ways` if there are fewer of them than a task has.
    pub fn new(tasks: ImageTasks, shots: usize) -> Result<Self> {
        let (set, split) = (tasks.set(), tasks.split());
        let classes: Vec<_> = set.split(split).filter(|&class| set.classes()[class].count > shots).collect();
        if classes.len() < tasks.ways() {
            let reason = format!(
                "is {}, but only {} of the {} {split} classes of `{}` have more than the {shots} images of task.shots; fewer ways \
                 or shots are possible",
                tasks.ways(),
                classes.len(),
                tasks.classes(),
                set.name()
            );
            return Err(Error::recipe("task.ways", reason));
        }
        Ok(Self { tasks, classes })
    }

    /// The names of a task's classes from its stream of words, as [`ImageTasks::names`].
    #[must_use]
    pub fn names(&self, words: &mut Philox) -> Vec<String> {
        let chosen = self.chosen(words);
        chosen.into_iter().map(|(class, turn)| self.tasks.name(class.first, turn)).collect()
    }

    /// The classes of a task and their quarter turns.
    fn chosen(&self, words: &mut Philox) -> Vec<(&ImageClass, u32)> {
        let ways = distinct(words, self.classes.len(), self.tasks.ways());
        let turn = |words: &mut Philox| below(words.word(), self.tasks.turns() as u32);
        ways.into_iter().map(|way| (&self.tasks.set().classes()[self.classes[way]], turn(words))).collect()
    }
}

impl TaskFamily for UnevenImages {
    fn name(&self) -> &str {
        self.tasks.set().name()
    }

    fn inputs(&self) -> usize {
        self.tasks.inputs()
    }

    fn weighs(&self) -> bool {
        true
    }

    /// Words are used as where classes are of equal size: one a way for its class, one a way for its rotation, then one an image.
    fn draw(&self, words: &mut Philox, support: usize, query: usize, x: &mut [f32], y: &mut [f32]) {
        let (ways, inputs) = (self.tasks.ways(), self.inputs());
        let (shots, queries) = (support / ways, query / ways);
        x.fill(0.0);
        for (way, (class, turn)) in self.chosen(words).into_iter().enumerate() {
            y[way * shots..][..shots].fill(way as f32);
            y[support + way * queries..][..queries].fill(way as f32);
            let images = distinct(words, class.count, class.count.min(shots + queries));
            for (at, image) in images.into_iter().enumerate() {
                let point = match at.checked_sub(shots) {
                    None => way * shots + at,
                    Some(at) => support + way * queries + at,
                };
                self.tasks.image_into(class.first + image, turn, &mut x[point * inputs..][..inputs]);
            }
        }
    }

    fn weigh(&self, words: &mut Philox, support: usize, query: usize, weights: &mut [f32]) {
        let ways = self.tasks.ways();
        let (shots, queries) = (support / ways, query / ways);
        for (way, (class, _)) in self.chosen(words).into_iter().enumerate() {
            let there = (class.count - shots).min(queries);
            weights[support + way * queries..][there..queries].fill(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{ImageSet, Split};
    use crate::task::Purpose;
    use std::sync::Arc;

    /// Classes of 1 to 6 pictures of one pixel: class times ten and picture.
    fn tasks(split: Split) -> ImageTasks {
        let (mut classes, mut pixels) = (Vec::new(), Vec::new());
        for count in 1..=6 {
            let class =
                ImageClass { name: format!("c{count}"), split: Split::Train, first: pixels.len(), count };
            classes.push(class);
            pixels.extend((0..count).map(|picture| (10 * count + picture) as u8));
        }
        let set = ImageSet::new("steps", 1, 1, classes, pixels).unwrap();
        ImageTasks::new(Arc::new(set), split, 3, false).unwrap()
    }

    #[test]
    fn a_small_class_has_the_queries_that_there_are_and_a_smaller_one_is_left_out() {
        let (shots, queries) = (2, 3);
        let family = UnevenImages::new(tasks(Split::Train), shots).unwrap();
        let (support, query) = (3 * shots, 3 * queries);
        let mut seen = [0; 7];
        for task in 0..60 {
            let words = Philox::stream(4, Purpose::Task, 0, task);
            let n = support + query;
            let (mut x, mut y, mut weights) = (vec![f32::NAN; n], vec![f32::NAN; n], vec![1.0; n]);
            family.draw(&mut words.clone(), support, query, &mut x, &mut y);
            family.weigh(&mut words.clone(), support, query, &mut weights);
            for way in 0..3 {
                let points: Vec<_> = (0..n).filter(|&p| y[p] == way as f32).collect();
                assert_eq!(points.len(), shots + queries);
                let there: Vec<_> = points.iter().filter(|&&p| weights[p] == 1.0).collect();
                let values: Vec<_> = there.iter().map(|&&p| (x[p] * 255.0).round() as usize).collect();
                let class = values[0] / 10;
                seen[class] += 1;
                assert!(values.iter().all(|value| value / 10 == class), "{values:?}");
                assert_eq!(there.len(), class.min(shots + queries));
                let mut different = values.clone();
                different.sort_unstable();
                different.dedup();
                assert_eq!(different.len(), values.len(), "a picture twice");
                assert!(
                    weights[way * shots..][..shots].iter().all(|&w| w == 1.0),
                    "all of the support counts"
                );
            }
        }
        assert!(seen[..3] == [0; 3] && seen[3..].iter().all(|&n| n > 10), "{seen:?}");
    }

    #[test]
    fn too_few_classes_with_a_query_are_refused_by_key() {
        let error = UnevenImages::new(tasks(Split::Train), 4).unwrap_err().to_string();
        assert!(error.contains("task.ways") && error.contains("only 2 of the 6 train classes"), "{error}");
    }
}
