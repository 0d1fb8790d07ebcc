// import: row_norm
// The cotangent of a layer norm's input, through the ReLU below. With g = γ ⊙ dy and means over a row:
//     dx = [x > 0] (g − mean(g) − x̂ mean(g x̂)) / √(σ² + ε).

@group(0) @binding(1) var<storage, read> inputs: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read> record: array<f32>; // [points, 2]
@group(0) @binding(4) var<storage, read> cotangents: array<f32>;
@group(0) @binding(5) var<storage, read_write> below: array<f32>;

// One workgroup: one row of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = workgroup.y;
    let n = layer.inputs;
    let x = layer.x.x + task * layer.x.y + workgroup.x * n;
    let dy = layer.dz.x + task * layer.dz.y + workgroup.x * n;
    let dx = layer.dx.x + task * layer.dx.y + workgroup.x * n;
    let w = layer.weight.x + task * layer.weight.y;
    let at = layer.stats.x + task * layer.stats.y + 2u * workgroup.x;
    let mean = record[at];
    let root = record[at + 1u];
    var part = vec4<f32>(0.0);
    for (var e = lane; e < n; e += WORKGROUP) {
        var g = cotangents[dy + e];
        if (layer.bias != 0u) {
            g *= weights[w + e];
        }
        part.x += g;
        part.y += g * ((inputs[x + e] - mean) * root);
    }
    let means = row_sums(part, lane) / f32(n);
    for (var e = lane; e < n; e += WORKGROUP) {
        var g = cotangents[dy + e];
        if (layer.bias != 0u) {
            g *= weights[w + e];
        }
        let value = inputs[x + e];
        let change = root * (g - means.x - (value - mean) * root * means.y);
        let open = layer.relu_below == 0u || value > 0.0;
        if (layer.adds != 0u) {
            below[dx + e] += select(0.0, change, open);
        } else {
            below[dx + e] = select(0.0, change, open);
        }
    }
}
