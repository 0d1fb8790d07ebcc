//! A plan's graph as the CPU lays it out: rows of values, and parameters packed in the order that kernels read.
//!
//! Nothing here depends on a task.

use crate::meta::{Plan, RateShape};
use crate::model::{Model, Value};
use crate::ops::cpu::{Layout, Lower as _, NONE, Node};
use crate::ops::{Op, Shape, each};
use crate::program::Flow;

/// A parameter among the packed ones.
pub(super) struct Packed {
    /// First float.
    pub(super) at: usize,
    /// The element of the flat vector for each float.
    elements: Vec<u32>,
}

impl Packed {
    pub(super) fn len(&self) -> usize {
        self.elements.len()
    }
}

/// See the module.
pub(super) struct Graph {
    pub(super) plan: Plan,
    /// For each value, how a row lies; of an alias, how that lies which it stands for.
    pub(super) layouts: Vec<Layout>,
    /// For each node, absent where nothing is run for it.
    pub(super) nodes: Vec<Option<Node>>,
    /// For each of the model's parameters.
    pub(super) params: Vec<Packed>,
    /// Floats of all packed parameters.
    pub(super) len: usize,
    /// Element of a point for each float of an input row.
    input: Vec<u32>,
    /// Float of an output row for each of the model's outputs.
    pub(super) output: std::sync::Arc<[u32]>,
}

impl Graph {
    /// Lays a plan's graph out for vectors of so many lanes.
    pub(super) fn new(plan: &Plan, flow: &Flow, lanes: usize) -> Self {
        let model = &plan.model;
        let mut layouts = vec![Layout::of(model.input(), lanes)];
        let mut input = None;
        let users: Vec<usize> = flow
            .nodes
            .iter()
            .copied()
            .filter(|&n| model.nodes()[n].inputs.iter().any(|v| flow.root[v.index()] == Value::INPUT))
            .collect();
        if users.iter().all(|&n| reads_floats(&model.nodes()[n].op)) {
            layouts[0].pitch = layouts[0].channels;
        }
        let mut nodes: Vec<Option<Node>> = Vec::new();
        for (n, of) in model.nodes().iter().enumerate() {
            let root = flow.root[n + 1];
            if root != Value::of(n) {
                layouts.push(layouts[root.index()]);
                nodes.push(None);
                continue;
            }
            let inputs: Vec<Layout> =
                of.inputs.iter().map(|v| layouts[flow.root[v.index()].index()]).collect();
            let as_inputs = each!(&of.op, op => op.lies_as_inputs());
            let output = match inputs.first().filter(|_| as_inputs) {
                Some(first) => padded(of.shape, first.sides, lanes),
                None => Layout::of(of.shape, lanes),
            };
            let mut node = Node {
                input_rows: of.inputs.iter().map(|&v| model.value(v).1).collect(),
                inputs,
                output,
                shape: of.shape,
                rows: of.rows,
                relu: flow.relu[n],
                bias_is_lost: bias_is_lost(model, n),
                unfolded: false,
                lanes,
                tables: None,
                lanewise: None,
            };
            let alone = users == [n] && of.inputs.len() == 1;
            let patches = if alone { each!(&of.op, op => op.unfolds(&node)) } else { None };
            if let Some((layout, elements)) = patches {
                (node.inputs[0], layouts[0], node.unfolded) = (layout, layout, true);
                input = Some(elements);
            }
            node.tables = each!(&of.op, op => op.tables(&node));
            node.lanewise = each!(&of.op, op => op.lanewise(&node));
            layouts.push(output);
            nodes.push(Some(node));
        }
        let input = input.unwrap_or_else(|| layouts[0].places());
        let last = layouts[flow.root[model.output().index()].index()];
        let output = (0..model.outputs()).map(|e| last.place(e)).collect();
        let (params, len) = packed(model, &nodes);
        Self { plan: plan.clone(), layouts, nodes, params, len, input, output }
    }

    /// A node that is run.
    pub(super) fn node(&self, n: usize) -> Option<&Node> {
        self.nodes[n].as_ref()
    }

    /// Copies a point `[channel, row, column]` to an input row.
    pub(super) fn load(&self, x: &[f32], to: &mut [f32]) {
        for (to, &element) in to.iter_mut().zip(&self.input) {
            *to = x.get(element as usize).copied().unwrap_or(0.0);
        }
    }

    fn pack_params(&self, theta: &[f32], to: &mut [f32]) {
        for param in &self.params {
            for (to, &element) in to[param.at..].iter_mut().zip(&param.elements) {
                *to = theta.get(element as usize).copied().unwrap_or(0.0);
            }
        }
    }

    /// Packed parameters in the model's order.
    pub(super) fn unpack_params(&self, packed: &[f32], to: &mut [f32]) {
        for param in &self.params {
            for (from, &element) in packed[param.at..].iter().zip(&param.elements) {
                if element != NONE {
                    to[element as usize] = *from;
                }
            }
        }
    }

    /// Floats of the rates in packed order.
    pub(super) fn rate_len(&self) -> usize {
        match self.plan.rates.shape {
            RateShape::One | RateShape::PerLayerStep => self.plan.rate_count(),
            RateShape::PerParameter => self.len,
            RateShape::PerParameterStep => self.plan.steps * self.len,
        }
    }

    /// Floats of the meta-parameters in packed order.
    pub(super) fn meta_len(&self) -> usize {
        self.len + if self.plan.rates.learned { self.rate_len() } else { 0 }
    }

    /// Place, among packed rates, of the rate of a parameter at step `j`, or of its first element's.
    pub(super) fn rate_index(&self, j: usize, param: usize) -> usize {
        let model = &self.plan.model;
        match self.plan.rates.shape {
            RateShape::One => 0,
            RateShape::PerLayerStep => j * model.blocks().len() + model.params()[param].block,
            RateShape::PerParameter => self.params[param].at,
            RateShape::PerParameterStep => j * self.len + self.params[param].at,
        }
    }

    /// The plan's fixed rates in packed order.
    pub(super) fn fixed_rates(&self) -> Vec<f32> {
        let rates: Vec<f32> = self.plan.rates.values.iter().map(|&r| r as f32).collect();
        self.pack_rates(&rates)
    }

    fn pack_rates(&self, rates: &[f32]) -> Vec<f32> {
        if !self.plan.per_parameter_rates() {
            return rates.to_vec();
        }
        let mut packed = vec![0.0; self.rate_len()];
        let rows = rates.chunks_exact(self.plan.model.param_count());
        for (to, from) in packed.chunks_exact_mut(self.len).zip(rows) {
            self.pack_params(from, to);
        }
        packed
    }

    /// Meta-parameters `[P + R]` in packed order.
    pub(super) fn pack(&self, params: &[f32]) -> Vec<f32> {
        let (theta, rates) = params.split_at(self.plan.model.param_count());
        let mut packed = vec![0.0; self.len];
        self.pack_params(theta, &mut packed);
        if self.plan.rates.learned {
            packed.extend(self.pack_rates(rates));
        }
        packed
    }

    /// Packed meta-parameters in the order `[P + R]`.
    pub(super) fn unpack(&self, packed: &[f32]) -> Vec<f32> {
        let (theta, rates) = packed.split_at(self.len);
        let p = self.plan.model.param_count();
        let mut params = vec![0.0; self.plan.meta_len()];
        let (to, to_rates) = params.split_at_mut(p);
        self.unpack_params(theta, to);
        if self.plan.per_parameter_rates() {
            for (to, from) in to_rates.chunks_exact_mut(p).zip(rates.chunks_exact(self.len)) {
                self.unpack_params(from, to);
            }
        } else {
            to_rates.copy_from_slice(rates);
        }
        params
    }
}

/// The layout of a shape whose pixels lie as an image of some sides, as a flattened image does.
fn padded(shape: Shape, sides: [usize; 2], lanes: usize) -> Layout {
    let channels = shape.len() / (sides[0] * sides[1]);
    Layout { sides, channels, pitch: channels.next_multiple_of(lanes) }
}

/// Whether an op reads its input float by float, so that pixels need no padding.
fn reads_floats(op: &Op) -> bool {
    matches!(op, Op::Linear(_)) || matches!(op, Op::Conv2d(conv) if conv.groups == 1)
}

/// Whether a node's only user is a batch norm, which takes its bias away again.
fn bias_is_lost(model: &Model, n: usize) -> bool {
    let value = Value::of(n);
    let mut users = model.nodes().iter().filter(|user| user.inputs.contains(&value));
    matches!((users.next(), users.next()), (Some(user), None) if matches!(user.op, Op::BatchNorm(_)))
}

/// Every parameter's place among the packed ones: in the model's order, each of whole vectors.
fn packed(model: &Model, nodes: &[Option<Node>]) -> (Vec<Packed>, usize) {
    let mut params = Vec::<Packed>::new();
    let mut len = 0;
    let mut push = |params: &mut Vec<Packed>, elements: Vec<u32>| {
        params.push(Packed { at: len, elements });
        len += params[params.len() - 1].len();
    };
    for (of, node) in model.nodes().iter().zip(nodes) {
        let Some(node) = node else { continue };
        let all = each!(&of.op, op => op.params(node));
        for (param, elements) in of.params.clone().zip(all) {
            let offset = model.params()[param].offset as u32;
            let absolute = |e: u32| if e == NONE { NONE } else { e + offset };
            push(&mut params, elements.into_iter().map(absolute).collect());
        }
    }
    // The scales and shifts of later steps, each as the first.
    for step in 1..model.norm_sets() {
        for first in 0..model.once() {
            let later = model.param_at(first, step);
            if later != first {
                let further = (model.params()[later].offset - model.params()[first].offset) as u32;
                let moved = |&e: &u32| if e == NONE { NONE } else { e + further };
                let elements = params[first].elements.iter().map(moved).collect();
                push(&mut params, elements);
            }
        }
    }
    (params, len)
}
