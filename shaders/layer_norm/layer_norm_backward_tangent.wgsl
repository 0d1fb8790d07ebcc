// import: row_norm
// The tangent of the cotangent of a layer norm's input, in the direction (ẋ, u) with u = α ⊙ v, through the ReLU below.
// With g = γ ⊙ dy, ġ = u_γ ⊙ dy + γ ⊙ dẏ, m and x̂̇ as in `layer_norm_tangent.wgsl`, r = 1/√(σ² + ε), means over a row:
//     q = mean(g x̂),  q̇ = mean(ġ x̂ + g x̂̇),
//     dẋ = [x > 0] (r (ġ − mean(ġ) − x̂̇ q − x̂ q̇) − r² m (g − mean(g) − x̂ q)).

@group(0) @binding(1) var<storage, read> inputs: array<f32>;
@group(0) @binding(2) var<storage, read> input_tangents: array<f32>;
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read> rates: array<f32>;
@group(0) @binding(5) var<storage, read> direction: array<f32>; // v
@group(0) @binding(6) var<storage, read> cotangents: array<f32>;
@group(0) @binding(7) var<storage, read> cotangent_tangents: array<f32>;
@group(0) @binding(8) var<storage, read_write> below_tangents: array<f32>;

struct Row {
    mean: f32,
    root: f32,
    mean_dot: f32, // of ẋ
    slope: f32, // m
}

// x̂, x̂̇, g and ġ of element `e` of row `p`.
fn element(task: u32, p: u32, e: u32, row: Row) -> vec4<f32> {
    let n = layer.inputs;
    var it = vec4<f32>(0.0);
    it.x = (inputs[layer.x.x + task * layer.x.y + p * n + e] - row.mean) * row.root;
    if (layer.input_moves != 0u) {
        let x_dot = input_tangents[layer.x_dot.x + task * layer.x_dot.y + p * n + e];
        it.y = row.root * (x_dot - row.mean_dot - it.x * row.slope);
    }
    let dy = cotangents[layer.dz.x + task * layer.dz.y + p * n + e];
    let dy_dot = cotangent_tangents[layer.dz_dot.x + task * layer.dz_dot.y + p * n + e];
    var gamma = vec2<f32>(1.0, 0.0);
    if (layer.bias != 0u) {
        gamma.x = weights[layer.weight.x + task * layer.weight.y + e];
        if (moves_parameter(e)) {
            gamma.y = rates[layer.rate.x + e * layer.rate.y] * direction[layer.v.x + task * layer.v.y + e];
        }
    }
    it.z = gamma.x * dy;
    it.w = gamma.y * dy + gamma.x * dy_dot;
    return it;
}

// Mean and 1/√(σ² + ε) of a row, and the means of its tangent.
fn row_of(task: u32, p: u32, lane: u32) -> Row {
    let n = layer.inputs;
    let x = layer.x.x + task * layer.x.y + p * n;
    let x_dot = layer.x_dot.x + task * layer.x_dot.y + p * n;
    let moves = layer.input_moves != 0u;
    var part = vec4<f32>(0.0);
    for (var e = lane; e < n; e += WORKGROUP) {
        part.x += inputs[x + e];
        if (moves) {
            part.y += input_tangents[x_dot + e];
        }
    }
    let means = row_sums(part, lane) / f32(n);
    part = vec4<f32>(0.0);
    for (var e = lane; e < n; e += WORKGROUP) {
        let centred = inputs[x + e] - means.x;
        part.x += centred * centred;
        if (moves) {
            part.y += centred * input_tangents[x_dot + e];
        }
    }
    let squares = row_sums(part, lane) / f32(n);
    let root = 1.0 / sqrt(squares.x + layer.epsilon);
    return Row(means.x, root, means.y, squares.y * root);
}

// One workgroup: one row of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = workgroup.y;
    let n = layer.inputs;
    let row = row_of(task, workgroup.x, lane);
    var part = vec4<f32>(0.0);
    for (var e = lane; e < n; e += WORKGROUP) {
        let it = element(task, workgroup.x, e, row);
        part += vec4<f32>(it.z, it.z * it.x, it.w, it.w * it.x + it.z * it.y);
    }
    let means = row_sums(part, lane) / f32(n);
    for (var e = lane; e < n; e += WORKGROUP) {
        let it = element(task, workgroup.x, e, row);
        let g = it.z - means.x - it.x * means.y;
        let g_dot = it.w - means.z - it.y * means.y - it.x * means.w;
        let change = row.root * g_dot - row.root * row.root * row.slope * g;
        let value = inputs[layer.x.x + task * layer.x.y + workgroup.x * n + e];
        let open = layer.relu_below == 0u || value > 0.0;
        let to = layer.dx_dot.x + task * layer.dx_dot.y + workgroup.x * n + e;
        if (layer.adds != 0u) {
            below_tangents[to] += select(0.0, change, open);
        } else {
            below_tangents[to] = select(0.0, change, open);
        }
    }
}
