// import: layer
// The tangent of Fourier features y = [s, c]: with ż = 2πBẋ it is [c ⊙ ż, −s ⊙ ż].

override WORKGROUP: u32 = 256u;

@group(0) @binding(1) var<storage, read> input_tangents: array<f32>; // [points, inputs]
@group(0) @binding(2) var<storage, read> matrix: array<f32>; // [outputs, inputs]
@group(0) @binding(3) var<storage, read> waves: array<f32>; // [points, 2, outputs]
@group(0) @binding(4) var<storage, read_write> wave_tangents: array<f32>;

// One workgroup: WORKGROUP angles of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = workgroup.y;
    let item = workgroup.x * WORKGROUP + lane;
    let p = item / layer.outputs;
    let k = item % layer.outputs;
    if (p >= layer.points) {
        return;
    }
    let x_dot = layer.x_dot.x + task * layer.x_dot.y + p * layer.inputs;
    let b = layer.weight.x + task * layer.weight.y + k * layer.inputs;
    var sum = 0.0;
    for (var i = 0u; i < layer.inputs; i++) {
        sum += matrix[b + i] * input_tangents[x_dot + i];
    }
    sum *= 6.2831855;
    let place = 2u * p * layer.outputs + k;
    let y = layer.y.x + task * layer.y.y + place;
    let to = layer.y_dot.x + task * layer.y_dot.y + place;
    wave_tangents[to] = waves[y + layer.outputs] * sum;
    wave_tangents[to + layer.outputs] = -waves[y] * sum;
}
