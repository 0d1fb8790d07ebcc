// Gradients of the rates that many parameters share: what the workgroups of `linear_update_tangent` left for each
// rate, added up in a fixed order.

struct RateSums {
    parts: u32, // a rate
    first: u32, // where the rates' columns begin in the rows
    sums_stride: u32, // from task to task
    row_stride: u32,
}

override WORKGROUP: u32 = 64u;

@group(0) @binding(0) var<uniform> shape: RateSums;
@group(0) @binding(1) var<storage, read> rate_sums: array<f32>; // [tasks, rates, parts]
@group(0) @binding(2) var<storage, read_write> rows: array<f32>;

var<workgroup> sums: array<f32, WORKGROUP>;

// One workgroup: one rate of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let begin = workgroup.y * shape.sums_stride + workgroup.x * shape.parts;
    var sum = 0.0;
    for (var part = lane; part < shape.parts; part += WORKGROUP) {
        sum += rate_sums[begin + part];
    }
    sums[lane] = sum;
    workgroupBarrier();
    if (lane == 0u) {
        var total = 0.0;
        for (var i = 0u; i < min(WORKGROUP, shape.parts); i++) {
            total += sums[i];
        }
        rows[shape.first + workgroup.y * shape.row_stride + workgroup.x] = total;
    }
}
