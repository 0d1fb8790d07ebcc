// The products of `conv_product_tangent.wgsl` where C has few rows, cut as in `conv_narrow.wgsl`.

// A number of A and its tangent.
fn left_pair(task: u32, at: i32) -> vec2<f32> {
    let places = select(vec2<i32>(-1), vec2<i32>(at), vec2<bool>(stands().x, moves().x));
    let change = left_tangent(task, places.y);
    return select(vec2<f32>(0.0), vec2<f32>(left(task, places.x), change.x * change.y), places >= vec2<i32>(0));
}

// A number of B and its tangent.
fn right_pair(task: u32, at: i32) -> vec2<f32> {
    let places = select(vec2<i32>(-1), vec2<i32>(at), vec2<bool>(stands().y, moves().y));
    let pair = vec2<f32>(right(task, places.x), right_tangent(task, places.y));
    let known = select(vec2<f32>(0.0), pair, places >= vec2<i32>(0));
    return select(known, vec2<f32>(1.0, 0.0), at == ONE);
}

// Of four rows the ones that the tile has: values, tangents.
fn left_rows(task: u32, rows: vec4<i32>, known: vec4<i32>) -> mat4x2<f32> {
    let at = row_places(rows, known.w);
    var all = mat4x2<f32>();
    all[0] = left_pair(task, at.x);
    if (ROWS > 1u) {
        all[1] = left_pair(task, at.y);
    }
    if (ROWS > 2u) {
        all[2] = left_pair(task, at.z);
        all[3] = left_pair(task, at.w);
    }
    return all;
}

fn narrow_product_tangent(task: u32, at: vec2<u32>, range: vec2<u32>, lane: u32) {
    let moving = moves();
    let mine = column(at.y + lane % COLUMNS);
    let begin = lane / COLUMNS * (DEPTH / SPLIT);
    if (lane < COLUMNS) {
        columns[lane] = mine;
    }
    let rows = vec4<i32>(row(at.x), row(at.x + 1u), row(at.x + 2u), row(at.x + 3u));
    var c = vec4<f32>();
    var t = vec4<f32>();
    for (var first = range.x; first < range.y; first += DEPTH) {
        workgroupBarrier();
        for (var k = lane; k < DEPTH; k += WORKGROUP) {
            let known = term(first + k);
            terms[k] = known;
            let pairs = transpose(left_rows(task, rows, known));
            left_tile[k] = pairs[0];
            left_tile[DEPTH + k] = pairs[1];
        }
        workgroupBarrier();
        let end = min(begin + DEPTH / SPLIT, range.y - first);
        for (var k = begin; k < end; k++) {
            let b = right_pair(task, right_place(terms[k], mine));
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
