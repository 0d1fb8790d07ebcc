// import: fused_memory
// Sums of outer products, written out: v_0 of one layer, [rows, inner] and then [rows] of the bias, or the
// adapted weights of a task.
//     to[o, k] += Σ_blocks coef Σ_points A[o, ·] B[k, ·],      to[o] += Σ_blocks coef Σ_points A[o, ·]

// With `bias` (NONE or an offset in `params`) the sum starts from those parameters and goes to `report`; else it is
// the group's, of its first task, or added to it.
fn leave(op: Op, task: u32, group: u32, is_first: bool, item: u32, sum: f32) {
    let at = group * shape.columns + op.place + item;
    if (op.bias != NONE) {
        report[op.place + task * op.weights + item] = params[op.bias + item] + sum;
    } else if (is_first) {
        partials[at] = sum;
    } else {
        partials[at] += sum;
    }
}

fn factor(block: Block) -> f32 {
    var coef = block.coef;
    if (block.rate != NONE) {
        coef *= params[block.rate];
    }
    return coef;
}

// `place`: where the layer begins. One invocation takes four parameters of a row, a quarter of the row apart so that
// neighbours write neighbours, or a bias.
fn products(op: Op, task: u32, lane: u32, group: u32, is_first: bool) {
    let quarter = (op.inner + 3u) / 4u;
    for (var item = lane; item < op.rows * quarter; item += WORKGROUP) {
        let o = item / quarter;
        let k = item % quarter;
        // Beyond the end the last is computed once more.
        let ks = min(vec4<u32>(k) + quarter * vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(op.inner - 1u));
        var sum = vec4<f32>(0.0);
        for (var b = 0u; b < op.blocks; b++) {
            let block = blocks[op.first_block + b];
            var dots = vec4<f32>(0.0);
            for (var t = 0u; t < block.tiles; t++) {
                let left = load(block.left + o * block.tiles + t);
                dots += vec4<f32>(
                    dot(left, load(block.right + ks.x * block.tiles + t)),
                    dot(left, load(block.right + ks.y * block.tiles + t)),
                    dot(left, load(block.right + ks.z * block.tiles + t)),
                    dot(left, load(block.right + ks.w * block.tiles + t)),
                );
            }
            sum += factor(block) * dots;
        }
        for (var i = 0u; i < 4u; i++) {
            if (k + i * quarter < op.inner) {
                leave(op, task, group, is_first, o * op.inner + k + i * quarter, sum[i]);
            }
        }
    }
    for (var o = lane; o < op.rows; o += WORKGROUP) {
        var sum = 0.0;
        for (var b = 0u; b < op.blocks; b++) {
            let block = blocks[op.first_block + b];
            var points = vec4<f32>(0.0);
            for (var t = 0u; t < block.tiles; t++) {
                points += load(block.left + o * block.tiles + t);
            }
            sum += factor(block) * block.bias * dot(points, vec4<f32>(1.0));
        }
        leave(op, task, group, is_first, op.rows * op.inner + o, sum);
    }
}
