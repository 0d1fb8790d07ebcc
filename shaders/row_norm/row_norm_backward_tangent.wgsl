// import: row_norm
// The tangent of the cotangent of a layer or group norm's input, in the direction (ẋ, u) with u = α ⊙ v, through the ReLU below.
// With g = γ ⊙ dy, ġ = u_γ ⊙ dy + γ ⊙ dẏ, m and x̂̇ as in `row_norm_tangent.wgsl`, r = 1/√(σ² + ε), means over a row:
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

// x̂, x̂̇, g and ġ of element `e` of row `r`.
fn element(task: u32, r: u32, e: u32, row: Row) -> vec4<f32> {
    let n = layer.row;
    var it = vec4<f32>(0.0);
    it.x = (inputs[layer.x.x + task * layer.x.y + r * n + e] - row.mean) * row.root;
    if (layer.input_moves != 0u) {
        let x_dot = input_tangents[layer.x_dot.x + task * layer.x_dot.y + r * n + e];
        it.y = row.root * (x_dot - row.mean_dot - it.x * row.slope);
    }
    let dy = cotangents[layer.dz.x + task * layer.dz.y + r * n + e];
    let dy_dot = cotangent_tangents[layer.dz_dot.x + task * layer.dz_dot.y + r * n + e];
    var gamma = vec2<f32>(1.0, 0.0);
    if (layer.bias != 0u) {
        let a = affine(r, e);
        gamma.x = weights[layer.weight.x + task * layer.weight.y + a];
        if (moves_parameter(a)) {
            gamma.y = rates[layer.rate.x + a * layer.rate.y] * direction[layer.v.x + task * layer.v.y + a];
        }
    }
    it.z = gamma.x * dy;
    it.w = gamma.y * dy + gamma.x * dy_dot;
    return it;
}

// Mean and 1/√(σ² + ε) of a row, and the means of its tangent.
fn row_of(task: u32, r: u32, lane: u32) -> Row {
    let n = layer.row;
    let x = layer.x.x + task * layer.x.y + r * n;
    let x_dot = layer.x_dot.x + task * layer.x_dot.y + r * n;
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

// One workgroup: rows of one task, `row_workgroups` apart.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = workgroup.y;
    let n = layer.row;
    for (var r = workgroup.x; r < row_count(); r += layer.row_workgroups) {
        let row = row_of(task, r, lane);
        var part = vec4<f32>(0.0);
        for (var e = lane; e < n; e += WORKGROUP) {
            let it = element(task, r, e, row);
            part += vec4<f32>(it.z, it.z * it.x, it.w, it.w * it.x + it.z * it.y);
        }
        let means = row_sums(part, lane) / f32(n);
        for (var e = lane; e < n; e += WORKGROUP) {
            let it = element(task, r, e, row);
            let g = it.z - means.x - it.x * means.y;
            let g_dot = it.w - means.z - it.y * means.y - it.x * means.w;
            let change = row.root * g_dot - row.root * row.root * row.slope * g;
            let value = inputs[layer.x.x + task * layer.x.y + r * n + e];
            let open = layer.relu_below == 0u || value > 0.0;
            let to = layer.dx_dot.x + task * layer.dx_dot.y + r * n + e;
            if (layer.adds != 0u) {
                below_tangents[to] += select(0.0, change, open);
            } else {
                below_tangents[to] = select(0.0, change, open);
            }
        }
    }
}
