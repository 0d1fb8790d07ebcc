//! Random graphs from a seed. Whoever includes this has the library's names in a module called `names` beside it.

use super::names::*;

/// A small generator of numbers; how good they are does not matter.
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

/// A convolution of any form, which may or may not fit.
fn any_conv(numbers: &mut Numbers) -> Conv2d {
    Conv2d {
        outputs: 1 + numbers.below(6),
        kernel: [1 + numbers.below(3), 1 + numbers.below(3)],
        stride: 1 + numbers.below(3),
        padding: [numbers.below(3), numbers.below(3)],
        dilation: 1 + numbers.below(2),
        groups: 1 + numbers.below(2),
        bias: numbers.below(3) > 0,
    }
}

fn any_window(numbers: &mut Numbers) -> Window {
    let mut sides = || [1 + numbers.below(2), 1 + numbers.below(2)];
    Window { kernel: sides(), stride: sides() }
}

/// An op that may or may not fit.
fn any_op(numbers: &mut Numbers) -> Op {
    let few = 1 + numbers.below(5);
    match numbers.below(19) {
        0 | 1 => Linear { outputs: few, bias: numbers.below(4) > 0 }.into(),
        2 => Conv2d::square(few, 1 + numbers.below(3), 1 + numbers.below(2), numbers.below(2)).into(),
        3 => any_conv(numbers).into(),
        4 => BatchNorm { eps: 0.1, affine: numbers.below(3) > 0 }.into(),
        5 => LayerNorm { eps: 0.1, affine: numbers.below(3) > 0 }.into(),
        18 => Fourier { features: few, scale: 0.3 }.into(),
        17 => {
            let groups = if numbers.below(3) > 0 { Groups::Count(few) } else { Groups::Channels };
            GroupNorm { groups, eps: 0.1, affine: numbers.below(3) > 0 }.into()
        }
        6 => MaxPool2d(any_window(numbers)).into(),
        16 => AvgPool2d(any_window(numbers)).into(),
        7 => GlobalAvgPool2d {}.into(),
        8 => Flatten {}.into(),
        9 => Add {}.into(),
        10 => Mul {}.into(),
        11 => Concat {}.into(),
        12 => Latent { size: few }.into(),
        13 => Function::Sine { omega: 2.0 }.into(),
        14 => Function::Relu {}.into(),
        _ => {
            let smooth = [
                Function::Tanh {},
                Function::Sigmoid {},
                Function::Silu {},
                Function::Gelu {},
                Function::GeluTanh {},
                Function::Softplus {},
                Function::Elu { alpha: 0.7 },
                Function::LeakyRelu { negative_slope: 0.2 },
            ];
            smooth[numbers.below(smooth.len())].into()
        }
    }
}

/// A graph of up to `most` random nodes for images or vectors, all of them used, with `outputs` outputs.
pub(crate) fn random_model(seed: u64, most: usize, outputs: usize) -> Model {
    let mut numbers = Numbers::new(seed);
    let input = match numbers.below(2) {
        0 => Shape::Vector(1 + numbers.below(4)),
        _ => Shape::Image {
            channels: 1 + numbers.below(2),
            height: 2 + numbers.below(3),
            width: 2 + numbers.below(3),
        },
    };
    let mut graph = Graph::new(input).unwrap();
    let mut values = vec![Value::INPUT];
    for n in 0..1 + numbers.below(most) {
        let op = any_op(&mut numbers);
        let count = match op.arity() {
            Arity::Source => 0,
            Arity::One => 1,
            Arity::Several => 2 + numbers.below(4),
        };
        // Late values more often than early ones, so that graphs grow deep.
        let near = |numbers: &mut Numbers| values.len() - 1 - numbers.below(values.len().min(4));
        let inputs: Vec<Value> = (0..count).map(|_| values[near(&mut numbers)]).collect();
        if let Ok(value) = graph.add(format!("n{n}"), op, &inputs) {
            values.push(value);
        }
    }
    // Whatever nobody took goes to the outputs through a layer of its own.
    let mut ends = Vec::new();
    for (i, value) in graph.unused().into_iter().enumerate() {
        let vector = graph.add(format!("v{i}"), Flatten {}, &[value]).unwrap();
        ends.push(graph.add(format!("w{i}"), Linear::to(outputs), &[vector]).unwrap());
    }
    let vector = graph.add("v", Flatten {}, &[Value::INPUT]).unwrap();
    ends.push(graph.add("w", Linear::to(outputs), &[vector]).unwrap());
    if ends.len() > 1 {
        graph.add("sum", Add {}, &ends).unwrap();
    }
    graph.finish().unwrap()
}
