// import: layer
// import: sine_of_product
// Fourier features: y = [sin 2πBx, cos 2πBx] with B [outputs, inputs] (Tancik et al. 2020, section 6.1). Turns are counted in whole
// ones and the rest, so that large ones lose nothing: products of numbers of 12 bits are exact, and so are their rests.

override WORKGROUP: u32 = 256u;

@group(0) @binding(1) var<storage, read> inputs: array<f32>; // [points, inputs]
@group(0) @binding(2) var<storage, read> matrix: array<f32>;
@group(0) @binding(3) var<storage, read_write> waves: array<f32>; // [points, 2, outputs]

// The first 12 bits of a number.
fn first_bits(x: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) & 0xfffff000u);
}

// One workgroup: WORKGROUP angles of one task, the sine and the cosine of each.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let task = workgroup.y;
    let item = workgroup.x * WORKGROUP + lane;
    let p = item / layer.outputs;
    let k = item % layer.outputs;
    if (p >= layer.points) {
        return;
    }
    let x = layer.x.x + task * layer.x.y + p * layer.inputs;
    let b = layer.weight.x + task * layer.weight.y + k * layer.inputs;
    var turns = 0.0;
    var rest = 0.0;
    for (var i = 0u; i < layer.inputs; i++) {
        let x1 = first_bits(inputs[x + i]);
        let b1 = first_bits(matrix[b + i]);
        let x2 = inputs[x + i] - x1;
        let b2 = matrix[b + i] - b1;
        let product = b1 * x1;
        turns += product - floor(product + 0.5);
        rest += b1 * x2 + b2 * x1 + b2 * x2;
    }
    turns += rest;
    let wave = sine_of_product(6.2831855, -1.7484555e-7, turns - floor(turns + 0.5));
    let y = layer.y.x + task * layer.y.y + 2u * p * layer.outputs + k;
    waves[y] = wave.x;
    waves[y + layer.outputs] = wave.y;
}
