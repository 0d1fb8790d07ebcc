// import: fused_memory
// Losses of a set of points, their gradients and the tangents of those, four points an invocation.
//   mse             L = Σ (y − t)² / (n m)          ∂L/∂y = 2 (y − t) / (n m)     tangent 2 ẏ / (n m)
//   cross-entropy   L = Σ (log Σ eʸ − y_t) / n      ∂L/∂y = (p − onehot) / n      tangent p (ẏ − Σ p ẏ) / n
// with n points, m outputs, p = softmax(y). Where the last layer ends in a ReLU, dz is zero where y is.

// 0: mean squared error, 1: softmax cross-entropy.
override LOSS: u32 = 0u;

// The largest of a column's outputs, and the sum of e to what they lack of it.
fn softmax_parts(y: u32, tiles: u32, tile: u32, outputs: u32) -> array<vec4<f32>, 2> {
    var top = load(y + tile);
    for (var o = 1u; o < outputs; o++) {
        top = max(top, load(y + o * tiles + tile));
    }
    var sum = vec4<f32>(0.0);
    for (var o = 0u; o < outputs; o++) {
        sum += exp(load(y + o * tiles + tile) - top);
    }
    return array<vec4<f32>, 2>(top, sum);
}

// dz = `weights` (bits of a float) · ∂L/∂z from the outputs x [rows, tiles] and the truth y; the loss of each tile's
// columns goes to `shape.loss`. The mean is over `inner` points. Ends with a barrier.
fn loss_gradient(op: Op, lane: u32) {
    let weight = bitcast<f32>(op.weights);
    for (var tile = lane; tile < op.tiles; tile += WORKGROUP) {
        var loss = vec4<f32>(0.0);
        var parts = array<vec4<f32>, 2>(vec4<f32>(0.0), vec4<f32>(1.0));
        if (LOSS == 1u) {
            parts = softmax_parts(op.x, op.tiles, tile, op.rows);
            loss = log(parts[1]) + parts[0];
        }
        for (var o = 0u; o < op.rows; o++) {
            let at = o * op.tiles + tile;
            let value = load(op.x + at);
            var dy = vec4<f32>(0.0);
            if (LOSS == 1u) {
                let hit = load(op.y + tile) == vec4<f32>(f32(o));
                loss -= select(vec4<f32>(0.0), value, hit);
                dy = exp(value - parts[0]) / parts[1] - select(vec4<f32>(0.0), vec4<f32>(1.0), hit);
                dy *= weight / f32(op.inner);
            } else {
                let miss = value - load(op.y + at);
                loss += miss * miss;
                dy = miss * (2.0 * weight / f32(op.inner * op.rows));
            }
            if (op.dz != NONE) {
                let open = (value > vec4<f32>(0.0)) | vec4<bool>(op.relu == 0u);
                store(op.dz + at, padded(select(vec4<f32>(0.0), dy, open), tile, op.points));
            }
        }
        store(shape.loss + tile, padded(loss, tile, op.points));
    }
    sync();
}

// What `loss_gradient` left in the tiles, as a share of the mean over all points.
fn loss_sum(op: Op) -> f32 {
    var sum = vec4<f32>(0.0);
    for (var tile = 0u; tile < op.tiles; tile++) {
        sum += load(shape.loss + tile);
    }
    let count = op.inner * select(1u, op.rows, LOSS == 0u);
    return (sum.x + sum.y + sum.z + sum.w) / f32(count);
}

// dż of the last layer, at `dz`, from y [rows, tiles] (`gate`) and ẏ (`x`); ends with a barrier.
fn loss_tangent(op: Op, lane: u32) {
    for (var tile = lane; tile < op.tiles; tile += WORKGROUP) {
        var parts = array<vec4<f32>, 2>(vec4<f32>(0.0), vec4<f32>(1.0));
        var mean = vec4<f32>(0.0);
        if (LOSS == 1u) {
            parts = softmax_parts(op.gate, op.tiles, tile, op.rows);
            for (var o = 0u; o < op.rows; o++) {
                let at = o * op.tiles + tile;
                mean += exp(load(op.gate + at) - parts[0]) / parts[1] * load(op.x + at);
            }
        }
        for (var o = 0u; o < op.rows; o++) {
            let at = o * op.tiles + tile;
            let value = load(op.gate + at);
            var dy_dot = load(op.x + at);
            if (LOSS == 1u) {
                dy_dot = exp(value - parts[0]) / parts[1] * (dy_dot - mean) / f32(op.points);
            } else {
                dy_dot *= 2.0 / f32(op.points * op.rows);
            }
            let open = (value > vec4<f32>(0.0)) | vec4<bool>(op.relu == 0u);
            store(op.dz + at, padded(select(vec4<f32>(0.0), dy_dot, open), tile, op.points));
        }
    }
    sync();
}
