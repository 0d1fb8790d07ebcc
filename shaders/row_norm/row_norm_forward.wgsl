// import: row_norm
// Layer and group norm: μ = mean(x), σ² = mean((x − μ)²), x̂ = (x − μ) / √(σ² + ε), y = γ ⊙ x̂ + β, means over a row.

@group(0) @binding(1) var<storage, read> inputs: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> outputs: array<f32>;
@group(0) @binding(4) var<storage, read_write> record: array<f32>; // [rows, 2]

// One workgroup: rows of one task, `row_workgroups` apart.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = workgroup.y;
    let n = layer.row;
    let w = layer.weight.x + task * layer.weight.y;
    for (var r = workgroup.x; r < row_count(); r += layer.row_workgroups) {
        let x = layer.x.x + task * layer.x.y + r * n;
        var part = vec4<f32>(0.0);
        for (var e = lane; e < n; e += WORKGROUP) {
            part.x += inputs[x + e];
        }
        let mean = row_sums(part, lane).x / f32(n);
        part.x = 0.0;
        for (var e = lane; e < n; e += WORKGROUP) {
            let centred = inputs[x + e] - mean;
            part.x += centred * centred;
        }
        let root = 1.0 / sqrt(row_sums(part, lane).x / f32(n) + layer.epsilon);
        let y = layer.y.x + task * layer.y.y + r * n;
        for (var e = lane; e < n; e += WORKGROUP) {
            var value = (inputs[x + e] - mean) * root;
            if (layer.bias != 0u) {
                let a = w + affine(r, e);
                value = weights[a] * value + weights[a + layer.outputs];
            }
            outputs[y + e] = value;
        }
        if (lane == 0u) {
            let at = layer.stats.x + task * layer.stats.y + 2u * r;
            record[at] = mean;
            record[at + 1u] = root;
        }
    }
}
