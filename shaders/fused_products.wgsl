// import: fused_memory
// Sums of outer products, written out: v_0 of one layer, [rows, inner] and then [rows] of the bias, or the
// adapted weights of a task.
//     to[o, k] += Σ_blocks coef Σ_points A[o, ·] B[k, ·],      to[o] += Σ_blocks coef Σ_points A[o, ·]

// Σ_points A[o, ·] B[k, ·]; the bias has B = 1 throughout.
fn row_dot(block: Block, o: u32, k: u32, is_bias: bool) -> f32 {
    var sum = 0.0;
    for (var t = 0u; t < block.tiles; t++) {
        var b = vec4<f32>(block.bias);
        if (!is_bias) {
            b = load(block.right + k * block.tiles + t);
        }
        sum += dot(load(block.left + o * block.tiles + t), b);
    }
    return sum;
}

// With `bias` (NONE or an offset in `params`) the sum starts from those parameters and goes to `report`, else it is
// added to the group's. `place`: where the layer begins. One invocation, one parameter.
fn products(op: Op, task: u32, lane: u32, group: u32) {
    let weights = op.rows * op.inner;
    for (var item = lane; item < weights + op.rows; item += WORKGROUP) {
        // Past the last weight come the biases.
        let is_bias = item >= weights;
        let o = select(item / op.inner, item - weights, is_bias);
        let k = item % op.inner;
        var sum = 0.0;
        for (var b = 0u; b < op.blocks; b++) {
            let block = blocks[op.first_block + b];
            var coef = block.coef;
            if (block.rate != NONE) {
                coef *= params[block.rate];
            }
            sum += coef * row_dot(block, o, k, is_bias);
        }
        if (op.bias == NONE) {
            partials[group * shape.columns + op.place + item] += sum;
        } else {
            report[op.place + task * op.weights + item] = params[op.bias + item] + sum;
        }
    }
}
