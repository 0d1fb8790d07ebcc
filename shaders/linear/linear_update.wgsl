// import: layer
// import: product
// import: step_on
// The gradient of a linear layer's parameters, used where it is made:
//     G = dzᵀ [x, 1]                  [outputs, inputs + 1], the last column for the bias, if there is one
//     STEP:      θ_{j+1} = θ_j − α_j ⊙ G          (Finn et al. 2017, equation 1)
//     otherwise: v = G, or with ADD v + G.

@group(0) @binding(1) var<storage, read> cotangents: array<f32>;
@group(0) @binding(2) var<storage, read> inputs: array<f32>;
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read> rates: array<f32>;
@group(0) @binding(5) var<storage, read_write> result: array<f32>; // θ_{j+1} or v

const LEFT_BY_DEPTH = false;
const RIGHT_BY_DEPTH = false;

fn left(task: u32, o: u32, p: u32) -> f32 {
    if (o >= layer.outputs || p >= layer.points) {
        return 0.0;
    }
    return cotangents[layer.dz.x + task * layer.dz.y + p * layer.outputs + o];
}

fn right(task: u32, p: u32, i: u32) -> f32 {
    if (p >= layer.points || i >= layer.inputs + layer.bias) {
        return 0.0;
    }
    if (i == layer.inputs) {
        return 1.0;
    }
    return inputs[layer.x.x + task * layer.x.y + p * layer.inputs + i];
}

fn finish(task: u32, o: u32, i: u32, gradient: f32) {
    if (o >= layer.outputs || i >= layer.inputs + layer.bias) {
        return;
    }
    step_on(task, parameter(o, i), gradient);
}

// One workgroup: ROWS outputs by COLUMNS inputs of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    product(workgroup.y, corner(workgroup.x, layer.inputs + layer.bias), layer.points, lane);
}
