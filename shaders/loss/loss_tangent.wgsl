// import: loss_functions
// import: loss_pass
// The tangent of the cotangents that `loss.wgsl` makes, in the direction ẏ:
//     of elements     dẏ = ℓ″(y, t) ẏ / (n m)
//     of classes      dẏ = p ⊙ (ẏ − Σ p ẏ) / n
// and dż = weight · dẏ, zero where a ReLU is closed.

override WORKGROUP: u32 = 64u;

@group(0) @binding(1) var<storage, read> outputs: array<f32>;
@group(0) @binding(2) var<storage, read> output_tangents: array<f32>;
@group(0) @binding(3) var<storage, read> truths: array<f32>;
@group(0) @binding(4) var<storage, read_write> cotangent_tangents: array<f32>;
@group(0) @binding(5) var<storage, read> shares: array<f32>;

// One workgroup: one task. One invocation: a point, or every WORKGROUP-th.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = workgroup.y;
    for (var p = lane; p < shape.points; p += WORKGROUP) {
        let y = shape.y.x + task * shape.y.y + p * shape.outputs;
        let y_dot = shape.y_dot.x + task * shape.y_dot.y + p * shape.outputs;
        let dz_dot = shape.dz_dot.x + task * shape.dz_dot.y + p * shape.outputs;
        let truth = shape.truth.x + task * shape.truth.y + p * shape.outputs;
        var share = shape.weight * shape.part / f32(shape.points);
        if (WEIGHTED) {
            share = shape.weight * shares[shape.shares.x + task * shape.shares.y + p];
        }
        let counts = share != 0.0;
        // The largest output and its tangent, which Σ p ẏ is taken from so that nothing cancels.
        var top = outputs[y];
        var lead = output_tangents[y_dot];
        var all = 0.0;
        var mean = 0.0;
        if (LOSS == CROSS_ENTROPY) {
            for (var o = 1u; o < shape.outputs; o++) {
                let is_top = outputs[y + o] > top;
                lead = select(lead, output_tangents[y_dot + o], is_top);
                top = select(top, outputs[y + o], is_top);
            }
            for (var o = 0u; o < shape.outputs; o++) {
                let e = below_top(outputs[y + o], top);
                all += e;
                mean += e * (output_tangents[y_dot + o] - lead);
            }
            mean /= all;
        } else {
            share /= f32(shape.outputs);
        }
        for (var o = 0u; o < shape.outputs; o++) {
            let value = outputs[y + o];
            var dy_dot = output_tangents[y_dot + o];
            if (LOSS == CROSS_ENTROPY) {
                dy_dot = below_top(value, top) / all * (dy_dot - lead - mean);
            } else {
                dy_dot *= element_loss(value, truths[truth + o]).z;
            }
            cotangent_tangents[dz_dot + o] = select(0.0, share * dy_dot, counts && (shape.relu == 0u || value > 0.0));
        }
    }
}
