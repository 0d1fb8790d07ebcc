//! Layers without parameters: max-pool, the mean over an image, a ReLU of its own, and their backward.

use super::{Numbers, adapter, check, run};
use fastweights::backend::gpu::kernels::rooms::{global_avg_pool2d, max_pool2d};
use fastweights::wgsl::LayerPass;

/// Points, channels, height, width; kernel, stride; tasks.
const SHAPES: [([usize; 4], [usize; 2], usize); 4] = [
    ([1, 1, 1, 1], [1, 1], 1),
    ([2, 3, 7, 6], [2, 2], 3),
    ([3, 2, 8, 9], [3, 2], 2),
    ([5, 7, 9, 5], [2, 3], 2),
];

fn layer([points, channels, height, width]: [usize; 4], [kernel, stride]: [usize; 2]) -> LayerPass {
    let out = |side: usize| ((side - kernel) / stride + 1) as u32;
    LayerPass {
        points: points as u32,
        channels: channels as u32,
        height: height as u32,
        width: width as u32,
        out_height: out(height),
        out_width: out(width),
        kernel: kernel as u32,
        stride: stride as u32,
        ..LayerPass::default()
    }
}

/// Numbers with many ties.
fn coarse(tasks: usize, words: usize, stream: u32) -> Numbers {
    let mut numbers = Numbers::new(tasks, words, stream);
    numbers.all.iter_mut().for_each(|v| *v = (*v * 2.0).round());
    numbers
}

/// For each window, the first of its largest values.
fn winners([points, channels, height, width]: [usize; 4], layer: &LayerPass, x: &[f64]) -> Vec<usize> {
    let (kernel, stride) = (layer.kernel as usize, layer.stride as usize);
    let mut all = Vec::new();
    for image in 0..points * channels {
        for oy in 0..layer.out_height as usize {
            for ox in 0..layer.out_width as usize {
                let at =
                    |k: usize| (image * height + oy * stride + k / kernel) * width + ox * stride + k % kernel;
                let best = (0..kernel * kernel).map(at).reduce(|a, b| if x[b] > x[a] { b } else { a });
                all.push(best.unwrap());
            }
        }
    }
    all
}

#[test]
fn a_window_gives_its_first_largest_value() {
    let Some(device) = adapter::device("a_window_gives_its_first_largest_value") else { return };
    for (size, window, tasks) in SHAPES {
        let mut layer = layer(size, window);
        let words = size.iter().product::<usize>();
        let windows = size[0] * size[1] * (layer.out_height * layer.out_width) as usize;
        let (x, values) = (coarse(tasks, words, 1), Numbers::new(tasks, words, 2));
        let out = Numbers::poisoned(tasks, windows);
        (layer.x, layer.y, layer.y_dot) = (x.place, values.place, out.place);
        let winners: Vec<_> = (0..tasks).map(|task| winners(size, &layer, &x.task(task))).collect();
        let expected: Vec<Vec<f64>> =
            winners.iter().enumerate().map(|(t, w)| w.iter().map(|&e| values.task(t)[e]).collect()).collect();
        let workgroups = [max_pool2d::forward_workgroups(&layer), tasks as u32, 1];
        let after = run(&device, &max_pool2d::FORWARD, &[], &layer, &[&x, &values, &out], workgroups);
        check(&format!("max_pool {layer:?}"), &out.all, &after[2], &expected);

        let (dy, dx) = (Numbers::new(tasks, windows, 3), Numbers::poisoned(tasks, words));
        (layer.dz, layer.dx) = (dy.place, dx.place);
        for relu_below in [0, 1] {
            layer.relu_below = relu_below;
            let expected: Vec<Vec<f64>> = (0..tasks)
                .map(|task| {
                    let (mut dx, x) = (vec![0.0; words], x.task(task));
                    for (&e, dy) in winners[task].iter().zip(dy.task(task)) {
                        dx[e] += if relu_below == 1 && x[e] <= 0.0 { 0.0 } else { dy };
                    }
                    dx
                })
                .collect();
            let workgroups = [max_pool2d::backward_workgroups(&layer), tasks as u32, 1];
            let kernel = &max_pool2d::BACKWARD;
            let after = run(&device, kernel, &[], &layer, &[&x, &dy, &dx], workgroups);
            check(&format!("max_pool_backward {layer:?}"), &dx.all, &after[2], &expected);
        }
    }
}

#[test]
fn the_mean_of_an_image_and_back() {
    let Some(device) = adapter::device("the_mean_of_an_image_and_back") else { return };
    for (size, window, tasks) in SHAPES {
        let mut layer = layer(size, window);
        let (images, pixels) = (size[0] * size[1], size[2] * size[3]);
        let x = Numbers::new(tasks, images * pixels, 1);
        let y = Numbers::poisoned(tasks, images);
        (layer.x, layer.y) = (x.place, y.place);
        let mean = |image: &[f64]| image.iter().sum::<f64>() / pixels as f64;
        let expected: Vec<Vec<f64>> =
            (0..tasks).map(|task| x.task(task).chunks(pixels).map(mean).collect()).collect();
        let workgroups = [global_avg_pool2d::forward_workgroups(&layer), tasks as u32, 1];
        let after = run(&device, &global_avg_pool2d::FORWARD, &[], &layer, &[&x, &y], workgroups);
        check("global_avg_pool", &y.all, &after[1], &expected);

        let (dy, dx) = (Numbers::new(tasks, images, 2), Numbers::poisoned(tasks, images * pixels));
        (layer.dz, layer.dx, layer.relu_below) = (dy.place, dx.place, 1);
        let expected: Vec<Vec<f64>> = (0..tasks)
            .map(|task| {
                let dy = dy.task(task);
                let element =
                    |(e, x): (usize, &f64)| if *x > 0.0 { dy[e / pixels] / pixels as f64 } else { 0.0 };
                x.task(task).iter().enumerate().map(element).collect()
            })
            .collect();
        let workgroups = [global_avg_pool2d::backward_workgroups(&layer), tasks as u32, 1];
        let kernel = &global_avg_pool2d::BACKWARD;
        let after = run(&device, kernel, &[], &layer, &[&x, &dy, &dx], workgroups);
        check("global_avg_pool_backward", &dx.all, &after[2], &expected);
    }
}
