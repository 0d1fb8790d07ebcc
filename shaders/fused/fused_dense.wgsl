// import: fused_curve
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

// Every sum over k is cut into shares, each taken by another lane, where there are more lanes than sums: what a task
// waits for is the longest lane.

// vec4 that shares of sums may take.
override SCRATCH: u32 = 256u;

var<workgroup> scratch: array<vec4<f32>, SCRATCH>;
var<workgroup> lanes: array<f32, WORKGROUP>;

// Shares that `items` sums of four vec4 each, of `terms` terms, are cut into.
fn shares_of(items: u32, terms: u32) -> u32 {
    var shares = 1u;
    // Adding up the shares takes as many turns as there are.
    while (shares < 8u && 2u * shares * items <= WORKGROUP && 8u * shares * items <= SCRATCH && 4u * shares <= terms) {
        shares *= 2u;
    }
    return shares;
}

// Where part i of an item's share goes.
fn scratch_at(share: u32, i: u32, items: u32, item: u32) -> u32 {
    return (4u * share + i) * items + item;
}

// The sum of all shares of part i of an item.
fn scratch_sum(shares: u32, i: u32, items: u32, item: u32) -> vec4<f32> {
    var sum = vec4<f32>(0.0);
    for (var share = 0u; share < shares; share++) {
        sum += scratch[scratch_at(share, i, items, item)];
    }
    return sum;
}

// The Gram matrices of all blocks. An item is four points of a block (tile p) against four columns. Ends with a barrier.
fn grams(op: Op, lane: u32) {
    let block_items = op.place * op.tiles;
    let items = op.blocks * block_items;
    let shares = shares_of(items, op.inner);
    for (var work = lane; work < items * shares; work += WORKGROUP) {
        let item = work % items;
        let share = work / items;
        let block = blocks[op.first_block + item / block_items];
        let p = item % block_items / op.tiles;
        let tile = item % op.tiles;
        if (p >= block.tiles) {
            continue;
        }
        // The bias sees a point of ones.
        let bias = select(0.0, block.bias, share == 0u);
        var g = mat4x4<f32>(vec4<f32>(bias), vec4<f32>(bias), vec4<f32>(bias), vec4<f32>(bias));
        for (var k = share; k < op.inner; k += shares) {
            let r = load(block.right + k * block.tiles + p);
            let v = load(block.x + k * op.tiles + tile);
            g[0] += r.x * v;
            g[1] += r.y * v;
            g[2] += r.z * v;
            g[3] += r.w * v;
        }
        var coef = block.coef;
        if (block.rate != NONE) {
            coef *= params[block.rate];
        }
        for (var i = 0u; i < 4u; i++) {
            if (shares == 1u) {
                store(block.gram + (4u * p + i) * op.tiles + tile, coef * g[i]);
            } else {
                scratch[scratch_at(share, i, items, item)] = coef * g[i];
            }
        }
    }
    sync();
    if (shares > 1u) {
        for (var work = lane; work < 4u * items; work += WORKGROUP) {
            let item = work % items;
            let i = work / items;
            let block = blocks[op.first_block + item / block_items];
            let p = item % block_items / op.tiles;
            if (p < block.tiles) {
                let to = block.gram + (4u * p + i) * op.tiles + item % op.tiles;
                store(to, scratch_sum(shares, i, items, item));
            }
        }
        sync();
    }
}

// Stores one output row at four columns, from its sum over k; returns what it adds to the rate's gradient.
fn finish(op: Op, row: u32, tile: u32, sum: vec4<f32>) -> f32 {
    var y = sum;
    if (op.bias != NONE) {
        y += vec4<f32>(params[op.bias + row]);
    }
    var u = vec4<f32>(0.0);
    for (var b = 0u; b < op.blocks; b++) {
        let block = blocks[op.first_block + b];
        var update = vec4<f32>(0.0);
        for (var p = 0u; p < block.tiles; p++) {
            let a = load(block.left + row * block.tiles + p);
            let g = block.gram + p * 4u * op.tiles + tile;
            update += a.x * load(g) + a.y * load(g + op.tiles);
            update += a.z * load(g + 2u * op.tiles) + a.w * load(g + 3u * op.tiles);
        }
        if (block.direction != 0u) {
            u += update;
        } else {
            y += update;
        }
    }
    if (op.rate != NONE) {
        y += params[op.rate] * u;
    }
    var rate_dot = 0.0;
    if (op.dz != NONE) {
        rate_dot = dot(load(op.dz + row * op.tiles + tile), u);
    }
    if (op.gate != NONE) {
        y = select(vec4<f32>(0.0), y, load(op.gate + row * op.tiles + tile) > vec4<f32>(0.0));
    } else if (op.curve == CURVE_RELU) {
        y = vec4<f32>(rectified(y.x), rectified(y.y), rectified(y.z), rectified(y.w));
    } else if (CURVED && op.curve == CURVE_FORWARD) {
        y = bent(op, row * op.tiles + tile, y);
    } else if (CURVED && op.curve != 0u) {
        y = sloped(op, row * op.tiles + tile, y);
    }
    store(op.y + row * op.tiles + tile, padded(y, tile, op.points));
    return rate_dot;
}

// y [rows, tiles] = θ_j x + U x2; ends with a barrier. `place`: most tiles of a block; `dz`: with the direction's
// rate learned, the cotangents of y, and `place` of the rate's gradient is that of the rate itself.
fn dense(op: Op, lane: u32, group: u32) {
    if (op.blocks != 0u) {
        grams(op, lane);
    }

    // An item is two output rows, half of all apart so that neighbours read neighbouring weights, at two tiles of columns.
    let tall = (op.rows + 1u) / 2u;
    let items = tall * ((op.tiles + 1u) / 2u);
    var shares = 1u;
    if (op.x != NONE) {
        shares = shares_of(items, op.inner);
    }
    var rate_dot = 0.0;
    for (var work = lane; work < items * shares; work += WORKGROUP) {
        let item = work % items;
        let share = work / items;
        let row = item % tall;
        let tile = item / tall * 2u;
        // Beyond the end the last is computed once more.
        let rows = vec2<u32>(row, min(row + tall, op.rows - 1u));
        let tiles = vec2<u32>(tile, min(tile + 1u, op.tiles - 1u));
        var y = mat4x4<f32>();
        if (op.x != NONE) {
            for (var k = share; k < op.inner; k += shares) {
                let w0 = params[op.weights + k * op.rows + rows.x];
                let w1 = params[op.weights + k * op.rows + rows.y];
                let x0 = load(op.x + k * op.tiles + tiles.x);
                let x1 = load(op.x + k * op.tiles + tiles.y);
                y[0] += w0 * x0;
                y[1] += w0 * x1;
                y[2] += w1 * x0;
                y[3] += w1 * x1;
            }
        }
        for (var i = 0u; i < 4u; i++) {
            let r = row + i / 2u * tall;
            let t = tile + i % 2u;
            if (shares > 1u) {
                scratch[scratch_at(share, i, items, item)] = y[i];
            } else if (r < op.rows && t < op.tiles) {
                rate_dot += finish(op, r, t, y[i]);
            }
        }
    }
    if (shares > 1u) {
        sync();
        for (var work = lane; work < op.rows * op.tiles; work += WORKGROUP) {
            let row = work % op.rows;
            let tile = work / op.rows;
            let i = row / tall * 2u + tile % 2u;
            let item = tile / 2u * tall + row % tall;
            rate_dot += finish(op, row, tile, scratch_sum(shares, i, items, item));
        }
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
