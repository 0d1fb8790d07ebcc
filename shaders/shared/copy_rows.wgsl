// import: spread
// A stretch of floats of every task, copied: to[offset + task · stride + e] = from[offset + task · stride + e].

struct CopyRows {
    count: u32,
    unused: u32,
    origin: vec2<u32>, // offset, stride from task to task
    target_place: vec2<u32>,
}

override WORKGROUP: u32 = 256u;

@group(0) @binding(0) var<uniform> shape: CopyRows;
@group(0) @binding(1) var<storage, read> from_rows: array<f32>;
@group(0) @binding(2) var<storage, read_write> to_rows: array<f32>;

// One workgroup: WORKGROUP floats of one task.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let e = element_of(workgroup, lane);
    if (e < shape.count) {
        let value = from_rows[shape.origin.x + workgroup.y * shape.origin.y + e];
        to_rows[shape.target_place.x + workgroup.y * shape.target_place.y + e] = value;
    }
}
