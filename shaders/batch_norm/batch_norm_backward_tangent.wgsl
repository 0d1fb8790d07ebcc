// import: norm
// import: step_back
// Batch norm's part of an inner step, backwards: the tangents of `batch_norm_backward.wgsl` in the direction (ẋ, u) with
// u = α ⊙ v. With r = 1/√(σ² + ε), means over a channel, m, x̂̇ as in `batch_norm_tangent.wgsl`, ṙ = −r² m, and g, q as there:
//     q̇ = mean(dẏ x̂ + dy x̂̇),  ġ = dẏ − mean(dẏ) − x̂̇ q − x̂ q̇,  dẋ = [x > 0] ((u_γ r + γ ṙ) g + γ r ġ),
//     dγ̇ = Σ (dẏ x̂ + dy x̂̇),  dβ̇ = Σ dẏ;
//     v_j = v_{j+1} − (dγ̇, dβ̇), and the gradients of the rates as in `step_back.wgsl`.

override SECOND: bool = true;
// Whether dẋ is wanted, and whether there are γ and β.
override BELOW: bool = true;
override AFFINE: bool = true;

@group(0) @binding(1) var<storage, read> inputs: array<f32>;
@group(0) @binding(2) var<storage, read> input_tangents: array<f32>;
@group(0) @binding(3) var<storage, read> record: array<f32>; // [channels, record_words]: of the tangent pass, or of the pass
@group(0) @binding(4) var<storage, read> cotangents: array<f32>;
@group(0) @binding(5) var<storage, read> cotangent_tangents: array<f32>;
@group(0) @binding(6) var<storage, read_write> below_tangents: array<f32>;
@group(0) @binding(7) var<storage, read_write> rows: array<f32>; // v and, with RATES 1, their gradients
@group(0) @binding(8) var<storage, read_write> rate_sums: array<f32>; // with RATES 2

fn flag(task: u32, p: u32) -> f32 {
    return record[layer.record.x + task * layer.record.y + layer.record_words * layer.channels + p];
}

struct Element {
    normal: f32, // x̂
    normal_dot: f32,
    dy: f32,
    dy_dot: f32,
}

struct Channel {
    mean: f32,
    root: f32,
    gamma: f32,
    gamma_dot: f32,
    mean_dot: f32, // of ẋ
    slope: f32, // m
}

fn element(task: u32, e: u32, channel: Channel) -> Element {
    var it = Element();
    it.normal = (inputs[layer.x.x + task * layer.x.y + e] - channel.mean) * channel.root;
    if (SECOND && layer.input_moves != 0u) {
        let x_dot = input_tangents[layer.x_dot.x + task * layer.x_dot.y + e];
        it.normal_dot = channel.root * (x_dot - channel.mean_dot - it.normal * channel.slope);
    }
    // Below every adapted layer dy is not computed, and not needed.
    if (layer.adapted != 0u || layer.input_moves != 0u) {
        it.dy = cotangents[layer.dz.x + task * layer.dz.y + e];
    }
    if (SECOND) {
        it.dy_dot = cotangent_tangents[layer.dz_dot.x + task * layer.dz_dot.y + e];
    }
    return it;
}

// One workgroup: WIDE channels of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = workgroup.y;
    let c = norm_channel(workgroup, lane);
    let here = c < layer.channels;
    let count = select(0u, norm_count(), here);
    let at = layer.record.x + task * layer.record.y + layer.record_words * select(0u, c, here);
    var channel = Channel(record[at], record[at + 1u], record[at + 2u], 0.0, 0.0, 0.0);
    if (SECOND && layer.adapted != 0u) {
        channel.gamma_dot = record[at + 3u];
    }
    if (SECOND && layer.input_moves != 0u) {
        channel.mean_dot = record[at + 4u];
        channel.slope = record[at + 5u];
    }
    var part = vec4<f32>(0.0);
    for (var i = lane / WIDE; i < count; i += WORKGROUP / WIDE) {
        let it = element(task, norm_at(c, i), channel);
        let slopes = it.dy_dot * it.normal + it.dy * it.normal_dot;
        if (norm_counts(task, i)) {
            part += vec4<f32>(it.dy, it.dy * it.normal, it.dy_dot, slopes);
        }
    }
    let sum = channel_sums(part, lane);
    if (BELOW) {
        let means = sum / norm_total(task);
        let root_dot = -channel.root * channel.root * channel.slope;
        let scale = channel.gamma * channel.root;
        let scale_dot = channel.gamma_dot * channel.root + channel.gamma * root_dot;
        for (var i = lane / WIDE; i < count; i += WORKGROUP / WIDE) {
            let e = norm_at(c, i);
            let it = element(task, e, channel);
            let g = it.dy - means.x - it.normal * means.y;
            let g_dot = it.dy_dot - means.z - it.normal_dot * means.y - it.normal * means.w;
            let shown = layer.relu_below == 0u || inputs[layer.x.x + task * layer.x.y + e] > 0.0;
            let open = shown && norm_counts(task, i);
            let to = layer.dx_dot.x + task * layer.dx_dot.y + e;
            let change = select(0.0, scale_dot * g + scale * g_dot, open);
            if (layer.adds != 0u) {
                below_tangents[to] += change;
            } else {
                below_tangents[to] = change;
            }
        }
    }
    rate_sum = 0.0;
    if (AFFINE && here && lane < WIDE) {
        step_back(task, parameter(c, 0u), sum.y, sum.w);
        step_back(task, parameter(c, 1u), sum.x, sum.z);
    }
    leave_rate_sum(workgroup, lane);
}
