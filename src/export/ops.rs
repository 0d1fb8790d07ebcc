//! Each op as nodes of ONNX. A value with a row for the whole task is one point, which is broadcast.

use super::writer::{Setting, Writer};
use crate::model::{Node, NormStatistics};
use crate::ops::elementwise::Function;
use crate::ops::group_norm::GroupNorm;
use crate::ops::window::Window;
use crate::ops::{Op, Rows, Shape};

/// Where a node stands: what goes in, with shapes and rows, its parameters, and what it is frozen at.
pub(super) struct Place<'a> {
    pub(super) node: &'a Node,
    pub(super) inputs: Vec<String>,
    pub(super) shapes: Vec<(Shape, Rows)>,
    /// Parameters with their shapes.
    pub(super) theta: Vec<(&'a [usize], &'a [f32])>,
    pub(super) norm: Option<&'a NormStatistics>,
}

impl Place<'_> {
    fn x(&self) -> &str {
        &self.inputs[0]
    }

    /// A parameter as a tensor of its own shape.
    fn param(&self, to: &mut Writer, index: usize, name: &str) -> Option<String> {
        let (shape, values) = *self.theta.get(index)?;
        Some(to.floats(&format!("{}.{name}", self.node.name), shape, values))
    }

    /// The name of something within the node.
    fn named(&self, part: &str) -> String {
        format!("{}.{part}", self.node.name)
    }
}

/// Adds what computes a node; the name of its value.
pub(super) fn write(to: &mut Writer, at: &Place<'_>) -> String {
    let name = &at.node.name;
    match at.node.op {
        Op::Linear(_) => {
            let weight = at.param(to, 0, "weight").unwrap_or_default();
            let bias = at.param(to, 1, "bias");
            let inputs: Vec<&str> = [at.x(), &weight].into_iter().chain(bias.as_deref()).collect();
            to.node("Gemm", name, &inputs, &[Setting::Int("transB", 1)])
        }
        Op::Conv2d(conv) => {
            let weight = at.param(to, 0, "weight").unwrap_or_default();
            let bias = at.param(to, 1, "bias");
            let inputs: Vec<&str> = [at.x(), &weight].into_iter().chain(bias.as_deref()).collect();
            let [rows, columns] = conv.padding;
            let settings = [
                Setting::Ints("kernel_shape", &conv.kernel),
                Setting::Ints("strides", &[conv.stride; 2]),
                Setting::Ints("pads", &[rows, columns, rows, columns]),
                Setting::Ints("dilations", &[conv.dilation; 2]),
                Setting::Int("group", conv.groups),
            ];
            to.node("Conv", name, &inputs, &settings)
        }
        Op::BatchNorm(norm) => batch_norm(to, at, norm.eps),
        Op::LayerNorm(norm) => layer_norm(to, at, norm.eps),
        Op::GroupNorm(norm) => group_norm(to, at, norm),
        Op::MaxPool2d(pool) => windows(to, "MaxPool", at, pool.0),
        Op::AvgPool2d(pool) => windows(to, "AveragePool", at, pool.0),
        Op::GlobalAvgPool2d(_) => {
            let pooled = to.node("GlobalAveragePool", &at.named("pooled"), &[at.x()], &[]);
            to.node("Flatten", name, &[&pooled], &[Setting::Int("axis", 1)])
        }
        Op::Flatten(_) => to.node("Flatten", name, &[at.x()], &[Setting::Int("axis", 1)]),
        Op::Add(_) => fold(to, "Add", at),
        Op::Mul(_) => fold(to, "Mul", at),
        Op::Concat(_) => concat(to, at),
        Op::Fourier(_) => {
            let matrix = at.param(to, 0, "matrix").unwrap_or_default();
            let turns = to.node("Gemm", &at.named("turns"), &[at.x(), &matrix], &[Setting::Int("transB", 1)]);
            let tau = to.scalar(&at.named("tau"), std::f64::consts::TAU);
            let angles = to.node("Mul", &at.named("angles"), &[&turns, &tau], &[]);
            let sine = to.node("Sin", &at.named("sine"), &[&angles], &[]);
            let cosine = to.node("Cos", &at.named("cosine"), &[&angles], &[]);
            to.node("Concat", name, &[&sine, &cosine], &[Setting::Int("axis", 1)])
        }
        Op::Latent(latent) => {
            let values = at.theta.first().map_or(&[][..], |(_, values)| values);
            to.floats(name, &[1, latent.size], values)
        }
        Op::Elementwise(function) => elementwise(to, at, function),
    }
}

/// γ and β for each channel, or 1 and 0.
fn affine(to: &mut Writer, at: &Place<'_>, shape: &[usize]) -> [String; 2] {
    let len: usize = shape.iter().product();
    [("weight", 1.0), ("bias", 0.0)].map(|(name, otherwise)| {
        let index = usize::from(name == "bias");
        let values = at.theta.get(index).map_or_else(|| vec![otherwise; len], |(_, values)| values.to_vec());
        to.floats(&at.named(name), shape, &values)
    })
}

fn batch_norm(to: &mut Writer, at: &Place<'_>, eps: f64) -> String {
    let features = at.node.shape.features();
    let [scale, shift] = affine(to, at, &[features]);
    let (mean, variance) = at.norm.map_or((&[][..], &[][..]), |norm| (&norm.mean, &norm.variance));
    let mean = to.floats(&at.named("running_mean"), &[features], mean);
    let variance = to.floats(&at.named("running_var"), &[features], variance);
    let inputs = [at.x(), &scale, &shift, &mean, &variance];
    to.node("BatchNormalization", &at.node.name, &inputs, &[Setting::Float("epsilon", eps)])
}

fn layer_norm(to: &mut Writer, at: &Place<'_>, eps: f64) -> String {
    let [scale, shift] = affine(to, at, &at.node.shape.axes());
    let settings = [Setting::Int("axis", 1), Setting::Float("epsilon", eps)];
    to.node("LayerNormalization", &at.node.name, &[at.x(), &scale, &shift], &settings)
}

/// Groups laid out as channels of an instance norm, then back.
fn group_norm(to: &mut Writer, at: &Place<'_>, norm: GroupNorm) -> String {
    let (shape, channels) = (at.node.shape, at.node.shape.features());
    let groups = norm.group_count(channels);
    let inside = to.wholes(&at.named("groups"), &[0, groups as i64, -1]);
    let rows = to.node("Reshape", &at.named("rows"), &[at.x(), &inside], &[]);
    let ones = to.floats(&at.named("ones"), &[groups], &vec![1.0; groups]);
    let zeros = to.floats(&at.named("zeros"), &[groups], &vec![0.0; groups]);
    let settings = [Setting::Float("epsilon", norm.eps)];
    let normal = to.node("InstanceNormalization", &at.named("normal"), &[&rows, &ones, &zeros], &settings);
    let axes: Vec<i64> = [0].into_iter().chain(shape.axes().iter().map(|&side| side as i64)).collect();
    let back = to.wholes(&at.named("axes"), &axes);
    let back = to.node("Reshape", &at.named("back"), &[&normal, &back], &[]);
    if !norm.affine {
        return back;
    }
    let each: Vec<usize> = match shape {
        Shape::Vector(_) => vec![channels],
        Shape::Image { .. } => vec![channels, 1, 1],
    };
    let [scale, shift] = affine(to, at, &each);
    let scaled = to.node("Mul", &at.named("scaled"), &[&back, &scale], &[]);
    to.node("Add", &at.node.name, &[&scaled, &shift], &[])
}

fn windows(to: &mut Writer, op: &str, at: &Place<'_>, window: Window) -> String {
    let settings = [Setting::Ints("kernel_shape", &window.kernel), Setting::Ints("strides", &window.stride)];
    to.node(op, &at.node.name, &[at.x()], &settings)
}

/// A sum or a product of all inputs, from the first on.
fn fold(to: &mut Writer, op: &str, at: &Place<'_>) -> String {
    let last = at.inputs.len() - 1;
    let mut all = at.inputs[0].clone();
    for (i, input) in at.inputs.iter().enumerate().skip(1) {
        let name = if i == last { at.node.name.clone() } else { at.named("part") };
        all = to.node(op, &name, &[&all, input], &[]);
    }
    all
}

/// Side by side; what has one row is repeated for as many points as another input has.
fn concat(to: &mut Writer, at: &Place<'_>) -> String {
    let mut inputs = at.inputs.clone();
    let of_points = at.shapes.iter().position(|(_, rows)| *rows == Rows::Point);
    if let Some(like) = of_points {
        for (input, (shape, rows)) in inputs.iter_mut().zip(&at.shapes) {
            if *rows == Rows::Point {
                continue;
            }
            let all = to.node("Shape", &at.named("shape"), &[&at.inputs[like]], &[]);
            let first = to.wholes(&at.named("first"), &[0]);
            let points = to.node("Gather", &at.named("points"), &[&all, &first], &[Setting::Int("axis", 0)]);
            let axes: Vec<i64> = shape.axes().iter().map(|&side| side as i64).collect();
            let axes = to.wholes(&at.named("axes"), &axes);
            let wanted =
                to.node("Concat", &at.named("wanted"), &[&points, &axes], &[Setting::Int("axis", 0)]);
            *input = to.node("Expand", &at.named("repeated"), &[input, &wanted], &[]);
        }
    }
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    to.node("Concat", &at.node.name, &inputs, &[Setting::Int("axis", 1)])
}

fn elementwise(to: &mut Writer, at: &Place<'_>, function: Function) -> String {
    let (x, name) = (at.x(), &at.node.name);
    match function {
        Function::Relu => to.node("Relu", name, &[x], &[]),
        Function::LeakyRelu { negative_slope } => {
            to.node("LeakyRelu", name, &[x], &[Setting::Float("alpha", negative_slope)])
        }
        Function::Elu { alpha } => to.node("Elu", name, &[x], &[Setting::Float("alpha", alpha)]),
        Function::Tanh => to.node("Tanh", name, &[x], &[]),
        Function::Sigmoid => to.node("Sigmoid", name, &[x], &[]),
        Function::Silu => {
            let gate = to.node("Sigmoid", &at.named("gate"), &[x], &[]);
            to.node("Mul", name, &[x, &gate], &[])
        }
        Function::Gelu => {
            let root = to.scalar(&at.named("root"), std::f64::consts::FRAC_1_SQRT_2);
            let scaled = to.node("Mul", &at.named("scaled"), &[x, &root], &[]);
            let erf = to.node("Erf", &at.named("erf"), &[&scaled], &[]);
            half_of_one_more(to, at, &erf)
        }
        Function::GeluTanh => {
            let cubic = to.scalar(&at.named("cubic"), 0.044_715);
            let root = to.scalar(&at.named("root"), (2.0 / std::f64::consts::PI).sqrt());
            let square = to.node("Mul", &at.named("square"), &[x, x], &[]);
            let cube = to.node("Mul", &at.named("cube"), &[&square, x], &[]);
            let bend = to.node("Mul", &at.named("bend"), &[&cube, &cubic], &[]);
            let sum = to.node("Add", &at.named("sum"), &[x, &bend], &[]);
            let inner = to.node("Mul", &at.named("inner"), &[&sum, &root], &[]);
            let tanh = to.node("Tanh", &at.named("tanh"), &[&inner], &[]);
            half_of_one_more(to, at, &tanh)
        }
        Function::Softplus => to.node("Softplus", name, &[x], &[]),
        Function::Sine { omega } => {
            let omega = to.scalar(&at.named("omega"), omega);
            let angle = to.node("Mul", &at.named("angle"), &[x, &omega], &[]);
            to.node("Sin", name, &[&angle], &[])
        }
    }
}

/// `x / 2 · (1 + value)`.
fn half_of_one_more(to: &mut Writer, at: &Place<'_>, value: &str) -> String {
    let one = to.scalar(&at.named("one"), 1.0);
    let half = to.scalar(&at.named("half"), 0.5);
    let more = to.node("Add", &at.named("more"), &[value, &one], &[]);
    let share = to.node("Mul", &at.named("share"), &[at.x(), &half], &[]);
    to.node("Mul", &at.node.name, &[&share, &more], &[])
}
