// import: fused_memory
// A linear layer of adapted weights, none of which is ever formed.
//
// After j steps  θ_j = θ_0 − Σ_{i<j} α_i dz_i h_iᵀ  (bias: the same with h = 1), and the direction of the tangent pass
// at step j is  U = α_j v_{j+1},  v_{j+1} = Σ_q w_q dz_q h_qᵀ − Σ_{i>j} (dż_i h_iᵀ + dz_i ḣ_iᵀ).  Both are sums of blocks
// coef · A Bᵀ. So
//     forward   A Bᵀ x = A (Bᵀ x),      backward   B Aᵀ d = B (Aᵀ d):
// first the small Gram matrices (Bᵀ x + bias) of all blocks, then one row of W_0 and of all A an output row. The four
// passes are one operation with other operands: z = θ_j h + b, dh = θ_jᵀ dz, and their tangents
// ż = θ_j ḣ + U h, dḣ = θ_jᵀ dż + Uᵀ dz.
// Finn, Abbeel and Levine (2017), eq. 1; Pearlmutter (1994) for the tangents.

var<workgroup> lanes: array<f32, WORKGROUP>;

// One block's Gram matrix, four points of the block (tile `p`) against four columns.
fn gram_tile(op: Op, block: Block, p: u32, tile: u32) {
    var g0 = vec4<f32>(block.bias);
    var g1 = g0;
    var g2 = g0;
    var g3 = g0;
    for (var k = 0u; k < op.inner; k++) {
        let r = load(block.right + k * block.tiles + p);
        let v = load(block.x + k * op.tiles + tile);
        g0 += r.x * v;
        g1 += r.y * v;
        g2 += r.z * v;
        g3 += r.w * v;
    }
    var coef = block.coef;
    if (block.rate != NONE) {
        coef *= params[block.rate];
    }
    let to = block.gram + p * 4u * op.tiles + tile;
    store(to, coef * g0);
    store(to + op.tiles, coef * g1);
    store(to + 2u * op.tiles, coef * g2);
    store(to + 3u * op.tiles, coef * g3);
}

// y [rows, tiles] = θ_j x + U x2; ends with a barrier. `place`: most tiles of a block; `dz`: with the direction's
// rate learned, the cotangents of y, and `place` of the rate's gradient is that of the rate itself.
fn dense(op: Op, lane: u32, group: u32) {
    if (op.blocks != 0u) {
        let block_items = op.place * op.tiles;
        for (var item = lane; item < op.blocks * block_items; item += WORKGROUP) {
            let block = blocks[op.first_block + item / block_items];
            let p = (item % block_items) / op.tiles;
            if (p < block.tiles) {
                gram_tile(op, block, p, item % op.tiles);
            }
        }
        sync();
    }

    // One invocation, one output row at four columns. Neighbours read neighbouring weights.
    var rate_dot = 0.0;
    for (var item = lane; item < op.rows * op.tiles; item += WORKGROUP) {
        let row = item % op.rows;
        let tile = item / op.rows;
        var y = vec4<f32>(0.0);
        if (op.bias != NONE) {
            y = vec4<f32>(params[op.bias + row]);
        }
        if (op.x != NONE) {
            for (var k = 0u; k < op.inner; k++) {
                y += params[op.weights + k * op.rows + row] * load(op.x + k * op.tiles + tile);
            }
        }
        var u = vec4<f32>(0.0);
        for (var b = 0u; b < op.blocks; b++) {
            let block = blocks[op.first_block + b];
            var sum = vec4<f32>(0.0);
            for (var p = 0u; p < block.tiles; p++) {
                let a = load(block.left + row * block.tiles + p);
                let g = block.gram + p * 4u * op.tiles + tile;
                sum += a.x * load(g) + a.y * load(g + op.tiles);
                sum += a.z * load(g + 2u * op.tiles) + a.w * load(g + 3u * op.tiles);
            }
            if (block.direction != 0u) {
                u += sum;
            } else {
                y += sum;
            }
        }
        if (op.rate != NONE) {
            y += params[op.rate] * u;
        }
        if (op.dz != NONE) {
            rate_dot += dot(load(op.dz + row * op.tiles + tile), u);
        }
        if (op.gate != NONE) {
            y = select(vec4<f32>(0.0), y, load(op.gate + row * op.tiles + tile) > vec4<f32>(0.0));
        } else if (op.relu != 0u) {
            // Not max: that may turn NaN into 0 and hide a divergence.
            y = select(y, vec4<f32>(0.0), y < vec4<f32>(0.0));
        }
        store(op.y + row * op.tiles + tile, padded(y, tile, op.points));
    }

    // ∂/∂α = −⟨∇L_s(θ_j), v_{j+1}⟩ = −Σ dz · (v x): summed by one invocation, in the order of the lanes.
    if (op.dz != NONE) {
        lanes[lane] = rate_dot;
        sync();
        if (lane == 0u) {
            var sum = 0.0;
            for (var i = 0u; i < WORKGROUP; i++) {
                sum += lanes[i];
            }
            partials[group * shape.columns + op.rate] -= sum;
        }
    }
    sync();
}
