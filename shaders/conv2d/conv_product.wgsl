// import: conv_narrow
// C = A B for many tasks at once, where B is gathered from images (implicit GEMM: Chetlur et al. 2014, section 3.2).
// One workgroup computes ROWS × COLUMNS of one task's C. An invocation takes 4 × 4 of them, over one of SPLIT shares of
// every slice of the sum, so that a small C still keeps a whole workgroup busy. The kernel that imports this has
//     fn term(k) -> vec4<i32>, fn column(n) -> vec4<i32>: what the gathers need of a term of the sum and of a column,
//     OUTSIDE beyond their ends. They are worked out once for each slice and workgroup: divisions cost more than sums;
//     fn row(m) -> i32: likewise of a row, negative beyond the end;
//     fn right_place(term, column) -> i32: where the number of B lies; -1 if it is zero, ONE if it is one;
//     fn left(task, place) -> f32, fn right(task, place) -> f32: what lies there, and anything for a negative place. So
//     loads stand in no branch, no load waits for another, and nothing waits for them before they are stored;
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

// Adds the products of a share of a slice, from the given places in the tiles on. The number of terms is constant, so that drivers
// unroll: past the last term the tiles hold zeros.
fn multiply(c: ptr<function, mat4x4<f32>>, left_at: u32, right_at: u32) {
    for (var k = 0u; k < DEPTH / SPLIT; k++) {
        let a = left_tile[left_at + k * (ROWS / 4u + 1u)];
        let b = right_tile[right_at + k * (COLUMNS / 4u + 1u)];
        (*c)[0] += a.x * b;
        (*c)[1] += a.y * b;
        (*c)[2] += a.z * b;
        (*c)[3] += a.w * b;
    }
}

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
        terms[k] = select(OUTSIDE, term(range.x + k), range.x + k < range.y);
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
    let m = at.x + left_e;
    let rows = vec4<i32>(row(m), row(m + tall), row(m + 2u * tall), row(m + 3u * tall));
    let multiplied = vec2<u32>(begin * (tall + 1u) + place / wide, begin * (wide + 1u) + place % wide);
    var a_next = vec4<f32>();
    var b_next = vec4<f32>();
    var a_at = vec4<i32>(-1);
    var b_at = vec4<i32>(-1);
    var c = mat4x4<f32>();
    for (var first = range.x; ; first += DEPTH) {
        // A slice is on its way from memory while the one before, in the tiles, is multiplied.
        if (loads_left && first < range.y) {
            a_at = row_places(rows, terms[left_k].w);
            a_next = vec4<f32>(left(task, a_at.x), left(task, a_at.y), left(task, a_at.z), left(task, a_at.w));
        }
        if (loads_right && first < range.y) {
            let known = terms[right_k];
            b_at = vec4<i32>(
                right_place(known, columns[right_e]),
                right_place(known, columns[right_e + wide]),
                right_place(known, columns[right_e + 2u * wide]),
                right_place(known, columns[right_e + 3u * wide]),
            );
            b_next = vec4<f32>(right(task, b_at.x), right(task, b_at.y), right(task, b_at.z), right(task, b_at.w));
        }
        if (first > range.x) {
            multiply(&c, multiplied.x, multiplied.y);
        }
        if (first >= range.y) {
            break;
        }
        workgroupBarrier();
        if (loads_left) {
            left_tile[left_k * (tall + 1u) + left_e] = settled(a_next, a_at);
        }
        if (loads_right) {
            right_tile[right_k * (wide + 1u) + right_e] = settled(b_next, b_at);
        }
        for (var k = lane; k < DEPTH; k += WORKGROUP) {
            let next = first + DEPTH + k;
            terms[k] = select(OUTSIDE, term(next), next < range.y);
        }
        workgroupBarrier();
    }
    for (var i = 0u; i < 4u; i++) {
        gather(task, at.x + i * tall, c[0], lane);
        c = mat4x4<f32>(c[1], c[2], c[3], c[0]);
    }
}
