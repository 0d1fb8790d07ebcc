// import: layer
// import: product_tangent
// import: step_back
// One inner step of a linear layer, backwards:
//     SECOND:    v_j = v_{j+1} − (dżᵀ [x, 1] + dzᵀ [ẋ, 0])          the rows of H u, u = α ⊙ v_{j+1}
//     RATES 1:   ∂/∂α[e] = −G[e] v_{j+1}[e], a rate for each parameter, with G = dzᵀ [x, 1]
//     RATES 2:   their sum over this workgroup's parameters, one rate for all of them.
// G is one more product of tiles that are there anyway; VALUE is on with RATES.

override SECOND: bool = true;

@group(0) @binding(1) var<storage, read> cotangents: array<f32>;
@group(0) @binding(2) var<storage, read> cotangent_tangents: array<f32>;
@group(0) @binding(3) var<storage, read> inputs: array<f32>;
@group(0) @binding(4) var<storage, read> input_tangents: array<f32>;
@group(0) @binding(5) var<storage, read_write> rows: array<f32>; // v and, with RATES 1, their gradients
@group(0) @binding(6) var<storage, read_write> rate_sums: array<f32>; // with RATES 2

const LEFT_BY_DEPTH = false;
const RIGHT_BY_DEPTH = false;

fn moves() -> vec2<bool> {
    return vec2<bool>(SECOND, SECOND && layer.input_moves != 0u);
}

fn left(task: u32, o: u32, p: u32) -> vec2<f32> {
    if (o >= layer.outputs || p >= layer.points) {
        return vec2<f32>(0.0);
    }
    let at = p * layer.outputs + o;
    var pair = vec2<f32>(0.0);
    if (SECOND) {
        pair.y = cotangent_tangents[layer.dz_dot.x + task * layer.dz_dot.y + at];
    }
    // Below every adapted layer dz is not computed, and not needed.
    if (layer.adapted != 0u || layer.input_moves != 0u) {
        pair.x = cotangents[layer.dz.x + task * layer.dz.y + at];
    }
    return pair;
}

fn right(task: u32, p: u32, i: u32) -> vec2<f32> {
    if (p >= layer.points || i >= layer.inputs + layer.bias) {
        return vec2<f32>(0.0);
    }
    if (i == layer.inputs) {
        return vec2<f32>(1.0, 0.0);
    }
    let at = p * layer.inputs + i;
    var pair = vec2<f32>(inputs[layer.x.x + task * layer.x.y + at], 0.0);
    if (SECOND && layer.input_moves != 0u) {
        pair.y = input_tangents[layer.x_dot.x + task * layer.x_dot.y + at];
    }
    return pair;
}

fn finish(task: u32, o: u32, i: u32, gradient: f32, tangent: f32) {
    if (o >= layer.outputs || i >= layer.inputs + layer.bias) {
        return;
    }
    step_back(task, parameter(o, i), gradient, tangent);
}

// One workgroup: ROWS outputs by COLUMNS inputs of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    rate_sum = 0.0;
    product_tangent(workgroup.y, corner(workgroup.x, layer.inputs + layer.bias), layer.points, lane);
    leave_rate_sum(workgroup, lane);
}
