//! The plainest executor of programs, in memory that is poisoned where nothing lives.

use crate::backend::oracle::{self, Dual, Scalar};
use crate::meta::{Plan, RateShape};
use crate::model::{Model, Value};
use crate::ops::{self, Arity, Backward, Curvature, Op, Rows, Shape};
use crate::program::{
    Array, ArrayId, ArrayKind, Cut, Extent, Instr, Kept, Pass, Placement, Program, Put, Set, Sink, Site,
    Target, Wanted, place,
};
use crate::task::TaskBatch;

/// An executor's ways, for tests.
#[derive(Clone, Copy)]
pub(super) struct Ways {
    pub(super) fuses: bool,
    pub(super) gates_where_put: bool,
    pub(super) keeps_gradients: bool,
    pub(super) rates_in_tangents: bool,
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
pub(super) struct Machine<'a> {
    pub(super) plan: &'a Plan,
    pub(super) program: &'a Program,
    pub(super) placement: Placement,
    pub(super) memory: Vec<f64>,
    pub(super) at: usize,
    pub(super) task: &'a TaskBatch<f64>,
    pub(super) rates: Vec<f64>,
    pub(super) theta: Vec<Vec<f64>>,
    pub(super) kept: Vec<Vec<f64>>,
    pub(super) v: Vec<f64>,
    pub(super) u: Vec<f64>,
    pub(super) rate_gradient: Vec<f64>,
    pub(super) loss: f64,
}

impl Machine<'_> {
    pub(super) fn read(&self, id: ArrayId) -> Vec<f64> {
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

    pub(super) fn write(&mut self, id: ArrayId, values: &[f64], add: bool) {
        let to = &mut self.memory[self.placement.offsets[id.index()]..][..values.len()];
        assert_eq!(self.program.array(id).len(), values.len());
        for (to, value) in to.iter_mut().zip(values) {
            *to = if add { *to + value } else { *value };
        }
    }

    pub(super) fn params<'b, S: Copy>(&self, site: &Site, theta: &'b [S]) -> Vec<&'b [S]> {
        let model = &self.plan.model;
        let all = model.nodes()[site.node].params.clone();
        all.map(|p| &theta[model.params()[model.param_at(p, site.pass.step)].range()]).collect()
    }

    /// Inputs of a node; zeros where it does not look at them.
    pub(super) fn inputs(&self, site: &Site) -> Vec<Vec<f64>> {
        let model = &self.plan.model;
        let one = |(x, value): (&Option<ArrayId>, &Value)| {
            let (shape, rows) = model.value(*value);
            let zeros = || vec![0.0; rows.count(site.pass.points.len()) * shape.len()];
            x.map_or_else(zeros, |id| self.read(id))
        };
        site.x.iter().zip(&model.nodes()[site.node].inputs).map(one).collect()
    }

    pub(super) fn apply<S: Scalar>(
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

    pub(super) fn forward(&mut self, site: &Site) {
        let (x, theta) = (self.inputs(site), self.theta[site.pass.step].clone());
        let mut y = self.apply(site, &x, &theta, None).0.remove(0);
        if site.relu {
            y.iter_mut().for_each(|y| *y = y.max(0.0));
        }
        self.write(site.y.unwrap(), &y, false);
    }

    /// A cotangent or tangent of a node's output, closed where its ReLU is and executors close it there.
    pub(super) fn closed(&self, site: &Site, id: ArrayId, here: bool) -> Vec<f64> {
        let mut d = self.read(id);
        if site.relu && here {
            d.iter_mut()
                .zip(self.read(site.y.unwrap()))
                .filter(|(_, y)| *y <= 0.0)
                .for_each(|(d, _)| *d = 0.0);
        }
        d
    }

    pub(super) fn put(&mut self, site: &Site, puts: &[Option<Put>], values: Vec<Vec<f64>>) {
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

    pub(super) fn sink(&mut self, site: &Site, sinks: &[Sink], gradients: Vec<Vec<f64>>) {
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

    pub(super) fn rate_index(&self, j: usize, block: usize, e: usize) -> usize {
        match self.plan.rates.shape {
            RateShape::One => 0,
            RateShape::PerLayerStep => j * self.plan.model.blocks().len() + block,
            RateShape::PerParameter => e,
            RateShape::PerParameterStep => j * self.plan.model.param_count() + e,
        }
    }

    pub(super) fn rate(&self, j: usize, block: usize, e: usize) -> f64 {
        self.rates[self.rate_index(j, block, e)]
    }

    pub(super) fn adapted(&self) -> Vec<(usize, usize)> {
        let params = self.plan.model.params().iter().zip(&self.plan.adapted).filter(|(_, a)| **a);
        params.flat_map(|(p, _)| p.range().map(move |e| (p.block, e))).collect()
    }

    pub(super) fn rate_gradient(&mut self, j: usize, of: &[(usize, usize, f64)]) {
        for &(block, e, g) in of {
            let index = self.rate_index(j, block, e);
            self.rate_gradient[index] -= g * self.v[e];
        }
    }

    pub(super) fn rates_of(&mut self, site: &Site, dy: ArrayId) {
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

    pub(super) fn gates_where_put(&self) -> bool {
        self.program.instrs.iter().any(|instr| match instr {
            Instr::Backward { dx, .. } => dx.iter().flatten().any(|put| put.gate),
            Instr::Loss { gate, .. } => *gate,
            _ => false,
        })
    }

    pub(super) fn dual(&self, values: Vec<f64>, tangents: Option<Vec<f64>>) -> Vec<Dual<f64>> {
        let tangents = tangents.unwrap_or_else(|| vec![0.0; values.len()]);
        values.into_iter().zip(tangents).map(|(value, tangent)| Dual { value, tangent }).collect()
    }

    pub(super) fn dual_site(
        &self,
        site: &Site,
        x_dot: &[Option<ArrayId>],
    ) -> (Vec<Vec<Dual<f64>>>, Vec<Dual<f64>>) {
        let x = self.inputs(site).into_iter().zip(x_dot);
        let x = x.map(|(x, dot)| self.dual(x, dot.map(|dot| self.read(dot)))).collect();
        (x, self.dual(self.theta[site.pass.step].clone(), Some(self.u.clone())))
    }

    pub(super) fn losses<S: Scalar>(&self, pass: &Pass, out: &[S]) -> (S, Vec<S>) {
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

    pub(super) fn run(&mut self, instr: &Instr) {
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
pub(super) fn execute(plan: &Plan, params: &[f64], tasks: &TaskBatch<f64>, ways: Ways, cut: Cut) -> Vec<f64> {
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
