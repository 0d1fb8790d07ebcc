// import: row_norm
// The cotangent of a layer or group norm's input, through the ReLU below. With g = γ ⊙ dy and means over a row:
//     dx = [x > 0] (g − mean(g) − x̂ mean(g x̂)) / √(σ² + ε).

@group(0) @binding(1) var<storage, read> inputs: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read> record: array<f32>; // [rows, 2]
@group(0) @binding(4) var<storage, read> cotangents: array<f32>;
@group(0) @binding(5) var<storage, read_write> below: array<f32>;

// One workgroup: rows of one task, `row_workgroups` apart.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = workgroup.y;
    let n = layer.row;
    let w = layer.weight.x + task * layer.weight.y;
    for (var r = workgroup.x; r < row_count(); r += layer.row_workgroups) {
        let x = layer.x.x + task * layer.x.y + r * n;
        let dy = layer.dz.x + task * layer.dz.y + r * n;
        let dx = layer.dx.x + task * layer.dx.y + r * n;
        let at = layer.stats.x + task * layer.stats.y + 2u * r;
        let mean = record[at];
        let root = record[at + 1u];
        var part = vec4<f32>(0.0);
        for (var e = lane; e < n; e += WORKGROUP) {
            var g = cotangents[dy + e];
            if (layer.bias != 0u) {
                g *= weights[w + affine(r, e)];
            }
            part.x += g;
            part.y += g * ((inputs[x + e] - mean) * root);
        }
        let means = row_sums(part, lane) / f32(n);
        for (var e = lane; e < n; e += WORKGROUP) {
            var g = cotangents[dy + e];
            if (layer.bias != 0u) {
                g *= weights[w + affine(r, e)];
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
}
