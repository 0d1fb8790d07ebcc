// import: conv_narrow_tangent
// The tangent of C = A B by the product rule, Ċ = Ȧ B + A Ḃ, and with VALUE C as well, cut as in `conv_product.wgsl`.
// A, Ȧ, B and Ḃ are loaded once for all their products. The kernel that imports this has `term`, `column`, `row`,
// `right_place`, `left`, `right` and RIGHT_BY_DEPTH as there, and
//     fn left_tangent(task, place) -> vec2<f32>, fn right_tangent(task, place) -> f32: what makes the tangent there, on the
//     left two factors of it;
//     fn stands() -> vec2<bool>, fn moves() -> vec2<bool>: whether A and B, Ȧ and Ḃ are not zero;
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

// Adds the products of a share of a slice, from the given places in the tiles on; see `conv_product.wgsl`.
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

// What was loaded from four places, if it is not all zero.
fn there(values: vec4<f32>, places: vec4<i32>, any: bool) -> vec4<f32> {
    return select(vec4<f32>(0.0), values, (places >= vec4<i32>(0)) & vec4<bool>(any));
}

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
    let standing = stands();
    let moving = moves();
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
    // Of values; the tangents lie a whole tile behind.
    let multiplied = vec2<u32>(begin * (tall + 1u) + place / wide, begin * (wide + 1u) + place % wide);
    let behind = DEPTH * vec2<u32>(tall + 1u, wide + 1u);
    var a_next = vec4<f32>();
    var b_next = vec4<f32>();
    var a_moves = mat4x2<f32>();
    var b_moves = vec4<f32>();
    var a_at = vec4<i32>(-1);
    var b_at = vec4<i32>(-1);
    var c = mat4x4<f32>();
    var t = mat4x4<f32>();
    for (var first = range.x; ; first += DEPTH) {
        // A slice is on its way from memory while the one before, in the tiles, is multiplied.
        if (loads_left && first < range.y) {
            a_at = row_places(rows, terms[left_k].w);
            let v = select(vec4<i32>(-1), a_at, standing.x);
            let t = select(vec4<i32>(-1), a_at, moving.x);
            a_next = vec4<f32>(left(task, v.x), left(task, v.y), left(task, v.z), left(task, v.w));
            a_moves[0] = left_tangent(task, t.x);
            a_moves[1] = left_tangent(task, t.y);
            a_moves[2] = left_tangent(task, t.z);
            a_moves[3] = left_tangent(task, t.w);
        }
        if (loads_right && first < range.y) {
            let known = terms[right_k];
            b_at = vec4<i32>(
                right_place(known, columns[right_e]),
                right_place(known, columns[right_e + wide]),
                right_place(known, columns[right_e + 2u * wide]),
                right_place(known, columns[right_e + 3u * wide]),
            );
            let v = select(vec4<i32>(-1), b_at, standing.y);
            let t = select(vec4<i32>(-1), b_at, moving.y);
            b_next = vec4<f32>(right(task, v.x), right(task, v.y), right(task, v.z), right(task, v.w));
            b_moves.x = right_tangent(task, t.x);
            b_moves.y = right_tangent(task, t.y);
            b_moves.z = right_tangent(task, t.z);
            b_moves.w = right_tangent(task, t.w);
        }
        if (first > range.x) {
            if (moving.x) {
                multiply(&t, multiplied.x + behind.x, multiplied.y);
            }
            if (moving.y) {
                multiply(&t, multiplied.x, multiplied.y + behind.y);
            }
            if (VALUE) {
                multiply(&c, multiplied.x, multiplied.y);
            }
        }
        if (first >= range.y) {
            break;
        }
        workgroupBarrier();
        if (loads_left) {
            let change = transpose(a_moves);
            left_tile[left_k * (tall + 1u) + left_e] = there(a_next, a_at, standing.x);
            left_tile[(DEPTH + left_k) * (tall + 1u) + left_e] = there(change[0] * change[1], a_at, moving.x);
        }
        if (loads_right) {
            right_tile[right_k * (wide + 1u) + right_e] = settled(b_next, select(min(b_at, vec4<i32>(-1)), b_at, standing.y));
            right_tile[(DEPTH + right_k) * (wide + 1u) + right_e] = there(b_moves, b_at, moving.y);
        }
        for (var k = lane; k < DEPTH; k += WORKGROUP) {
            let next = first + DEPTH + k;
            terms[k] = select(OUTSIDE, term(next), next < range.y);
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
