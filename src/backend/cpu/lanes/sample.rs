//! Points into lanes: drawn there, a vector of tasks at a time, or copied from given tasks.

use super::group::Group;
use super::layout::{Mat, Set};
use crate::simd::{Isa, Kernel, MAX_LANES, Vector};
use crate::task::{
    Philox, Purpose, Sampler, Sinusoid, TaskBatch, TaskSource, Visit, below, philox4x32_10, sine, unit,
};

/// Where a group's points come from.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// Tasks of a meta-iteration. Where the points of a task are spread over lanes (K = 0), `lanes_a_task`
    /// lanes share one.
    Sampled { sampler: &'a Sampler, iteration: u64, lanes_a_task: usize },
    /// Given tasks, a lane each.
    Given(&'a TaskBatch),
}

/// The counters of the lanes of one group of sinusoids.
struct Draw<'a> {
    family: &'a Sinusoid,
    seed: u64,
    purpose: Purpose,
    /// For each lane, the task, or its index in the pool.
    task: [u32; MAX_LANES],
    iteration: u32,
    points: usize,
}

/// Draws the points of one sinusoid a lane, with the lanes innermost so that loops become vector instructions; `x` and `y` are `[points]` vectors.
///
/// # Safety
/// `x` and `y` must be valid for `points · L` floats.
#[inline(always)]
#[expect(clippy::needless_range_loop, reason = "a lane is an index into several arrays")]
unsafe fn sinusoids<const L: usize>(draw: &Draw<'_>, x: *mut f32, y: *mut f32) {
    let key = [draw.seed as u32, (draw.seed >> 32) as u32];
    let uniform = |[low, high]: [f32; 2], word: u32| low + (high - low) * unit(word);
    let (mut a, mut b) = ([0.0_f32; L], [0.0_f32; L]);
    let words = draw.points + 2;
    for block in 0..words.div_ceil(4) {
        // The loop over lanes becomes vector instructions, all ten rounds of it.
        let mut out = [[0_u32; L]; 4];
        for lane in 0..L {
            let counter = [block as u32, draw.task[lane], draw.iteration, draw.purpose as u32];
            let block = philox4x32_10(counter, key);
            for i in 0..4 {
                out[i][lane] = block[i];
            }
        }
        for (i, word) in out.iter().enumerate() {
            let at = block * 4 + i;
            match at {
                0 => a = word.map(|w| uniform(draw.family.amplitude, w)),
                1 => b = word.map(|w| uniform(draw.family.phase, w)),
                _ if at < words => {
                    for lane in 0..L {
                        let value = uniform(draw.family.x, word[lane]);
                        // SAFETY: `at − 2 < points`; promised by the caller.
                        unsafe {
                            *x.add((at - 2) * L + lane) = value;
                            *y.add((at - 2) * L + lane) = a[lane] * sine(value + b[lane]);
                        }
                    }
                }
                _ => {}
            }
        }
    }
}

/// Draws into `x` and `y`.
struct Drawing<'a> {
    draw: &'a Draw<'a>,
    x: *mut f32,
    y: *mut f32,
}

impl Kernel for Drawing<'_> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: promised by the caller.
        unsafe {
            match V::LANES {
                4 => sinusoids::<4>(self.draw, self.x, self.y),
                8 => sinusoids::<8>(self.draw, self.x, self.y),
                lanes => {
                    debug_assert_eq!(lanes, MAX_LANES);
                    sinusoids::<MAX_LANES>(self.draw, self.x, self.y);
                }
            }
        }
    }
}

/// Room for the points of one task, or of one vector of tasks.
pub(super) struct Points {
    x: Vec<f32>,
    y: Vec<f32>,
}

impl Points {
    pub(super) fn new(points: usize, inputs: usize, targets: usize, lanes: usize) -> Self {
        Self { x: vec![0.0; points * inputs * lanes], y: vec![0.0; points * targets * lanes] }
    }
}

impl<I: Isa> Group<I> {
    /// Puts the points of the tasks from `first` on into the arena, `valid` of them.
    pub(super) fn fill(&self, source: Source<'_>, first: usize, valid: usize, room: &mut Points) {
        match source {
            Source::Given(tasks) => self.fill_given(tasks, first, valid),
            Source::Sampled { sampler, iteration, lanes_a_task } => match (&sampler.source, sampler.visit) {
                (TaskSource::Sinusoid { family, pool }, Visit::Split) => {
                    self.fill_sinusoids(sampler, family, *pool, iteration, first, room);
                }
                _ => self.fill_one_by_one(sampler, iteration, (first, valid), lanes_a_task, room),
            },
        }
    }

    fn fill_given(&self, tasks: &TaskBatch, first: usize, valid: usize) {
        let layout = &self.layout;
        let blocks = [
            (layout.h(0, Set::Query(0)), &tasks.query_x, tasks.query, tasks.inputs),
            (layout.query_y, &tasks.query_y, tasks.query, tasks.targets),
            (layout.h(0, Set::Support(0)), &tasks.support_x, tasks.support, tasks.inputs),
            (layout.support_y, &tasks.support_y, tasks.support, tasks.targets),
        ];
        for (to, from, points, width) in blocks {
            for lane in 0..I::LANES {
                let from = if lane < valid { &from[(first + lane) * points * width..] } else { &[] };
                self.scatter(lane, to, from, points, width);
            }
        }
    }

    /// Puts `from: [points, width]` into one lane of `to: [width, points]`; zeros if there is nothing.
    fn scatter(&self, lane: usize, to: Mat, from: &[f32], points: usize, width: usize) {
        for p in 0..points {
            for w in 0..width {
                let value = from.get(p * width + w).copied().unwrap_or(0.0);
                // SAFETY: an element of a matrix inside the arena.
                unsafe { *self.ptr(to.skip_rows(w).skip_cols(p).at).add(lane) = value };
            }
        }
    }

    fn fill_sinusoids(
        &self,
        sampler: &Sampler,
        family: &Sinusoid,
        pool: Option<u32>,
        iteration: u64,
        first: usize,
        room: &mut Points,
    ) {
        let (layout, lanes) = (&self.layout, I::LANES);
        let (s, q) = (layout.support, layout.query);
        let mut draw = Draw {
            family,
            seed: sampler.seed,
            purpose: Purpose::Task,
            task: [0; MAX_LANES],
            iteration: iteration as u32,
            points: s + q,
        };
        for (lane, task) in draw.task.iter_mut().enumerate() {
            *task = (first + lane) as u32;
        }
        if let Some(pool) = pool {
            draw.purpose = Purpose::Pool;
            draw.iteration = 0;
            for (lane, task) in draw.task.iter_mut().enumerate() {
                let visit = iteration * sampler.meta_batch as u64 + (first + lane) as u64;
                *task = (visit % u64::from(pool)) as u32;
            }
        }
        // SAFETY: room for `s + q` vectors each.
        unsafe { I::run(Drawing { draw: &draw, x: room.x.as_mut_ptr(), y: room.y.as_mut_ptr() }) };
        if pool.is_some() {
            let n = s + q;
            for lane in 0..lanes {
                let mut words =
                    Philox::stream(sampler.seed, Purpose::Shuffle, iteration as u32, (first + lane) as u32);
                for i in 0..s.min(n - 1) {
                    let with = i + below(words.word(), (n - i) as u32) as usize;
                    room.x.swap(i * lanes + lane, with * lanes + lane);
                    room.y.swap(i * lanes + lane, with * lanes + lane);
                }
            }
        }
        // One input and one target: the rows are the points.
        let places = [
            (layout.h(0, Set::Support(0)), &room.x, 0, s),
            (layout.h(0, Set::Query(0)), &room.x, s, q),
            (layout.support_y, &room.y, 0, s),
            (layout.query_y, &room.y, s, q),
        ];
        for (to, from, start, points) in places {
            let from = &from[start * lanes..][..points * lanes];
            // SAFETY: a row of `points` vectors inside the arena.
            unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), self.ptr(to.at), from.len()) };
        }
    }

    fn fill_one_by_one(
        &self,
        sampler: &Sampler,
        iteration: u64,
        (first, valid): (usize, usize),
        lanes_a_task: usize,
        room: &mut Points,
    ) {
        let layout = &self.layout;
        let (inputs, targets) = (sampler.source.inputs(), sampler.source.targets());
        let (s, q) = (layout.support, layout.query);
        let mut drawn = usize::MAX;
        for lane in 0..I::LANES {
            let (task, part) = ((first + lane) / lanes_a_task, (first + lane) % lanes_a_task);
            let (mut x, mut y): (&[f32], &[f32]) = (&[], &[]);
            if lane < valid {
                let (at, split_task, skip) = sampler.place(iteration, task);
                if drawn != task {
                    sampler.task_into(at, split_task, &mut room.x, &mut room.y);
                    drawn = task;
                }
                let skip = skip + part * q;
                (x, y) = (&room.x[skip * inputs..], &room.y[skip * targets..]);
            }
            self.scatter(lane, layout.h(0, Set::Support(0)), x, s, inputs);
            self.scatter(lane, layout.support_y, y, s, targets);
            self.scatter(lane, layout.h(0, Set::Query(0)), x.get(s * inputs..).unwrap_or(&[]), q, inputs);
            self.scatter(lane, layout.query_y, y.get(s * targets..).unwrap_or(&[]), q, targets);
        }
    }
}
