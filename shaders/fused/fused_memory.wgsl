// import: fused_shape
// import: numbers
// One address space for a task's numbers: workgroup memory, and beyond its end a private stretch of a storage
// buffer. Everything that fits in workgroup memory compiles to plain workgroup accesses.

// Invocations of a workgroup.
override WORKGROUP: u32 = 64u;
// vec4 in workgroup memory.
override FAST: u32 = 640u;
// Whether there is anything beyond it.
override SPILLS: bool = false;

@group(0) @binding(8) var<storage, read_write> spill: array<vec4<f32>>;

var<workgroup> fast: array<vec4<f32>, FAST>;
// Where this workgroup's stretch begins, less FAST.
var<private> spill_base: u32;

fn load(at: u32) -> vec4<f32> {
    if (!SPILLS || at < FAST) {
        return fast[at];
    }
    return spill[spill_base + at];
}

fn store(at: u32, value: vec4<f32>) {
    if (!SPILLS || at < FAST) {
        fast[at] = value;
    } else {
        spill[spill_base + at] = value;
    }
}

// All invocations arrive, and see what the others stored.
fn sync() {
    workgroupBarrier();
    if (SPILLS) {
        storageBarrier();
    }
}

// The value with the columns beyond `points` set to zero, so that padding never reaches a sum over points.
fn padded(value: vec4<f32>, tile: u32, points: u32) -> vec4<f32> {
    let column = vec4<u32>(tile * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
    return select(vec4<f32>(0.0), value, column < vec4<u32>(points));
}
