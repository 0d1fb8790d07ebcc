// import: layer
// import: product
// A linear layer with the ReLU that may follow:  y = max(x Wᵀ + b, 0),  y [points, outputs], x [points, inputs].

@group(0) @binding(1) var<storage, read> inputs: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> outputs: array<f32>;

const LEFT_BY_DEPTH = true;
const RIGHT_BY_DEPTH = true;

fn left(task: u32, p: u32, i: u32) -> f32 {
    if (p >= layer.points || i >= layer.inputs) {
        return 0.0;
    }
    return inputs[layer.x.x + task * layer.x.y + p * layer.inputs + i];
}

fn right(task: u32, i: u32, o: u32) -> f32 {
    if (o >= layer.outputs || i >= layer.inputs) {
        return 0.0;
    }
    return weights[layer.weight.x + task * layer.weight.y + parameter(o, i)];
}

fn finish(task: u32, p: u32, o: u32, sum: f32) {
    if (p < layer.points && o < layer.outputs) {
        var z = sum;
        if (layer.bias != 0u) {
            z += weights[layer.weight.x + task * layer.weight.y + parameter(o, layer.inputs)];
        }
        outputs[layer.y.x + task * layer.y.y + p * layer.outputs + o] = select(z, rectified(z), layer.relu != 0u);
    }
}

// One workgroup: ROWS points by COLUMNS outputs of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    product(workgroup.y, corner(workgroup.x, layer.outputs), layer.inputs, lane);
}
