// Sums and products of values element by element, for every task: sizes and places. A value is [rows, length]; one with a
// row a task is read again for every row. The host's twin is in `src/wgsl/factors.rs`.

struct Factor {
    place: vec2<u32>, // offset of task 0, stride from task to task
    stride: u32, // from row to row; 0 for a value with a row a task
    wanted: u32, // whether it is there at all
}

struct FactorPass {
    rows: u32, // of the result
    length: u32, // of a row
    summed: u32, // rows of what is added up into each row of the result; 1 where none are
    adds: u32, // whether the result is added to what is there
    result: vec2<u32>,
    result_stride: u32, // from row to row
    unused: u32,
    a: Factor,
    b: Factor,
    c: Factor,
    a_dot: Factor,
    b_dot: Factor,
    c_dot: Factor,
}

@group(0) @binding(0) var<uniform> shape: FactorPass;

fn at(factor: Factor, task: u32, row: u32, e: u32) -> u32 {
    return factor.place.x + task * factor.place.y + row * factor.stride + e;
}
