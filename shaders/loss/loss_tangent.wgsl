// import: loss_pass
// The tangent of the cotangents that `loss.wgsl` makes, in the direction ẏ:
//     mse             dẏ = 2 ẏ / (n m)
//     cross-entropy   dẏ = s ⊙ (ẏ − Σ s ẏ) / n,  s = softmax(y)
// and dż = weight · dẏ, zero where a ReLU is closed.

override WORKGROUP: u32 = 64u;

@group(0) @binding(1) var<storage, read> outputs: array<f32>;
@group(0) @binding(2) var<storage, read> output_tangents: array<f32>;
@group(0) @binding(3) var<storage, read_write> cotangent_tangents: array<f32>;
@group(0) @binding(4) var<storage, read> shares: array<f32>;

// One workgroup: one task. One invocation: a point, or every WORKGROUP-th.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = workgroup.y;
    for (var p = lane; p < shape.points; p += WORKGROUP) {
        let y = shape.y.x + task * shape.y.y + p * shape.outputs;
        let y_dot = shape.y_dot.x + task * shape.y_dot.y + p * shape.outputs;
        let dz_dot = shape.dz_dot.x + task * shape.dz_dot.y + p * shape.outputs;
        var parts = vec2<f32>(0.0, 1.0);
        var mean = 0.0;
        var share = shape.weight / f32(shape.points);
        if (WEIGHTED) {
            share = shape.weight * shares[shape.shares.x + task * shape.shares.y + p];
        }
        let counts = share != 0.0;
        if (LOSS == 1u) {
            parts = softmax_parts(y);
            for (var o = 0u; o < shape.outputs; o++) {
                mean += exp(outputs[y + o] - parts.x) / parts.y * output_tangents[y_dot + o];
            }
        } else {
            share = 2.0 * share / f32(shape.outputs);
        }
        for (var o = 0u; o < shape.outputs; o++) {
            let value = outputs[y + o];
            var dy_dot = output_tangents[y_dot + o];
            if (LOSS == 1u) {
                dy_dot = exp(value - parts.x) / parts.y * (dy_dot - mean);
            }
            cotangent_tangents[dz_dot + o] = select(0.0, share * dy_dot, counts && (shape.relu == 0u || value > 0.0));
        }
    }
}
