// import: conv_taps
// import: conv_product
// The cotangent of a convolution's input, through the ReLU below:
//     dx[p, c, i] = [x > 0] Σ_{o, t} W[o, c, t] dz[p, o, tap(t, i)],  dx [points, channels, height, width].

@group(0) @binding(1) var<storage, read> cotangents: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read> inputs: array<f32>;
@group(0) @binding(4) var<storage, read_write> below: array<f32>;

const RIGHT_BY_DEPTH = false;

fn term(k: u32) -> vec4<i32> {
    return input_tap(k);
}

fn column(n: u32) -> vec4<i32> {
    return input_pixel(n);
}

// The first weight of an input channel, of those of an output.
fn row(c: u32) -> i32 {
    return select(-1, i32(c * layer.kernel * layer.kernel_width), c < layer.group_channels);
}

fn left(task: u32, at: i32) -> f32 {
    return weights[layer.weight.x + task * layer.weight.y + u32(max(at, 0))];
}

fn right_place(term: vec4<i32>, column: vec4<i32>) -> i32 {
    return output_at(term + column);
}

fn right(task: u32, at: i32) -> f32 {
    return cotangents[layer.dz.x + task * layer.dz.y + u32(max(at, 0))];
}

fn finish(task: u32, c: u32, pixel: vec4<i32>, sum: f32) {
    if (c < layer.group_channels && pixel.w >= 0) {
        let at = u32(pixel.w) + c * layer.height * layer.width;
        let open = layer.relu_below == 0u || inputs[layer.x.x + task * layer.x.y + at] > 0.0;
        let to = layer.dx.x + task * layer.dx.y + at;
        let value = select(0.0, sum, open);
        if (layer.adds != 0u) {
            below[to] += value;
        } else {
            below[to] = value;
        }
    }
}

// One workgroup: ROWS input channels by COLUMNS pixels, of those with one remainder by the stride, of one group and
// task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let kind = workgroup.z % (layer.stride * layer.stride);
    let rest = vec2<u32>(kind / layer.stride, kind % layer.stride);
    let first = first_taps(rest);
    group = workgroup.z / (layer.stride * layer.stride);
    remainder = rest;
    first_weight = first;
    let pixels = pixel_grid(rest);
    let taps = tap_grid(first);
    let at = corner(workgroup.x, layer.points * pixels.x * pixels.y);
    if (at.x < layer.group_channels) {
        product(workgroup.y, at, vec2<u32>(0u, layer.group_outputs * taps.x * taps.y), lane);
    }
}
