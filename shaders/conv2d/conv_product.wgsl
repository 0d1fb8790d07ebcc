// import: conv_narrow
// C = A B for many tasks at once, where B is gathered from images (implicit GEMM: Chetlur et al. 2014, section 3.2).
// One workgroup computes ROWS × COLUMNS of one task's C. An invocation takes 4 × 4 of them, over one of SPLIT shares of
// every slice of the sum, so that a small C still keeps a whole workgroup busy. The kernel that imports this has
//     fn term(k) -> vec4<i32>, fn column(n) -> vec4<i32>: what the gathers need of a term of the sum and of a column,
//     OUTSIDE beyond their ends. They are worked out once for each slice and workgroup: divisions cost more than sums;
//     fn left(task, m, term) -> f32, fn right(task, term, column) -> f32, zero beyond their ends;
//     const RIGHT_BY_DEPTH: whether terms, not columns, run through memory;
//     fn finish(task, m, column, value): takes C[m, n], also beyond its ends.
// While a slice of the sum lies in workgroup memory and is multiplied, the next is on its way to registers, so that
// only the first is waited for. The order of every sum depends on the cut alone, and the cut on the layer's shape
// and the number of tasks. A C of few rows, ROWS below 16, is cut as `conv_narrow.wgsl` has it.

// Invocations: SPLIT · ROWS · COLUMNS / 16; of few rows SPLIT · COLUMNS.
override WORKGROUP: u32 = 256u;
override ROWS: u32 = 32u;
override COLUMNS: u32 = 32u;
override SPLIT: u32 = 4u;
// Terms of the sum that lie in workgroup memory at a time.
override DEPTH: u32 = 32u;
// DEPTH · (ROWS / 4 + 1) and DEPTH · (COLUMNS / 4 + 1): one entry of a row is spare, so that invocations that fill
// a column of entries do not meet in one memory bank.
override LEFT_TILE: u32 = 288u;
override RIGHT_TILE: u32 = 288u;
// WORKGROUP.
override PARTS: u32 = 256u;

// Component i of entry e is row or column e + i · (a quarter of them).
var<workgroup> left_tile: array<vec4<f32>, LEFT_TILE>;
var<workgroup> right_tile: array<vec4<f32>, RIGHT_TILE>;
var<workgroup> terms: array<vec4<i32>, DEPTH>;
var<workgroup> columns: array<vec4<i32>, COLUMNS>;
var<workgroup> parts: array<vec4<f32>, PARTS>;

// First row and column of a workgroup's part of C.
fn corner(workgroup: u32, count: u32) -> vec2<u32> {
    let across = (count + COLUMNS - 1u) / COLUMNS;
    return vec2<u32>(workgroup / across * ROWS, workgroup % across * COLUMNS);
}

// Hands the rows m, m + 1, … of the tile, a quarter of them, to `finish`, each element to one invocation, from the vec4
// of columns that every invocation has of them. A loop of one call: kernels stay small, and compile fast.
fn gather(task: u32, m: u32, value: vec4<f32>, lane: u32) {
    let tile = ROWS * COLUMNS / 16u;
    workgroupBarrier();
    parts[lane] = value;
    workgroupBarrier();
    for (var item = lane; item < 4u * tile; item += WORKGROUP) {
        let n = item % COLUMNS;
        let holder = item / COLUMNS * (COLUMNS / 4u) + n % (COLUMNS / 4u);
        var sum = 0.0;
        for (var share = 0u; share < SPLIT; share++) {
            sum += parts[share * tile + holder][n / (COLUMNS / 4u)];
        }
        finish(task, m + item / COLUMNS, columns[n], sum);
    }
}

// The part of C at a corner, summed over the terms from `range.x` up to `range.y`.
fn product(task: u32, at: vec2<u32>, range: vec2<u32>, lane: u32) {
    if (ROWS < 16u) {
        narrow_product(task, at, range, lane);
        return;
    }
    let tall = max(ROWS / 4u, 1u);
    let wide = COLUMNS / 4u;
    for (var e = lane; e < COLUMNS; e += WORKGROUP) {
        columns[e] = column(at.y + e);
    }
    for (var k = lane; k < DEPTH; k += WORKGROUP) {
        terms[k] = term(range.x + k);
    }
    workgroupBarrier();
    let tile = max(ROWS * COLUMNS / 16u, 1u);
    let place = lane % tile;
    let begin = lane / tile * (DEPTH / SPLIT);
    // The entries of the tiles that this invocation loads: no cut has more of a tile than invocations.
    let left_k = lane % DEPTH;
    let left_e = lane / DEPTH;
    let right_k = select(lane / wide, lane % DEPTH, RIGHT_BY_DEPTH);
    let right_e = select(lane % wide, lane / DEPTH, RIGHT_BY_DEPTH);
    let loads_left = lane < DEPTH * tall;
    let loads_right = lane < DEPTH * wide;
    var a_next = vec4<f32>();
    var b_next = vec4<f32>();
    var c = mat4x4<f32>();
    for (var first = range.x; ; first += DEPTH) {
        // A slice is on its way from memory while the one before, in the tiles, is multiplied.
        if (loads_left && first < range.y) {
            let known = terms[left_k];
            let m = at.x + left_e;
            a_next = vec4<f32>(
                left(task, m, known),
                left(task, m + tall, known),
                left(task, m + 2u * tall, known),
                left(task, m + 3u * tall, known),
            );
        }
        if (loads_right && first < range.y) {
            let known = terms[right_k];
            b_next = vec4<f32>(
                right(task, known, columns[right_e]),
                right(task, known, columns[right_e + wide]),
                right(task, known, columns[right_e + 2u * wide]),
                right(task, known, columns[right_e + 3u * wide]),
            );
        }
        if (first > range.x) {
            let end = min(begin + DEPTH / SPLIT, range.y + DEPTH - first);
            for (var k = begin; k < end; k++) {
                let a = left_tile[k * (tall + 1u) + place / wide];
                let b = right_tile[k * (wide + 1u) + place % wide];
                c[0] += a.x * b;
                c[1] += a.y * b;
                c[2] += a.z * b;
                c[3] += a.w * b;
            }
        }
        if (first >= range.y) {
            break;
        }
        workgroupBarrier();
        if (loads_left) {
            left_tile[left_k * (tall + 1u) + left_e] = a_next;
        }
        if (loads_right) {
            right_tile[right_k * (wide + 1u) + right_e] = b_next;
        }
        for (var k = lane; k < DEPTH; k += WORKGROUP) {
            terms[k] = term(first + DEPTH + k);
        }
        workgroupBarrier();
    }
    for (var i = 0u; i < 4u; i++) {
        gather(task, at.x + i * tall, c[0], lane);
        c = mat4x4<f32>(c[1], c[2], c[3], c[0]);
    }
}
