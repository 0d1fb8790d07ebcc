// The products of `conv_product_tangent.wgsl` where C has few rows, cut as in `conv_narrow.wgsl`.

// Of rows m, m + 1, … the ones that the tile has: values, tangents.
fn left_rows(task: u32, m: u32, known: vec4<i32>) -> mat4x2<f32> {
    var rows = mat4x2<f32>();
    rows[0] = left(task, m, known);
    if (ROWS > 1u) {
        rows[1] = left(task, m + 1u, known);
    }
    if (ROWS > 2u) {
        rows[2] = left(task, m + 2u, known);
        rows[3] = left(task, m + 3u, known);
    }
    return rows;
}

fn narrow_product_tangent(task: u32, at: vec2<u32>, range: vec2<u32>, lane: u32) {
    let moving = moves();
    let mine = column(at.y + lane % COLUMNS);
    let begin = lane / COLUMNS * (DEPTH / SPLIT);
    if (lane < COLUMNS) {
        columns[lane] = mine;
    }
    var c = vec4<f32>();
    var t = vec4<f32>();
    for (var first = range.x; first < range.y; first += DEPTH) {
        workgroupBarrier();
        for (var k = lane; k < DEPTH; k += WORKGROUP) {
            let known = term(first + k);
            terms[k] = known;
            let pairs = transpose(left_rows(task, at.x, known));
            left_tile[k] = pairs[0];
            left_tile[DEPTH + k] = pairs[1];
        }
        workgroupBarrier();
        let end = min(begin + DEPTH / SPLIT, range.y - first);
        for (var k = begin; k < end; k++) {
            let b = right(task, terms[k], mine);
            if (moving.x) {
                t += left_tile[DEPTH + k] * b.x;
            }
            if (moving.y) {
                t += left_tile[k] * b.y;
            }
            if (VALUE) {
                c += left_tile[k] * b.x;
            }
        }
    }
    parts[lane] = t;
    parts[WORKGROUP + lane] = c;
    workgroupBarrier();
    for (var item = lane; item < ROWS * COLUMNS; item += WORKGROUP) {
        let n = item % COLUMNS;
        let row = item / COLUMNS;
        var sum = vec2<f32>(0.0);
        for (var share = 0u; share < SPLIT; share++) {
            let part = share * COLUMNS + n;
            sum += vec2<f32>(parts[WORKGROUP + part][row], parts[part][row]);
        }
        finish(task, at.x + row, columns[n], sum.x, sum.y);
    }
}
