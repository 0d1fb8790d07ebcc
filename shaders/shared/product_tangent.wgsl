// The tangent of C = A B for many tasks at once, by the product rule:  Ċ = Ȧ B + A Ḃ, and with VALUE C as well.
// A, Ȧ, B and Ḃ are loaded once for all their products. Cut as in `product.wgsl`; the kernel that imports this has
//     fn left(task, m, k) -> vec2<f32>, fn right(task, k, n) -> vec2<f32>: (value, tangent), zero beyond their ends;
//     const LEFT_BY_DEPTH, RIGHT_BY_DEPTH: whether k is the index that runs through memory;
//     fn moves() -> vec2<bool>: whether Ȧ and Ḃ are not zero;
//     fn finish(task, m, n, value, tangent): takes C[m, n] and Ċ[m, n], also beyond their ends.

override WORKGROUP: u32 = 64u;
override ROWS: u32 = 16u;
override COLUMNS: u32 = 64u;
override DEPTH: u32 = 8u;
// DEPTH · ROWS / 2 and DEPTH · COLUMNS / 2.
override LEFT_TILE: u32 = 64u;
override RIGHT_TILE: u32 = 256u;
override VALUE: bool = false;

// Values first, then tangents.
var<workgroup> left_tile: array<vec4<f32>, LEFT_TILE>;
var<workgroup> right_tile: array<vec4<f32>, RIGHT_TILE>;

// First row and column of a workgroup's part of C.
fn corner(workgroup: u32, columns: u32) -> vec2<u32> {
    let across = (columns + COLUMNS - 1u) / COLUMNS;
    return vec2<u32>(workgroup / across * ROWS, workgroup % across * COLUMNS);
}

fn product_tangent(task: u32, at: vec2<u32>, depth: u32, lane: u32) {
    let tall = ROWS / 4u;
    let wide = COLUMNS / 4u;
    let moving = moves();
    var c = mat4x4<f32>();
    var t = mat4x4<f32>();
    for (var first = 0u; first < depth; first += DEPTH) {
        for (var item = lane; item < DEPTH * tall; item += WORKGROUP) {
            let k = select(item / tall, item % DEPTH, LEFT_BY_DEPTH);
            let e = select(item % tall, item / DEPTH, LEFT_BY_DEPTH);
            let m = at.x + e;
            let l0 = left(task, m, first + k);
            let l1 = left(task, m + tall, first + k);
            let l2 = left(task, m + 2u * tall, first + k);
            let l3 = left(task, m + 3u * tall, first + k);
            left_tile[k * tall + e] = vec4<f32>(l0.x, l1.x, l2.x, l3.x);
            left_tile[(DEPTH + k) * tall + e] = vec4<f32>(l0.y, l1.y, l2.y, l3.y);
        }
        for (var item = lane; item < DEPTH * wide; item += WORKGROUP) {
            let k = select(item / wide, item % DEPTH, RIGHT_BY_DEPTH);
            let e = select(item % wide, item / DEPTH, RIGHT_BY_DEPTH);
            let n = at.y + e;
            let r0 = right(task, first + k, n);
            let r1 = right(task, first + k, n + wide);
            let r2 = right(task, first + k, n + 2u * wide);
            let r3 = right(task, first + k, n + 3u * wide);
            right_tile[k * wide + e] = vec4<f32>(r0.x, r1.x, r2.x, r3.x);
            right_tile[(DEPTH + k) * wide + e] = vec4<f32>(r0.y, r1.y, r2.y, r3.y);
        }
        workgroupBarrier();
        let end = min(DEPTH, depth - first);
        for (var k = 0u; k < end; k++) {
            let a = left_tile[k * tall + lane / wide];
            let b = right_tile[k * wide + lane % wide];
            if (moving.x) {
                let a_dot = left_tile[(DEPTH + k) * tall + lane / wide];
                t[0] += a_dot.x * b;
                t[1] += a_dot.y * b;
                t[2] += a_dot.z * b;
                t[3] += a_dot.w * b;
            }
            if (moving.y) {
                let b_dot = right_tile[(DEPTH + k) * wide + lane % wide];
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
        workgroupBarrier();
    }
    for (var i = 0u; i < 4u; i++) {
        for (var k = 0u; k < 4u; k++) {
            let m = at.x + lane / wide + i * tall;
            finish(task, m, at.y + lane % wide + k * wide, c[i][k], t[i][k]);
        }
    }
}
