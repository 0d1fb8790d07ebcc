// import: largest_of_window
// import: spread
// Max-pool: out = values[the place of the largest x of each window]. With values = x the layer, with ẋ its tangent, which
// follows the winner.

override WORKGROUP: u32 = 256u;

@group(0) @binding(1) var<storage, read> inputs: array<f32>;
@group(0) @binding(2) var<storage, read> values: array<f32>;
@group(0) @binding(3) var<storage, read_write> results: array<f32>; // [images, out_size]

// One workgroup: WORKGROUP windows of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = workgroup.y;
    let e = element_of(workgroup, lane);
    let area = pool.out_size.x * pool.out_size.y;
    let i = e / area;
    if (i < pool.images) {
        let x = pool.x.x + task * pool.x.y;
        let out = vec2<u32>(e % area / pool.out_size.y, e % pool.out_size.y);
        let at = winner(image_of(task, i), out);
        results[pool.result.x + task * pool.result.y + e] = values[pool.values.x + task * pool.values.y + at - x];
    }
}
