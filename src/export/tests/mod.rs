//! What is written computes what the model does: by a reader of our own, in float64, and by ONNX Runtime where Python has it.

mod interpreter;
mod runtime;

use super::onnx;
use super::proto::ModelProto;
use crate::adapted::{
    Adaptation, Adapted, Answers, Examples, FieldForm, ImageForm, Inputs, Origin, PointColumns, Predicted,
    SeriesForm, SeriesScale, Signature, Start,
};
use crate::backend::cpu::CpuBackend;
use crate::data::{
    Coding, Columns, Dialect, Feature, MissingCells, PictureForm, Ranges, SeriesColumns, Target,
};
use crate::meta::{Algorithm, Loss};
use crate::model::{Conv4, Graph, Model, NamedOp, Resnet12, Shape, Siren};
use crate::ops::elementwise::Function;
use interpreter::{Array, run};
use prost::Message as _;

fn relative_error<T: Copy + Into<f64>>(found: &[T], expected: &[T]) -> f64 {
    let wide = |values: &[T]| values.iter().map(|&v| v.into()).collect::<Vec<f64>>();
    crate::case::relative_error(&wide(found), &wide(expected))
}

/// A model by its layers, as recipes write them.
fn graph(input: Shape, layers: &str) -> Model {
    let layers: Vec<NamedOp> = serde_json::from_str(layers).unwrap();
    let mut graph = Graph::new(input).unwrap();
    graph.add_named(&layers).unwrap();
    graph.finish().unwrap()
}

fn points(model: &Model) -> Signature {
    let names = |letter: char, count: usize| (0..count).map(|i| format!("{letter}{i}")).collect();
    Signature::Points(PointColumns {
        inputs: names('x', model.inputs()),
        outputs: names('y', model.outputs()),
    })
}

fn numbers(count: usize, from: f32) -> Vec<f32> {
    (0..count).map(|i| 1.3 * (i as f32 * 1.7 + from).sin()).collect()
}

/// A model after a step, so that no norm is at its first scales.
fn adapted(model: Model, signature: Signature, classes: bool) -> Adapted {
    let loss = if classes { Loss::cross_entropy() } else { Loss::mse() };
    let algorithm = Algorithm::maml(model, loss);
    let algorithm = algorithm.with(|inner| inner.lr = 0.05);
    let params = algorithm.start().unwrap().params;
    let plan = algorithm.plan(4, 4).unwrap();
    let start = Start { origin: Origin::default(), plan, params, signature };
    let (inputs, outputs) = (start.plan.model.inputs(), start.plan.model.outputs());
    let y = if classes { (0..6).map(|i| (i % outputs) as f32).collect() } else { numbers(6 * outputs, 0.5) };
    let set = Examples { x: numbers(6 * inputs, 0.1), y, points: 6, what: "points", ..Examples::default() };
    start.adapt(&CpuBackend::new(Some(1)), &set, Adaptation { steps: 1, rate: None }).unwrap()
}

/// The file, read back.
fn read(adapted: &Adapted) -> ModelProto {
    ModelProto::decode(&onnx::bytes(adapted).unwrap()[..]).unwrap()
}

/// Every op there is, each in a small graph of its own, with points of any number of them.
pub(super) fn every_op() -> Vec<(String, Adapted)> {
    let image = Shape::Image { channels: 4, height: 7, width: 6 };
    let head = r#"{"type": "flatten"}, {"type": "linear", "outputs": 3}"#;
    let mut all = Vec::new();
    for (name, layers) in [
        ("conv2d", r#"{"type": "conv2d", "outputs": 5, "kernel": 3, "stride": 2, "padding": 1}"#),
        (
            "conv2d of groups",
            r#"{"type": "conv2d", "outputs": 6, "kernel": [3, 2], "groups": 2, "dilation": 2, "padding": [2, 1]}"#,
        ),
        (
            "depthwise, no bias",
            r#"{"type": "conv2d", "outputs": 4, "kernel": 3, "groups": 4, "bias": false}"#,
        ),
        (
            "batch_norm",
            r#"{"type": "batch_norm"}, {"type": "conv2d", "outputs": 3, "kernel": 3}, {"type": "batch_norm", "affine": false}"#,
        ),
        ("layer_norm", r#"{"type": "layer_norm"}, {"type": "layer_norm", "affine": false, "eps": 0.1}"#),
        (
            "group_norm",
            r#"{"type": "group_norm", "groups": 2}, {"type": "group_norm", "groups": 1, "affine": false}"#,
        ),
        ("instance_norm", r#"{"type": "instance_norm"}"#),
        ("max_pool2d", r#"{"type": "max_pool2d", "kernel": 2}"#),
        ("avg_pool2d", r#"{"type": "avg_pool2d", "kernel": [3, 2], "stride": [2, 1]}"#),
    ] {
        let model = graph(image, &format!("[{layers}, {head}]"));
        let signature = points(&model);
        all.push((name.to_owned(), adapted(model, signature, false)));
    }
    let pooled =
        graph(image, r#"[{"type": "global_avg_pool2d"}, {"type": "linear", "outputs": 2, "bias": false}]"#);
    let signature = points(&pooled);
    all.push(("global_avg_pool2d".to_owned(), adapted(pooled, signature, false)));
    let vectors = [
        (
            "norms of vectors",
            r#"[{"type": "linear", "outputs": 6}, {"type": "batch_norm"}, {"type": "layer_norm"}, {"type": "group_norm", "groups": 3},
            {"type": "linear", "outputs": 2}]"#,
        ),
        (
            "fourier",
            r#"[{"type": "fourier", "features": 5, "scale": 0.7}, {"type": "linear", "outputs": 2}]"#,
        ),
        (
            "latent, add, mul, concat",
            r#"[{"name": "a", "type": "linear", "outputs": 4, "inputs": ["input"]},
            {"name": "z", "type": "latent", "size": 4}, {"name": "w", "type": "linear", "outputs": 4, "inputs": ["z"]},
            {"name": "sum", "type": "add", "inputs": ["a", "w", "a"]}, {"name": "product", "type": "mul", "inputs": ["sum", "a", "z"]},
            {"name": "both", "type": "concat", "inputs": ["w", "product", "z"]},
            {"name": "y", "type": "linear", "outputs": 2, "inputs": ["both"]}]"#,
        ),
    ];
    for (name, layers) in vectors {
        let model = graph(Shape::Vector(3), layers);
        let signature = points(&model);
        all.push((name.to_owned(), adapted(model, signature, false)));
    }
    for function in Function::NAMES {
        let layers = format!(
            r#"[{{"type": "linear", "outputs": 6}}, {{"type": "{function}"}}, {{"type": "linear", "outputs": 2}}]"#
        );
        let model = graph(Shape::Vector(3), &layers);
        let signature = points(&model);
        all.push(((*function).to_owned(), adapted(model, signature, false)));
    }
    let image = Shape::Image { channels: 3, height: 32, width: 32 };
    let conv4 = Conv4 { channels: vec![4; 4], ..Conv4::default() }.graph(image, 3).unwrap().finish().unwrap();
    let resnet = Resnet12 { channels: vec![2, 3, 4, 5], ..Resnet12::default() };
    // The reader is in float64, and a sine of 30 x multiplies by 30 what rounding to float32 leaves.
    let siren = Siren { hidden: vec![16, 16], omega: 3.0, first_omega: 3.0, latent: 0 };
    let siren = siren.graph(Shape::Vector(2), 1).unwrap().finish().unwrap();
    for (name, model) in
        [("conv4", conv4), ("resnet12", resnet.graph(image, 3).unwrap().finish().unwrap()), ("siren", siren)]
    {
        let signature = points(&model);
        all.push((name.to_owned(), adapted(model, signature, false)));
    }
    all
}

/// Inputs of so many points for a model of points.
pub(super) fn inputs(adapted: &Adapted, points: usize) -> Vec<f32> {
    numbers(points * adapted.model().inputs(), 0.9)
}

#[test]
fn every_op_is_written_as_it_computes() {
    let cpu = CpuBackend::new(Some(1));
    let all = every_op();
    assert!(all.len() >= 26, "only {} graphs", all.len());
    for (name, adapted) in all {
        let file = read(&adapted);
        for points in [1, 5] {
            let x = inputs(&adapted, points);
            let mut dims = vec![points];
            dims.extend(adapted.model().input().axes());
            let given = Array { dims, values: x.iter().map(|&v| v.into()).collect() };
            let found = run(&file, &[("x", given)]);
            let y: Vec<f32> = found["y"].values.iter().map(|&v| v as f32).collect();
            let expected = adapted.outputs(&cpu, &x).unwrap();
            assert_eq!(found["y"].dims, [points, adapted.model().outputs()], "{name}");
            let error = relative_error(&y, &expected);
            assert!(error <= 1e-5, "{name}, {points} points: {error:e}");
        }
    }
}

#[test]
fn pictures_go_in_as_they_lie_in_files() {
    let image = Shape::Image { channels: 1, height: 6, width: 6 };
    let layers = r#"[{"type": "conv2d", "outputs": 3, "kernel": 3}, {"type": "batch_norm"}, {"type": "flatten"}, {"type": "linear", "outputs": 3}]"#;
    let cpu = CpuBackend::new(Some(1));
    for (invert, names) in [(false, vec!["a", "b", "c"]), (true, vec!["a", "b"])] {
        let pictures = PictureForm { channels: 1, side: 6, invert, background: [255; 3] };
        let classes: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let signature = Signature::Images(ImageForm { pictures, classes });
        let adapted = adapted(graph(image, layers), signature, false);
        let pixels: Vec<u8> = (0..72).map(|i| (i * 37 % 256) as u8).collect();
        let x: Vec<f32> =
            pixels.iter().map(|&p| f32::from(if invert { 255 - p } else { p }) * (1.0 / 255.0)).collect();
        let given = Array { dims: vec![2, 1, 6, 6], values: pixels.iter().map(|&p| p.into()).collect() };
        let found = run(&read(&adapted), &[("pixels", given)]);
        let examples = vec![vec!["p".to_owned()]; 2];
        let inputs = Inputs::Examples { head: vec!["picture".to_owned()], examples, x, notes: vec![] };
        let Answers::Examples(expected) = adapted.predict(&cpu, &inputs, 0).unwrap() else {
            panic!("series")
        };
        let Predicted::Classes { probabilities, .. } = expected.of else { panic!("no classes") };
        assert_eq!(found["probabilities"].dims, [2, names.len()]);
        let error = relative_error(&found["probabilities"].values, &probabilities);
        assert!(error <= 1e-5, "{error:e}");
    }
}

/// Columns of every coding.
fn columns(target: Target) -> Columns {
    let number = |name: &str, median, flagged| Feature {
        name: name.into(),
        coding: Coding::Number { mean: 1e6, deviation: 2.0, median, flagged },
    };
    let values = vec!["red".to_owned(), "blue".to_owned()];
    let constant = Coding::Number { mean: 4.0, deviation: 0.0, median: None, flagged: false };
    Columns {
        label: "price".into(),
        named: true,
        missing: MissingCells::Median,
        missing_values: vec![],
        ignore: vec![],
        target,
        features: vec![
            number("age", Some(1_000_001.0), true),
            Feature { name: "colour".into(), coding: Coding::Category { values } },
            number("size", Some(1_000_003.0), false),
            Feature { name: "same".into(), coding: constant },
        ],
    }
}

#[test]
fn rows_go_in_and_come_out_in_units_of_the_file() {
    let cpu = CpuBackend::new(Some(1));
    let columns = columns(Target::Number { mean: 5e6, deviation: 100.0 });
    let model = graph(Shape::Vector(6), r#"[{"type": "linear", "outputs": 1}]"#);
    let adapted = adapted(model, Signature::Table(columns), false);
    // Age, colour=red, colour=blue, size, same; the second row has neither age nor size.
    let nan = f64::NAN;
    let raw = [[1_000_003.0, 0.0, 1.0, 999_999.0, 7.0], [nan, 1.0, 0.0, nan, 7.0]].concat();
    let coded = [[1.5, 0.0, 0.0, 1.0, -0.5, 0.0], [0.5, 1.0, 1.0, 0.0, 1.5, 0.0]].concat();
    let file = read(&adapted);
    let found = run(&file, &[("rows", Array { dims: vec![2, 5], values: raw })]);
    let expected: Vec<f64> =
        adapted.outputs(&cpu, &coded).unwrap().iter().map(|&y| 5e6 + 100.0 * f64::from(y)).collect();
    let error = relative_error(&found["value"].values, &expected);
    assert!(error <= 1e-9, "{error:e}: {:?} {expected:?}", found["value"].values);
    let said = |key: &str| file.metadata_props.iter().find(|entry| entry.key == key).unwrap().value.clone();
    assert_eq!(said("columns"), r#"["age","colour=red","colour=blue","size","same"]"#);
}

#[test]
fn windows_go_in_and_values_come_out_in_units_of_the_series() {
    let cpu = CpuBackend::new(Some(1));
    let (columns, dialect) = (SeriesColumns::default(), Dialect::default());
    let scale = SeriesScale::Of { mean: 1e6, deviation: 50.0 };
    let form = SeriesForm { window: 4, scale, ahead: 1, columns, dialect };
    let layers = r#"[{"type": "conv1d", "outputs": 3, "kernel": 2}, {"type": "tanh"}, {"type": "flatten"}, {"type": "linear", "outputs": 1}]"#;
    let model = graph(Shape::Image { channels: 1, height: 1, width: 4 }, layers);
    let adapted = adapted(model, Signature::Series(form), false);
    let raw = vec![1e6, 1e6 + 25.0, 1e6 - 100.0, 1e6 + 5.0];
    let found = run(&read(&adapted), &[("window", Array { dims: vec![1, 4], values: raw })]);
    let y = adapted.outputs(&cpu, &[0.0, 0.5, -2.0, 0.1]).unwrap();
    assert!((found["value"].values[0] - (1e6 + 50.0 * f64::from(y[0]))).abs() < 1e-3);
}

#[test]
fn places_go_in_and_values_come_out_in_units_of_the_field() {
    let cpu = CpuBackend::new(Some(1));
    let rays = r#"[{"type": "conv2d", "outputs": 5, "kernel": 1}, {"type": "sine", "omega": 2.0}, {"type": "global_avg_pool2d"}, {"type": "linear", "outputs": 2}]"#;
    let siren = Siren { hidden: vec![9, 8], omega: 3.0, first_omega: 3.0, latent: 0 };
    let siren = siren.graph(Shape::Vector(2), 2).unwrap().finish().unwrap();
    let ray_model = graph(Shape::Image { channels: 2, height: 1, width: 4 }, rays);
    for (model, samples) in [(siren, 1), (ray_model, 4)] {
        let form = FieldForm {
            coordinates: vec!["lon".into(), "lat".into()],
            coordinate_ranges: Ranges(vec![[-180.0, 180.0], [50.0, 52.0]]),
            values: vec!["wind".into(), "rain".into()],
            value_ranges: Ranges(vec![[0.0, 30.0], [-1.0, 4.0]]),
            samples,
            pictures: None,
        };
        let adapted = adapted(model, Signature::Field(form.clone()), false);
        let places = vec![-90.0, 50.5, 180.0, 52.0, 36.0, 51.1];
        let scaled: Vec<f32> = [-0.5, -0.5, 1.0, 1.0, 0.2, 0.1].map(|v| v as f32).to_vec();
        let x: Vec<f32> = scaled.iter().flat_map(|&v| std::iter::repeat_n(v, samples)).collect();
        let expected: Vec<f64> = (adapted.outputs(&cpu, &x).unwrap().chunks_exact(2))
            .flat_map(|y| [30.0 * f64::from(y[0]), -1.0 + 5.0 * f64::from(y[1])])
            .collect();
        let found = run(&read(&adapted), &[("coordinates", Array { dims: vec![3, 2], values: places })]);
        assert_eq!(found["values"].dims, [3, 2]);
        let error = relative_error(&found["values"].values, &expected);
        assert!(error <= 1e-5, "{samples} samples: {error:e}");
    }
}
