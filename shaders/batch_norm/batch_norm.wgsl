// import: norm
// Batch norm over the current points of a task, with the ReLU that may follow:
//     μ = mean(x), σ² = mean((x − μ)²), x̂ = (x − μ) / √(σ² + ε), y = max(γ x̂ + β, 0),
// for each channel over all points and pixels (Ioffe and Szegedy 2015, algorithm 1).

// Whether there are γ and β.
override AFFINE: bool = true;

@group(0) @binding(1) var<storage, read> inputs: array<f32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> outputs: array<f32>;
@group(0) @binding(4) var<storage, read_write> stats: array<f32>; // [channels, 4], with WEIGHTED then [points]
@group(0) @binding(5) var<storage, read> shares: array<f32>; // [points], at the place of `record`

fn flag(task: u32, p: u32) -> f32 {
    return shares[layer.record.x + task * layer.record.y + p];
}

// One workgroup: WIDE channels of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let c = norm_channel(workgroup, lane);
    let here = c < layer.channels;
    let count = select(0u, norm_count(), here);
    let x = layer.x.x + workgroup.y * layer.x.y;
    var part = vec4<f32>(0.0);
    for (var i = lane / WIDE; i < count; i += WORKGROUP / WIDE) {
        if (norm_counts(workgroup.y, i)) {
            part.x += inputs[x + norm_at(c, i)];
        }
    }
    let mean = channel_sums(part, lane).x / norm_total(workgroup.y);
    part.x = 0.0;
    for (var i = lane / WIDE; i < count; i += WORKGROUP / WIDE) {
        let centred = inputs[x + norm_at(c, i)] - mean;
        part.x += select(0.0, centred * centred, norm_counts(workgroup.y, i));
    }
    let variance = channel_sums(part, lane).x / norm_total(workgroup.y);
    let root = 1.0 / sqrt(variance + layer.epsilon);
    var gamma = 1.0;
    var beta = 0.0;
    if (AFFINE && here) {
        let at = layer.weight.x + workgroup.y * layer.weight.y;
        gamma = weights[at + parameter(c, 0u)];
        beta = weights[at + parameter(c, 1u)];
    }
    let y = layer.y.x + workgroup.y * layer.y.y;
    for (var i = lane / WIDE; i < count; i += WORKGROUP / WIDE) {
        let at = norm_at(c, i);
        var value = gamma * ((inputs[x + at] - mean) * root) + beta;
        if (!norm_counts(workgroup.y, i)) {
            value = 0.0;
        }
        outputs[y + at] = select(value, rectified(value), layer.relu != 0u);
    }
    if (here && lane < WIDE) {
        let at = layer.stats.x + workgroup.y * layer.stats.y + 4u * c;
        stats[at] = mean;
        stats[at + 1u] = root;
        stats[at + 2u] = gamma;
        stats[at + 3u] = beta;
    }
    if (WEIGHTED && workgroup.x == 0u) {
        let at = layer.stats.x + workgroup.y * layer.stats.y + 4u * layer.channels;
        for (var p = lane; p < layer.points; p += WORKGROUP) {
            stats[at + p] = flag(workgroup.y, p);
        }
    }
}
