// import: window_pass
// import: spread
// The mean of each window backward, through the ReLU below: dx = [x > 0] Σ dy / (pixels of a window) over the windows that
// x lies in. With dẏ it is the tangent of that.

override WORKGROUP: u32 = 256u;

@group(0) @binding(1) var<storage, read> inputs: array<f32>;
@group(0) @binding(2) var<storage, read> cotangents: array<f32>;
@group(0) @binding(3) var<storage, read_write> below: array<f32>; // [images, size]

// One workgroup: WORKGROUP pixels of the input of one task, each looking at the windows that hold it.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = workgroup.y;
    let e = element_of(workgroup, lane);
    let area = pool.size.x * pool.size.y;
    let i = e / area;
    if (i >= pool.images) {
        return;
    }
    let dy = pool.values.x + task * pool.values.y + i * pool.out_size.x * pool.out_size.y;
    let windows = windows_of(vec2<u32>(e % area / pool.size.y, e % pool.size.y));
    var sum = 0.0;
    for (var oy = windows.x; oy < windows.z; oy++) {
        for (var ox = windows.y; ox < windows.w; ox++) {
            sum += cotangents[dy + oy * pool.out_size.y + ox];
        }
    }
    let open = pool.gate == 0u || inputs[pool.x.x + task * pool.x.y + e] > 0.0;
    let to = pool.result.x + task * pool.result.y + e;
    let value = select(0.0, sum / f32(pool.kernel.x * pool.kernel.y), open);
    if (pool.adds != 0u) {
        below[to] += value;
    } else {
        below[to] = value;
    }
}
