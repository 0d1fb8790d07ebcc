// import: pool_window
// import: spread
// Max-pool backward, through the ReLU below: dx = [x > 0] Σ dy over the windows that x is the winner of. With dẏ it is
// the tangent of that.

override WORKGROUP: u32 = 256u;

@group(0) @binding(1) var<storage, read> inputs: array<f32>;
@group(0) @binding(2) var<storage, read> cotangents: array<f32>;
@group(0) @binding(3) var<storage, read_write> below: array<f32>; // [points, channels, height, width]

// One workgroup: WORKGROUP pixels of the input of one task, each looking at the windows that hold it.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = workgroup.y;
    let e = element_of(workgroup, lane);
    let area = layer.height * layer.width;
    let image = e / area;
    if (image >= layer.points * layer.channels) {
        return;
    }
    let x = layer.x.x + task * layer.x.y;
    let dz = layer.dz.x + task * layer.dz.y + image * layer.out_height * layer.out_width;
    let pixel = vec2<u32>(e % area / layer.width, e % layer.width);
    // The first window that reaches this far, and the first that begins beyond.
    let reach = max(pixel + 1u, vec2<u32>(layer.kernel)) - layer.kernel;
    let first = (reach + layer.stride - 1u) / layer.stride;
    let end = min(pixel / layer.stride + 1u, vec2<u32>(layer.out_height, layer.out_width));
    var sum = 0.0;
    for (var oy = first.x; oy < end.x; oy++) {
        for (var ox = first.y; ox < end.y; ox++) {
            if (winner(x + image * area, oy, ox) == x + e) {
                sum += cotangents[dz + oy * layer.out_width + ox];
            }
        }
    }
    let open = layer.relu_below == 0u || inputs[x + e] > 0.0;
    let to = layer.dx.x + task * layer.dx.y + e;
    let value = select(0.0, sum, open);
    if (layer.adds != 0u) {
        below[to] += value;
    } else {
        below[to] = value;
    }
}
