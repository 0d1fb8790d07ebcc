// import: layer
// import: product_tangent
// The tangent of a linear layer with its ReLU, in the direction (ẋ, u) with u = α ⊙ v:
//     ẏ = [y > 0] ⊙ (ẋ Wᵀ + x Uᵀ + u_b),  ẏ [points, outputs]          (Pearlmutter 1994, section 3).

@group(0) @binding(1) var<storage, read> inputs: array<f32>;
@group(0) @binding(2) var<storage, read> input_tangents: array<f32>;
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read> rates: array<f32>;
@group(0) @binding(5) var<storage, read> direction: array<f32>; // v
@group(0) @binding(6) var<storage, read> outputs: array<f32>;
@group(0) @binding(7) var<storage, read_write> output_tangents: array<f32>;

const LEFT_BY_DEPTH = true;
const RIGHT_BY_DEPTH = true;

fn moves() -> vec2<bool> {
    return vec2<bool>(layer.input_moves != 0u, layer.adapted != 0u);
}

// The direction at parameter `e`.
fn parameter_tangent(task: u32, e: u32) -> f32 {
    if (!moves_parameter(e)) {
        return 0.0;
    }
    return rates[layer.rate.x + e * layer.rate.y] * direction[layer.v.x + task * layer.v.y + e];
}

fn left(task: u32, p: u32, i: u32) -> vec2<f32> {
    if (p >= layer.points || i >= layer.inputs) {
        return vec2<f32>(0.0);
    }
    let at = p * layer.inputs + i;
    var pair = vec2<f32>(inputs[layer.x.x + task * layer.x.y + at], 0.0);
    if (layer.input_moves != 0u) {
        pair.y = input_tangents[layer.x_dot.x + task * layer.x_dot.y + at];
    }
    return pair;
}

fn right(task: u32, i: u32, o: u32) -> vec2<f32> {
    if (o >= layer.outputs || i >= layer.inputs) {
        return vec2<f32>(0.0);
    }
    let e = parameter(o, i);
    return vec2<f32>(weights[layer.weight.x + task * layer.weight.y + e], parameter_tangent(task, e));
}

fn finish(task: u32, p: u32, o: u32, value: f32, tangent: f32) {
    if (p < layer.points && o < layer.outputs) {
        let at = p * layer.outputs + o;
        var z_dot = tangent;
        if (layer.bias != 0u) {
            z_dot += parameter_tangent(task, parameter(o, layer.inputs));
        }
        let open = layer.relu == 0u || outputs[layer.y.x + task * layer.y.y + at] > 0.0;
        output_tangents[layer.y_dot.x + task * layer.y_dot.y + at] = select(0.0, z_dot, open);
    }
}

// One workgroup: ROWS points by COLUMNS outputs of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    product_tangent(workgroup.y, corner(workgroup.x, layer.outputs), layer.inputs, lane);
}
