use super::{Numbers, adapter, check, run};
use fastweights::backend::gpu::kernels::rows::{COPY, CopyRows, WORKGROUP};
use fastweights::wgsl::lower::spread;

#[test]
fn stretches_are_copied_and_nothing_else() {
    let Some(device) = adapter::device("stretches_are_copied_and_nothing_else") else { return };
    for (count, tasks) in [(1, 1), (257, 3), (40, 2)] {
        for from in [Numbers::new(tasks, count, 1), Numbers::shared(count, 2)] {
            let to = Numbers::poisoned(tasks, count);
            let shape =
                CopyRows { count: count as u32, unused: 0, origin: from.place, target_place: to.place };
            let workgroups = [(count as u32).div_ceil(WORKGROUP), tasks as u32, 1];
            let after = run(&device, &COPY, &[], &shape, &[&from, &to], workgroups);
            let expected: Vec<_> = (0..tasks).map(|task| from.task(task)).collect();
            check("copy", &to.all, &after[1], &expected);
        }
    }
}

#[test]
fn elements_beyond_one_dimension_of_workgroups_go_on_along_the_third() {
    let Some(device) = adapter::device("elements_beyond_one_dimension_of_workgroups_go_on_along_the_third")
    else {
        return;
    };
    // A lane a workgroup, so that few elements are many workgroups.
    let (count, tasks) = (65_535 + 4321, 2);
    let (from, to) = (Numbers::new(tasks, count, 1), Numbers::poisoned(tasks, count));
    let shape = CopyRows { count: count as u32, unused: 0, origin: from.place, target_place: to.place };
    let workgroups = spread(count as u32, tasks as u32);
    assert_eq!(workgroups, [65_535, 2, 2]);
    let after = run(&device, &COPY, &[("WORKGROUP", 1.0)], &shape, &[&from, &to], workgroups);
    let expected: Vec<_> = (0..tasks).map(|task| from.task(task)).collect();
    check("copy", &to.all, &after[1], &expected);
}
