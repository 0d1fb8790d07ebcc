//! Graphs of any ops, weighted points, evaluations.

use super::*;

/// A value of a random graph: where it comes from, its shape, its rows.
#[derive(Clone, Copy)]
struct Known {
    value: Value,
    shape: Shape,
    rows: Rows,
}

/// A random graph under construction.
struct Growing {
    graph: Graph,
    all: Vec<Known>,
    used: Vec<bool>,
}

impl Growing {
    fn new(shape: Shape) -> Self {
        let known = Known { value: Value::INPUT, shape, rows: Rows::Point };
        Self { graph: Graph::new(shape).unwrap(), all: vec![known], used: vec![true] }
    }

    /// Adds an op, if it fits.
    fn add(&mut self, op: impl Into<Op>, inputs: &[usize]) -> Option<usize> {
        let op = op.into().resolved();
        let shapes: Vec<Shape> = inputs.iter().map(|&i| self.all[i].shape).collect();
        let shape = op.output(&shapes).ok().filter(|shape| shape.len() < 2000)?;
        let values: Vec<Value> = inputs.iter().map(|&i| self.all[i].value).collect();
        let value = self.graph.add(format!("n{}", self.all.len()), op, &values).ok()?;
        let points = inputs.iter().any(|&i| self.all[i].rows == Rows::Point);
        inputs.iter().for_each(|&i| self.used[i] = true);
        self.all.push(Known { value, shape, rows: if points { Rows::Point } else { Rows::Task } });
        self.used.push(false);
        Some(self.all.len() - 1)
    }
}

/// A random graph: values used several times, latents, every op and function.
fn random_graph(seed: u64) -> Model {
    let mut rng = Philox::stream(seed, Purpose::Data, 2, 2);
    let mut draw = |low: usize, high: usize| rng.random_range(low as u32..=high as u32) as usize;
    let shape =
        if draw(0, 1) == 0 { Shape::Vector(draw(1, 9)) } else { image(draw(1, 6), draw(2, 6), draw(2, 6)) };
    let mut growing = Growing::new(shape);
    for _ in 0..draw(3, 10) {
        let at = draw(0, growing.all.len() - 1);
        let Known { shape, rows, .. } = growing.all[at];
        let same: Vec<usize> = (0..growing.all.len()).filter(|&i| growing.all[i].shape == shape).collect();
        let other = same[draw(0, same.len() - 1)];
        let third = same[draw(0, same.len() - 1)];
        let groups = [1, 1, 2, 3][draw(0, 3)];
        match draw(0, 15) {
            0..=2 => {
                let function = [
                    Function::Relu {},
                    Function::Tanh {},
                    Function::Sine { omega: 2.0 },
                    Function::Silu {},
                    Function::Gelu {},
                    Function::Softplus {},
                    Function::Sigmoid {},
                    Function::Elu { alpha: 1.0 },
                ][draw(0, 7)];
                growing.add(function, &[at]);
            }
            3..=4 if matches!(shape, Shape::Image { .. }) => {
                let (kernel, padding) = ([draw(1, 3), draw(1, 3)], [draw(0, 1), draw(0, 2)]);
                let (stride, dilation, bias) = (draw(1, 2), draw(1, 2), draw(0, 1) == 0);
                let conv =
                    Conv2d { outputs: 6 * draw(1, 3), kernel, stride, padding, dilation, groups, bias };
                growing.add(conv, &[at]);
            }
            3..=4 => {
                growing.add(Linear { outputs: draw(1, 19), bias: draw(0, 1) == 0 }, &[at]);
            }
            // Two numbers normalised are signs, whose gradients float32 loses.
            5 if shape.len() > 2 => {
                growing.add(LayerNorm { eps: 0.1, affine: draw(0, 1) == 0 }, &[at]);
            }
            6 if rows == Rows::Point => {
                growing.add(BatchNorm { eps: 0.1, affine: true }, &[at]);
            }
            7..=8 => {
                growing.add(Add {}, &[at, other]);
            }
            9 => {
                growing.add(Mul {}, &[at, other, third]);
            }
            10 => {
                growing.add(Concat {}, &[at, other]);
            }
            12 => {
                // A group of one number is none: it has no variance.
                let each = matches!(shape, Shape::Image { .. }) && draw(0, 1) == 0;
                let groups = if each { Groups::Channels } else { Groups::Count(groups) };
                growing.add(GroupNorm { groups, eps: 0.1, affine: draw(0, 2) > 0 }, &[at]);
            }
            13 => {
                let (kernel, stride) = ([draw(1, 3), draw(1, 2)], [draw(1, 2), draw(1, 3)]);
                growing.add(AvgPool2d(Window { kernel, stride }), &[at]);
            }
            14 => {
                growing.add(Fourier { features: draw(1, 17), scale: 0.1 }, &[at]);
            }
            11 => {
                growing.add(Latent { size: draw(1, 9) }, &[]);
            }
            _ => {
                growing.add(Flatten {}, &[at]);
            }
        }
    }
    // Everything that nobody uses goes into one vector, the input too, so that the output has a row a point.
    let mut ends = vec![0];
    ends.extend((1..growing.all.len()).filter(|&i| !growing.used[i]));
    let flat: Vec<usize> = ends
        .into_iter()
        .map(|i| match growing.all[i].shape {
            Shape::Vector(_) => i,
            Shape::Image { .. } => growing.add(Flatten {}, &[i]).unwrap(),
        })
        .collect();
    let joined = if flat.len() == 1 { flat[0] } else { growing.add(Concat {}, &flat).unwrap() };
    growing.add(Linear::to(3), &[joined]).unwrap();
    growing.graph.finish().unwrap()
}

#[test]
fn random_graphs_agree_with_the_oracle() {
    for seed in 0..120 {
        let model = random_graph(seed);
        let steps = (seed % 3) as usize;
        let support = if steps == 0 { 0 } else { 3 + (seed % 4) as usize };
        let loss = [Loss::mse(), Loss::cross_entropy(), Loss::huber(0.4), Loss::bce_with_logits()]
            [seed as usize % 4];
        let mut plan = base(&model, loss, support, 3 + (seed % 5) as usize, steps);
        // Some parameters without the others of their node.
        if seed % 4 == 1 {
            let mut rng = Philox::stream(seed, Purpose::Data, 3, 3);
            plan.adapted.iter_mut().for_each(|adapted| *adapted &= rng.random_range(0..2_u32) == 0);
        }
        if seed % 5 == 2 && steps > 0 {
            plan.rates = Rates { shape: RateShape::PerLayerStep, learned: true, values: vec![], range: None };
            plan.rates.values = vec![0.03; plan.rate_count()];
        }
        let ops: Vec<_> = model.nodes().iter().map(|node| format!("{} = {}", node.name, node.op)).collect();
        check(&format!("seed {seed}: {}; {}", model.input(), ops.join(", ")), &plan, 2, seed);
    }
}

#[test]
fn points_of_weight_zero_count_nowhere() {
    for (i, (shape, layers)) in stacks().into_iter().enumerate() {
        let model = Model::sequential(shape, &layers).unwrap();
        let loss = if i % 2 == 0 { Loss::mse() } else { Loss::cross_entropy() };
        let plan = base(&model, loss, 5, 7, 1 + i % 2);
        let mut tasks = random_tasks(&plan, 3, i as u64);
        // At most two of a task's points do not count; the others by half or three times as much.
        let weight = |e: usize| [1.0, 0.5, 0.0, 3.0, 1.0, 1.5][(e + i) % 6];
        tasks.weights = Some(PointWeights {
            support: (0..15).map(weight).collect(),
            query: (0..21).map(|e| weight(e + 1)).collect(),
        });
        check_tasks(&format!("weighted stack {i}"), &plan, &tasks, i as u64);
    }
}

#[test]
fn evaluation_gives_the_losses_that_the_oracle_gives() {
    let layers = [conv(9, 3, 2, 1), NORM, Op::relu(), Op::flatten(), linear(3)];
    let model = Model::sequential(image(1, 8, 8), &layers).unwrap();
    let theta = Init::Torch.draw(&model, 3);
    let plan = Plan::new(model, Loss::cross_entropy(), 5, 5, 1, Rates::fixed(0.1)).unwrap();
    let plan = plan.for_evaluation(&theta, 5, 12, 4, None);
    let tasks = random_tasks(&plan, 7, 9);
    let expected = oracle::meta_gradient(&plan, &widen(&theta), &tasks.map(f64::from)).unwrap();
    for instructions in Instructions::available() {
        let cpu = CpuBackend::new(Some(2)).with_instructions(instructions).unwrap();
        let found = cpu.evaluate(&plan, &theta, &tasks, true).unwrap();
        assert!(relative_error(&widen(&found.query_loss), &expected.query_loss) <= 2e-5);
        // The predictions give the losses.
        let predictions = found.predictions.unwrap();
        for (task, losses) in found.query_loss.chunks(5).enumerate() {
            for (j, &loss) in losses.iter().enumerate() {
                let out = predictions[(j * 7 + task) * 36..][..36].chunks(3);
                let y = &tasks.query_y[task * 12..][..12];
                let point = |(out, y): (&[f32], &f32)| {
                    out.iter().map(|o| o.exp()).sum::<f32>().ln() - out[*y as usize]
                };
                let mean = out.zip(y).map(point).sum::<f32>() / 12.0;
                assert!((mean - loss).abs() <= 1e-5 * loss, "task {task}, step {j}: {mean} is not {loss}");
            }
        }
    }
}

#[test]
fn given_tasks_give_the_same_bits_on_any_number_of_threads_and_again() {
    let images = [conv(12, 3, 1, 1), NORM, Op::relu(), pool(2, 0), Op::flatten(), linear(3)];
    for (name, model, loss, count) in [
        ("lanes", Model::mlp(2, &[24, 24], 3, false).unwrap(), Loss::mse(), 203),
        ("a task at a time", Model::sequential(image(2, 9, 8), &images).unwrap(), Loss::cross_entropy(), 43),
    ] {
        let mut plan = Plan::new(model, loss, 4, 5, 2, Rates::fixed(0.05)).unwrap();
        plan.track_all = true;
        let (params, tasks) = (Init::Torch.draw(&plan.model, 3), random_tasks(&plan, count, 1));
        let one = CpuBackend::new(Some(1)).meta_gradient(&plan, &params, &tasks).unwrap();
        for threads in [2, 3, 8] {
            let cpu = CpuBackend::new(Some(threads));
            let mut prepared = cpu.prepare(&plan, count, false).unwrap();
            // What another batch left behind must not be seen.
            let other = random_tasks(&plan, count, 2);
            assert!(prepared.meta_gradient(&vec![0.1; params.len()], &other).unwrap() != one);
            assert!(prepared.meta_gradient(&params, &tasks).unwrap() == one, "{name}, {threads} threads");
        }
    }
}
