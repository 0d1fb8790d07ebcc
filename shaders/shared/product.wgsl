// C = A B for many tasks at once: one workgroup computes ROWS × COLUMNS of one task's C, one invocation 4 × 4.
// The kernel that imports this says what A and B are:
//     fn left(task, m, k) -> f32, fn right(task, k, n) -> f32, zero beyond their ends;
//     const LEFT_BY_DEPTH, RIGHT_BY_DEPTH: whether k is the index that runs through memory;
//     fn finish(task, m, n, value): takes C[m, n], also beyond its ends.
// Every sum runs over k in order, so no result depends on how the work is cut.

// Invocations: ROWS · COLUMNS / 16.
override WORKGROUP: u32 = 64u;
override ROWS: u32 = 16u;
override COLUMNS: u32 = 64u;
// Terms of the sum that lie in workgroup memory at a time.
override DEPTH: u32 = 16u;
// DEPTH · ROWS / 4 and DEPTH · COLUMNS / 4.
override LEFT_TILE: u32 = 64u;
override RIGHT_TILE: u32 = 256u;

// [DEPTH, ROWS / 4] and [DEPTH, COLUMNS / 4]. Component i of entry e is row or column e + i · (a quarter of them), so
// that invocations side by side touch numbers side by side.
var<workgroup> left_tile: array<vec4<f32>, LEFT_TILE>;
var<workgroup> right_tile: array<vec4<f32>, RIGHT_TILE>;

// First row and column of a workgroup's part of C.
fn corner(workgroup: u32, columns: u32) -> vec2<u32> {
    let across = (columns + COLUMNS - 1u) / COLUMNS;
    return vec2<u32>(workgroup / across * ROWS, workgroup % across * COLUMNS);
}

fn product(task: u32, at: vec2<u32>, depth: u32, lane: u32) {
    let tall = ROWS / 4u;
    let wide = COLUMNS / 4u;
    var c = mat4x4<f32>();
    for (var first = 0u; first < depth; first += DEPTH) {
        for (var item = lane; item < DEPTH * tall; item += WORKGROUP) {
            let k = select(item / tall, item % DEPTH, LEFT_BY_DEPTH);
            let e = select(item % tall, item / DEPTH, LEFT_BY_DEPTH);
            let m = at.x + e;
            left_tile[k * tall + e] = vec4<f32>(
                left(task, m, first + k),
                left(task, m + tall, first + k),
                left(task, m + 2u * tall, first + k),
                left(task, m + 3u * tall, first + k),
            );
        }
        for (var item = lane; item < DEPTH * wide; item += WORKGROUP) {
            let k = select(item / wide, item % DEPTH, RIGHT_BY_DEPTH);
            let e = select(item % wide, item / DEPTH, RIGHT_BY_DEPTH);
            let n = at.y + e;
            right_tile[k * wide + e] = vec4<f32>(
                right(task, first + k, n),
                right(task, first + k, n + wide),
                right(task, first + k, n + 2u * wide),
                right(task, first + k, n + 3u * wide),
            );
        }
        workgroupBarrier();
        let end = min(DEPTH, depth - first);
        for (var k = 0u; k < end; k++) {
            let a = left_tile[k * tall + lane / wide];
            let b = right_tile[k * wide + lane % wide];
            c[0] += a.x * b;
            c[1] += a.y * b;
            c[2] += a.z * b;
            c[3] += a.w * b;
        }
        workgroupBarrier();
    }
    for (var i = 0u; i < 4u; i++) {
        for (var k = 0u; k < 4u; k++) {
            finish(task, at.x + lane / wide + i * tall, at.y + lane % wide + k * wide, c[i][k]);
        }
    }
}
