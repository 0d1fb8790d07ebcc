// import: norm
// The tangent of batch norm with its ReLU, in the direction (ẋ, u) with u = α ⊙ v, means over a channel:
//     m = mean(x̂ ẋ),  x̂̇ = (ẋ − mean(ẋ) − x̂ m) / √(σ² + ε),  ẏ = [y > 0] (u_γ x̂ + γ x̂̇ + u_β).

@group(0) @binding(1) var<storage, read> inputs: array<f32>;
@group(0) @binding(2) var<storage, read> input_tangents: array<f32>;
@group(0) @binding(3) var<storage, read> stats: array<f32>; // [channels, 4]
@group(0) @binding(4) var<storage, read> rates: array<f32>;
@group(0) @binding(5) var<storage, read> direction: array<f32>; // v
@group(0) @binding(6) var<storage, read> outputs: array<f32>;
@group(0) @binding(7) var<storage, read_write> output_tangents: array<f32>;
@group(0) @binding(8) var<storage, read_write> record: array<f32>; // [channels, 8], with WEIGHTED then [points]

fn flag(task: u32, p: u32) -> f32 {
    return stats[layer.stats.x + task * layer.stats.y + 4u * layer.channels + p];
}

// The direction at parameter `e`.
fn parameter_tangent(task: u32, e: u32) -> f32 {
    if (!moves_parameter(e)) {
        return 0.0;
    }
    return rates[layer.rate.x + e * layer.rate.y] * direction[layer.v.x + task * layer.v.y + e];
}

// One workgroup: WIDE channels of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = workgroup.y;
    let c = norm_channel(workgroup, lane);
    let here = c < layer.channels;
    let count = select(0u, norm_count(), here);
    let known = select(0u, c, here);
    let x = layer.x.x + task * layer.x.y;
    let x_dot = layer.x_dot.x + task * layer.x_dot.y;
    let at = layer.stats.x + task * layer.stats.y + 4u * known;
    let mean = stats[at];
    let root = stats[at + 1u];
    let gamma = stats[at + 2u];
    let gamma_dot = parameter_tangent(task, parameter(known, 0u));
    let beta_dot = parameter_tangent(task, parameter(known, 1u));
    let moves = layer.input_moves != 0u;
    var part = vec4<f32>(0.0);
    if (moves) {
        for (var i = lane / WIDE; i < count; i += WORKGROUP / WIDE) {
            let e = norm_at(c, i);
            let d = select(0.0, input_tangents[x_dot + e], norm_counts(task, i));
            part.x += d;
            part.y += d * ((inputs[x + e] - mean) * root);
        }
    }
    let means = channel_sums(part, lane) / norm_total(task);
    let y = layer.y.x + task * layer.y.y;
    let y_dot = layer.y_dot.x + task * layer.y_dot.y;
    for (var i = lane / WIDE; i < count; i += WORKGROUP / WIDE) {
        let e = norm_at(c, i);
        let normal = (inputs[x + e] - mean) * root;
        var tangent = gamma_dot * normal + beta_dot;
        if (moves) {
            tangent += gamma * (root * (input_tangents[x_dot + e] - means.x - normal * means.y));
        }
        let open = norm_counts(task, i) && (layer.relu == 0u || outputs[y + e] > 0.0);
        output_tangents[y_dot + e] = select(0.0, tangent, open);
    }
    if (here && lane < WIDE) {
        let to = layer.record.x + task * layer.record.y + layer.record_words * c;
        record[to] = mean;
        record[to + 1u] = root;
        record[to + 2u] = gamma;
        record[to + 3u] = gamma_dot;
        record[to + 4u] = means.x;
        record[to + 5u] = means.y;
    }
    if (WEIGHTED && workgroup.x == 0u) {
        let to = layer.record.x + task * layer.record.y + layer.record_words * layer.channels;
        for (var p = lane; p < layer.points; p += WORKGROUP) {
            record[to + p] = flag(task, p);
        }
    }
}
