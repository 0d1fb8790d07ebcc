//! The library: what is adapted predicts what the device did in adaptation, alone or among others, and is kept whole.

use crate::adapter;
use fastweights::adapted::{
    Adaptation, Adapted, Answers, Choice, Examples, ImageForm, Inputs, Origin, PointColumns, Predicted,
    Signature, Start,
};
use fastweights::backend::cpu::CpuBackend;
use fastweights::backend::gpu::GpuBackend;
use fastweights::data::PictureForm;
use fastweights::meta::{Algorithm, Backend, Loss};
use fastweights::model::{Conv4, Graph, Model, NamedOp, Shape};
use fastweights::task::TaskBatch;
use std::fs;

const CLASSES: usize = 3;

fn images(outputs: usize) -> Signature {
    let pictures = PictureForm { channels: 1, side: 16, invert: false, background: [255; 3] };
    Signature::Images(ImageForm { pictures, classes: (0..outputs).map(|i| format!("c{i}")).collect() })
}

fn points(inputs: usize, outputs: usize) -> Signature {
    let names = |letter: char, count: usize| (0..count).map(|i| format!("{letter}{i}")).collect();
    Signature::Points(PointColumns { inputs: names('x', inputs), outputs: names('y', outputs) })
}

fn graph(input: Shape, layers: &str) -> Model {
    let layers: Vec<NamedOp> = serde_json::from_str(layers).unwrap();
    let mut graph = Graph::new(input).unwrap();
    graph.add_named(&layers).unwrap();
    graph.finish().unwrap()
}

/// Every kind of model, with what it reads.
fn cases() -> Vec<(&'static str, Algorithm, Signature)> {
    let image = Shape::Image { channels: 1, height: 16, width: 16 };
    let conv4 =
        Conv4 { channels: vec![4; 4], ..Conv4::default() }.graph(image, CLASSES).unwrap().finish().unwrap();
    let per_step = Algorithm::maml_plus_plus(conv4.clone(), Loss::cross_entropy(), 2, 10);
    let vectors = r#"[{"type": "linear", "outputs": 6}, {"type": "batch_norm"}, {"type": "tanh"}, {"type": "linear", "outputs": 1}]"#;
    let maml = |model: Model, loss: Loss| Algorithm::maml(model, loss).with(|inner| inner.lr = 0.1);
    vec![
        ("mlp", maml(Model::mlp(2, &[8], 1, false).unwrap(), Loss::mse()), points(2, 1)),
        ("conv4", maml(conv4.clone(), Loss::cross_entropy()), images(CLASSES)),
        ("per-step norms", per_step, images(CLASSES)),
        ("norm of vectors", maml(graph(Shape::Vector(2), vectors), Loss::mse()), points(2, 1)),
    ]
}

fn relative_error(found: &[f32], expected: &[f32]) -> f64 {
    let wide = |values: &[f32]| values.iter().map(|&v| v.into()).collect::<Vec<f64>>();
    fastweights::case::relative_error(&wide(found), &wide(expected))
}

/// Any numbers.
fn numbers(count: usize, from: f32) -> Vec<f32> {
    (0..count).map(|i| 0.5 + 0.5 * (i as f32 * 1.7 + from).sin()).collect()
}

fn start(algorithm: &Algorithm, signature: &Signature) -> Start {
    let origin = Origin { run: "runs/x".into(), seed: 3, iterations: 7, ..Origin::default() };
    let params = algorithm.start().unwrap().params;
    Start { origin, plan: algorithm.plan(4, 4).unwrap(), params, signature: signature.clone() }
}

fn support(start: &Start) -> Examples {
    let points = 2 * CLASSES;
    let y = match start.signature.is_classification() {
        true => (0..points).map(|i| (i % CLASSES) as f32).collect(),
        false => numbers(points * start.plan.model.outputs(), 0.3),
    };
    let x = numbers(points * start.plan.model.inputs(), 0.0);
    Examples { path: "some/shots".into(), x, y, points, what: "points", notes: vec![] }
}

/// What a device predicts for the support set itself behind its last step.
fn behind_the_last_step(start: &Start, device: &dyn Backend, set: &Examples, steps: usize) -> Vec<f32> {
    let model = &start.plan.model;
    let plan = start.plan.for_evaluation(&start.params, set.points, set.points, steps, None);
    let mut task = TaskBatch::zeros(1, set.points, set.points, model.inputs(), set.y.len() / set.points);
    for (to, from) in [(&mut task.support_x, &set.x), (&mut task.query_x, &set.x)] {
        to.copy_from_slice(from);
    }
    for to in [&mut task.support_y, &mut task.query_y] {
        to.copy_from_slice(&set.y);
    }
    let found = device.evaluate(&plan, &start.params[..model.param_count()], &task, true).unwrap();
    let all = found.predictions.unwrap();
    all[all.len() - set.points * model.outputs()..].to_vec()
}

#[test]
fn it_predicts_what_adaptation_ended_with_and_one_as_among_others() {
    let cpu = CpuBackend::new(Some(2));
    let gpu = adapter::device("it_predicts_what_adaptation_ended_with").map(GpuBackend::new);
    let dir = tempfile::tempdir().unwrap();
    for (name, algorithm, signature) in cases() {
        let start = start(&algorithm, &signature);
        let set = support(&start);
        for steps in [0, 1, 3] {
            let adapted = start.adapt(&cpu, &set, Adaptation { steps, rate: None }).unwrap();
            let expected = behind_the_last_step(&start, &cpu, &set, steps);
            let found = adapted.outputs(&cpu, &set.x).unwrap();
            let error = relative_error(&found, &expected);
            assert!(error <= 2e-5, "{name}, {steps} steps: {error:e}");
            let width = start.plan.model.outputs();
            let one = adapted.outputs(&cpu, &set.x[..start.plan.model.inputs()]).unwrap();
            assert!(relative_error(&one, &found[..width]) <= 1e-6, "{name}");
            // As a file it is the same.
            let path = dir.path().join("adapted.safetensors");
            adapted.save(&path).unwrap();
            let again = Adapted::load(&path).unwrap();
            assert_eq!(again, adapted, "{name}");
            assert_eq!((again.about().steps, again.about().support.as_str()), (steps, "shots"));
            assert_eq!((again.about().origin.seed, again.about().origin.iterations), (3, 7));
            let Some(gpu) = gpu.as_ref().filter(|_| steps == 1) else { continue };
            let there = start.adapt(gpu, &set, Adaptation { steps, rate: None }).unwrap();
            let error = relative_error(&there.outputs(gpu, &set.x).unwrap(), &found);
            assert!(error <= 2e-4, "{name}, {steps} steps on the GPU: {error:e}");
        }
    }
}

#[test]
fn another_rate_and_more_steps_are_written_down() {
    let cpu = CpuBackend::new(Some(1));
    let (_, algorithm, signature) = cases().swap_remove(2);
    let start = start(&algorithm, &signature);
    let set = support(&start);
    let adapt = |steps, rate| start.adapt(&cpu, &set, Adaptation { steps, rate }).unwrap();
    let learned = adapt(3, None);
    let blocks = start.plan.model.blocks().len();
    assert_eq!(learned.about().inner_lr.len(), 3 * blocks);
    assert_eq!(learned.about().inner_lr[blocks].step, Some(2));
    let fixed = adapt(3, Some(0.25));
    let rates: Vec<_> = fixed.about().inner_lr.iter().map(|rate| (rate.layer.as_str(), rate.rate)).collect();
    assert_eq!(rates, [("all", 0.25)]);
    assert_ne!(fixed.weights(), learned.weights());
    // A rate at which everything overflows is told, and nothing is handed out.
    let error = start.adapt(&cpu, &set, Adaptation { steps: 9, rate: Some(1e30) }).unwrap_err().to_string();
    assert!(error.contains("not finite"), "{error}");
}

#[test]
fn a_flipped_bit_or_another_thing_is_named() {
    let cpu = CpuBackend::new(Some(1));
    let (_, algorithm, signature) = cases().swap_remove(0);
    let start = start(&algorithm, &signature);
    let adapted = start.adapt(&cpu, &support(&start), Adaptation { steps: 1, rate: None }).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.safetensors");
    adapted.save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    for bit in (0..8 * bytes.len()).step_by(3) {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &flipped).unwrap();
        let error = Adapted::load(&path).expect_err(&format!("bit {bit}")).to_string();
        assert!(error.contains("a.safetensors"), "{error}");
    }
    for len in (0..bytes.len()).step_by(7) {
        fs::write(&path, &bytes[..len]).unwrap();
        assert!(Adapted::load(&path).is_err(), "{len} bytes");
    }
    let error = Adapted::load(&dir.path().join("none")).unwrap_err().to_string();
    assert!(error.contains("none: cannot be read"), "{error}");
}

#[test]
fn outputs_without_a_class_are_never_taken() {
    let cpu = CpuBackend::new(Some(1));
    let (_, algorithm, _) = cases().swap_remove(1);
    let start = start(&algorithm, &images(CLASSES - 1));
    let mut set = support(&start);
    set.y.iter_mut().for_each(|y| *y = y.min(1.0));
    let adapted = start.adapt(&cpu, &set, Adaptation { steps: 5, rate: Some(0.5) }).unwrap();
    let inputs = Inputs::Examples {
        head: vec!["picture".into()],
        examples: vec![vec!["a".into()]; set.points],
        x: set.x.clone(),
        notes: vec![],
    };
    let Answers::Examples(found) = adapted.predict(&cpu, &inputs, 0).unwrap() else { panic!("no examples") };
    let Predicted::Classes { classes, probabilities } = &found.of else { panic!("no classes") };
    assert_eq!((classes.len(), probabilities.len()), (CLASSES - 1, set.points * (CLASSES - 1)));
    assert!(probabilities.chunks_exact(2).all(|row| (row[0] + row[1] - 1.0).abs() < 1e-9));
    assert!(adapted.judge(&cpu, &set).unwrap().accuracy.unwrap() > 0.5);
}

#[test]
fn points_are_read_by_name_or_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p.csv");
    let read = |text: &str, support: bool| {
        fs::write(&path, text).unwrap();
        let mut signature = points(1, 1);
        let choice = Choice { outputs: 1, windows: 1, series: None };
        match support {
            true => signature.support(&path, choice).map(|found| (found.x, found.y)),
            false => signature.inputs(&path).map(|found| match found {
                Inputs::Examples { x, .. } => (x, vec![]),
                Inputs::Series(_) => panic!("series"),
            }),
        }
        .map_err(|e| e.to_string())
    };
    for text in ["y0,x0\n2,1\n4,3\n", "X0;more;Y0\n1;a;2\n3;b;4\n", "1,2\n3,4\n"] {
        assert_eq!(read(text, true), Ok((vec![1.0, 3.0], vec![2.0, 4.0])), "{text}");
    }
    assert_eq!(read("x0\n5\n", false), Ok((vec![5.0], vec![])));
    for (text, word) in [("x0,z\n1,2\n", "`y0`"), ("x0,y0\n1,b\n", "line 2"), ("x0,y0\n1,inf\n", "finite")] {
        let error = read(text, true).unwrap_err();
        assert!(error.contains("p.csv") && error.contains(word), "{error}");
    }
}
