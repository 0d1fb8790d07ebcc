// import: layer
// A ReLU of its own (one that follows a product or a batch norm is part of it): out = [x > 0] ⊙ values. With values = x
// the layer, with ẋ its tangent, with dy its backward and with dẏ the tangent of that.

override WORKGROUP: u32 = 256u;

@group(0) @binding(1) var<storage, read> inputs: array<f32>;
@group(0) @binding(2) var<storage, read> values: array<f32>;
@group(0) @binding(3) var<storage, read_write> results: array<f32>;

// One workgroup: WORKGROUP elements of one task. In `y` and `y_dot` are the places of values and results.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = workgroup.y;
    let e = workgroup.x * WORKGROUP + lane;
    if (e < layer.points * layer.channels * layer.height * layer.width) {
        let closed = inputs[layer.x.x + task * layer.x.y + e] <= 0.0;
        let value = values[layer.y.x + task * layer.y.y + e];
        results[layer.y_dot.x + task * layer.y_dot.y + e] = select(value, 0.0, closed);
    }
}
