// import: factor_pass
// import: spread
// Values element by element, a + b + c of those that are there; rows added up where the result has fewer, in their
// order. A copy with places of its own is the same of one value.

override WORKGROUP: u32 = 256u;

@group(0) @binding(1) var<storage, read> a_values: array<f32>;
@group(0) @binding(2) var<storage, read> b_values: array<f32>;
@group(0) @binding(3) var<storage, read> c_values: array<f32>;
@group(0) @binding(4) var<storage, read_write> results: array<f32>;

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
        if (shape.a.wanted != 0u) {
            sum += a_values[at(shape.a, task, r, e)];
        }
        if (shape.b.wanted != 0u) {
            sum += b_values[at(shape.b, task, r, e)];
        }
        if (shape.c.wanted != 0u) {
            sum += c_values[at(shape.c, task, r, e)];
        }
    }
    let to = shape.result.x + task * shape.result.y + row * shape.result_stride + e;
    if (shape.adds != 0u) {
        results[to] += sum;
    } else {
        results[to] = sum;
    }
}
