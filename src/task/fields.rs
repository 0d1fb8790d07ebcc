//! Fields: a task is one signal, its points are places with the values there.

use super::TaskFamily;
use super::batch::TaskBatch;
use super::signal::{Signal, Signals, middle};
use super::sine::sine;
use crate::error::{Error, Result};
use crate::philox::{Philox, Purpose, below};
use serde::{Deserialize, Serialize};
use std::f32::consts::{FRAC_PI_2, PI};
use std::ops::Range;

/// Which points a field's learner is judged on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueryPoints {
    /// Those that it adapts on: how well it fits (Tancik et al. 2021, section 3).
    #[default]
    Same,
    /// Others of the same signal: how well it fills in.
    Others,
}

/// Line integrals in place of values, as tomography measures them: a point is a ray, an image of one row whose pixels are
/// `samples` places along it, `[2, 1, samples]`, and its target is the mean of the values there. A network that takes each pixel
/// alone and ends with a mean over pixels gives what is compared with it: a fixed linear operator of its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rays {
    /// Angles, even over half a turn.
    pub angles: usize,
    /// Parallel rays of each angle, even over the image's width.
    pub offsets: usize,
    /// Places along a ray.
    pub samples: usize,
}

impl Rays {
    /// The places along ray `number`.
    fn places(&self, number: usize) -> impl Iterator<Item = [f32; 2]> + use<> {
        let angle = PI * (number / self.offsets) as f32 / self.angles as f32;
        let (s, c, samples) = (sine(angle), sine(angle + FRAC_PI_2), self.samples);
        let across = middle(number % self.offsets, self.offsets);
        (0..samples).map(move |sample| {
            let along = middle(sample, samples);
            [across * c - along * s, across * s + along * c]
        })
    }
}

/// Tasks of fields. With [`QueryPoints::Same`] the query points are the support points; points are drawn anew each time if they
/// are fewer than the signal has, and of signals with fewer points than are asked for all are there, the rest without a weight.
#[derive(Clone, Debug)]
pub struct FieldTasks {
    signals: Signals,
    query: QueryPoints,
    rays: Option<Rays>,
}

impl FieldTasks {
    /// Tasks from signals, points being places.
    ///
    /// # Errors
    /// [`Failed`](crate::ErrorKind::Failed) if there is no signal.
    pub fn new(signals: Signals, query: QueryPoints) -> Result<Self> {
        if signals.count() == Some(0) {
            return Err(Error::failed("there is no field to draw from"));
        }
        Ok(Self { signals, query, rays: None })
    }

    /// The same tasks, points being rays.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming `task.angles` where signals are no images.
    pub fn with_rays(mut self, rays: Rays) -> Result<Self> {
        if self.signals.side().is_none() {
            let reason = "is for phantoms and images: a line through scattered points meets none of them";
            return Err(Error::recipe("task.angles", reason));
        }
        self.rays = Some(rays);
        Ok(self)
    }

    /// The signals.
    #[must_use]
    pub fn signals(&self) -> &Signals {
        &self.signals
    }

    /// Points, or rays, of the signal that has most of them.
    #[must_use]
    pub fn most_points(&self) -> usize {
        self.rays.map_or(self.signals.points().1, |rays| rays.angles * rays.offsets)
    }

    fn len(&self, signal: &Signal<'_>) -> usize {
        self.rays.map_or(signal.len(), |rays| rays.angles * rays.offsets)
    }

    /// A signal, each as likely as any other.
    fn any(&self, words: &mut Philox) -> Signal<'_> {
        let at = self.signals.count().map_or(0, |count| below(words.word(), count as u32) as usize);
        self.signals.signal(words, at)
    }

    /// How many of a signal's points are support, and how many query.
    fn shares(&self, points: usize, support: usize, query: usize) -> (usize, usize) {
        match self.query {
            QueryPoints::Same => (support.min(points), query.min(points)),
            QueryPoints::Others if support + query <= points => (support, query),
            QueryPoints::Others => {
                let share = points as f64 * support as f64 / (support + query) as f64;
                let support = (share.round() as usize).clamp(usize::from(support > 0), points - 1);
                (support, points - support)
            }
        }
    }

    /// Numbers of the points of a task, support points first; with [`QueryPoints::Same`] those alone.
    fn chosen(&self, words: &mut Philox, points: usize, support: usize, query: usize) -> Vec<u32> {
        let (support, query) = self.shares(points, support, query);
        match self.query {
            QueryPoints::Same => some_of(words, points, support.max(query)),
            QueryPoints::Others => {
                let mut all = some_of(words, points, support + query);
                if support + query == points {
                    shuffle(words, &mut all, support);
                }
                all
            }
        }
    }

    /// Writes points, each at its place behind the one before, and zeros behind the last.
    fn points_into(&self, signal: &Signal<'_>, numbers: &[u32], x: &mut [f32], y: &mut [f32]) {
        let (inputs, targets) = (self.inputs(), self.targets());
        let mut sum = vec![0.0; targets];
        for ((number, x), y) in
            numbers.iter().zip(x.chunks_exact_mut(inputs)).zip(y.chunks_exact_mut(targets))
        {
            let Some(rays) = self.rays else {
                signal.point_into(*number as usize, x, y);
                continue;
            };
            y.fill(0.0);
            for (sample, place) in rays.places(*number as usize).enumerate() {
                (x[sample], x[rays.samples + sample]) = (place[0], place[1]);
                signal.values_into(place, &mut sum);
                y.iter_mut().zip(&sum).for_each(|(y, value)| *y += value / rays.samples as f32);
            }
        }
        x[numbers.len() * inputs..].fill(0.0);
        y[numbers.len() * targets..].fill(0.0);
    }

    /// Writes all places of a signal; as rays they have all their samples in one place.
    fn places_into(&self, signal: &Signal<'_>, x: &mut [f32], y: &mut [f32]) {
        let (inputs, targets) = (self.inputs(), self.targets());
        let samples = self.rays.map_or(1, |rays| rays.samples);
        let mut place = vec![0.0; inputs / samples];
        for (point, (x, y)) in
            x.chunks_exact_mut(inputs).zip(y.chunks_exact_mut(targets)).enumerate().take(signal.len())
        {
            signal.point_into(point, &mut place, y);
            for (x, coordinate) in x.chunks_exact_mut(samples).zip(&place) {
                x.fill(*coordinate);
            }
        }
    }

    /// Whether an evaluation judges the points that are not adapted on, as it does with [`QueryPoints::Others`] where points lie
    /// anywhere; images are judged on all pixels.
    #[must_use]
    pub fn judges_others(&self) -> bool {
        self.query == QueryPoints::Others && self.signals.side().is_none()
    }

    /// Query points of an evaluation on `support` points: all there are, or all others.
    #[must_use]
    pub fn evaluation_query(&self, support: usize) -> usize {
        let all = self.signals.points().1;
        if self.judges_others() { all.saturating_sub(support).max(1) } else { all }
    }

    /// The tasks `range` of a fixed sequence, which training does not see if its signals are others: of phantoms those of a number
    /// of its own, else the signals in their order. Adapted on `support` points, all in their order or some by the seed, and
    /// judged on all places that there are, whether points are places or rays, or on the other points, see
    /// [`FieldTasks::judges_others`].
    #[must_use]
    pub fn evaluation(&self, seed: u64, sequence: u32, range: Range<usize>, support: usize) -> TaskBatch {
        let query = self.evaluation_query(support);
        let (inputs, targets) = (self.inputs(), self.targets());
        let mut batch = TaskBatch::zeros(range.len(), support, query, inputs, targets);
        let all = support + query;
        let (mut x, mut y) = (vec![0.0; all * inputs], vec![0.0; all * targets]);
        let mut weights = vec![0.0; all];
        for (slot, at) in range.enumerate() {
            let mut words = Philox::stream(seed, Purpose::Evaluate, sequence, at as u32);
            let signal = self.signals.signal(&mut words, at);
            let points = self.len(&signal);
            let others = self.judges_others();
            let (numbers, some, rest) = match others {
                true => {
                    let (some, rest) = self.shares(points, support, query);
                    (self.chosen(&mut words, points, support, query), some, rest)
                }
                false => (some_of(&mut words, points, support.min(points)), support.min(points), 0),
            };
            let (x_s, x_q) = x.split_at_mut(support * inputs);
            let (y_s, y_q) = y.split_at_mut(support * targets);
            self.points_into(&signal, &numbers[..some], x_s, y_s);
            let judged = if others {
                self.points_into(&signal, &numbers[some..], x_q, y_q);
                rest
            } else {
                x_q.fill(0.0);
                y_q.fill(0.0);
                self.places_into(&signal, x_q, y_q);
                signal.len()
            };
            batch.put(slot, &x, &y);
            if self.weighs() {
                weigh(&mut weights, support, (some, judged));
                batch.put_weights(slot, &weights);
            }
        }
        batch
    }
}

/// Ones for the first points of support and query, zeros for the others.
fn weigh(weights: &mut [f32], support: usize, (some, judged): (usize, usize)) {
    weights.fill(0.0);
    weights[..some].fill(1.0);
    weights[support..support + judged].fill(1.0);
}

/// `k` different numbers below `n`: all in their order, or the first of a shuffle.
fn some_of(words: &mut Philox, n: usize, k: usize) -> Vec<u32> {
    let mut all: Vec<u32> = (0..n as u32).collect();
    if k < n {
        shuffle(words, &mut all, k);
        all.truncate(k);
    }
    all
}

/// Fisher and Yates for the first `k`, a word each.
fn shuffle(words: &mut Philox, all: &mut [u32], k: usize) {
    let n = all.len();
    for i in 0..k.min(n.saturating_sub(1)) {
        all.swap(i, i + below(words.word(), (n - i) as u32) as usize);
    }
}

impl TaskFamily for FieldTasks {
    fn name(&self) -> &str {
        "fields"
    }

    fn inputs(&self) -> usize {
        self.rays.map_or(self.signals.inputs(), |rays| 2 * rays.samples)
    }

    fn targets(&self) -> usize {
        self.signals.targets()
    }

    fn check(&self, support: usize, query: usize) -> Result<()> {
        let (most, needed) = match self.query {
            QueryPoints::Same if support != query && support > 0 => {
                return Err(Error::shape("query points, the same as the support's", &[support], &[query]));
            }
            QueryPoints::Same => (self.most_points(), support.max(query)),
            QueryPoints::Others => (self.most_points(), support + query),
        };
        if needed > most {
            let what = if self.rays.is_some() { "rays" } else { "points" };
            let reason = format!("is {needed}; the field with the most {what} has {most}");
            return Err(Error::recipe("task.points", reason));
        }
        Ok(())
    }

    fn draw(&self, words: &mut Philox, support: usize, query: usize, x: &mut [f32], y: &mut [f32]) {
        let signal = self.any(words);
        let points = self.len(&signal);
        let numbers = self.chosen(words, points, support, query);
        let (some, rest) = self.shares(points, support, query);
        let (inputs, targets) = (self.inputs(), self.targets());
        let (x_s, x_q) = x.split_at_mut(support * inputs);
        let (y_s, y_q) = y.split_at_mut(support * targets);
        match self.query {
            QueryPoints::Same if support == query => {
                self.points_into(&signal, &numbers, x_s, y_s);
                x_q.copy_from_slice(x_s);
                y_q.copy_from_slice(y_s);
            }
            QueryPoints::Same => {
                self.points_into(&signal, &numbers[..some], x_s, y_s);
                self.points_into(&signal, &numbers[..rest], x_q, y_q);
            }
            QueryPoints::Others => {
                self.points_into(&signal, &numbers[..some], x_s, y_s);
                self.points_into(&signal, &numbers[some..], x_q, y_q);
            }
        }
    }

    fn weighs(&self) -> bool {
        let (least, most) = self.signals.points();
        least < most
    }

    fn weigh(&self, words: &mut Philox, support: usize, query: usize, weights: &mut [f32]) {
        let points = self.len(&self.any(words));
        weigh(weights, support, self.shares(points, support, query));
    }
}
