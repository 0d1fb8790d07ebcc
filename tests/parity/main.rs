//! Each kernel of the layered path alone, against a plain serial twin in float64: odd sizes, size 1, odd places,
//! poisoned outputs.

#[path = "../adapter/mod.rs"]
mod adapter;
mod batch_norm;
mod batch_norm_backward;
mod batch_norm_backward_tangent;
mod batch_norm_tangent;
mod conv;
mod conv2d;
mod conv2d_backward;
mod conv2d_backward_tangent;
mod conv2d_tangent;
mod conv2d_update;
mod conv2d_update_sums;
mod conv2d_update_tangent;
mod conv2d_update_tangent_sums;
mod copy_rows;
mod elementwise;
mod fourier;
mod group_sums;
mod inner;
mod latent;
mod linear;
mod linear_backward;
mod linear_backward_tangent;
mod linear_tangent;
mod linear_update;
mod linear_update_tangent;
mod loss;
mod loss_tangent;
mod norm;
mod pools;
mod rate_sums;
mod row_norm;
mod values;

use bytemuck::NoUninit;
use fastweights::backend::gpu::Device;
use fastweights::backend::gpu::device::kernel::Kernel;
use fastweights::case::relative_error;
use fastweights::task::{Philox, Purpose};
use fastweights::wgsl::{Binding, Cut, Declaration, LayerPass, Library, Place};
use rand::RngExt as _;

/// Points, inputs, outputs, tasks.
const SHAPES: [[usize; 4]; 6] =
    [[1, 1, 1, 1], [5, 7, 3, 2], [9, 33, 17, 3], [33, 65, 130, 2], [3, 130, 5, 2], [70, 2, 9, 1]];

/// Seeded numbers in [−1, 1).
fn draw(count: usize, stream: u32) -> Vec<f32> {
    let mut rng = Philox::stream(11, Purpose::Data, 1, stream);
    (0..count).map(|_| 2.0 * rng.random::<f32>() - 1.0).collect()
}

/// Numbers of every task at an odd place of a buffer.
#[derive(Clone)]
struct Numbers {
    place: Place,
    words: usize,
    all: Vec<f32>,
}

impl Numbers {
    fn new(tasks: usize, words: usize, stream: u32) -> Self {
        let place = Place::new(3, words + 2);
        Self { place, words, all: draw(3 + tasks * (words + 2), stream) }
    }

    /// The same for all tasks.
    fn shared(words: usize, stream: u32) -> Self {
        Self { place: Place::new(1, 0), words, all: draw(1 + words, stream) }
    }

    /// One task after the other from the beginning.
    fn dense(tasks: usize, words: usize, stream: u32) -> Self {
        Self { place: Place::new(0, words), words, all: draw(tasks * words, stream) }
    }

    fn poisoned(tasks: usize, words: usize) -> Self {
        let mut numbers = Self::new(tasks, words, 0);
        numbers.all.fill(f32::NAN);
        numbers
    }

    fn task(&self, task: usize) -> Vec<f64> {
        let at = (self.place.offset + task as u32 * self.place.stride) as usize;
        self.all[at..at + self.words].iter().map(|&v| v.into()).collect()
    }
}

/// Runs a kernel on buffers in the order of its declaration; returns them as they are afterwards.
fn run<T: NoUninit>(
    device: &Device,
    declaration: &'static Declaration,
    constants: &[(&'static str, f64)],
    shape: &T,
    buffers: &[&Numbers],
    workgroups: [u32; 3],
) -> Vec<Numbers> {
    assert_eq!(declaration.bindings[0], Binding::Uniform);
    assert_eq!(declaration.bindings.len(), buffers.len() + 1, "{}", declaration.shader);
    let kernel = Kernel::new(device, &Library::default(), declaration, constants).unwrap();
    let usage = wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
    let uniform = device.buffer("shape", 256, usage | wgpu::BufferUsages::UNIFORM).unwrap();
    device.queue().write_buffer(&uniform, 0, bytemuck::bytes_of(shape));
    let made: Vec<_> = (buffers.iter())
        .map(|numbers| {
            let bytes = 4 * numbers.all.len() as u64;
            let buffer = device.buffer("numbers", bytes, usage | wgpu::BufferUsages::STORAGE).unwrap();
            device.queue().write_buffer(&buffer, 0, bytemuck::cast_slice(&numbers.all));
            buffer
        })
        .collect();
    let bindings: Vec<_> =
        std::iter::once(&uniform).chain(&made).map(|buffer| buffer.as_entire_buffer_binding()).collect();
    let bindings = kernel.bind(device, &bindings).unwrap();
    let mut encoder = device.raw().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(kernel.pipeline());
        pass.set_bind_group(0, &bindings, &[]);
        let [x, y, z] = workgroups;
        pass.dispatch_workgroups(x, y, z);
    }
    device.queue().submit([encoder.finish()]);
    (made.iter().zip(buffers))
        .map(|(buffer, numbers)| {
            let all = device.read(buffer, 0, numbers.all.len()).unwrap();
            Numbers { all, ..(*numbers).clone() }
        })
        .collect()
}

/// Runs a kernel of a layer with every cut of its product; checks the buffer `result` after each.
#[expect(clippy::too_many_arguments, reason = "a table's row")]
fn check_cuts(
    device: &Device,
    declaration: &'static Declaration,
    constants: &[(&'static str, f64)],
    layer: &LayerPass,
    [rows, columns]: [usize; 2],
    buffers: &[&Numbers],
    result: usize,
    expected: &[Vec<f64>],
) {
    for cut in Cut::ALL {
        let mut all = cut.constants(declaration);
        all.extend_from_slice(constants);
        let across = cut.workgroups(rows as u32, columns as u32);
        let after = run(device, declaration, &all, layer, buffers, [across, expected.len() as u32, 1]);
        let what = format!("{} {cut:?} {layer:?}", declaration.shader);
        check(&what, &buffers[result].all, &after[result], expected);
    }
}

/// Every number where it belongs, and nothing else touched.
fn check(what: &str, before: &[f32], after: &Numbers, expected: &[Vec<f64>]) {
    let mut touched = vec![false; before.len()];
    for (task, expected) in expected.iter().enumerate() {
        let error = relative_error(&after.task(task), expected);
        assert!(error <= 1e-5, "{what}: task {task}: {error:e}");
        let at = (after.place.offset + task as u32 * after.place.stride) as usize;
        touched[at..at + expected.len()].fill(true);
    }
    for (at, (before, after)) in before.iter().zip(&after.all).enumerate() {
        assert!(touched[at] || before.to_bits() == after.to_bits(), "{what}: element {at} was overwritten");
    }
}

/// A layer's sizes, without places.
fn layer([points, inputs, outputs, _]: [usize; 4]) -> LayerPass {
    LayerPass {
        points: points as u32,
        inputs: inputs as u32,
        outputs: outputs as u32,
        bias: 1,
        adapted: 3,
        ..LayerPass::default()
    }
}
