// import: pool_window
// import: spread
// Max-pool: out = values[the place of the largest x of each window]. With values = x the layer, with ẋ its tangent, which
// follows the winner.

override WORKGROUP: u32 = 256u;

@group(0) @binding(1) var<storage, read> inputs: array<f32>;
@group(0) @binding(2) var<storage, read> values: array<f32>;
@group(0) @binding(3) var<storage, read_write> results: array<f32>; // [points, channels, out_height, out_width]

// One workgroup: WORKGROUP windows of one task. In `y` and `y_dot` are the places of values and results.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = workgroup.y;
    let e = element_of(workgroup, lane);
    let area = layer.out_height * layer.out_width;
    let image = e / area;
    if (image < layer.points * layer.channels) {
        let x = layer.x.x + task * layer.x.y;
        let at = winner(x + image * layer.height * layer.width, e % area / layer.out_width, e % layer.out_width);
        results[layer.y_dot.x + task * layer.y_dot.y + e] = values[layer.y.x + task * layer.y.y + at - x];
    }
}
