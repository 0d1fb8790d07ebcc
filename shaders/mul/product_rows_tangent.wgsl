// import: factor_pass
// import: spread
// The tangent of `product_rows.wgsl`, ȧ ⊙ b ⊙ c + a ⊙ ḃ ⊙ c + a ⊙ b ⊙ ċ of the tangents that are there. With dy and dẏ in
// place of a factor and its tangent it is the tangent of that factor's cotangent.

override WORKGROUP: u32 = 256u;

@group(0) @binding(1) var<storage, read> a_values: array<f32>;
@group(0) @binding(2) var<storage, read> b_values: array<f32>;
@group(0) @binding(3) var<storage, read> c_values: array<f32>;
@group(0) @binding(4) var<storage, read> a_tangents: array<f32>;
@group(0) @binding(5) var<storage, read> b_tangents: array<f32>;
@group(0) @binding(6) var<storage, read> c_tangents: array<f32>;
@group(0) @binding(7) var<storage, read_write> results: array<f32>;

// One workgroup: WORKGROUP elements of the result of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = workgroup.y;
    let item = element_of(workgroup, lane);
    let row = item / shape.length;
    let e = item % shape.length;
    if (row >= shape.rows) {
        return;
    }
    var sum = 0.0;
    for (var i = 0u; i < shape.summed; i++) {
        let r = row * shape.summed + i;
        let a = a_values[at(shape.a, task, r, e)];
        let b = b_values[at(shape.b, task, r, e)];
        var c = 1.0;
        if (shape.c.wanted != 0u) {
            c = c_values[at(shape.c, task, r, e)];
        }
        var change = 0.0;
        if (shape.a_dot.wanted != 0u) {
            change += a_tangents[at(shape.a_dot, task, r, e)] * b * c;
        }
        if (shape.b_dot.wanted != 0u) {
            change += a * b_tangents[at(shape.b_dot, task, r, e)] * c;
        }
        if (shape.c_dot.wanted != 0u) {
            change += a * b * c_tangents[at(shape.c_dot, task, r, e)];
        }
        sum += change;
    }
    let to = shape.result.x + task * shape.result.y + row * shape.result_stride + e;
    if (shape.adds != 0u) {
        results[to] += sum;
    } else {
        results[to] = sum;
    }
}
