// import: layer
// import: product
// The cotangent of a linear layer's input, through the ReLU below:  dx = [x > 0] ⊙ (dz W),
// dx [points, inputs], dz [points, outputs].

@group(0) @binding(1) var<storage, read> cotangents: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read> inputs: array<f32>;
@group(0) @binding(4) var<storage, read_write> below: array<f32>;

const LEFT_BY_DEPTH = true;
const RIGHT_BY_DEPTH = false;

fn left(task: u32, p: u32, o: u32) -> f32 {
    if (p >= layer.points || o >= layer.outputs) {
        return 0.0;
    }
    return cotangents[layer.dz.x + task * layer.dz.y + p * layer.outputs + o];
}

fn right(task: u32, o: u32, i: u32) -> f32 {
    if (o >= layer.outputs || i >= layer.inputs) {
        return 0.0;
    }
    return weights[layer.weight.x + task * layer.weight.y + parameter(o, i)];
}

fn finish(task: u32, p: u32, i: u32, sum: f32) {
    if (p < layer.points && i < layer.inputs) {
        let at = p * layer.inputs + i;
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

// One workgroup: ROWS points by COLUMNS inputs of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    product(workgroup.y, corner(workgroup.x, layer.inputs), layer.outputs, lane);
}
