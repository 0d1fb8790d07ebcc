//! Programs run by the plainest executor there is, on the ops' own arithmetic in float64, in memory that is poisoned where
//! no life is: against the oracle.

use super::*;
use crate::backend::oracle::{self, Dual, Scalar};
use crate::case::relative_error;
use crate::losses::Truth;
use crate::meta::{Adapt, Loss, RateShape, Rates};
use crate::meta::{MetaGradient, Plan};
use crate::model::Model;
use crate::model::{Graph, Value};
use crate::ops::Op;
use crate::ops::elementwise::Function;
use crate::ops::{self, Arity, Backward, Curvature, Rows, Shape};
use crate::task::TaskBatch;

/// An executor's ways, for tests.
#[derive(Clone, Copy)]
struct Ways {
    fuses: bool,
    gates_where_put: bool,
    keeps_gradients: bool,
    rates_in_tangents: bool,
}

impl Target for Ways {
    fn keeps(&self, op: &Op, relu: bool) -> Kept {
        let x = op.curvature() != Curvature::Linear;
        Kept { x, y: relu, x_dot: x, ..Kept::default() }
    }

    fn aliases(&self, model: &Model, node: usize) -> bool {
        self.fuses && matches!(model.nodes()[node].op, Op::Flatten(_))
    }

    fn folds_relu(&self, op: &Op) -> bool {
        self.fuses && !op.params(&[Shape::Vector(1)], Shape::Vector(1)).is_empty()
    }

    fn gates(&self, op: &Op) -> bool {
        op.arity() == Arity::One
    }

    fn gates_where_put(&self) -> bool {
        self.gates_where_put
    }

    fn keeps_gradients(&self, _: &Plan) -> bool {
        self.keeps_gradients
    }

    fn rates_in_tangents(&self) -> bool {
        self.rates_in_tangents
    }
}

/// One task under way.
struct Machine<'a> {
    plan: &'a Plan,
    program: &'a Program,
    placement: Placement,
    memory: Vec<f64>,
    at: usize,
    task: &'a TaskBatch<f64>,
    rates: Vec<f64>,
    theta: Vec<Vec<f64>>,
    kept: Vec<Vec<f64>>,
    v: Vec<f64>,
    u: Vec<f64>,
    rate_gradient: Vec<f64>,
    loss: f64,
}

impl Machine<'_> {
    fn read(&self, id: ArrayId) -> Vec<f64> {
        let array = self.program.array(id);
        if array.kind == ArrayKind::Input {
            let x = if array.set == Set::Support { &self.task.support_x } else { &self.task.query_x };
            let width = self.plan.model.inputs();
            return x[array.points.start * width..array.points.end * width].to_vec();
        }
        let values = self.memory[self.placement.offsets[id.index()]..][..array.len()].to_vec();
        assert!(array.life.start <= self.at && self.at <= array.life.end);
        assert!(values.iter().all(|v| v.is_finite()), "instruction {}: {array:?}", self.at);
        values
    }

    fn write(&mut self, id: ArrayId, values: &[f64], add: bool) {
        let to = &mut self.memory[self.placement.offsets[id.index()]..][..values.len()];
        assert_eq!(self.program.array(id).len(), values.len());
        for (to, value) in to.iter_mut().zip(values) {
            *to = if add { *to + value } else { *value };
        }
    }

    fn params<'b, S: Copy>(&self, site: &Site, theta: &'b [S]) -> Vec<&'b [S]> {
        let model = &self.plan.model;
        let all = model.nodes()[site.node].params.clone();
        all.map(|p| &theta[model.params()[model.param_at(p, site.pass.step)].range()]).collect()
    }

    /// Inputs of a node; zeros where it does not look at them.
    fn inputs(&self, site: &Site) -> Vec<Vec<f64>> {
        let model = &self.plan.model;
        let one = |(x, value): (&Option<ArrayId>, &Value)| {
            let (shape, rows) = model.value(*value);
            let zeros = || vec![0.0; rows.count(site.pass.points.len()) * shape.len()];
            x.map_or_else(zeros, |id| self.read(id))
        };
        site.x.iter().zip(&model.nodes()[site.node].inputs).map(one).collect()
    }

    fn apply<S: Scalar>(
        &self,
        site: &Site,
        x: &[Vec<S>],
        theta: &[S],
        dy: Option<&[S]>,
    ) -> (Vec<Vec<S>>, Vec<Vec<S>>) {
        let (model, node) = (&self.plan.model, &self.plan.model.nodes()[site.node]);
        let (shapes, rows): (Vec<_>, Vec<Rows>) = node.inputs.iter().map(|&v| model.value(v)).unzip();
        let at = ops::Site {
            inputs: &shapes,
            input_rows: &rows,
            output: node.shape,
            rows: node.rows,
            points: site.pass.points.len(),
            weights: None,
        };
        let x: Vec<&[S]> = x.iter().map(Vec::as_slice).collect();
        let theta = self.params(site, theta);
        let Some(dy) = dy else { return (vec![node.op.forward(&at, &x, &theta)], Vec::new()) };
        let mut dtheta: Vec<Vec<S>> = theta.iter().map(|t| vec![S::constant(0.0); t.len()]).collect();
        let dx = node.op.backward(&at, Backward { x: &x, theta: &theta, dy }, &mut dtheta);
        (dx, dtheta)
    }

    fn forward(&mut self, site: &Site) {
        let (x, theta) = (self.inputs(site), self.theta[site.pass.step].clone());
        let mut y = self.apply(site, &x, &theta, None).0.remove(0);
        if site.relu {
            y.iter_mut().for_each(|y| *y = y.max(0.0));
        }
        self.write(site.y.unwrap(), &y, false);
    }

    /// A cotangent or tangent of a node's output, closed where its ReLU is and executors close it there.
    fn closed(&self, site: &Site, id: ArrayId, here: bool) -> Vec<f64> {
        let mut d = self.read(id);
        if site.relu && here {
            d.iter_mut()
                .zip(self.read(site.y.unwrap()))
                .filter(|(_, y)| *y <= 0.0)
                .for_each(|(d, _)| *d = 0.0);
        }
        d
    }

    fn put(&mut self, site: &Site, puts: &[Option<Put>], values: Vec<Vec<f64>>) {
        for ((put, mut d), x) in puts.iter().zip(values).zip(&site.x) {
            let Some(put) = put else { continue };
            if put.gate {
                d.iter_mut()
                    .zip(self.read(x.unwrap()))
                    .filter(|(_, x)| *x <= 0.0)
                    .for_each(|(d, _)| *d = 0.0);
            }
            self.write(put.to, &d, put.add);
        }
    }

    fn sink(&mut self, site: &Site, sinks: &[Sink], gradients: Vec<Vec<f64>>) {
        let (model, j) = (&self.plan.model, site.pass.step);
        for ((p, sink), g) in model.nodes()[site.node].params.clone().zip(sinks).zip(gradients) {
            let param = &model.params()[model.param_at(p, j)];
            for (e, g) in param.range().zip(g) {
                match *sink {
                    Sink::Skip => {}
                    Sink::Step { add } => {
                        let from = if add { self.theta[j + 1][e] } else { self.theta[j][e] };
                        self.theta[j + 1][e] = from - self.rate(j, param.block, e) * g;
                    }
                    Sink::Keep { add } => self.kept[j][e] = g + if add { self.kept[j][e] } else { 0.0 },
                    Sink::Outer { add } => self.v[e] = g + if add { self.v[e] } else { 0.0 },
                    Sink::Curvature => self.v[e] -= g,
                }
            }
        }
    }

    fn rate_index(&self, j: usize, block: usize, e: usize) -> usize {
        match self.plan.rates.shape {
            RateShape::One => 0,
            RateShape::PerLayerStep => j * self.plan.model.blocks().len() + block,
            RateShape::PerParameter => e,
            RateShape::PerParameterStep => j * self.plan.model.param_count() + e,
        }
    }

    fn rate(&self, j: usize, block: usize, e: usize) -> f64 {
        self.rates[self.rate_index(j, block, e)]
    }

    fn adapted(&self) -> Vec<(usize, usize)> {
        let params = self.plan.model.params().iter().zip(&self.plan.adapted).filter(|(_, a)| **a);
        params.flat_map(|(p, _)| p.range().map(move |e| (p.block, e))).collect()
    }

    fn rate_gradient(&mut self, j: usize, of: &[(usize, usize, f64)]) {
        for &(block, e, g) in of {
            let index = self.rate_index(j, block, e);
            self.rate_gradient[index] -= g * self.v[e];
        }
    }

    fn rates_of(&mut self, site: &Site, dy: ArrayId) {
        let (x, theta) = (self.inputs(site), self.theta[site.pass.step].clone());
        let dy = self.closed(site, dy, !self.gates_where_put());
        let gradients = self.apply(site, &x, &theta, Some(&dy)).1;
        let mut all = Vec::new();
        for (p, g) in self.plan.model.nodes()[site.node].params.clone().zip(gradients) {
            let param = &self.plan.model.params()[p];
            if self.plan.adapted[p] {
                all.extend(param.range().zip(g).map(|(e, g)| (param.block, e, g)));
            }
        }
        self.rate_gradient(site.pass.step, &all);
    }

    fn gates_where_put(&self) -> bool {
        self.program.instrs.iter().any(|instr| match instr {
            Instr::Backward { dx, .. } => dx.iter().flatten().any(|put| put.gate),
            Instr::Loss { gate, .. } => *gate,
            _ => false,
        })
    }

    fn dual(&self, values: Vec<f64>, tangents: Option<Vec<f64>>) -> Vec<Dual<f64>> {
        let tangents = tangents.unwrap_or_else(|| vec![0.0; values.len()]);
        values.into_iter().zip(tangents).map(|(value, tangent)| Dual { value, tangent }).collect()
    }

    fn dual_site(&self, site: &Site, x_dot: &[Option<ArrayId>]) -> (Vec<Vec<Dual<f64>>>, Vec<Dual<f64>>) {
        let x = self.inputs(site).into_iter().zip(x_dot);
        let x = x.map(|(x, dot)| self.dual(x, dot.map(|dot| self.read(dot)))).collect();
        (x, self.dual(self.theta[site.pass.step].clone(), Some(self.u.clone())))
    }

    fn losses<S: Scalar>(&self, pass: &Pass, out: &[S]) -> (S, Vec<S>) {
        let (y, all) = match pass.set {
            Set::Support => (&self.task.support_y, self.plan.support),
            Set::Query => (&self.task.query_y, self.plan.query),
        };
        let y = &y[pass.points.start * self.plan.targets()..];
        let (mut loss, mut dy) = (S::constant(0.0), Vec::new());
        for (out, y) in out.chunks_exact(self.plan.model.outputs()).zip(y.chunks_exact(self.plan.targets())) {
            let (l, d) = oracle::point_loss(self.plan, out, y, 1.0 / all as f64);
            loss = loss + l;
            dy.extend(d);
        }
        (loss, dy)
    }

    fn run(&mut self, instr: &Instr) {
        match instr {
            Instr::Forward(site) => self.forward(site),
            Instr::Backward { site, dy, dx, sinks, .. } => {
                let (x, theta) = (self.inputs(site), self.theta[site.pass.step].clone());
                let dy = self.closed(site, *dy, !self.gates_where_put());
                let (values, gradients) = self.apply(site, &x, &theta, Some(&dy));
                self.put(site, dx, values);
                self.sink(site, sinks, gradients);
            }
            Instr::Tangent { site, x_dot, y_dot, .. } => {
                let (x, theta) = self.dual_site(site, x_dot);
                let mut y: Vec<f64> =
                    self.apply(site, &x, &theta, None).0.remove(0).iter().map(|d| d.tangent).collect();
                if site.relu {
                    y.iter_mut()
                        .zip(self.read(site.y.unwrap()))
                        .filter(|(_, v)| *v <= 0.0)
                        .for_each(|(d, _)| *d = 0.0);
                }
                self.write(*y_dot, &y, false);
            }
            Instr::BackwardTangent { site, x_dot, dy, dy_dot, dx_dot, sinks, rates, .. } => {
                if *rates {
                    self.rates_of(site, *dy);
                }
                let (x, theta) = self.dual_site(site, x_dot);
                let here = !self.gates_where_put();
                let dy = self.dual(self.closed(site, *dy, here), Some(self.closed(site, *dy_dot, here)));
                let (values, gradients) = self.apply(site, &x, &theta, Some(&dy));
                let tangents = |all: Vec<Vec<Dual<f64>>>| -> Vec<Vec<f64>> {
                    all.iter().map(|d| d.iter().map(|d| d.tangent).collect()).collect()
                };
                self.put(site, dx_dot, tangents(values));
                self.sink(site, sinks, tangents(gradients));
            }
            Instr::Loss { pass, y, dy, gate, weight, report } => {
                let out = self.read(*y);
                let (loss, mut d) = self.losses(pass, &out);
                if *report && pass.set == Set::Query {
                    self.loss += weight * loss;
                }
                d.iter_mut().zip(out).for_each(|(d, y)| *d *= if *gate && y <= 0.0 { 0.0 } else { *weight });
                if let Some(dy) = dy {
                    self.write(*dy, &d, false);
                }
            }
            Instr::LossTangent { pass, y, y_dot, dy_dot, gate } => {
                let out = self.read(*y);
                let dual = self.dual(out.clone(), Some(self.read(*y_dot)));
                let mut d: Vec<f64> = self.losses(pass, &dual).1.iter().map(|d| d.tangent).collect();
                d.iter_mut().zip(out).filter(|(_, y)| *gate && *y <= 0.0).for_each(|(d, _)| *d = 0.0);
                self.write(*dy_dot, &d, false);
            }
            Instr::Step { step } => {
                for (block, e) in self.adapted() {
                    self.theta[step + 1][e] =
                        self.theta[*step][e] - self.rate(*step, block, e) * self.kept[*step][e];
                }
            }
            Instr::RateGradient { step } => {
                let of: Vec<_> = self.adapted().iter().map(|&(b, e)| (b, e, self.kept[*step][e])).collect();
                self.rate_gradient(*step, &of);
            }
            Instr::Rates { site, dy } => self.rates_of(site, *dy),
            Instr::Direction { step, .. } => {
                self.u.fill(0.0);
                for (block, e) in self.adapted() {
                    self.u[e] = self.rate(*step, block, e) * self.v[e];
                }
            }
            Instr::Clear => self.v.fill(0.0),
            Instr::Displacement => {
                self.v = self.theta[0].iter().zip(&self.theta[self.plan.steps]).map(|(a, b)| a - b).collect();
            }
            Instr::Predictions { .. } | Instr::Fast => {}
        }
    }
}

/// The meta-gradient of a program, task by task.
fn execute(plan: &Plan, params: &[f64], tasks: &TaskBatch<f64>, ways: Ways, cut: Cut) -> Vec<f64> {
    let wanted = Wanted { gradient: true, all_losses: false, predictions: false, fast: false };
    let program = Program::new(plan, wanted, &ways, cut);
    let extent = |array: &Array| Extent {
        len: if array.kind == ArrayKind::Input { 0 } else { array.len() },
        life: array.life.clone(),
        in_place_of: None,
    };
    let placement = place(&program.arrays.iter().map(extent).collect::<Vec<_>>(), 1);
    let p = plan.model.param_count();
    let rates = if plan.rates.learned { params[p..].to_vec() } else { plan.rates.values.clone() };
    let mut gradient = vec![0.0; plan.meta_len()];
    for t in 0..tasks.tasks {
        let task = tasks.slice(t..t + 1);
        let mut theta = vec![vec![f64::NAN; p]; plan.steps + 1];
        theta[0] = params[..p].to_vec();
        for fast in &mut theta[1..] {
            for (param, _) in plan.model.params().iter().zip(&plan.adapted).filter(|(_, adapted)| !**adapted)
            {
                fast[param.range()].copy_from_slice(&params[param.range()]);
            }
        }
        let mut machine = Machine {
            plan,
            program: &program,
            placement: placement.clone(),
            memory: vec![f64::NAN; placement.len],
            at: 0,
            task: &task,
            rates: rates.clone(),
            theta,
            kept: vec![vec![f64::NAN; p]; plan.steps],
            v: vec![f64::NAN; p],
            u: vec![0.0; p],
            rate_gradient: vec![0.0; plan.learned_rates()],
            loss: 0.0,
        };
        for (at, instr) in program.instrs.iter().enumerate() {
            machine.at = at;
            machine.run(instr);
            for (i, array) in program.arrays.iter().enumerate().filter(|(_, a)| a.life.end == at) {
                if array.kind != ArrayKind::Input {
                    machine.memory[machine.placement.offsets[i]..][..array.len()].fill(f64::NAN);
                }
            }
        }
        let all = machine.v.iter().chain(&machine.rate_gradient);
        gradient.iter_mut().zip(all).for_each(|(sum, g)| *sum += g / tasks.tasks as f64);
    }
    gradient
}

fn wave(len: usize, frequency: f64) -> Vec<f64> {
    (0..len).map(|i| (frequency * (i + 1) as f64).sin()).collect()
}

fn check(name: &str, plan: &Plan) {
    check_some(name, plan, &(0..16).collect::<Vec<_>>());
}

/// The same with some of the ways that an executor may have, each a number of four bits.
fn check_some(name: &str, plan: &Plan, all_ways: &[u32]) {
    let tasks = 2;
    let (inputs, targets) = (plan.model.inputs(), plan.targets());
    let mut batch = TaskBatch::zeros(tasks, plan.support, plan.query, inputs, targets);
    batch.support_x = wave(batch.support_x.len(), 1.3).into();
    batch.query_x = wave(batch.query_x.len(), 2.1).into();
    let classes = plan.model.outputs();
    let label = |len: usize| (0..len).map(|i| (i * 7 % 5 % classes) as f64).collect::<Vec<_>>();
    match plan.loss.truth() {
        Truth::Numbers | Truth::Shares => {
            // Within 0 and 1 where that is asked for.
            let shares = plan.loss.truth() == Truth::Shares;
            let numbers =
                |len, f| wave(len, f).into_iter().map(|y| if shares { y.abs() } else { y }).collect();
            batch.support_y = numbers(batch.support_y.len(), 0.7);
            batch.query_y = numbers(batch.query_y.len(), 0.9);
        }
        Truth::Class => {
            batch.support_y = label(batch.support_y.len()).into();
            batch.query_y = label(batch.query_y.len()).into();
        }
    }
    let mut params: Vec<f64> = wave(plan.model.param_count(), 3.7).iter().map(|w| 0.6 * w).collect();
    params.extend(plan.rates.values.iter().filter(|_| plan.rates.learned));
    let expected = oracle::meta_gradient(plan, &params, &batch).unwrap().gradient;
    for &bits in all_ways {
        let bit = |i: u32| bits >> i & 1 == 1;
        let ways = Ways {
            fuses: bit(0),
            gates_where_put: bit(1),
            keeps_gradients: bit(2),
            rates_in_tangents: bit(3),
        };
        for cut in [Cut::WHOLE, Cut { recompute: true, ..Cut::WHOLE }, Cut { recompute: true, chunk: 2 }] {
            let found = execute(plan, &params, &batch, ways, cut);
            let error = relative_error(&found, &expected);
            assert!(error <= 1e-11, "{name}, {bits:04b}, {cut:?}: {error:e}");
        }
    }
}

/// A residual network with a latent, a gate, a norm and a concatenation.
fn graph() -> Model {
    let mut graph = Graph::new(Shape::Vector(3)).unwrap();
    let latent = graph.add("latent", ops::latent::Latent { size: 4 }, &[]).unwrap();
    let shift = graph.add("shift", ops::linear::Linear { outputs: 6, bias: false }, &[latent]).unwrap();
    let a = graph.add("a", ops::linear::Linear::to(6), &[Value::INPUT]).unwrap();
    let b = graph.add("b", ops::add::Add {}, &[a, shift]).unwrap();
    let c = graph.add("c", Function::Tanh {}, &[b]).unwrap();
    let d = graph.add("d", ops::linear::Linear::to(6), &[c]).unwrap();
    let e = graph.add("e", Function::Relu {}, &[d]).unwrap();
    let f = graph.add("f", ops::layer_norm::LayerNorm::default(), &[e]).unwrap();
    let g = graph.add("g", ops::add::Add {}, &[c, f]).unwrap();
    let h = graph.add("h", Function::Sine { omega: 2.0 }, &[g]).unwrap();
    let i = graph.add("i", ops::mul::Mul {}, &[h, g, shift]).unwrap();
    let j = graph.add("j", ops::concat::Concat {}, &[i, latent, Value::INPUT]).unwrap();
    graph.add("k", ops::linear::Linear::to(2), &[j]).unwrap();
    graph.finish().unwrap()
}

#[test]
fn a_graph_learns_as_the_oracle_says() {
    let base = Plan::new(graph(), Loss::mse(), 5, 4, 2, Rates::fixed(0.1)).unwrap();
    check("all", &base);
    check("one step", &Plan::new(graph(), Loss::cross_entropy(), 3, 4, 1, Rates::fixed(0.2)).unwrap());
    for pattern in ["latent.*", "d.weight", "*.bias", "k.*"] {
        let adapt = Adapt::Matching(vec![pattern.to_owned()]);
        check(pattern, &base.clone().adapt(&adapt).unwrap());
    }
    check("weights", &Plan { loss_weights: vec![0.5, 0.0, 0.25], ..base.clone() });
    let order = MetaGradient::FirstOrder;
    check("first order", &Plan { order, ..base.clone() });
    check("displacement", &Plan { order: MetaGradient::Displacement, ..base.clone() });
    check("plain training", &Plan::new(graph(), Loss::mse(), 0, 4, 0, Rates::fixed(0.2)).unwrap());
    for shape in
        [RateShape::One, RateShape::PerLayerStep, RateShape::PerParameter, RateShape::PerParameterStep]
    {
        let mut plan = base.clone();
        plan.rates.shape = shape;
        plan.rates.learned = true;
        plan.rates.values = vec![0.05; plan.rate_count()];
        check(&format!("learned {shape:?}"), &plan);
        check(&format!("learned {shape:?}, first order"), &Plan { order, ..plan });
    }
}

#[test]
fn an_image_network_learns_as_the_oracle_says() {
    let ops: Vec<Op> = vec![
        ops::conv2d::Conv2d::square(3, 3, 2, 1).into(),
        ops::batch_norm::BatchNorm::default().into(),
        Function::Relu {}.into(),
        ops::conv2d::Conv2d::square(2, 2, 1, 1).into(),
        Function::Relu {}.into(),
        Op::max_pool2d(2, 1),
        ops::flatten::Flatten {}.into(),
        ops::linear::Linear::to(3).into(),
        Function::Relu {}.into(),
    ];
    let model = Model::sequential(Shape::Image { channels: 2, height: 5, width: 4 }, &ops).unwrap();
    let base = Plan::new(model, Loss::cross_entropy(), 4, 3, 2, Rates::fixed(0.1)).unwrap();
    check("all", &base);
    check("head", &base.clone().adapt(&Adapt::Head).unwrap());
    check("body", &base.clone().adapt(&Adapt::Body).unwrap());
    check(
        "a set of scales a step",
        &Plan::new(base.model.clone().with_norm_steps(2), Loss::cross_entropy(), 4, 3, 2, Rates::fixed(0.1))
            .unwrap(),
    );
}

mod names {
    pub(super) use crate::model::{Graph, Model, Op, Value};
    pub(super) use crate::ops::add::Add;
    pub(super) use crate::ops::avg_pool2d::AvgPool2d;
    pub(super) use crate::ops::batch_norm::BatchNorm;
    pub(super) use crate::ops::concat::Concat;
    pub(super) use crate::ops::conv2d::Conv2d;
    pub(super) use crate::ops::elementwise::Function;
    pub(super) use crate::ops::flatten::Flatten;
    pub(super) use crate::ops::fourier::Fourier;
    pub(super) use crate::ops::global_avg_pool2d::GlobalAvgPool2d;
    pub(super) use crate::ops::group_norm::{GroupNorm, Groups};
    pub(super) use crate::ops::latent::Latent;
    pub(super) use crate::ops::layer_norm::LayerNorm;
    pub(super) use crate::ops::linear::Linear;
    pub(super) use crate::ops::max_pool2d::MaxPool2d;
    pub(super) use crate::ops::mul::Mul;
    pub(super) use crate::ops::window::Window;
    pub(super) use crate::ops::{Arity, Shape};
}

#[path = "../../tests/common/graphs.rs"]
mod graphs;

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 60, failure_persistence: None, ..Default::default() })]

    /// Any graph, any ways of an executor, any cut.
    #[test]
    fn random_graphs_learn_as_the_oracle_says(seed: u32) {
        let mut numbers = graphs::Numbers::new(u64::from(seed) + 7);
        let model = graphs::random_model(u64::from(seed), 9, 2);
        let losses = [Loss::mse(), Loss::cross_entropy(), Loss::huber(0.4), Loss::bce_with_logits()];
        let loss = losses[numbers.below(4)];
        let steps = numbers.below(3);
        let support = if steps > 0 { 1 + numbers.below(4) } else { 0 };
        let mut plan = Plan::new(model, loss, support, 1 + numbers.below(4), steps, Rates::fixed(0.05)).unwrap();
        for adapted in plan.adapted.iter_mut() {
            *adapted &= numbers.below(3) > 0;
        }
        check_some(&format!("seed {seed}"), &plan, &[numbers.below(16) as u32, 15, 0]);
    }
}

#[test]
fn memory_does_not_grow_with_steps_where_passes_are_computed_again() {
    let ways = Ways { fuses: true, gates_where_put: true, keeps_gradients: false, rates_in_tangents: true };
    let wanted = Wanted { gradient: true, all_losses: false, predictions: false, fast: false };
    let floats = |steps: usize, recompute: bool| {
        let plan = Plan::new(graph(), Loss::mse(), 6, 6, steps, Rates::fixed(0.1)).unwrap();
        let program = Program::new(&plan, wanted, &ways, Cut { recompute, chunk: usize::MAX });
        let len = |a: &Array| if a.kind == ArrayKind::Input { 0 } else { a.len() };
        let extent = |a: &Array| Extent { len: len(a), life: a.life.clone(), in_place_of: None };
        place(&program.arrays.iter().map(extent).collect::<Vec<_>>(), 1).len
    };
    assert_eq!(floats(3, true), floats(30, true));
    assert!(floats(30, false) > 5 * floats(30, true));
}
