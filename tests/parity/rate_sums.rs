use super::{Numbers, adapter, check, run};
use fastweights::backend::gpu::kernels::rows::{RATE_SUMS, RateSums};

#[test]
fn parts_are_added_up_for_each_rate() {
    let Some(device) = adapter::device("parts_are_added_up_for_each_rate") else { return };
    for (parts, rates, tasks) in [(1, 1, 1), (3, 5, 2), (130, 4, 3)] {
        let mut sums = Numbers::new(tasks, parts * rates, 1);
        (sums.place.offset, sums.place.stride) = (0, (parts * rates) as u32);
        let rows = Numbers::poisoned(tasks, rates);
        let shape = RateSums {
            parts: parts as u32,
            first: rows.place.offset,
            sums_stride: sums.place.stride,
            row_stride: rows.place.stride,
        };
        let expected: Vec<Vec<f64>> =
            (0..tasks).map(|t| sums.task(t).chunks(parts).map(|c| c.iter().sum()).collect()).collect();
        let workgroups = [rates as u32, tasks as u32, 1];
        let after = run(&device, &RATE_SUMS, &[], &shape, &[&sums, &rows], workgroups);
        check("rates", &rows.all, &after[1], &expected);
    }
}
