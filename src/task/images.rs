//! n-way k-shot tasks from an image set: which classes, which images, in which rotation.

use crate::data::{ImageSet, Split};
use crate::error::{Error, Result};
use crate::philox::{Philox, below};
use std::sync::Arc;

/// A family of classification tasks (Vinyals et al. 2016, section 2.2; Finn et al. 2017, section 5.2).
///
/// A task has `ways` classes of one split, labelled 0 … `ways − 1` in the order in which they were drawn, and of each
/// class as many images for support and query as asked for, no image twice. With rotations, a class turned by
/// 90°, 180° or 270° is a class of its own; of the four, a task has one at most, since a character that looks the same
/// upside down would have two labels.
#[derive(Clone, Debug)]
pub struct ImageTasks {
    set: Arc<ImageSet>,
    split: Split,
    ways: usize,
    rotations: bool,
}

impl PartialEq for ImageTasks {
    fn eq(&self, other: &Self) -> bool {
        let same = |t: &Self| (t.split, t.ways, t.rotations, t.set.checksum().to_owned());
        same(self) == same(other)
    }
}

impl ImageTasks {
    /// Tasks from the classes of one split.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming `task.ways` if the split has fewer classes.
    pub fn new(set: Arc<ImageSet>, split: Split, ways: usize, rotations: bool) -> Result<Self> {
        let tasks = Self { set, split, ways, rotations };
        let classes = tasks.classes();
        if ways < 2 || ways > classes {
            let name = tasks.set.name();
            let reason = match (classes, split) {
                (0, Split::Validation) => {
                    format!(
                        "`{name}` has no validation classes; --set validation.every=0 does without trials"
                    )
                }
                _ => format!("is {ways}; 2 to {classes} are possible, the {split} classes of `{name}`"),
            };
            return Err(Error::recipe("task.ways", reason));
        }
        Ok(tasks)
    }

    /// The images.
    #[must_use]
    pub fn set(&self) -> &ImageSet {
        &self.set
    }

    /// The split that classes are drawn from.
    #[must_use]
    pub fn split(&self) -> Split {
        self.split
    }

    /// Classes of a task.
    #[must_use]
    pub fn ways(&self) -> usize {
        self.ways
    }

    /// Whether a rotated class is another class.
    #[must_use]
    pub fn rotations(&self) -> bool {
        self.rotations
    }

    /// Classes to draw from, their rotations not counted.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.set.split(self.split).len()
    }

    /// Quarter turns that a class comes in.
    pub(crate) fn turns(&self) -> usize {
        if self.rotations { 4 } else { 1 }
    }

    /// The same tasks from another split.
    ///
    /// # Errors
    /// As [`ImageTasks::new`].
    pub fn of_split(&self, split: Split) -> Result<Self> {
        Self::new(Arc::clone(&self.set), split, self.ways, self.rotations)
    }

    /// Pixels of an image, over all channels.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.set.channels() * self.set.side() * self.set.side()
    }

    /// Checks that every class has as many images as a task takes; where one has not, [`UnevenImages`](super::UnevenImages) are the
    /// tasks that there are.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming `task.queries`.
    pub fn check(&self, points: usize) -> Result<()> {
        let each = points / self.ways;
        let classes = &self.set.classes()[self.set.split(self.split)];
        match classes.iter().find(|class| class.count < each) {
            Some(class) => Err(Error::recipe(
                "task.queries",
                format!(
                    "with task.shots asks for {each} images a class, but `{}` of `{}` has {}",
                    class.name,
                    self.set.name(),
                    class.count
                ),
            )),
            None => Ok(()),
        }
    }

    /// The images of a task from its stream of words: for each way in turn, `shots + queries` of (image,
    /// rotation). Words are used in order: one a way for its class, one a way for its rotation, then one an image.
    #[must_use]
    pub fn draw(&self, words: &mut Philox, each: usize) -> Vec<(usize, u32)> {
        let split = &self.set.classes()[self.set.split(self.split)];
        let chosen = distinct(words, split.len(), self.ways);
        let turned: Vec<u32> = chosen.iter().map(|_| below(words.word(), self.turns() as u32)).collect();
        let mut images = Vec::with_capacity(self.ways * each);
        for (class, turn) in chosen.into_iter().zip(turned) {
            let of = &split[class];
            images.extend(distinct(words, of.count, each).into_iter().map(|image| (of.first + image, turn)));
        }
        images
    }

    /// The names of a task's classes from its stream of words, each with its turn if it is one: `Greek/character03, 90°`.
    #[must_use]
    pub fn names(&self, words: &mut Philox) -> Vec<String> {
        let first = self.draw(words, 1);
        first.into_iter().map(|(image, turn)| self.name(image, turn)).collect()
    }

    /// The name of an image's class with its turn.
    pub(super) fn name(&self, image: usize, turn: u32) -> String {
        let classes = self.set.classes();
        let class = &classes[classes.partition_point(|class| class.first <= image).saturating_sub(1)];
        if turn == 0 { class.name.clone() } else { format!("{}, {}°", class.name, 90 * turn) }
    }

    /// Draws a task into `x: [support + query, inputs]` and `y: [support + query]`: first `shots` images of way 0,
    /// of way 1 and so on, then the queries in the same way.
    pub(super) fn task_into(
        &self,
        words: &mut Philox,
        support: usize,
        query: usize,
        x: &mut [f32],
        y: &mut [f32],
    ) {
        let (shots, queries, inputs) = (support / self.ways, query / self.ways, self.inputs());
        for (i, (image, rotation)) in self.draw(words, shots + queries).into_iter().enumerate() {
            let (way, at) = (i / (shots + queries), i % (shots + queries));
            let point = match at.checked_sub(shots) {
                None => way * shots + at,
                Some(at) => support + way * queries + at,
            };
            self.image_into(image, rotation, &mut x[point * inputs..][..inputs]);
            y[point] = way as f32;
        }
    }

    /// An image as numbers from 0 to 1, turned by `rotation` quarter turns against the clock.
    pub(super) fn image_into(&self, image: usize, rotation: u32, x: &mut [f32]) {
        let side = self.set.side();
        let last = side.saturating_sub(1);
        let channels = self.set.image(image).chunks_exact(side * side).zip(x.chunks_exact_mut(side * side));
        for (from, to) in channels {
            for (r, row) in to.chunks_exact_mut(side).enumerate() {
                for (c, value) in row.iter_mut().enumerate() {
                    let (r, c) = match rotation {
                        0 => (r, c),
                        1 => (c, last - r),
                        2 => (last - r, last - c),
                        _ => (last - c, r),
                    };
                    *value = f32::from(from[r * side + c]) * (1.0 / 255.0);
                }
            }
        }
    }
}

/// `k` different numbers below `n`, in random order, one word each: the `i`-th word chooses among the `n − i`
/// numbers not yet taken.
pub(super) fn distinct(words: &mut Philox, n: usize, k: usize) -> Vec<usize> {
    let (mut drawn, mut sorted) = (Vec::with_capacity(k), Vec::<usize>::with_capacity(k));
    for i in 0..k {
        let mut number = below(words.word(), (n - i) as u32) as usize;
        let mut place = 0;
        while place < i && sorted[place] <= number {
            number += 1;
            place += 1;
        }
        sorted.insert(place, number);
        drawn.push(number);
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::glyphs;
    use crate::task::{Purpose, Sampler, TaskSource, Visit};
    use std::collections::HashSet;

    fn sampler(split: Split) -> Sampler {
        let set = Arc::new(glyphs::generate(3, 90, 6, 12));
        Sampler {
            source: TaskSource::Images(ImageTasks::new(set, split, 5, true).unwrap()),
            seed: 1,
            meta_batch: 4,
            support: 5,
            query: 10,
            visit: Visit::Split,
        }
    }

    fn tasks(sampler: &Sampler) -> &ImageTasks {
        let TaskSource::Images(tasks) = &sampler.source else { panic!("not images") };
        tasks
    }

    #[test]
    fn numbers_are_different_and_every_one_equally_likely() {
        let mut counts = [[0_u32; 7]; 3];
        for task in 0..7000 {
            let drawn = distinct(&mut Philox::stream(5, Purpose::Task, 0, task), 7, 3);
            assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), 3);
            for (counts, &number) in counts.iter_mut().zip(&drawn) {
                counts[number] += 1;
            }
        }
        // 1000 expected, standard deviation 29.
        assert!(counts.iter().flatten().all(|&n| (870..1130).contains(&n)), "{counts:?}");
        let all = distinct(&mut Philox::stream(5, Purpose::Task, 0, 0), 7, 7);
        assert_eq!(all.iter().sum::<usize>(), 21);
    }

    #[test]
    fn draws_are_pinned() {
        let sampler = sampler(Split::Train);
        let drawn = tasks(&sampler).draw(&mut Philox::stream(1, Purpose::Task, 2, 3), 3);
        insta::assert_debug_snapshot!(drawn);
    }

    #[test]
    fn labels_are_balanced_and_no_image_is_in_both_halves() {
        let sampler = sampler(Split::Train);
        let batch = sampler.batch(7);
        for task in 0..4 {
            let (support, query) = (&batch.support_y[task * 5..][..5], &batch.query_y[task * 10..][..10]);
            assert_eq!(support, [0.0, 1.0, 2.0, 3.0, 4.0]);
            assert_eq!(query, [0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0]);
            let x =
                [&batch.support_x[task * 5 * 144..][..5 * 144], &batch.query_x[task * 10 * 144..][..1440]];
            let images: HashSet<Vec<u32>> =
                x.concat().chunks_exact(144).map(|i| i.iter().map(|v| v.to_bits()).collect()).collect();
            assert_eq!(images.len(), 15);
        }
    }

    #[test]
    fn splits_share_no_image() {
        let mut seen = HashSet::new();
        for split in [Split::Train, Split::Validation, Split::Test] {
            let sampler = sampler(split);
            let mut here = HashSet::new();
            for task in 0..300 {
                let mut words = Philox::stream(9, Purpose::Task, 0, task);
                here.extend(tasks(&sampler).draw(&mut words, 6).into_iter().map(|(image, _)| image));
            }
            assert!(here.is_disjoint(&seen), "{split:?}");
            seen.extend(here);
        }
    }

    #[test]
    fn a_class_keeps_its_rotation_and_four_quarter_turns_are_none() {
        let sampler = sampler(Split::Train);
        let tasks = tasks(&sampler);
        for task in 0..50 {
            let drawn = tasks.draw(&mut Philox::stream(2, Purpose::Task, 0, task), 3);
            assert!(drawn.chunks_exact(3).all(|way| way.iter().all(|(_, turn)| *turn == way[0].1)));
        }
        let turn =
            |image: &[f32]| -> Vec<f32> { (0..144).map(|i| image[(i % 12) * 12 + 11 - i / 12]).collect() };
        let mut turned = vec![0.0; 144];
        tasks.image_into(0, 0, &mut turned);
        for rotation in [1, 2, 3, 0] {
            turned = turn(&turned);
            let mut image = vec![0.0; 144];
            tasks.image_into(0, rotation, &mut image);
            assert_eq!(turned, image, "{rotation}");
        }
    }

    #[test]
    fn no_class_is_in_a_task_twice_and_every_rotation_comes() {
        let sampler = sampler(Split::Train);
        let tasks = tasks(&sampler);
        let mut turned = [0; 4];
        for task in 0..400 {
            let drawn = tasks.draw(&mut Philox::stream(3, Purpose::Task, 0, task), 1);
            // Six images a class, in order.
            let classes: HashSet<usize> = drawn.iter().map(|(image, _)| image / 6).collect();
            assert_eq!(classes.len(), 5, "{drawn:?}");
            for (_, turn) in drawn {
                turned[turn as usize] += 1;
            }
        }
        // 500 expected, standard deviation 19.
        assert!(turned.iter().all(|n| (420..580).contains(n)), "{turned:?}");
    }

    #[test]
    fn too_many_ways_or_images_are_refused_by_key() {
        let set = Arc::new(glyphs::generate(3, 20, 4, 12));
        let error = ImageTasks::new(Arc::clone(&set), Split::Train, 500, false).unwrap_err();
        assert!(error.to_string().contains("task.ways"), "{error}");
        let tasks = ImageTasks::new(set, Split::Train, 5, false).unwrap();
        assert!(tasks.check(20).is_ok());
        assert!(tasks.check(25).unwrap_err().to_string().contains("task.queries"));
    }
}
