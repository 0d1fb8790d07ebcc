//! The kernels of inner optimizers, and of Reptile, on stretches of parameters at odd places.

use super::{Numbers, adapter, check, run};
use fastweights::backend::gpu::kernels::inner::{self, Displacement, InnerPass, WORKGROUP};
use fastweights::meta::{InnerOptimizer, InnerRule, StepFactors};
use fastweights::wgsl::Place;

/// Parameters and tasks.
const SIZES: [[usize; 2]; 3] = [[1, 1], [257, 2], [600, 3]];

fn factors() -> StepFactors {
    let rule = InnerRule::Adam { betas: [0.6, 0.8], epsilon: 0.3 };
    InnerOptimizer { rule, weight_decay: 0.2, clip_value: Some(0.6), clip_norm: Some(2.0) }.factors(1)
}

/// Everything that the kernels read, of `count` parameters.
struct Given {
    gradient: Numbers,
    weight: Numbers,
    rate: Numbers,
    before: Numbers,
    after: Numbers,
    rows: Numbers,
    adjoints: Numbers,
    shape: InnerPass,
}

/// Second moments are squares.
fn positive(mut numbers: Numbers) -> Numbers {
    numbers.all.iter_mut().for_each(|v| *v = v.abs());
    numbers
}

fn given([count, tasks]: [usize; 2]) -> Given {
    let [gradient, weight, rows] = [1, 2, 3].map(|stream| Numbers::new(tasks, count, stream));
    let rate = Numbers::shared(count, 4);
    let [before, after] = [5, 6].map(|stream| positive(Numbers::new(tasks, 2 * count + 2, stream)));
    let adjoints = Numbers::new(tasks, 3 * count + 2, 7);
    let at = |numbers: &Numbers, by: usize| numbers.place.plus(by);
    let shape = InnerPass {
        count: count as u32,
        words: count as u32,
        weight: weight.place,
        v: rows.place,
        rate: Place { offset: rate.place.offset, stride: 1 },
        gradient: gradient.place,
        before: before.place,
        after: after.place,
        norm: at(&after, 2 * count),
        adjoints: adjoints.place,
        sums: at(&adjoints, 3 * count),
        factors: factors().into(),
        ..InnerPass::default()
    };
    Given { gradient, weight, rate, before, after, rows, adjoints, shape }
}

impl Given {
    fn across(&self, tasks: usize) -> [u32; 3] {
        [self.shape.count.div_ceil(WORKGROUP), tasks as u32, 1]
    }

    /// g of every element of a task.
    fn decayed(&self, task: usize) -> Vec<f64> {
        let (f, count) = (factors(), self.shape.count as usize);
        let scale = self.after.task(task)[2 * count];
        let clipped = self.gradient.task(task).into_iter().map(|h| h.clamp(-f.clip_value, f.clip_value));
        clipped.zip(self.weight.task(task)).map(|(h, theta)| h * scale + f.decay * theta).collect()
    }
}

#[test]
fn steps_take_their_moments_along() {
    let Some(device) = adapter::device("steps_take_their_moments_along") else { return };
    for size @ [count, tasks] in SIZES {
        for fresh in [false, true] {
            let mut given = given(size);
            let next = Numbers::poisoned(tasks, count);
            (given.shape.next, given.shape.fresh) = (next.place, fresh.into());
            let buffers = [&given.gradient, &given.weight, &given.rate, &given.before, &given.after, &next];
            let after = run(&device, &inner::STEP, &[], &given.shape, &buffers, given.across(tasks));
            let f = factors();
            let (mut moments, mut weights) = (Vec::new(), Vec::new());
            for task in 0..tasks {
                let before = given.before.task(task).into_iter().map(|v| if fresh { 0.0 } else { v });
                let before: Vec<f64> = before.collect();
                let g = given.decayed(task);
                let m: Vec<f64> = g.iter().zip(&before).map(|(g, m)| f.a * m + f.b * g).collect();
                let s: Vec<f64> =
                    g.iter().zip(&before[count..]).map(|(g, s)| f.c * s + f.d * g * g).collect();
                let theta = given.weight.task(task).into_iter().zip(given.rate.task(0));
                let stepped = theta
                    .zip(m.iter().zip(&s))
                    .map(|((theta, rate), (m, s))| theta - rate * (f.p * m) / (f.k * s + f.e).sqrt());
                weights.push(stepped.collect());
                // What clipping left there stays.
                let norm = given.after.task(task)[2 * count..].to_vec();
                moments.push([m, s, norm].concat());
            }
            check("moments", &given.after.all, &after[4], &moments);
            check("weights", &next.all, &after[5], &weights);
        }
    }
}

#[test]
fn sums_for_clipping() {
    let Some(device) = adapter::device("sums_for_clipping") else { return };
    for size @ [count, tasks] in SIZES {
        let given = given(size);
        let f = factors();
        let clipped = |task: usize| given.gradient.task(task).into_iter().map(move |h| h.clamp(-0.6, 0.6));
        let one_a_task = [1, tasks as u32, 1];
        let buffers = [&given.gradient, &given.after];
        let after = run(&device, &inner::SUM, &[], &given.shape, &buffers, one_a_task);
        let norms: Vec<Vec<f64>> = (0..tasks)
            .map(|task| {
                let norm = clipped(task).map(|h| h * h).sum::<f64>().sqrt();
                let kept = given.after.task(task)[..2 * count].to_vec();
                let left = if norm > f.clip_norm { [f.clip_norm / norm, norm] } else { [1.0, 0.0] };
                [kept, left.to_vec()].concat()
            })
            .collect();
        check("norms", &given.after.all, &after[1], &norms);

        let buffers = [&given.gradient, &given.adjoints];
        let constants = [("ALONG", 1.0)];
        let after = run(&device, &inner::SUM, &constants, &given.shape, &buffers, one_a_task);
        let sums: Vec<Vec<f64>> = (0..tasks)
            .map(|task| {
                let mut row = given.adjoints.task(task);
                row[3 * count] = clipped(task).zip(&row).map(|(h, u)| h * u).sum();
                row
            })
            .collect();
        check("sums", &given.adjoints.all, &after[1], &sums);
    }
}

#[test]
fn adjoints_of_steps_and_gradients_of_rates() {
    let Some(device) = adapter::device("adjoints_of_steps_and_gradients_of_rates") else { return };
    for size @ [count, tasks] in SIZES {
        for (clips, fresh, adds) in [(false, false, false), (true, true, true)] {
            let mut given = given(size);
            // v, and behind it the gradients of the rates.
            given.rows = Numbers::new(tasks, 2 * count, 8);
            given.shape.v = given.rows.place;
            given.shape.rate_gradient = given.rows.place.plus(count);
            (given.shape.fresh, given.shape.rate_adds) = (fresh.into(), adds.into());
            let nothing = Numbers::new(tasks, 1, 9);
            let buffers = [
                &given.gradient,
                &given.weight,
                &given.rate,
                &given.after,
                &given.rows,
                &given.adjoints,
                &nothing,
            ];
            let constants = [("CLIPS", f64::from(u8::from(clips))), ("RATES", 1.0)];
            let workgroups = given.across(tasks);
            let after = run(&device, &inner::ADJOINT, &constants, &given.shape, &buffers, workgroups);
            let f = factors();
            let (mut rows, mut adjoints) = (Vec::new(), Vec::new());
            for task in 0..tasks {
                let (g, moments) = (given.decayed(task), given.after.task(task));
                let (mut row, mut adjoint) = (given.rows.task(task), given.adjoints.task(task));
                for e in 0..count {
                    let (m, s, v) = (moments[e], moments[count + e], row[e]);
                    let root = (f.k * s + f.e).sqrt();
                    let change = -v * f.p * m / root;
                    row[count + e] = change + if adds { row[count + e] } else { 0.0 };
                    let [by_m, by_s] = [1, 2].map(|i| if fresh { 0.0 } else { adjoint[i * count + e] });
                    let share = -given.rate.task(0)[e] * v / root;
                    let by_m = by_m + f.p * share;
                    let by_s = by_s - f.k * share * f.p * m / (2.0 * root * root);
                    let by_g = f.b * by_m + 2.0 * f.d * g[e] * by_s;
                    adjoint[e] = if clips { by_g } else { -by_g };
                    (adjoint[count + e], adjoint[2 * count + e]) = (f.a * by_m, f.c * by_s);
                    row[e] += f.decay * by_g;
                }
                adjoint[3 * count + 1] = 1.0;
                rows.push(row);
                adjoints.push(adjoint);
            }
            check("rows", &given.rows.all, &after[4], &rows);
            check("adjoints", &given.adjoints.all, &after[5], &adjoints);
        }
    }
}

/// One rate for all: a part of its gradient from each workgroup.
#[test]
fn shared_rates_have_a_part_a_workgroup() {
    let Some(device) = adapter::device("shared_rates_have_a_part_a_workgroup") else { return };
    let [count, tasks] = SIZES[2];
    let mut given = given(SIZES[2]);
    let parts = count.div_ceil(WORKGROUP as usize);
    let sums = Numbers::poisoned(tasks, parts);
    given.shape.rate_gradient = sums.place;
    let buffers =
        [&given.gradient, &given.weight, &given.rate, &given.after, &given.rows, &given.adjoints, &sums];
    let constants = [("SECOND", 0.0), ("RATES", 2.0)];
    let after = run(&device, &inner::ADJOINT, &constants, &given.shape, &buffers, given.across(tasks));
    let f = factors();
    let expected: Vec<Vec<f64>> = (0..tasks)
        .map(|task| {
            let (moments, rows) = (given.after.task(task), given.rows.task(task));
            let change: Vec<f64> = (0..count)
                .map(|e| -rows[e] * f.p * moments[e] / (f.k * moments[count + e] + f.e).sqrt())
                .collect();
            change.chunks(WORKGROUP as usize).map(|part| part.iter().sum()).collect()
        })
        .collect();
    check("parts", &sums.all, &after[6], &expected);
    assert!(after[4].all == given.rows.all && after[5].all == given.adjoints.all);
}

#[test]
fn clipping_backwards() {
    let Some(device) = adapter::device("clipping_backwards") else { return };
    for size @ [count, tasks] in SIZES {
        for norm in [0.0, 3.0] {
            let mut given = given(size);
            for task in 0..tasks {
                let at = (given.shape.norm.offset + task as u32 * given.shape.norm.stride) as usize;
                given.after.all[at + 1] = norm;
            }
            let buffers = [&given.gradient, &given.after, &given.adjoints];
            let workgroups = given.across(tasks);
            let after = run(&device, &inner::UNCLIP, &[], &given.shape, &buffers, workgroups);
            let expected: Vec<Vec<f64>> = (0..tasks)
                .map(|task| {
                    let (h, mut row) = (given.gradient.task(task), given.adjoints.task(task));
                    let scale = given.after.task(task)[2 * count];
                    let norm = f64::from(norm);
                    let share = if norm > 0.0 { row[3 * count] / (norm * norm) } else { 0.0 };
                    for e in 0..count {
                        let inside = -scale * (row[e] - h[e].clamp(-0.6, 0.6) * share);
                        row[e] = if h[e].abs() <= f64::from(0.6_f32) { inside } else { 0.0 };
                    }
                    row
                })
                .collect();
            check("unclipped", &given.adjoints.all, &after[2], &expected);
        }
    }
}

#[test]
fn the_way_of_adaptation() {
    let Some(device) = adapter::device("the_way_of_adaptation") else { return };
    for [count, tasks] in SIZES {
        for adapted in [false, true] {
            let (first, last) = (Numbers::shared(count, 1), Numbers::new(tasks, count, 2));
            let rows = Numbers::poisoned(tasks, count);
            let shape = Displacement {
                count: count as u32,
                adapted: adapted.into(),
                first_weight: first.place,
                last_weight: last.place,
                v: rows.place,
            };
            let workgroups = [(count as u32).div_ceil(WORKGROUP), tasks as u32, 1];
            let buffers = [&first, &last, &rows];
            let after = run(&device, &inner::DISPLACEMENT, &[], &shape, &buffers, workgroups);
            let way = |task: usize| first.task(0).into_iter().zip(last.task(task)).map(|(a, b)| a - b);
            let expected: Vec<Vec<f64>> =
                (0..tasks).map(|task| way(task).map(|w| if adapted { w } else { 0.0 }).collect()).collect();
            // Relative errors of zeros are only right if they are exact.
            check("way", &rows.all, &after[2], &expected);
        }
    }
}
