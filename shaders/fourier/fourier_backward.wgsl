// import: layer
// Fourier features y = [s, c] backward, through the ReLU below: dx = [x > 0] 2πBᵀ (dy_s ⊙ c − dy_c ⊙ s). With TURNS the tangent of
// that: dẏ in place of dy, and added to what B takes, with the tangents of the waves, dy_s ⊙ ċ − dy_c ⊙ ṡ.

override WORKGROUP: u32 = 256u;
override TURNS: bool = false;

@group(0) @binding(1) var<storage, read> inputs: array<f32>; // [points, inputs]
@group(0) @binding(2) var<storage, read> matrix: array<f32>; // [outputs, inputs]
@group(0) @binding(3) var<storage, read> waves: array<f32>; // [points, 2, outputs]
@group(0) @binding(4) var<storage, read> wave_tangents: array<f32>;
@group(0) @binding(5) var<storage, read> cotangents: array<f32>; // dy, with TURNS dẏ
@group(0) @binding(6) var<storage, read> turned: array<f32>; // with TURNS dy
@group(0) @binding(7) var<storage, read_write> below: array<f32>;

// One workgroup: WORKGROUP inputs of points of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = workgroup.y;
    let item = workgroup.x * WORKGROUP + lane;
    let p = item / layer.inputs;
    let i = item % layer.inputs;
    if (p >= layer.points) {
        return;
    }
    let n = layer.outputs;
    let b = layer.weight.x + task * layer.weight.y + i;
    let y = layer.y.x + task * layer.y.y + 2u * p * n;
    let y_dot = layer.y_dot.x + task * layer.y_dot.y + 2u * p * n;
    let dy = layer.dz.x + task * layer.dz.y + 2u * p * n;
    let dy_dot = layer.dz_dot.x + task * layer.dz_dot.y + 2u * p * n;
    var sum = 0.0;
    for (var k = 0u; k < n; k++) {
        var change = 0.0;
        if (TURNS) {
            change = cotangents[dy_dot + k] * waves[y + n + k] - cotangents[dy_dot + n + k] * waves[y + k];
            change += turned[dy + k] * wave_tangents[y_dot + n + k] - turned[dy + n + k] * wave_tangents[y_dot + k];
        } else {
            change = cotangents[dy + k] * waves[y + n + k] - cotangents[dy + n + k] * waves[y + k];
        }
        sum += matrix[b + k * layer.inputs] * change;
    }
    let open = layer.relu_below == 0u || inputs[layer.x.x + task * layer.x.y + item] > 0.0;
    let value = select(0.0, 6.2831855 * sum, open);
    let to = layer.dx.x + task * layer.dx.y + item;
    if (layer.adds != 0u) {
        below[to] += value;
    } else {
        below[to] = value;
    }
}
