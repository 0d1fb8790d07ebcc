// import: conv_taps
// import: conv_product_tangent
// The tangent of a convolution with its ReLU, in the direction (ẋ, u) with u = α ⊙ v:
//     ẏ = [y > 0] ⊙ (W ∗ ẋ + U ∗ x + u_b),  ẏ [points, outputs, out_height, out_width]
//                                                                          (Pearlmutter 1994, section 3).

@group(0) @binding(1) var<storage, read> inputs: array<f32>;
@group(0) @binding(2) var<storage, read> input_tangents: array<f32>;
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read> rates: array<f32>;
@group(0) @binding(5) var<storage, read> direction: array<f32>; // v
@group(0) @binding(6) var<storage, read> outputs: array<f32>;
@group(0) @binding(7) var<storage, read_write> output_tangents: array<f32>;

const RIGHT_BY_DEPTH = false;

fn stands() -> vec2<bool> {
    return vec2<bool>(true);
}

fn moves() -> vec2<bool> {
    return vec2<bool>((layer.adapted & 1u) != 0u, layer.input_moves != 0u);
}

// The direction at parameter `e`.
fn parameter_tangent(task: u32, e: u32) -> f32 {
    if (!moves_parameter(e)) {
        return 0.0;
    }
    return rates[layer.rate.x + e * layer.rate.y] * direction[layer.v.x + task * layer.v.y + e];
}

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

// Rate and derivative by θ, whose product is the direction.
fn left_tangent(task: u32, at: i32) -> vec2<f32> {
    let e = u32(max(at, 0));
    return vec2<f32>(rates[layer.rate.x + e * layer.rate.y], direction[layer.v.x + task * layer.v.y + e]);
}

fn right_place(term: vec4<i32>, column: vec4<i32>) -> i32 {
    return input_at(term + column);
}

fn right(task: u32, at: i32) -> f32 {
    return inputs[layer.x.x + task * layer.x.y + u32(max(at, 0))];
}

fn right_tangent(task: u32, at: i32) -> f32 {
    return input_tangents[layer.x_dot.x + task * layer.x_dot.y + u32(max(at, 0))];
}

fn finish(task: u32, o: u32, pixel: vec4<i32>, value: f32, tangent: f32) {
    if (o < layer.group_outputs && pixel.w >= 0) {
        let at = u32(pixel.w) + o * layer.out_height * layer.out_width;
        var z_dot = tangent;
        if (layer.bias != 0u) {
            z_dot += parameter_tangent(task, group_parameter(o, layer.inputs));
        }
        let open = layer.relu == 0u || outputs[layer.y.x + task * layer.y.y + at] > 0.0;
        output_tangents[layer.y_dot.x + task * layer.y_dot.y + at] = select(0.0, z_dot, open);
    }
}

// One workgroup: ROWS output channels by COLUMNS pixels of all points, of one group, of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    group = workgroup.z;
    let pixels = layer.points * layer.out_height * layer.out_width;
    product_tangent(workgroup.y, corner(workgroup.x, pixels), vec2<u32>(0u, layer.inputs), lane);
}
