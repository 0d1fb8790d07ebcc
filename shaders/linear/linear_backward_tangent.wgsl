// import: layer
// import: product_tangent
// The tangent of the cotangent of a linear layer's input, in the direction (ẋ, u) with u = α ⊙ v:
//     dẋ = [x > 0] ⊙ (dż W + dz U),  dẋ [points, inputs]          (Pearlmutter 1994, section 3).

@group(0) @binding(1) var<storage, read> cotangents: array<f32>;
@group(0) @binding(2) var<storage, read> cotangent_tangents: array<f32>;
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read> rates: array<f32>;
@group(0) @binding(5) var<storage, read> direction: array<f32>; // v
@group(0) @binding(6) var<storage, read> inputs: array<f32>;
@group(0) @binding(7) var<storage, read_write> below_tangents: array<f32>;

const LEFT_BY_DEPTH = true;
const RIGHT_BY_DEPTH = false;

fn moves() -> vec2<bool> {
    return vec2<bool>(true, layer.adapted != 0u);
}

fn left(task: u32, p: u32, o: u32) -> vec2<f32> {
    if (p >= layer.points || o >= layer.outputs) {
        return vec2<f32>(0.0);
    }
    let at = p * layer.outputs + o;
    var pair = vec2<f32>(0.0, cotangent_tangents[layer.dz_dot.x + task * layer.dz_dot.y + at]);
    if (layer.adapted != 0u) {
        pair.x = cotangents[layer.dz.x + task * layer.dz.y + at];
    }
    return pair;
}

fn right(task: u32, o: u32, i: u32) -> vec2<f32> {
    if (o >= layer.outputs || i >= layer.inputs) {
        return vec2<f32>(0.0);
    }
    let e = parameter(o, i);
    var pair = vec2<f32>(weights[layer.weight.x + task * layer.weight.y + e], 0.0);
    if (moves_parameter(e)) {
        pair.y = rates[layer.rate.x + e * layer.rate.y] * direction[layer.v.x + task * layer.v.y + e];
    }
    return pair;
}

fn finish(task: u32, p: u32, i: u32, value: f32, tangent: f32) {
    if (p < layer.points && i < layer.inputs) {
        let at = p * layer.inputs + i;
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

// One workgroup: ROWS points by COLUMNS inputs of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    product_tangent(workgroup.y, corner(workgroup.x, layer.inputs), layer.outputs, lane);
}
