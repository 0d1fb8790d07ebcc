//! A model as a list of operations on channels-last images, and its parameters as those operations want them.
//!
//! Nothing here depends on a task: shapes, places of parameters, and which operation shares a sweep with which.

use super::geometry::{Class, Geometry, Pair};
use crate::model::{Layer, Model, Shape, Stage};

/// An array between operations, for one point: pixels with their channels innermost. A vector is one pixel; a
/// flattened image stays as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) sides: [usize; 2],
    pub(super) channels: usize,
    /// Floats from one pixel to the next; those beyond the channels are zero.
    pub(super) pitch: usize,
}

impl Node {
    pub(super) fn pixels(self) -> usize {
        self.sides[0] * self.sides[1]
    }

    /// Floats of a point.
    pub(super) fn len(self) -> usize {
        self.pixels() * self.pitch
    }
}

/// A linear or convolutional layer.
pub(super) struct Product {
    pub(super) block: usize,
    pub(super) geometry: Geometry,
    pub(super) forward: Vec<Class>,
    pub(super) backward: Vec<Class>,
    pub(super) pairs: Vec<Vec<Pair>>,
    /// Whether the bias moves anything: a batch norm takes it away again, so its gradient is zero.
    pub(super) bias_matters: bool,
}

/// A batch norm, with the ReLU that may follow it.
pub(super) struct Norm {
    pub(super) block: Option<usize>,
    pub(super) eps: f32,
    pub(super) relu: bool,
    /// Floats of a row; statistics are over rows.
    pub(super) width: usize,
}

/// Operation `i` takes node `i` to node `i + 1`.
pub(super) enum Op {
    Product(Product),
    Norm(Norm),
    Relu,
    Pool { kernel: usize, stride: usize },
    Mean,
}

impl Op {
    pub(super) fn block(&self) -> Option<usize> {
        match self {
            Self::Product(product) => Some(product.block),
            Self::Norm(norm) => norm.block,
            _ => None,
        }
    }
}

/// Where a block's parameters lie in the packed order: a weight is `[tap, input, outputs padded]`, γ and β
/// lie as the channels of their node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packed {
    pub(super) weight: usize,
    pub(super) bias: usize,
    pub(super) end: usize,
    /// Where the transposed weight `[tap, output, inputs padded]` lies among the transposed.
    pub(super) transposed: usize,
}

/// No element.
const NONE: u32 = u32::MAX;

/// See the module.
pub(super) struct Program {
    pub(super) nodes: Vec<Node>,
    pub(super) ops: Vec<Op>,
    pub(super) blocks: Vec<Packed>,
    /// For each later set of scales and shifts, where those of each block lie.
    norm_sets: Vec<Vec<Packed>>,
    /// Floats of the packed parameters, and of the transposed weights.
    pub(super) len: usize,
    pub(super) transposed_len: usize,
    /// First operation with parameters: backward passes end there.
    pub(super) lowest: usize,
    /// Element of a point for each float of node 0.
    pub(super) input: Vec<u32>,
    /// Place in the last node for each of the model's outputs.
    pub(super) output: Vec<u32>,
    /// Element of θ₀ for each packed float.
    params: Vec<u32>,
}

/// Channels of an input whose patches are laid out once a task, instead of being gathered in each pass: with
/// so few, a kernel's taps are what makes a reduction long enough.
const PATCH_CHANNELS: usize = 15;

struct Builder {
    lanes: usize,
    program: Program,
    /// Whether the current node stands for a vector.
    flat: bool,
}

impl Program {
    /// Compiles a model for vectors of `lanes` floats.
    pub(super) fn new(model: &Model, lanes: usize) -> Self {
        let (sides, channels) = match model.input() {
            Shape::Vector(features) => ([1, 1], features),
            Shape::Image { channels, height, width } => ([height, width], channels),
        };
        let first = model.stages().iter().map(|stage| stage.layer).find(|&layer| layer != Layer::Flatten);
        let product = matches!(first, Some(Layer::Linear { .. } | Layer::Conv2d { .. }));
        // A product reads its input float by float, so that its pixels need no padding.
        let pitch = if product { channels } else { channels.next_multiple_of(lanes) };
        let node = Node { sides, channels, pitch };
        let program = Self {
            nodes: vec![node],
            ops: Vec::new(),
            blocks: Vec::new(),
            norm_sets: Vec::new(),
            len: 0,
            transposed_len: 0,
            lowest: usize::MAX,
            input: places(node),
            output: Vec::new(),
            params: Vec::new(),
        };
        let flat = matches!(model.input(), Shape::Vector(_));
        let mut builder = Builder { lanes, program, flat };
        for (i, stage) in model.stages().iter().enumerate() {
            builder.stage(model, stage, model.stages().get(i + 1).map(|next| next.layer));
        }
        let mut program = builder.program;
        program.add_norm_sets(model);
        let last = program.nodes[program.nodes.len() - 1];
        program.output = vec![0; last.pixels() * last.channels];
        for (at, &element) in places(last).iter().enumerate().filter(|(_, element)| **element != NONE) {
            program.output[element as usize] = at as u32;
        }
        program
    }

    /// Appends the scales and shifts of later steps, each as the first.
    fn add_norm_sets(&mut self, model: &Model) {
        for step in 1..model.norm_sets() {
            let mut set = self.blocks.clone();
            for (block, place) in set.iter_mut().enumerate().filter(|(block, _)| model.is_norm(*block)) {
                let further = (model.block_at(block, step).weight - model.blocks()[block].weight) as u32;
                let moved = |&e: &u32| if e == NONE { NONE } else { e + further };
                let params: Vec<_> = self.params[place.weight..place.end].iter().map(moved).collect();
                let by = self.len - place.weight;
                *place = Packed { weight: self.len, bias: place.bias + by, end: place.end + by, ..*place };
                self.params.extend(params);
                self.len = place.end;
            }
            self.norm_sets.push(set);
        }
    }

    /// Where the parameters lie that a block has at θ_j.
    pub(super) fn block_at(&self, block: usize, j: usize) -> Packed {
        match j.min(self.norm_sets.len()) {
            0 => self.blocks[block],
            set => self.norm_sets[set - 1][block],
        }
    }

    /// Whether scales and shifts differ from step to step.
    pub(super) fn has_norm_sets(&self) -> bool {
        !self.norm_sets.is_empty()
    }

    /// The last node.
    pub(super) fn last(&self) -> usize {
        self.ops.len()
    }

    /// Copies a point `[channel, row, column]` to node 0.
    pub(super) fn load(&self, x: &[f32], to: &mut [f32]) {
        for (to, &element) in to.iter_mut().zip(&self.input) {
            *to = x.get(element as usize).copied().unwrap_or(0.0);
        }
    }

    /// Parameters in packed order.
    pub(super) fn pack(&self, theta: &[f32], to: &mut [f32]) {
        for (to, &element) in to.iter_mut().zip(&self.params) {
            *to = theta.get(element as usize).copied().unwrap_or(0.0);
        }
    }

    /// Packed parameters in the model's order.
    pub(super) fn unpack(&self, packed: &[f32], to: &mut [f32]) {
        for (from, &element) in packed.iter().zip(&self.params) {
            if element != NONE {
                to[element as usize] = *from;
            }
        }
    }
}

/// The element `[channel, row, column]` for each float of a node.
fn places(node: Node) -> Vec<u32> {
    let at = |pixel: usize| {
        (0..node.pitch)
            .map(move |c| if c < node.channels { (c * node.pixels() + pixel) as u32 } else { NONE })
    };
    (0..node.pixels()).flat_map(at).collect()
}

impl Builder {
    fn node(&self) -> Node {
        self.program.nodes[self.program.nodes.len() - 1]
    }

    fn push(&mut self, op: Op, node: Node) {
        if op.block().is_some() {
            self.program.lowest = self.program.lowest.min(self.program.ops.len());
        }
        self.program.ops.push(op);
        self.program.nodes.push(node);
    }

    fn stage(&mut self, model: &Model, stage: &Stage, next: Option<Layer>) {
        let node = self.node();
        let out = |channels, sides| Node { sides, channels, pitch: node.pitch };
        match stage.layer {
            Layer::Linear { outputs } => self.product(model, stage, next, outputs, node.sides, (1, 0)),
            Layer::Conv2d { outputs, kernel, stride, padding } => {
                self.product(model, stage, next, outputs, [kernel; 2], (stride, padding));
            }
            Layer::BatchNorm { eps, .. } => {
                let width = if self.flat { node.len() } else { node.pitch };
                if let Some(block) = stage.block {
                    let start = model.blocks()[block].weight as u32;
                    let row = Node { sides: if self.flat { node.sides } else { [1, 1] }, ..node };
                    let row = places(row).into_iter();
                    let weight: Vec<_> = row.map(|e| if e == NONE { NONE } else { start + e }).collect();
                    let outputs = model.blocks()[block].outputs as u32;
                    let bias = weight.iter().map(|&e| if e == NONE { NONE } else { e + outputs }).collect();
                    self.block(weight, bias, 0);
                }
                let relu = next == Some(Layer::Relu);
                self.push(Op::Norm(Norm { block: stage.block, eps: eps as f32, relu, width }), node);
            }
            // The batch norm before it has it already.
            Layer::Relu if matches!(self.program.ops.last(), Some(Op::Norm(norm)) if norm.relu) => {}
            Layer::Relu => self.push(Op::Relu, node),
            Layer::MaxPool2d { kernel, stride } => {
                let sides = node.sides.map(|side| (side - kernel) / stride + 1);
                self.push(Op::Pool { kernel, stride }, out(node.channels, sides));
            }
            Layer::GlobalAvgPool2d => self.push(Op::Mean, out(node.channels, [1, 1])),
            Layer::Flatten => {}
        }
        self.flat = matches!(stage.output, Shape::Vector(_));
    }

    fn product(
        &mut self,
        model: &Model,
        stage: &Stage,
        next: Option<Layer>,
        outputs: usize,
        kernel: [usize; 2],
        (stride, padding): (usize, usize),
    ) {
        let Some(block) = stage.block else { return };
        let node = self.node();
        let side = |i: usize| (node.sides[i] + 2 * padding - kernel[i]) / stride + 1;
        let wide = outputs.next_multiple_of(self.lanes);
        let mut geometry = Geometry {
            input: node.sides,
            inputs: node.channels,
            pitch: node.pitch,
            output: [side(0), side(1)],
            outputs,
            wide,
            kernel,
            stride,
            padding,
        };
        let start = model.blocks()[block].weight;
        let (taps, inputs) = (kernel[0] * kernel[1], node.channels);
        let rows = (0..taps).flat_map(|tap| (0..inputs).map(move |c| (tap, c)));
        let weight = rows.flat_map(|(tap, c)| {
            let element =
                move |o| if o < outputs { (start + (o * inputs + c) * taps + tap) as u32 } else { NONE };
            (0..wide).map(element)
        });
        let bias = |o| if o < outputs { (model.blocks()[block].bias + o) as u32 } else { NONE };
        if self.program.ops.is_empty()
            && kernel != [1, 1]
            && inputs <= PATCH_CHANNELS
            && geometry.output != [1, 1]
        {
            self.program.input = patches(&geometry);
            let channels = taps * inputs;
            self.program.nodes[0] = Node { sides: geometry.output, channels, pitch: channels };
            let input = geometry.output;
            geometry = Geometry {
                input,
                inputs: channels,
                pitch: channels,
                kernel: [1, 1],
                stride: 1,
                padding: 0,
                ..geometry
            };
        }
        self.block(weight.collect(), (0..wide).map(bias).collect(), taps * outputs * node.pitch);
        self.push(
            Op::Product(Product {
                block,
                forward: geometry.forward(),
                backward: geometry.backward(),
                pairs: geometry.weight_pairs(),
                geometry,
                bias_matters: !matches!(next, Some(Layer::BatchNorm { .. })),
            }),
            Node { sides: geometry.output, channels: outputs, pitch: wide },
        );
    }

    /// Appends a block's parameters.
    fn block(&mut self, weight: Vec<u32>, bias: Vec<u32>, transposed: usize) {
        let program = &mut self.program;
        let end = program.len + weight.len() + bias.len();
        let place = Packed {
            weight: program.len,
            bias: program.len + weight.len(),
            end,
            transposed: program.transposed_len,
        };
        program.blocks.push(place);
        program.params.extend(weight.into_iter().chain(bias));
        program.len = end;
        program.transposed_len += transposed.next_multiple_of(self.lanes);
    }
}

/// For each output pixel its patch of the input, `[tap, channel]`; nothing where a tap lies on the padding.
fn patches(geometry: &Geometry) -> Vec<u32> {
    let mut all = Vec::new();
    let [h, w] = geometry.input;
    for out in 0..geometry.output[0] * geometry.output[1] {
        for tap in 0..geometry.kernel[0] * geometry.kernel[1] {
            let y = out / geometry.output[1] * geometry.stride + tap / geometry.kernel[1];
            let x = out % geometry.output[1] * geometry.stride + tap % geometry.kernel[1];
            let inside =
                |at: usize, length: usize| at.checked_sub(geometry.padding).filter(|&at| at < length);
            let pixel = inside(y, h).zip(inside(x, w));
            let element = |c| pixel.map_or(NONE, |(y, x)| ((c * h + y) * w + x) as u32);
            all.extend((0..geometry.inputs).map(element));
        }
    }
    all
}
