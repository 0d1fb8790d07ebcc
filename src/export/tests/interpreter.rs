//! The plainest reader of what an export holds: each operator by its definition, in float64. For tests alone.

use crate::export::proto::{GraphProto, ModelProto, NodeProto, TensorProto};
use std::collections::HashMap;

/// Numbers of a shape, row-major.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Array {
    pub(crate) dims: Vec<usize>,
    pub(crate) values: Vec<f64>,
}

impl Array {
    fn of(tensor: &TensorProto) -> Self {
        let dims = tensor.dims.iter().map(|&side| side as usize).collect();
        let bytes = &tensor.raw_data;
        let values = match tensor.data_type {
            1 => bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()).into()).collect(),
            7 => bytes.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as f64).collect(),
            11 => bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect(),
            other => panic!("element type {other}"),
        };
        let array = Self { dims, values };
        assert_eq!(array.values.len(), array.dims.iter().product::<usize>(), "{}", tensor.name);
        array
    }

    fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self { dims: self.dims.clone(), values: self.values.iter().map(|&v| f(v)).collect() }
    }

    /// Sides with ones before them.
    fn side(&self, rank: usize, axis: usize) -> usize {
        (axis + self.dims.len()).checked_sub(rank).map_or(1, |axis| self.dims[axis])
    }

    /// Its element at a place of a larger shape that it is broadcast to.
    fn at(&self, rank: usize, place: &[usize]) -> f64 {
        let mut index = 0;
        for (axis, &at) in place.iter().enumerate() {
            let side = self.side(rank, axis);
            index = index * side + if side == 1 { 0 } else { at };
        }
        self.values[index]
    }
}

/// Combines arrays that are broadcast to one shape.
fn broadcast(arrays: &[&Array], f: impl Fn(&[f64]) -> f64) -> Array {
    let rank = arrays.iter().map(|array| array.dims.len()).max().unwrap();
    let dims: Vec<usize> =
        (0..rank).map(|axis| arrays.iter().map(|array| array.side(rank, axis)).max().unwrap()).collect();
    for array in arrays {
        assert!((0..rank).all(|axis| [1, dims[axis]].contains(&array.side(rank, axis))), "{arrays:?}");
    }
    let values = (0..dims.iter().product()).map(|index: usize| {
        let mut rest = index;
        let mut place = vec![0; rank];
        for axis in (0..rank).rev() {
            place[axis] = rest % dims[axis];
            rest /= dims[axis];
        }
        f(&arrays.iter().map(|array| array.at(rank, &place)).collect::<Vec<_>>())
    });
    Array { values: values.collect(), dims }
}

/// A node's settings.
struct Settings<'a>(&'a NodeProto);

impl Settings<'_> {
    fn find<T>(&self, name: &str, get: impl Fn(&crate::export::proto::AttributeProto) -> T) -> Option<T> {
        self.0.attribute.iter().find(|attribute| attribute.name == name).map(get)
    }

    fn float(&self, name: &str) -> f64 {
        self.find(name, |a| a.f.unwrap().into()).unwrap()
    }

    fn int(&self, name: &str) -> usize {
        self.find(name, |a| a.i.unwrap() as usize).unwrap()
    }

    fn ints(&self, name: &str) -> Vec<usize> {
        self.find(name, |a| a.ints.iter().map(|&i| i as usize).collect()).unwrap()
    }
}

/// Runs a file on inputs by name; its outputs by name.
pub(crate) fn run(model: &ModelProto, inputs: &[(&str, Array)]) -> HashMap<String, Array> {
    let graph: &GraphProto = model.graph.as_ref().unwrap();
    let mut values: HashMap<String, Array> =
        graph.initializer.iter().map(|tensor| (tensor.name.clone(), Array::of(tensor))).collect();
    for (info, (name, array)) in graph.input.iter().zip(inputs) {
        assert_eq!(info.name, *name);
        let shape = info.kind.as_ref().unwrap().tensor_type.as_ref().unwrap().shape.as_ref().unwrap();
        assert_eq!(shape.dim.len(), array.dims.len(), "{name}");
        assert_eq!(shape.dim[0].dim_param.as_deref(), Some("batch"));
        let sides: Vec<_> = shape.dim[1..].iter().map(|side| side.dim_value.unwrap() as usize).collect();
        assert_eq!(sides, array.dims[1..]);
        values.insert((*name).to_owned(), array.clone());
    }
    for node in &graph.node {
        let inputs: Vec<&Array> = node
            .input
            .iter()
            .map(|name| values.get(name).unwrap_or_else(|| panic!("{name} is not there yet")))
            .collect();
        let value = compute(node, &inputs);
        assert!(values.insert(node.output[0].clone(), value).is_none(), "{} twice", node.output[0]);
    }
    graph.output.iter().map(|info| (info.name.clone(), values[&info.name].clone())).collect()
}

fn compute(node: &NodeProto, x: &[&Array]) -> Array {
    let settings = Settings(node);
    match node.op_type.as_str() {
        "Identity" | "Cast" => match settings.find("to", |a| a.i.unwrap()) {
            // Numbers that were in float64 are rounded.
            Some(1) => x[0].map(|v| f64::from(v as f32)),
            _ => x[0].clone(),
        },
        "Gemm" => gemm(x),
        "Conv" => conv(&settings, x),
        "MaxPool" => pool(&settings, x[0], |window| window.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
        "AveragePool" => pool(&settings, x[0], |window| window.iter().sum::<f64>() / window.len() as f64),
        "GlobalAveragePool" => {
            let pixels = x[0].dims[2] * x[0].dims[3];
            let means =
                x[0].values.chunks_exact(pixels).map(|plane| plane.iter().sum::<f64>() / pixels as f64);
            Array { dims: vec![x[0].dims[0], x[0].dims[1], 1, 1], values: means.collect() }
        }
        "Flatten" => {
            assert_eq!(settings.int("axis"), 1);
            Array { dims: vec![x[0].dims[0], x[0].dims[1..].iter().product()], values: x[0].values.clone() }
        }
        "Reshape" => reshape(x),
        "Shape" => {
            let sides: Vec<f64> = x[0].dims.iter().map(|&side| side as f64).collect();
            Array { dims: vec![sides.len()], values: sides }
        }
        "Expand" => {
            let dims: Vec<usize> = x[1].values.iter().map(|&side| side as usize).collect();
            let like = Array { values: vec![0.0; dims.iter().product()], dims };
            broadcast(&[x[0], &like], |v| v[0])
        }
        "Gather" => gather(settings.int("axis"), x),
        "Concat" => concat(settings.int("axis"), x),
        "Softmax" => rows(x[0], |row| {
            let sum: f64 = row.iter().map(|v| v.exp()).sum();
            row.iter().map(|v| v.exp() / sum).collect()
        }),
        "BatchNormalization" => norm_of_channels(x, settings.float("epsilon")),
        "LayerNormalization" => {
            assert_eq!(settings.int("axis"), 1);
            let normal = rows(x[0], |row| standard(row, settings.float("epsilon")));
            broadcast(&[&normal, x[1], x[2]], |v| v[0] * v[1] + v[2])
        }
        "InstanceNormalization" => {
            let (channels, plane) = (x[0].dims[1], x[0].dims[2..].iter().product::<usize>());
            let planes = x[0].values.chunks_exact(plane).enumerate();
            let normal = planes.flat_map(|(i, values)| {
                let (scale, shift) = (x[1].values[i % channels], x[2].values[i % channels]);
                standard(values, settings.float("epsilon")).into_iter().map(move |v| v * scale + shift)
            });
            Array { dims: x[0].dims.clone(), values: normal.collect() }
        }
        other => elements(other, &settings, x),
    }
}

/// Operators on single elements.
fn elements(op: &str, settings: &Settings<'_>, x: &[&Array]) -> Array {
    let logistic = |v: f64| 1.0 / (1.0 + (-v).exp());
    match op {
        "Relu" => x[0].map(|v| v.max(0.0)),
        "LeakyRelu" => x[0].map(|v| if v > 0.0 { v } else { settings.float("alpha") * v }),
        "Elu" => x[0].map(|v| if v > 0.0 { v } else { settings.float("alpha") * v.exp_m1() }),
        "Tanh" => x[0].map(f64::tanh),
        "Sigmoid" => x[0].map(logistic),
        "Softplus" => x[0].map(|v| v.exp().ln_1p()),
        "Erf" => x[0].map(libm::erf),
        "Sin" => x[0].map(f64::sin),
        "Cos" => x[0].map(f64::cos),
        "IsNaN" => x[0].map(|v| f64::from(u8::from(v.is_nan()))),
        "Add" => broadcast(x, |v| v[0] + v[1]),
        "Sub" => broadcast(x, |v| v[0] - v[1]),
        "Mul" => broadcast(x, |v| v[0] * v[1]),
        "Div" => broadcast(x, |v| v[0] / v[1]),
        "Where" => broadcast(x, |v| if v[0] == 0.0 { v[2] } else { v[1] }),
        other => panic!("no operator {other}"),
    }
}

/// Less the mean, over the deviation.
fn standard(values: &[f64], eps: f64) -> Vec<f64> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    values.iter().map(|v| (v - mean) / (variance + eps).sqrt()).collect()
}

/// Runs over all of a point.
fn rows(x: &Array, f: impl Fn(&[f64]) -> Vec<f64>) -> Array {
    let row: usize = x.dims[1..].iter().product();
    Array { dims: x.dims.clone(), values: x.values.chunks_exact(row).flat_map(f).collect() }
}

fn norm_of_channels(x: &[&Array], eps: f64) -> Array {
    let plane: usize = x[0].dims[2..].iter().product();
    let channels = x[0].dims[1];
    let value = |(i, v): (usize, &f64)| {
        let c = i / plane % channels;
        let [scale, shift, mean, variance] = [1, 2, 3, 4].map(|input: usize| x[input].values[c]);
        (v - mean) / (variance + eps).sqrt() * scale + shift
    };
    Array { dims: x[0].dims.clone(), values: x[0].values.iter().enumerate().map(value).collect() }
}

fn gemm(x: &[&Array]) -> Array {
    let (inner, outputs) = (x[0].dims[1], x[1].dims[0]);
    assert_eq!(x[1].dims[1], inner);
    let product = x[0].values.chunks_exact(inner).flat_map(|row| {
        let bias = x.get(2);
        x[1].values.chunks_exact(inner).enumerate().map(move |(o, w)| {
            bias.map_or(0.0, |bias| bias.values[o]) + row.iter().zip(w).map(|(a, b)| a * b).sum::<f64>()
        })
    });
    Array { dims: vec![x[0].dims[0], outputs], values: product.collect() }
}

fn conv(settings: &Settings<'_>, x: &[&Array]) -> Array {
    let (kernel, strides, dilations) =
        (settings.ints("kernel_shape"), settings.ints("strides"), settings.ints("dilations"));
    let (pads, groups) = (settings.ints("pads"), settings.int("group"));
    let [n, channels, h, w] = x[0].dims[..] else { panic!("no images") };
    let (outputs, deep) = (x[1].dims[0], x[1].dims[1]);
    assert_eq!((deep * groups, &x[1].dims[2..]), (channels, &kernel[..]));
    let side = |i: usize, len: usize| {
        (len + pads[i] + pads[i + 2] - dilations[i] * (kernel[i] - 1) - 1) / strides[i] + 1
    };
    let (oh, ow) = (side(0, h), side(1, w));
    let mut values = Vec::new();
    for at in 0..n * outputs * oh * ow {
        let (ox, oy, o, point) = (at % ow, at / ow % oh, at / (ow * oh) % outputs, at / (ow * oh * outputs));
        let mut sum = x.get(2).map_or(0.0, |bias| bias.values[o]);
        for tap in 0..deep * kernel[0] * kernel[1] {
            let (kx, ky, c) = (tap % kernel[1], tap / kernel[1] % kernel[0], tap / (kernel[0] * kernel[1]));
            let y = (oy * strides[0] + ky * dilations[0]).checked_sub(pads[0]).filter(|&y| y < h);
            let z = (ox * strides[1] + kx * dilations[1]).checked_sub(pads[1]).filter(|&z| z < w);
            let (Some(y), Some(z)) = (y, z) else { continue };
            let channel = o / (outputs / groups) * deep + c;
            sum += x[1].values[o * deep * kernel[0] * kernel[1] + tap]
                * x[0].values[((point * channels + channel) * h + y) * w + z];
        }
        values.push(sum);
    }
    Array { dims: vec![n, outputs, oh, ow], values }
}

fn pool(settings: &Settings<'_>, x: &Array, f: impl Fn(&[f64]) -> f64) -> Array {
    let (kernel, strides) = (settings.ints("kernel_shape"), settings.ints("strides"));
    let [n, channels, h, w] = x.dims[..] else { panic!("no images") };
    let (oh, ow) = ((h - kernel[0]) / strides[0] + 1, (w - kernel[1]) / strides[1] + 1);
    let window = |at: usize| {
        let (ox, oy, plane) = (at % ow, at / ow % oh, at / (ow * oh));
        let taps = (0..kernel[0] * kernel[1]).map(|tap| {
            let (y, z) = (oy * strides[0] + tap / kernel[1], ox * strides[1] + tap % kernel[1]);
            x.values[(plane * h + y) * w + z]
        });
        f(&taps.collect::<Vec<_>>())
    };
    Array { dims: vec![n, channels, oh, ow], values: (0..n * channels * oh * ow).map(window).collect() }
}

fn reshape(x: &[&Array]) -> Array {
    let mut dims: Vec<usize> = x[1]
        .values
        .iter()
        .enumerate()
        .map(|(axis, &side)| match side {
            0.0 => x[0].dims[axis],
            -1.0 => 0,
            side => side as usize,
        })
        .collect();
    if let Some(rest) = dims.iter().position(|&side| side == 0) {
        let known: usize = dims.iter().filter(|&&side| side > 0).product();
        dims[rest] = x[0].values.len() / known;
    }
    assert_eq!(dims.iter().product::<usize>(), x[0].values.len());
    Array { dims, values: x[0].values.clone() }
}

fn gather(axis: usize, x: &[&Array]) -> Array {
    let row: usize = x[0].dims[axis..].iter().product();
    let each = row / x[0].dims[axis];
    let picked = x[0].values.chunks_exact(row).flat_map(|row| {
        x[1].values.iter().flat_map(move |&place| row[place as usize * each..][..each].to_vec())
    });
    let mut dims = x[0].dims.clone();
    dims[axis] = x[1].values.len();
    Array { dims, values: picked.collect() }
}

fn concat(axis: usize, x: &[&Array]) -> Array {
    let mut dims = x[0].dims.clone();
    dims[axis] = x.iter().map(|array| array.dims[axis]).sum();
    let mut values = Vec::new();
    for row in 0..dims[..axis].iter().product::<usize>() {
        for array in x {
            assert_eq!(array.dims[..axis], dims[..axis]);
            let len: usize = array.dims[axis..].iter().product();
            values.extend_from_slice(&array.values[row * len..][..len]);
        }
    }
    Array { dims, values }
}
