// import: layer
// import: spread
// The mean over an image backward, through the ReLU below: dx = [x > 0] dy / pixels. With dẏ it is the tangent of that.

override WORKGROUP: u32 = 256u;

@group(0) @binding(1) var<storage, read> inputs: array<f32>;
@group(0) @binding(2) var<storage, read> cotangents: array<f32>;
@group(0) @binding(3) var<storage, read_write> below: array<f32>; // [points, channels, height, width]

// One workgroup: WORKGROUP pixels of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let e = element_of(workgroup, lane);
    let pixels = layer.height * layer.width;
    if (e >= layer.points * layer.channels * pixels) {
        return;
    }
    let open = layer.relu_below == 0u || inputs[layer.x.x + workgroup.y * layer.x.y + e] > 0.0;
    let dy = cotangents[layer.dz.x + workgroup.y * layer.dz.y + e / pixels] / f32(pixels);
    let to = layer.dx.x + workgroup.y * layer.dx.y + e;
    let value = select(0.0, dy, open);
    if (layer.adds != 0u) {
        below[to] += value;
    } else {
        below[to] = value;
    }
}
