// import: layer
// A weight gradient of few elements is a sum of many terms, all pixels of all points. Several workgroups share such a
// sum: each adds up a stretch of the terms and leaves what it has, for a kernel that adds up the stretches in their
// order. How many there are follows from the layer's shape alone (`src/wgsl/conv_stretch.rs`).

// Which of them the workgroup has.
var<private> stretch: u32;

// First term of stretch `z`, and the first beyond it.
fn stretch_terms(z: u32) -> vec2<u32> {
    let pixels = layer.points * layer.out_height * layer.out_width;
    return min(vec2<u32>(z, z + 1u) * layer.stretch, vec2<u32>(pixels));
}

// Parameters of the layer.
fn parameters() -> u32 {
    return layer.outputs * (layer.inputs + layer.bias);
}

// Where the sum for parameter `e` lies: [tasks, stretches, parameters].
fn stretch_at(task: u32, z: u32, e: u32) -> u32 {
    return (task * layer.stretches + z) * parameters() + e;
}
