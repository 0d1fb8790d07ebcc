// import: conv_taps
// import: conv_product_tangent
// import: conv_stretch
// import: step_back
// One inner step of a convolution, backwards:
//     SECOND:    v_j = v_{j+1} − (dż ∗ [x, 1] + dz ∗ [ẋ, 0])          the rows of H u, u = α ⊙ v_{j+1}
//     RATES 1:   ∂/∂α[e] = −G[e] v_{j+1}[e], a rate for each parameter, with G = dz ∗ [x, 1]
//     RATES 2:   their sum over this workgroup's parameters, one rate for all of them,
// where (dz ∗ x)[o, k] = Σ_{p, i} dz[p, o, i] x[p, tap(k, i)]. G is one more product of tiles that are there anyway;
// VALUE is on with RATES. Where several workgroups share a sum, each leaves its stretch of G and of the rows of H u for
// `conv2d_update_tangent_sums`.

override SECOND: bool = true;

@group(0) @binding(1) var<storage, read> cotangents: array<f32>;
@group(0) @binding(2) var<storage, read> cotangent_tangents: array<f32>;
@group(0) @binding(3) var<storage, read> inputs: array<f32>;
@group(0) @binding(4) var<storage, read> input_tangents: array<f32>;
@group(0) @binding(5) var<storage, read_write> rows: array<f32>; // v and, with RATES 1, their gradients; or stretches
@group(0) @binding(6) var<storage, read_write> rate_sums: array<f32>; // with RATES 2

const RIGHT_BY_DEPTH = true;

// Below every adapted layer dz is not computed, and not needed.
fn stands() -> vec2<bool> {
    return vec2<bool>(layer.adapted != 0u || layer.input_moves != 0u, true);
}

fn moves() -> vec2<bool> {
    return vec2<bool>(SECOND, SECOND && layer.input_moves != 0u);
}

fn term(k: u32) -> vec4<i32> {
    return output_pixel(k);
}

fn column(i: u32) -> vec4<i32> {
    return weight_or_bias(i);
}

// The first pixel of an output channel, of those of an image.
fn row(o: u32) -> i32 {
    return select(-1, i32(o * layer.out_height * layer.out_width), o < layer.group_outputs);
}

fn left(task: u32, at: i32) -> f32 {
    return cotangents[layer.dz.x + task * layer.dz.y + u32(max(at, 0))];
}

fn left_tangent(task: u32, at: i32) -> vec2<f32> {
    return vec2<f32>(1.0, cotangent_tangents[layer.dz_dot.x + task * layer.dz_dot.y + u32(max(at, 0))]);
}

fn right_place(term: vec4<i32>, column: vec4<i32>) -> i32 {
    return select(input_at(term + column), ONE, column.w == i32(layer.inputs));
}

fn right(task: u32, at: i32) -> f32 {
    return inputs[layer.x.x + task * layer.x.y + u32(max(at, 0))];
}

fn right_tangent(task: u32, at: i32) -> f32 {
    return input_tangents[layer.x_dot.x + task * layer.x_dot.y + u32(max(at, 0))];
}

fn finish(task: u32, o: u32, weight: vec4<i32>, gradient: f32, tangent: f32) {
    if (o >= layer.group_outputs || weight.w < 0) {
        return;
    }
    let e = group_parameter(o, u32(weight.w));
    if (layer.stretches > 1u) {
        let at = 2u * stretch_at(task, stretch, e);
        rows[at] = gradient;
        rows[at + 1u] = tangent;
    } else {
        step_back(task, e, gradient, tangent);
    }
}

// One workgroup: ROWS output channels by COLUMNS weights of one group, of one task, over one stretch of the terms.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    rate_sum = 0.0;
    group = workgroup.z / layer.stretches;
    stretch = workgroup.z % layer.stretches;
    let weights = layer.inputs + layer.bias;
    let terms_of = stretch_terms(workgroup.z % layer.stretches);
    product_tangent(workgroup.y, corner(workgroup.x, weights), terms_of, lane);
    if (layer.stretches == 1u) {
        let tiles = (layer.group_outputs + ROWS - 1u) / ROWS * ((weights + COLUMNS - 1u) / COLUMNS);
        leave_rate_sum(vec3<u32>(group * tiles + workgroup.x, workgroup.y, 0u), lane);
    }
}
