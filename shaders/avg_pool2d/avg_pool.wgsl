// import: window_pass
// import: spread
// The mean of each window. With ẋ it is the tangent of that.

override WORKGROUP: u32 = 256u;

@group(0) @binding(1) var<storage, read> values: array<f32>; // [images, size]
@group(0) @binding(2) var<storage, read_write> results: array<f32>; // [images, out_size]

// One workgroup: WORKGROUP windows of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = workgroup.y;
    let e = element_of(workgroup, lane);
    let area = pool.out_size.x * pool.out_size.y;
    let i = e / area;
    if (i >= pool.images) {
        return;
    }
    let image = pool.values.x + task * pool.values.y + i * pool.size.x * pool.size.y;
    let first = image + corner_of(vec2<u32>(e % area / pool.out_size.y, e % pool.out_size.y));
    var sum = 0.0;
    for (var y = 0u; y < pool.kernel.x; y++) {
        for (var x = 0u; x < pool.kernel.y; x++) {
            sum += values[first + y * pool.size.y + x];
        }
    }
    results[pool.result.x + task * pool.result.y + e] = sum / f32(pool.kernel.x * pool.kernel.y);
}
