use super::{Numbers, adapter, check, layer, run};
use fastweights::backend::gpu::kernels::rooms::latent::{TANGENT, UPDATE, UPDATE_TANGENT, WORKGROUP};

#[test]
fn steps_of_a_latent_are_their_formulas() {
    let Some(device) = adapter::device("steps_of_a_latent_are_their_formulas") else { return };
    for (size, tasks) in [(1, 1), (7, 3), (130, 2)] {
        let [dy, dy_dot, theta] = [1, 2, 3].map(|stream| Numbers::new(tasks, size, stream));
        let rates = Numbers::shared(size, 4);
        // v, then gradients of rates.
        let rows = Numbers::new(tasks, 2 * size, 5);
        let (next, y_dot) = (Numbers::poisoned(tasks, size), Numbers::poisoned(tasks, size));
        let sums = Numbers::poisoned(tasks, 3);
        let mut layer = layer([1, size, 1, tasks]);
        (layer.dz, layer.dz_dot, layer.weight) = (dy.place, dy_dot.place, theta.place);
        (layer.next, layer.v, layer.y_dot) = (next.place, rows.place, y_dot.place);
        (layer.rate, layer.rate_gradient) = (rates.place, rows.place.plus(size));
        layer.rate.stride = 1;
        let expected = |of: &dyn Fn(usize, usize) -> f64| -> Vec<Vec<f64>> {
            (0..tasks).map(|task| (0..size).map(|e| of(task, e)).collect()).collect()
        };
        let workgroups = [(size as u32).div_ceil(WORKGROUP), tasks as u32, 1];
        let a = rates.task(0);
        let constants = [("STEP", 1.0), ("ADD", 0.0)];
        let after = run(&device, &UPDATE, &constants, &layer, &[&dy, &theta, &rates, &next], workgroups);
        let step = |task: usize, e: usize| theta.task(task)[e] - a[e] * dy.task(task)[e];
        check("latent_update", &next.all, &after[3], &expected(&step));
        let after = run(&device, &TANGENT, &[], &layer, &[&rates, &rows, &y_dot], workgroups);
        check("latent_tangent", &y_dot.all, &after[2], &expected(&|task, e| a[e] * rows.task(task)[e]));
        let constants = [("SECOND", 1.0), ("RATES", 1.0)];
        let buffers = [&dy, &dy_dot, &rows, &sums];
        let after = run(&device, &UPDATE_TANGENT, &constants, &layer, &buffers, workgroups);
        let back: Vec<Vec<f64>> = (0..tasks)
            .map(|task| {
                let row = rows.task(task);
                let v = (0..size).map(|e| row[e] - dy_dot.task(task)[e]);
                v.chain((0..size).map(|e| -dy.task(task)[e] * row[e])).collect()
            })
            .collect();
        check("latent_update_tangent", &rows.all, &after[2], &back);
    }
}
