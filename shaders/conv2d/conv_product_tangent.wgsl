// import: conv_narrow_tangent
// The tangent of C = A B by the product rule, Ċ = Ȧ B + A Ḃ, and with VALUE C as well, cut as in `conv_product.wgsl`.
// A, Ȧ, B and Ḃ are loaded once for all their products. The kernel that imports this has `term`, `column` and
// RIGHT_BY_DEPTH as there, and
//     fn left(task, m, term) -> vec2<f32>, fn right(task, term, column) -> vec2<f32>: (value, tangent), zero beyond
//     their ends;
//     fn moves() -> vec2<bool>: whether Ȧ and Ḃ are not zero;
//     fn finish(task, m, column, value, tangent): takes C[m, n] and Ċ[m, n], also beyond their ends.

override WORKGROUP: u32 = 256u;
override ROWS: u32 = 32u;
override COLUMNS: u32 = 32u;
override SPLIT: u32 = 4u;
override DEPTH: u32 = 16u;
// 2 · DEPTH · (ROWS / 4 + 1) and 2 · DEPTH · (COLUMNS / 4 + 1).
override LEFT_TILE: u32 = 288u;
override RIGHT_TILE: u32 = 288u;
override PARTS: u32 = 256u;
override VALUE: bool = false;

// Values first, then tangents.
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

// Hands the rows m, m + 1, … of the tile, a quarter of them, to `finish`, at two of the vec4's columns, each element to
// one invocation: `parts` are two values and their tangents. A loop of one call: kernels stay small, and compile fast.
fn gather(task: u32, m: u32, quarter: u32, pair: vec4<f32>, lane: u32) {
    let tile = ROWS * COLUMNS / 16u;
    let wide = COLUMNS / 4u;
    workgroupBarrier();
    parts[lane] = pair;
    workgroupBarrier();
    for (var item = lane; item < 2u * tile; item += WORKGROUP) {
        let n = item % (2u * wide);
        let holder = item / (2u * wide) * wide + n % wide;
        var sum = vec2<f32>(0.0);
        for (var share = 0u; share < SPLIT; share++) {
            let part = share * tile + holder;
            sum += vec2<f32>(parts[part][n / wide], parts[part][2u + n / wide]);
        }
        finish(task, m + item / (2u * wide), columns[quarter * wide + n], sum.x, sum.y);
    }
}

// The part of C at a corner, summed over the terms from `range.x` up to `range.y`.
fn product_tangent(task: u32, at: vec2<u32>, range: vec2<u32>, lane: u32) {
    if (ROWS < 16u) {
        narrow_product_tangent(task, at, range, lane);
        return;
    }
    let tall = max(ROWS / 4u, 1u);
    let wide = COLUMNS / 4u;
    let moving = moves();
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
    var a_next = mat2x4<f32>();
    var b_next = mat2x4<f32>();
    var c = mat4x4<f32>();
    var t = mat4x4<f32>();
    for (var first = range.x; ; first += DEPTH) {
        // A slice is on its way from memory while the one before, in the tiles, is multiplied.
        if (loads_left && first < range.y) {
            let known = terms[left_k];
            let m = at.x + left_e;
            let l0 = left(task, m, known);
            let l1 = left(task, m + tall, known);
            let l2 = left(task, m + 2u * tall, known);
            let l3 = left(task, m + 3u * tall, known);
            a_next = transpose(mat4x2<f32>(l0, l1, l2, l3));
        }
        if (loads_right && first < range.y) {
            let known = terms[right_k];
            let r0 = right(task, known, columns[right_e]);
            let r1 = right(task, known, columns[right_e + wide]);
            let r2 = right(task, known, columns[right_e + 2u * wide]);
            let r3 = right(task, known, columns[right_e + 3u * wide]);
            b_next = transpose(mat4x2<f32>(r0, r1, r2, r3));
        }
        if (first > range.x) {
            let end = min(begin + DEPTH / SPLIT, range.y + DEPTH - first);
            for (var k = begin; k < end; k++) {
                let a = left_tile[k * (tall + 1u) + place / wide];
                let b = right_tile[k * (wide + 1u) + place % wide];
                if (moving.x) {
                    let a_dot = left_tile[(DEPTH + k) * (tall + 1u) + place / wide];
                    t[0] += a_dot.x * b;
                    t[1] += a_dot.y * b;
                    t[2] += a_dot.z * b;
                    t[3] += a_dot.w * b;
                }
                if (moving.y) {
                    let b_dot = right_tile[(DEPTH + k) * (wide + 1u) + place % wide];
                    t[0] += a.x * b_dot;
                    t[1] += a.y * b_dot;
                    t[2] += a.z * b_dot;
                    t[3] += a.w * b_dot;
                }
                if (VALUE) {
                    c[0] += a.x * b;
                    c[1] += a.y * b;
                    c[2] += a.z * b;
                    c[3] += a.w * b;
                }
            }
        }
        if (first >= range.y) {
            break;
        }
        workgroupBarrier();
        if (loads_left) {
            left_tile[left_k * (tall + 1u) + left_e] = a_next[0];
            left_tile[(DEPTH + left_k) * (tall + 1u) + left_e] = a_next[1];
        }
        if (loads_right) {
            right_tile[right_k * (wide + 1u) + right_e] = b_next[0];
            right_tile[(DEPTH + right_k) * (wide + 1u) + right_e] = b_next[1];
        }
        for (var k = lane; k < DEPTH; k += WORKGROUP) {
            terms[k] = term(first + DEPTH + k);
        }
        workgroupBarrier();
    }
    for (var i = 0u; i < 4u; i++) {
        for (var half = 0u; half < 4u; half += 2u) {
            gather(task, at.x + i * tall, half, vec4<f32>(c[0].xy, t[0].xy), lane);
            c[0] = c[0].zwxy;
            t[0] = t[0].zwxy;
        }
        c = mat4x4<f32>(c[1], c[2], c[3], c[0]);
        t = mat4x4<f32>(t[1], t[2], t[3], t[0]);
    }
}
