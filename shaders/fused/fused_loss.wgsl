// import: fused_curve
// import: fused_memory
// import: loss_functions
// Losses of a set of points, their gradients and the tangents of those, four points an invocation.
//   of elements     L = Σ ℓ(y, t) / (n m)       ∂L/∂y = ℓ′(y, t) / (n m)      tangent ℓ″(y, t) ẏ / (n m)
//   of classes      L = Σ −Σ q log p / n        ∂L/∂y = (p − q) / n           tangent p (ẏ − Σ p ẏ) / n
// with n points, m outputs. Where the last layer ends in a function, its slope takes part.

// Four outputs' `element_loss`, a column each.
fn element_losses(y: vec4<f32>, t: vec4<f32>) -> mat4x3<f32> {
    return mat4x3<f32>(
        element_loss(y.x, t.x),
        element_loss(y.y, t.y),
        element_loss(y.z, t.z),
        element_loss(y.w, t.w),
    );
}

// e to what four outputs lack of the largest.
fn below_tops(y: vec4<f32>, top: vec4<f32>) -> vec4<f32> {
    return vec4<f32>(below_top(y.x, top.x), below_top(y.y, top.y), below_top(y.z, top.z), below_top(y.w, top.w));
}

// The largest of each column's outputs.
fn largest(y: u32, tiles: u32, tile: u32, outputs: u32) -> vec4<f32> {
    var top = load(y + tile);
    for (var o = 1u; o < outputs; o++) {
        top = max(top, load(y + o * tiles + tile));
    }
    return top;
}

// A cotangent of the outputs, or its tangent, on the way through the function that ends the last layer.
fn through(op: Op, at: u32, y: vec4<f32>, dy: vec4<f32>) -> vec4<f32> {
    if (CURVED && op.curve > CURVE_FORWARD) {
        return sloped(op, at, dy);
    }
    let open = (y > vec4<f32>(0.0)) | vec4<bool>(op.curve != CURVE_RELU);
    return select(vec4<f32>(0.0), dy, open);
}

// dz = `weights` (bits of a float) · ∂L/∂z from the outputs x [rows, tiles] and the truth y; the loss of each tile's
// columns goes to `shape.loss`. The mean is over `inner` points. Ends with a barrier.
fn loss_gradient(op: Op, lane: u32) {
    let weight = bitcast<f32>(op.weights);
    let share = weight / f32(op.inner * select(op.rows, 1u, LOSS == CROSS_ENTROPY));
    for (var tile = lane; tile < op.tiles; tile += WORKGROUP) {
        var loss = vec4<f32>(0.0);
        var classes: array<Classes, 4>;
        if (LOSS == CROSS_ENTROPY) {
            let top = largest(op.x, op.tiles, tile, op.rows);
            let label = load(op.y + tile);
            for (var i = 0u; i < 4u; i++) {
                classes[i] = no_classes(top[i]);
            }
            for (var o = 0u; o < op.rows; o++) {
                let value = load(op.x + o * op.tiles + tile);
                for (var i = 0u; i < 4u; i++) {
                    classes[i] = with_class(classes[i], value[i], label[i] == f32(o));
                }
            }
            for (var i = 0u; i < 4u; i++) {
                loss[i] = class_loss(classes[i], op.rows);
            }
        }
        for (var o = 0u; o < op.rows; o++) {
            let at = o * op.tiles + tile;
            let value = load(op.x + at);
            var dy = vec4<f32>(0.0);
            if (LOSS == CROSS_ENTROPY) {
                let label = load(op.y + tile);
                for (var i = 0u; i < 4u; i++) {
                    dy[i] = class_slope(classes[i], value[i], label[i] == f32(o), op.rows);
                }
            } else {
                let elements = transpose(element_losses(value, load(op.y + at)));
                loss += elements[0];
                dy = elements[1];
            }
            if (op.dz != NONE) {
                store(op.dz + at, padded(through(op, at, value, share * dy), tile, op.points));
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
    let count = op.inner * select(op.rows, 1u, LOSS == CROSS_ENTROPY);
    return (sum.x + sum.y + sum.z + sum.w) / f32(count);
}

// dż of the last layer, at `dz`, from y [rows, tiles] (`gate`), ẏ (`x`) and the truth y; ends with a barrier.
fn loss_tangent(op: Op, lane: u32) {
    let share = 1.0 / f32(op.points * select(op.rows, 1u, LOSS == CROSS_ENTROPY));
    for (var tile = lane; tile < op.tiles; tile += WORKGROUP) {
        // The largest output and its tangent, which Σ p ẏ is taken from so that nothing cancels.
        var top = load(op.gate + tile);
        var lead = load(op.x + tile);
        var all = vec4<f32>(0.0);
        var mean = vec4<f32>(0.0);
        if (LOSS == CROSS_ENTROPY) {
            for (var o = 1u; o < op.rows; o++) {
                let at = o * op.tiles + tile;
                let value = load(op.gate + at);
                lead = select(lead, load(op.x + at), value > top);
                top = select(top, value, value > top);
            }
            for (var o = 0u; o < op.rows; o++) {
                let at = o * op.tiles + tile;
                let e = below_tops(load(op.gate + at), top);
                all += e;
                mean += e * (load(op.x + at) - lead);
            }
            mean /= all;
        }
        for (var o = 0u; o < op.rows; o++) {
            let at = o * op.tiles + tile;
            let value = load(op.gate + at);
            var dy_dot = load(op.x + at);
            if (LOSS == CROSS_ENTROPY) {
                dy_dot = below_tops(value, top) / all * (dy_dot - lead - mean);
            } else {
                dy_dot *= transpose(element_losses(value, load(op.y + at)))[2];
            }
            store(op.dz + at, padded(through(op, at, value, share * dy_dot), tile, op.points));
        }
    }
    sync();
}
