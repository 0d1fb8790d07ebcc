// import: norm
// Batch norm backward, through the ReLU below. With means over a channel, q = mean(dy x̂) and g = dy − mean(dy) − x̂ q:
//     dx = [x > 0] γ g / √(σ² + ε),   dγ = Σ dy x̂,   dβ = Σ dy,
// and the gradient of the parameters used where it is made:
//     RESULT 1: θ_{j+1} = θ_j − α_j ⊙ M ⊙ G,   RESULT 2: v = M ⊙ G,   RESULT 3: v = v + M ⊙ G,
// where M are the parameters that `adapted` names.

override RESULT: u32 = 0u;
// Whether dx is wanted.
override BELOW: bool = true;

@group(0) @binding(1) var<storage, read> inputs: array<f32>;
@group(0) @binding(2) var<storage, read> stats: array<f32>; // [channels, 4]
@group(0) @binding(3) var<storage, read> cotangents: array<f32>;
@group(0) @binding(4) var<storage, read> rates: array<f32>;
@group(0) @binding(5) var<storage, read_write> below: array<f32>;
@group(0) @binding(6) var<storage, read_write> result: array<f32>; // θ_{j+1} or v

fn flag(task: u32, p: u32) -> f32 {
    return stats[layer.stats.x + task * layer.stats.y + 4u * layer.channels + p];
}

fn take(task: u32, e: u32, value: f32, gradient: f32) {
    let counts = moves_parameter(e);
    if (RESULT == 1u) {
        var next = value;
        if (counts) {
            next = value - rates[layer.rate.x + e * layer.rate.y] * gradient;
        }
        result[layer.next.x + task * layer.next.y + e] = next;
    } else {
        let at = layer.v.x + task * layer.v.y + e;
        let change = select(0.0, gradient, counts);
        if (RESULT == 3u) {
            result[at] += change;
        } else {
            result[at] = change;
        }
    }
}

// One workgroup: WIDE channels of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = workgroup.y;
    let c = norm_channel(workgroup, lane);
    let here = c < layer.channels;
    let count = select(0u, norm_count(), here);
    let x = layer.x.x + task * layer.x.y;
    let dy = layer.dz.x + task * layer.dz.y;
    let at = layer.stats.x + task * layer.stats.y + 4u * select(0u, c, here);
    let mean = stats[at];
    let root = stats[at + 1u];
    let gamma = stats[at + 2u];
    var part = vec4<f32>(0.0);
    for (var i = lane / WIDE; i < count; i += WORKGROUP / WIDE) {
        let e = norm_at(c, i);
        let d = select(0.0, cotangents[dy + e], norm_counts(task, i));
        part.x += d;
        part.y += d * ((inputs[x + e] - mean) * root);
    }
    let sum = channel_sums(part, lane);
    if (BELOW) {
        let share = 1.0 / norm_total(task);
        let dx = layer.dx.x + task * layer.dx.y;
        for (var i = lane / WIDE; i < count; i += WORKGROUP / WIDE) {
            let e = norm_at(c, i);
            let value = inputs[x + e];
            let normal = (value - mean) * root;
            let g = cotangents[dy + e] - sum.x * share - normal * (sum.y * share);
            let open = norm_counts(task, i) && (layer.relu_below == 0u || value > 0.0);
            let change = select(0.0, gamma * root * g, open);
            if (layer.adds != 0u) {
                below[dx + e] += change;
            } else {
                below[dx + e] = change;
            }
        }
    }
    if (RESULT != 0u && here && lane < WIDE) {
        take(task, parameter(c, 0u), gamma, sum.y);
        take(task, parameter(c, 1u), stats[at + 3u], sum.x);
    }
}
