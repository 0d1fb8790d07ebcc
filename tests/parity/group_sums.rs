use super::{Numbers, adapter, run};
use fastweights::backend::gpu::kernels::rows::{GROUP_SUMS, GroupSums, WORKGROUP};
use fastweights::case::relative_error;

#[test]
fn groups_are_continued_from_tile_to_tile() {
    let Some(device) = adapter::device("groups_are_continued_from_tile_to_tile") else { return };
    let tasks = 11_usize;
    for columns in [1_usize, 300] {
        for group in [2_usize, 4, 20] {
            let rows: Vec<Vec<f32>> = (0..tasks).map(|t| super::draw(columns, t as u32)).collect();
            let groups = tasks.div_ceil(group);
            let mut bits = None;
            for tile in [tasks, 1, 3] {
                let mut partials = Numbers::poisoned(groups, columns);
                partials.all = vec![f32::NAN; groups * columns];
                for first in (0..tasks).step_by(tile) {
                    let count = tile.min(tasks - first);
                    let mut tile_rows = Numbers::poisoned(1, 1);
                    tile_rows.all = rows[first..first + count].concat();
                    let shape = GroupSums {
                        columns: columns as u32,
                        group: group as u32,
                        first: first as u32,
                        tasks: count as u32,
                    };
                    let touched = (first + count).div_ceil(group) - first / group;
                    let workgroups = [(columns as u32).div_ceil(WORKGROUP), touched as u32, 1];
                    partials = run(&device, &GROUP_SUMS, &[], &shape, &[&tile_rows, &partials], workgroups)
                        .remove(1);
                }
                for g in 0..groups {
                    let members = &rows[g * group..tasks.min((g + 1) * group)];
                    let sum = |c| members.iter().map(|row| f64::from(row[c])).sum::<f64>();
                    let expected: Vec<f64> = (0..columns).map(sum).collect();
                    let found: Vec<f64> =
                        partials.all[g * columns..][..columns].iter().map(|&v| v.into()).collect();
                    assert!(relative_error(&found, &expected) <= 1e-5, "{columns} {group} {tile}");
                }
                let these: Vec<u32> = partials.all.iter().map(|v| v.to_bits()).collect();
                assert_eq!(&these, bits.get_or_insert(these.clone()), "tiles of {tile}");
            }
        }
    }
}
