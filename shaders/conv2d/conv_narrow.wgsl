// The products of `conv_product.wgsl` where C has few rows, as in a convolution whose groups have few channels: with ROWS,
// 1 to 4, below what a tile of 4 × 4 sums an invocation fills. An invocation takes all rows of one of COLUMNS columns, over one
// of SPLIT shares of every slice. What it gathers of B nobody else needs, so that stays in its registers; A is read by all
// of a share from workgroup memory at once. What the kernel has is as there.

// Of four rows the ones that the tile has.
fn left_rows(task: u32, rows: vec4<i32>, known: vec4<i32>) -> vec4<f32> {
    let at = row_places(rows, known.w);
    var all = vec4<f32>(left(task, at.x), 0.0, 0.0, 0.0);
    if (ROWS > 1u) {
        all.y = left(task, at.y);
    }
    if (ROWS > 2u) {
        all.z = left(task, at.z);
        all.w = left(task, at.w);
    }
    return settled(all, at);
}

fn narrow_product(task: u32, at: vec2<u32>, range: vec2<u32>, lane: u32) {
    let mine = column(at.y + lane % COLUMNS);
    let begin = lane / COLUMNS * (DEPTH / SPLIT);
    if (lane < COLUMNS) {
        columns[lane] = mine;
    }
    let rows = vec4<i32>(row(at.x), row(at.x + 1u), row(at.x + 2u), row(at.x + 3u));
    var c = vec4<f32>();
    for (var first = range.x; first < range.y; first += DEPTH) {
        workgroupBarrier();
        for (var k = lane; k < DEPTH; k += WORKGROUP) {
            let known = term(first + k);
            terms[k] = known;
            left_tile[k] = left_rows(task, rows, known);
        }
        workgroupBarrier();
        let end = min(begin + DEPTH / SPLIT, range.y - first);
        for (var k = begin; k < end; k++) {
            let at = right_place(terms[k], mine);
            let b = settled(vec4<f32>(right(task, at)), vec4<i32>(at)).x;
            if (ROWS == 1u) {
                c.x += left_tile[k].x * b;
            } else {
                c += left_tile[k] * b;
            }
        }
    }
    parts[lane] = c;
    workgroupBarrier();
    for (var item = lane; item < ROWS * COLUMNS; item += WORKGROUP) {
        let n = item % COLUMNS;
        var sum = 0.0;
        for (var share = 0u; share < SPLIT; share++) {
            sum += parts[share * COLUMNS + n][item / COLUMNS];
        }
        finish(task, at.x + item / COLUMNS, columns[n], sum);
    }
}
