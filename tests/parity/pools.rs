//! Pools and their backward.

use super::{Numbers, adapter, check, run};
use fastweights::backend::gpu::kernels::rooms::{avg_pool2d, max_pool2d};
use fastweights::wgsl::window_pass::WindowPass;

/// Points times channels, height, width; kernel, stride; tasks.
const SHAPES: [([usize; 3], [[usize; 2]; 2], usize); 6] = [
    ([1, 1, 1], [[1, 1], [1, 1]], 1),
    ([6, 7, 6], [[2, 2], [2, 2]], 3),
    ([6, 8, 9], [[3, 3], [2, 2]], 2),
    ([35, 9, 5], [[2, 2], [3, 3]], 2),
    ([10, 5, 8], [[1, 3], [2, 1]], 2),
    // One window, as large as the image.
    ([12, 7, 6], [[7, 6], [7, 6]], 2),
];

fn pool([images, height, width]: [usize; 3], [kernel, stride]: [[usize; 2]; 2]) -> WindowPass {
    let out = |i: usize, side: usize| ((side - kernel[i]) / stride[i] + 1) as u32;
    WindowPass {
        images: images as u32,
        size: [height as u32, width as u32],
        out_size: [out(0, height), out(1, width)],
        kernel: kernel.map(|side| side as u32),
        stride: stride.map(|side| side as u32),
        ..WindowPass::default()
    }
}

/// Numbers with many ties.
fn coarse(tasks: usize, words: usize, stream: u32) -> Numbers {
    let mut numbers = Numbers::new(tasks, words, stream);
    numbers.all.iter_mut().for_each(|v| *v = (*v * 2.0).round());
    numbers
}

/// The elements of each window.
fn windows([images, height, width]: [usize; 3], pool: &WindowPass) -> Vec<Vec<usize>> {
    let [kernel, stride] = [pool.kernel, pool.stride].map(|sides| sides.map(|side| side as usize));
    let mut all = Vec::new();
    for image in 0..images {
        for oy in 0..pool.out_size[0] as usize {
            for ox in 0..pool.out_size[1] as usize {
                let row = |y: usize| (image * height + oy * stride[0] + y) * width + ox * stride[1];
                let of = |y: usize| (0..kernel[1]).map(move |x| row(y) + x);
                all.push((0..kernel[0]).flat_map(of).collect());
            }
        }
    }
    all
}

/// Every other input open, and results added to or not.
const BACK: [(u32, u32); 3] = [(0, 0), (1, 0), (1, 1)];

/// The cotangents that shares of windows make: closed where the input is not above 0, added to what is there.
fn back(pool: &WindowPass, x: &[f64], before: &[f64], shares: Vec<(usize, f64)>) -> Vec<f64> {
    let mut dx = if pool.adds == 1 { before.to_vec() } else { vec![0.0; x.len()] };
    for (e, share) in shares {
        dx[e] += if pool.gate == 1 && x[e] <= 0.0 { 0.0 } else { share };
    }
    dx
}

#[test]
fn a_window_gives_its_first_largest_value() {
    let Some(device) = adapter::device("a_window_gives_its_first_largest_value") else { return };
    for (size, window, tasks) in SHAPES {
        let mut pool = pool(size, window);
        let (words, windows) = (size.iter().product::<usize>(), windows(size, &pool));
        let (x, values) = (coarse(tasks, words, 1), Numbers::new(tasks, words, 2));
        let out = Numbers::poisoned(tasks, windows.len());
        (pool.x, pool.values, pool.result) = (x.place, values.place, out.place);
        let winners = |task: usize| -> Vec<usize> {
            let x = x.task(task);
            let best = |window: &Vec<usize>| {
                window.iter().copied().reduce(|a, b| if x[b] > x[a] { b } else { a }).unwrap()
            };
            windows.iter().map(best).collect()
        };
        let expected: Vec<Vec<f64>> =
            (0..tasks).map(|t| winners(t).into_iter().map(|e| values.task(t)[e]).collect()).collect();
        let workgroups = [pool.forward_workgroups(), tasks as u32, 1];
        let after = run(&device, &max_pool2d::FORWARD, &[], &pool, &[&x, &values, &out], workgroups);
        check(&format!("max_pool {pool:?}"), &out.all, &after[2], &expected);

        let dy = Numbers::new(tasks, windows.len(), 3);
        for (gate, adds) in BACK {
            let dx = if adds == 1 { Numbers::new(tasks, words, 4) } else { Numbers::poisoned(tasks, words) };
            (pool.gate, pool.adds, pool.values, pool.result) = (gate, adds, dy.place, dx.place);
            let one = |task: usize| {
                let shares = winners(task).into_iter().zip(dy.task(task)).collect();
                back(&pool, &x.task(task), &dx.task(task), shares)
            };
            let expected: Vec<Vec<f64>> = (0..tasks).map(one).collect();
            let workgroups = [pool.backward_workgroups(), tasks as u32, 1];
            let kernel = &max_pool2d::BACKWARD;
            let after = run(&device, kernel, &[], &pool, &[&x, &dy, &dx], workgroups);
            check(&format!("max_pool_backward {pool:?}"), &dx.all, &after[2], &expected);
        }
    }
}

#[test]
fn a_window_gives_its_mean_and_takes_it_back() {
    let Some(device) = adapter::device("a_window_gives_its_mean_and_takes_it_back") else { return };
    for (size, window, tasks) in SHAPES {
        let mut pool = pool(size, window);
        let (words, windows) = (size.iter().product::<usize>(), windows(size, &pool));
        let pixels = windows[0].len() as f64;
        let (x, out) = (Numbers::new(tasks, words, 1), Numbers::poisoned(tasks, windows.len()));
        (pool.x, pool.values, pool.result) = (x.place, x.place, out.place);
        let mean = |x: &[f64], window: &[usize]| window.iter().map(|&e| x[e]).sum::<f64>() / pixels;
        let expected: Vec<Vec<f64>> =
            (0..tasks).map(|t| windows.iter().map(|window| mean(&x.task(t), window)).collect()).collect();
        let workgroups = [pool.forward_workgroups(), tasks as u32, 1];
        let after = run(&device, &avg_pool2d::FORWARD, &[], &pool, &[&x, &out], workgroups);
        check(&format!("avg_pool {pool:?}"), &out.all, &after[1], &expected);

        let dy = Numbers::new(tasks, windows.len(), 3);
        for (gate, adds) in BACK {
            let dx = if adds == 1 { Numbers::new(tasks, words, 4) } else { Numbers::poisoned(tasks, words) };
            (pool.gate, pool.adds, pool.values, pool.result) = (gate, adds, dy.place, dx.place);
            let one = |task: usize| {
                let dy = dy.task(task);
                let of = |(window, dy): (&Vec<usize>, &f64)| {
                    let share = dy / pixels;
                    window.iter().map(move |&e| (e, share)).collect::<Vec<_>>()
                };
                back(&pool, &x.task(task), &dx.task(task), windows.iter().zip(&dy).flat_map(of).collect())
            };
            let expected: Vec<Vec<f64>> = (0..tasks).map(one).collect();
            let workgroups = [pool.backward_workgroups(), tasks as u32, 1];
            let kernel = &avg_pool2d::BACKWARD;
            let after = run(&device, kernel, &[], &pool, &[&x, &dy, &dx], workgroups);
            check(&format!("avg_pool_backward {pool:?}"), &dx.all, &after[2], &expected);
        }
    }
}
