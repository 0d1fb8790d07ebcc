// A pool in one pass over all tasks: its windows, and where its numbers lie in the buffers that a kernel binds. The
// host's twin is `src/wgsl/window_pass.rs`. Images lie one after the other, [height, width] each; a place is (offset of task 0,
// stride from task to task).

struct WindowPass {
    images: u32, // of a task: points times channels
    gate: u32, // whether x came out of a ReLU, through which cotangents go
    adds: u32, // whether the result is added to what is there
    unused: u32,
    size: vec2<u32>, // height and width of x
    out_size: vec2<u32>, // of y
    kernel: vec2<u32>,
    stride: vec2<u32>,
    x: vec2<u32>,
    values: vec2<u32>, // x or ẋ forward, dy or dẏ backward
    result: vec2<u32>,
}

@group(0) @binding(0) var<uniform> pool: WindowPass;

// Where image `i` begins in x.
fn image_of(task: u32, i: u32) -> u32 {
    return pool.x.x + task * pool.x.y + i * pool.size.x * pool.size.y;
}

// The first pixel of window `out`, [row, column], relative to its image.
fn corner_of(out: vec2<u32>) -> u32 {
    let corner = out * pool.stride;
    return corner.x * pool.size.y + corner.y;
}

// The windows that hold a pixel: [row, column] of the first, and of the first beyond.
fn windows_of(pixel: vec2<u32>) -> vec4<u32> {
    let reach = max(pixel + 1u, pool.kernel) - pool.kernel;
    let first = (reach + pool.stride - 1u) / pool.stride;
    let end = min(pixel / pool.stride + 1u, pool.out_size);
    return vec4<u32>(first, end);
}
