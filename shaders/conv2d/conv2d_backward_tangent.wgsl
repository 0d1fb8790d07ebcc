// import: conv_taps
// import: conv_product_tangent
// The tangent of the cotangent of a convolution's input, in the direction (ẋ, u) with u = α ⊙ v:
//     dẋ[p, c, i] = [x > 0] Σ_{o, t} (W[o, c, t] dż[p, o, tap(t, i)] + U[o, c, t] dz[p, o, tap(t, i)]),
// dẋ [points, channels, height, width]          (Pearlmutter 1994, section 3).

@group(0) @binding(1) var<storage, read> cotangents: array<f32>;
@group(0) @binding(2) var<storage, read> cotangent_tangents: array<f32>;
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read> rates: array<f32>;
@group(0) @binding(5) var<storage, read> direction: array<f32>; // v
@group(0) @binding(6) var<storage, read> inputs: array<f32>;
@group(0) @binding(7) var<storage, read_write> below_tangents: array<f32>;

const RIGHT_BY_DEPTH = false;

fn stands() -> vec2<bool> {
    return vec2<bool>(true, layer.adapted != 0u);
}

fn moves() -> vec2<bool> {
    return vec2<bool>((layer.adapted & 1u) != 0u, true);
}

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

// Rate and derivative by θ, whose product is the direction.
fn left_tangent(task: u32, at: i32) -> vec2<f32> {
    let e = u32(max(at, 0));
    return vec2<f32>(rates[layer.rate.x + e * layer.rate.y], direction[layer.v.x + task * layer.v.y + e]);
}

fn right_place(term: vec4<i32>, column: vec4<i32>) -> i32 {
    return output_at(term + column);
}

fn right(task: u32, at: i32) -> f32 {
    return cotangents[layer.dz.x + task * layer.dz.y + u32(max(at, 0))];
}

fn right_tangent(task: u32, at: i32) -> f32 {
    return cotangent_tangents[layer.dz_dot.x + task * layer.dz_dot.y + u32(max(at, 0))];
}

fn finish(task: u32, c: u32, pixel: vec4<i32>, value: f32, tangent: f32) {
    if (c < layer.group_channels && pixel.w >= 0) {
        let at = u32(pixel.w) + c * layer.height * layer.width;
        let open = layer.relu_below == 0u || inputs[layer.x.x + task * layer.x.y + at] > 0.0;
        let to = layer.dx_dot.x + task * layer.dx_dot.y + at;
        let change = select(0.0, tangent, open);
        if (layer.adds != 0u) {
            below_tangents[to] += change;
        } else {
            below_tangents[to] = change;
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
        product_tangent(workgroup.y, at, vec2<u32>(0u, layer.group_outputs * taps.x * taps.y), lane);
    }
}
