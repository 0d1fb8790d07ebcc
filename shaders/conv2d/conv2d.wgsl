// import: conv_taps
// import: conv_product
// A convolution with its bias and the ReLU that may follow, for each task with its own weights:
//     y[p, o, i] = max(Σ_k W[o, k] x[p, tap(k, i)] + b[o], 0),  y [points, outputs, out_height, out_width].

@group(0) @binding(1) var<storage, read> inputs: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> outputs: array<f32>;

const RIGHT_BY_DEPTH = false;

fn term(k: u32) -> vec4<i32> {
    return weight_tap(k);
}

fn column(n: u32) -> vec4<i32> {
    return output_pixel(n);
}

// The first weight of an output channel.
fn row(o: u32) -> i32 {
    return select(-1, i32(group_parameter(o, 0u)), o < layer.group_outputs);
}

fn left(task: u32, at: i32) -> f32 {
    return weights[layer.weight.x + task * layer.weight.y + u32(max(at, 0))];
}

fn right_place(term: vec4<i32>, column: vec4<i32>) -> i32 {
    return input_at(term + column);
}

fn right(task: u32, at: i32) -> f32 {
    return inputs[layer.x.x + task * layer.x.y + u32(max(at, 0))];
}

fn finish(task: u32, o: u32, pixel: vec4<i32>, sum: f32) {
    if (o < layer.group_outputs && pixel.w >= 0) {
        var z = sum;
        if (layer.bias != 0u) {
            z += weights[layer.weight.x + task * layer.weight.y + group_parameter(o, layer.inputs)];
        }
        let at = u32(pixel.w) + o * layer.out_height * layer.out_width;
        outputs[layer.y.x + task * layer.y.y + at] = select(z, rectified(z), layer.relu != 0u);
    }
}

// One workgroup: ROWS output channels by COLUMNS pixels of all points, of one group, of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    group = workgroup.z;
    let pixels = layer.points * layer.out_height * layer.out_width;
    product(workgroup.y, corner(workgroup.x, pixels), vec2<u32>(0u, layer.inputs), lane);
}
