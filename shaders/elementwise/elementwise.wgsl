// import: element_pass
// import: spread
// A function of single elements, y = f(x); or with SLOPE f′(x) ⊙ values: its tangent with ẋ, its backward with dy (zero
// where a ReLU below is closed), the tangent of that where ẋ = 0 or f″ = 0 with dẏ.

override WORKGROUP: u32 = 256u;
override SLOPE: bool = false;

@group(0) @binding(1) var<storage, read> inputs: array<f32>;
@group(0) @binding(2) var<storage, read> values: array<f32>;
@group(0) @binding(3) var<storage, read_write> results: array<f32>;

// One workgroup: WORKGROUP elements of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = workgroup.y;
    let e = element_of(workgroup, lane);
    if (e >= shape.count) {
        return;
    }
    let x = inputs[shape.x.x + task * shape.x.y + e];
    var result = 0.0;
    if (SLOPE) {
        result = function_at(x).y * values[shape.values.x + task * shape.values.y + e];
        result = select(result, 0.0, shape.gate != 0u && x <= 0.0);
    } else {
        // A NaN goes through; compilers may drop what is said of it.
        result = select(function_at(x).x, x, is_nan(x));
    }
    let to = shape.result.x + task * shape.result.y + e;
    if (shape.adds != 0u) {
        results[to] += result;
    } else {
        results[to] = result;
    }
}
