// import: element_pass
// import: spread
// The tangent of the backward of a function of single elements, zero where a ReLU below is closed:
//     dẋ = f″(x) ⊙ ẋ ⊙ dy + f′(x) ⊙ dẏ          (Pearlmutter 1994, section 3).

override WORKGROUP: u32 = 256u;

@group(0) @binding(1) var<storage, read> inputs: array<f32>;
@group(0) @binding(2) var<storage, read> input_tangents: array<f32>;
@group(0) @binding(3) var<storage, read> cotangents: array<f32>;
@group(0) @binding(4) var<storage, read> cotangent_tangents: array<f32>;
@group(0) @binding(5) var<storage, read_write> below_tangents: array<f32>;

// One workgroup: WORKGROUP elements of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = workgroup.y;
    let e = element_of(workgroup, lane);
    if (e >= shape.count) {
        return;
    }
    let x = inputs[shape.x.x + task * shape.x.y + e];
    let x_dot = input_tangents[shape.x_dot.x + task * shape.x_dot.y + e];
    let dy = cotangents[shape.values.x + task * shape.values.y + e];
    let dy_dot = cotangent_tangents[shape.values_dot.x + task * shape.values_dot.y + e];
    let f = function_at(x);
    let result = select(f.z * x_dot * dy + f.y * dy_dot, 0.0, shape.gate != 0u && x <= 0.0);
    let to = shape.result.x + task * shape.result.y + e;
    if (shape.adds != 0u) {
        below_tangents[to] += result;
    } else {
        below_tangents[to] = result;
    }
}
