use super::norm::slope;
use super::{Numbers, adapter, check, run};
use fastweights::backend::gpu::kernels::rooms::row_norm::{
    BACKWARD, BACKWARD_TANGENT, FORWARD, TANGENT, UPDATE, UPDATE_TANGENT, UPDATE_WORKGROUP,
};
use fastweights::wgsl::LayerPass;

/// Two arrays, one beside the other.
type Twins = (Vec<f64>, Vec<f64>);

const EPSILON: f64 = 1e-2;

/// Points; groups, channels, pixels; tasks.
const SHAPES: [(usize, [usize; 3], usize); 9] = [
    (1, [0, 1, 1], 1),
    (5, [0, 3, 1], 2),
    (9, [0, 130, 1], 2),
    (2, [0, 300, 1], 3),
    (1, [1, 1, 1], 1),
    (5, [2, 6, 1], 2),
    (3, [3, 6, 35], 2),
    (7, [5, 5, 9], 3),
    (2, [1, 4, 70], 2),
];

/// x̂ of a row, mean and 1/√(σ² + ε).
fn normal(x: &[f64]) -> (Vec<f64>, [f64; 2]) {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let root = 1.0 / (x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n + EPSILON).sqrt();
    (x.iter().map(|x| (x - mean) * root).collect(), [mean, root])
}

/// Rows of a point: its channels with their pixels, in so many groups; 0 for all of it, with a γ for each element.
#[derive(Clone, Copy, Debug)]
struct Rows {
    groups: usize,
    channels: usize,
    pixels: usize,
}

impl Rows {
    /// Elements of a point.
    fn point(self) -> usize {
        self.channels * self.pixels
    }

    /// Elements of a row.
    fn row(self) -> usize {
        self.point() / self.groups.max(1)
    }

    /// γ of a point.
    fn parameters(self) -> usize {
        if self.groups == 0 { self.point() } else { self.channels }
    }

    /// The γ of element `e` of row `r`.
    fn affine(self, r: usize, e: usize) -> usize {
        let e = (r * self.row() + e) % self.point();
        if self.groups == 0 { e } else { e / self.pixels }
    }
}

fn forward(rows: Rows, w: &[f64], x: &[f64]) -> Vec<f64> {
    let (row, n) = (rows.row(), rows.parameters());
    let one = |(r, x): (usize, &[f64])| {
        let of = |(e, x): (usize, f64)| w[rows.affine(r, e)] * x + w[n + rows.affine(r, e)];
        normal(x).0.into_iter().enumerate().map(of).collect::<Vec<_>>()
    };
    x.chunks(row).enumerate().flat_map(one).collect()
}

/// The cotangents of x and of γ and β.
fn backward(rows: Rows, w: &[f64], x: &[f64], dy: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (row, n) = (rows.row(), rows.parameters());
    let (mut dx, mut dw) = (Vec::new(), vec![0.0; 2 * n]);
    for (r, (x, dy)) in x.chunks(row).zip(dy.chunks(row)).enumerate() {
        let (normal, [_, root]) = normal(x);
        let g: Vec<f64> = (0..row).map(|e| w[rows.affine(r, e)] * dy[e]).collect();
        let mean = g.iter().sum::<f64>() / row as f64;
        let dot = g.iter().zip(&normal).map(|(g, x)| g * x).sum::<f64>() / row as f64;
        for e in 0..row {
            dx.push(root * (g[e] - mean - normal[e] * dot));
            dw[rows.affine(r, e)] += dy[e] * normal[e];
            dw[n + rows.affine(r, e)] += dy[e];
        }
    }
    (dx, dw)
}

#[test]
fn norms_over_rows_and_their_tangents_are_their_formulas() {
    let Some(device) = adapter::device("norms_over_rows_and_their_tangents_are_their_formulas") else {
        return;
    };
    for (points, [groups, channels, pixels], tasks) in SHAPES {
        let of = Rows { groups, channels, pixels };
        let (words, n) = (points * of.point(), of.parameters());
        let rows = words / of.row();
        let numbers = |words: usize, stream: u32| Numbers::new(tasks, words, stream);
        let (x, x_dot, dy, dy_dot) =
            (numbers(words, 1), numbers(words, 2), numbers(words, 3), numbers(words, 4));
        let (theta, rates) = (numbers(2 * n, 5), Numbers::shared(2 * n, 6));
        let rowed = numbers(4 * n, 7);
        let (y, below) = (Numbers::poisoned(tasks, words), Numbers::poisoned(tasks, words));
        let (stats, record) = (Numbers::poisoned(tasks, 2 * rows), Numbers::poisoned(tasks, 4 * rows));
        let sums = Numbers::poisoned(tasks, 9);
        for (moves, adapted, relu_below, adds) in [(1, 3, 0, 0), (0, 3, 1, 1), (1, 0, 0, 1), (1, 2, 1, 0)] {
            let dx = if adds == 1 { numbers(words, 8) } else { below.clone() };
            let layer = LayerPass {
                points: points as u32,
                inputs: 1,
                outputs: n as u32,
                channels: channels as u32,
                height: 1,
                width: pixels as u32,
                row: of.row() as u32,
                // Fewer than there are rows, so that a workgroup has several.
                row_workgroups: rows.div_ceil(2) as u32,
                bias: 1,
                epsilon: EPSILON as f32,
                adapted,
                adds,
                relu_below,
                input_moves: moves,
                x: x.place,
                y: y.place,
                dz: dy.place,
                dx: dx.place,
                x_dot: x_dot.place,
                y_dot: y.place,
                dz_dot: dy_dot.place,
                dx_dot: dx.place,
                weight: theta.place,
                next: y.place,
                v: rowed.place,
                rate: fastweights::wgsl::Place { stride: 1, ..rates.place },
                rate_gradient: rowed.place.plus(2 * n),
                stats: stats.place,
                record: record.place,
                record_words: 4,
                ..LayerPass::default()
            };
            let per_row = [layer.row_workgroups, tasks as u32, 1];
            let across = if groups > 0 { n as u32 } else { (n as u32).div_ceil(UPDATE_WORKGROUP) };
            let per_element = [across, tasks as u32, 1];
            let per_channel = ("PER_CHANNEL", f64::from(u8::from(groups > 0)));
            let each = |of: &dyn Fn(usize) -> Vec<f64>| (0..tasks).map(of).collect::<Vec<_>>();
            let what = format!("{points} points of {of:?}, moves {moves}, adapted {adapted}");
            let after = run(&device, &FORWARD, &[per_channel], &layer, &[&x, &theta, &y, &stats], per_row);
            check(&what, &y.all, &after[2], &each(&|t| forward(of, &theta.task(t), &x.task(t))));
            let stats = after[3].clone();

            let open = |t: usize, all: Vec<f64>| -> Vec<f64> {
                let (x, before) = (x.task(t), dx.task(t));
                let one = |(e, d): (usize, f64)| {
                    let d = if relu_below == 1 && x[e] <= 0.0 { 0.0 } else { d };
                    if adds == 1 { before[e] + d } else { d }
                };
                all.into_iter().enumerate().map(one).collect()
            };
            let after =
                run(&device, &BACKWARD, &[per_channel], &layer, &[&x, &theta, &stats, &dy, &dx], per_row);
            let expected = each(&|t| open(t, backward(of, &theta.task(t), &x.task(t), &dy.task(t)).0));
            check(&format!("backward {what}"), &dx.all, &after[4], &expected);

            let v = Numbers::poisoned(tasks, 2 * n);
            let update = LayerPass { v: v.place, ..layer };
            let constants = [per_channel, ("STEP", 0.0), ("ADD", 0.0)];
            let buffers = [&x, &stats, &dy, &theta, &rates, &v];
            let after = run(&device, &UPDATE, &constants, &update, &buffers, per_element);
            let moving = |e: usize| adapted >> (e / n) & 1 == 1;
            let expected = each(&|t| {
                let dw = backward(of, &theta.task(t), &x.task(t), &dy.task(t)).1;
                dw.into_iter().enumerate().map(|(e, d)| if moving(e) { d } else { 0.0 }).collect()
            });
            check(&format!("update {what}"), &v.all, &after[5], &expected);

            // The direction, and the tangents along it.
            let a = rates.task(0);
            let u = |t: usize| -> Vec<f64> {
                let v = rowed.task(t);
                (0..2 * n).map(|e| if moving(e) { a[e] * v[e] } else { 0.0 }).collect()
            };
            let along =
                |t: usize| -> Vec<f64> { x_dot.task(t).iter().map(|d| f64::from(moves) * d).collect() };
            let buffers = [&x, &x_dot, &stats, &theta, &rates, &rowed, &y, &record];
            let after = run(&device, &TANGENT, &[per_channel], &layer, &buffers, per_row);
            let expected = each(&|t| {
                let (w, x) = (theta.task(t), x.task(t));
                slope(&[&w, &x], &[&u(t), &along(t)], |at| forward(of, &at[0], &at[1]))
            });
            check(&format!("tangent {what}"), &y.all, &after[6], &expected);
            let record = after[7].clone();

            let turned = |t: usize, part: fn(Twins) -> Vec<f64>| {
                let (w, x, dy) = (theta.task(t), x.task(t), dy.task(t));
                let along: [&[f64]; 3] = [&u(t), &along(t), &dy_dot.task(t)];
                slope(&[&w, &x, &dy], &along, |at| part(backward(of, &at[0], &at[1], &at[2])))
            };
            let buffers = [&x, &x_dot, &theta, &rates, &rowed, &dy, &dy_dot, &dx];
            let after = run(&device, &BACKWARD_TANGENT, &[per_channel], &layer, &buffers, per_row);
            check(
                &format!("backward tangent {what}"),
                &dx.all,
                &after[7],
                &each(&|t| open(t, turned(t, |both| both.0))),
            );

            let constants = [per_channel, ("SECOND", 1.0), ("RATES", 1.0)];
            let buffers = [&x, &x_dot, &record, &dy, &dy_dot, &rowed, &sums];
            let after = run(&device, &UPDATE_TANGENT, &constants, &layer, &buffers, per_element);
            let expected = each(&|t| {
                let (row, bend) = (rowed.task(t), turned(t, |both| both.1));
                let dw = backward(of, &theta.task(t), &x.task(t), &dy.task(t)).1;
                let v = (0..2 * n).map(|e| row[e] - bend[e]);
                let rates = (0..2 * n).map(|e| if moving(e) { -dw[e] * row[e] } else { 0.0 });
                v.chain(rates).collect()
            });
            check(&format!("update tangent {what}"), &rowed.all, &after[5], &expected);
        }
    }
}
