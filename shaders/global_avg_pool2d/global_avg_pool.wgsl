// import: layer
// import: spread
// The mean of each channel over its image. With ẋ in place of x it is the layer's tangent.

override WORKGROUP: u32 = 256u;

@group(0) @binding(1) var<storage, read> inputs: array<f32>;
@group(0) @binding(2) var<storage, read_write> outputs: array<f32>; // [points, channels]

// One workgroup: WORKGROUP images of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let image = element_of(workgroup, lane);
    if (image >= layer.points * layer.channels) {
        return;
    }
    let pixels = layer.height * layer.width;
    let x = layer.x.x + workgroup.y * layer.x.y + image * pixels;
    var sum = 0.0;
    for (var i = 0u; i < pixels; i++) {
        sum += inputs[x + i];
    }
    outputs[layer.y.x + workgroup.y * layer.y.y + image] = sum / f32(pixels);
}
