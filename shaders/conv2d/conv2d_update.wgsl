// import: conv_taps
// import: conv_product
// import: conv_stretch
// import: step_on
// The gradient of a convolution's parameters, used where it is made:
//     G[o, k] = Σ_{p, i} dz[p, o, i] x[p, tap(k, i)], and the sum of dz for the bias,  [outputs, inputs + 1]
//     STEP:      θ_{j+1} = θ_j − α_j ⊙ G          (Finn et al. 2017, equation 1)
//     otherwise: v = G, or with ADD v + G, or
//     where several workgroups share a sum, each one's stretch of G for `conv2d_update_sums`.

@group(0) @binding(1) var<storage, read> cotangents: array<f32>;
@group(0) @binding(2) var<storage, read> inputs: array<f32>;
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read> rates: array<f32>;
@group(0) @binding(5) var<storage, read_write> result: array<f32>; // θ_{j+1}, v or stretches

const RIGHT_BY_DEPTH = true;

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

fn right_place(term: vec4<i32>, column: vec4<i32>) -> i32 {
    return select(input_at(term + column), ONE, column.w == i32(layer.inputs));
}

fn right(task: u32, at: i32) -> f32 {
    return inputs[layer.x.x + task * layer.x.y + u32(max(at, 0))];
}

fn finish(task: u32, o: u32, weight: vec4<i32>, gradient: f32) {
    if (o >= layer.group_outputs || weight.w < 0) {
        return;
    }
    let e = group_parameter(o, u32(weight.w));
    if (layer.stretches > 1u) {
        result[stretch_at(task, stretch, e)] = gradient;
    } else {
        step_on(task, e, gradient);
    }
}

// One workgroup: ROWS output channels by COLUMNS weights of one group, of one task, over one stretch of the terms.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    group = workgroup.z / layer.stretches;
    stretch = workgroup.z % layer.stretches;
    product(workgroup.y, corner(workgroup.x, layer.inputs + layer.bias), stretch_terms(workgroup.z % layer.stretches), lane);
}
