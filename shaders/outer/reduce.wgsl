// import: numbers
// import: outer
// The mean over tasks of what the groups added up, always in the same order, and the outer update:
//     g = (1/n) Σ_groups partial,   θ ← rule(θ, g).
// Without UPDATE only g and the sums of its squares are left, for the norm or for the host.

// Lanes side by side take columns side by side; SLICES of them share the rows of a column.
override WORKGROUP: u32 = 256u;
override SLICES: u32 = 8u;
override UPDATE: bool = true;

@group(0) @binding(6) var<storage, read> partials: array<f32>; // [groups, columns]
@group(0) @binding(7) var<storage, read_write> loss_log: array<f32>; // [slots, 2]: query and support loss

var<workgroup> sums: array<f32, WORKGROUP>;

// Takes the sum of a column where it goes; returns the square of what is learned from it.
fn leave(column: u32, total: f32) -> f32 {
    var mean = total * outer.inverse_tasks;
    if (column >= outer.learned) {
        loss_log[now.slot * 2u + column - outer.learned] = mean;
        return 0.0;
    }
    if (outer.clips_value != 0u) {
        mean = clamped(mean, outer.clip_value);
    }
    gradient[column] = mean;
    if (UPDATE) {
        update(column, mean);
    }
    return mean * mean;
}

// One workgroup: WORKGROUP / SLICES columns, and again as many where there are more than all workgroups take.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let width = WORKGROUP / SLICES;
    var square = 0.0;
    for (var first = workgroup.x * width; first < outer.columns; first += outer.norm_parts * width) {
        let column = first + lane % width;
        var sum = 0.0;
        if (column < outer.columns) {
            for (var row = lane / width; row < outer.groups; row += SLICES) {
                sum += partials[row * outer.columns + column];
            }
        }
        sums[lane] = sum;
        workgroupBarrier();
        if (lane < width && column < outer.columns) {
            var total = 0.0;
            for (var slice = 0u; slice < SLICES; slice++) {
                total += sums[slice * width + lane];
            }
            square += leave(column, total);
        }
        workgroupBarrier();
    }
    if (!UPDATE) {
        sums[lane] = square;
        workgroupBarrier();
        if (lane == 0u) {
            var total = 0.0;
            for (var i = 0u; i < width; i++) {
                total += sums[i];
            }
            gradient[outer.learned + workgroup.x] = total;
        }
    }
}
