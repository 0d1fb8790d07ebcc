// import: fused_dense
// import: fused_loss
// import: fused_products
// import: fused_tasks
// The whole of a task's meta-gradient in one workgroup (Finn, Abbeel and Levine 2017, eq. 1 and 5):
//     θ_{j+1} = θ_j − α_j ∇L_s(θ_j),   v_K = w_K ∇L_q(θ_K),   v_j = v_{j+1} − H_s(θ_j) α_j v_{j+1} + w_j ∇L_q(θ_j)
// with θ_j and v_j as sums of outer products over points (`fused_dense.wgsl`). A workgroup takes `shape.group` tasks
// one after the other and adds up their v_0: `partials` [groups, P + R + 2].

// Adds a loss to what came before it in this pass, and with `place` writes it out: to `report` at
// `bias` + task · `rate`, times `weights` to column `place`. By one invocation.
fn log_loss(op: Op, task: u32, group: u32, before: f32) -> f32 {
    let loss = before + loss_sum(op);
    if (op.place == NONE) {
        return loss;
    }
    if (op.bias != NONE) {
        report[op.bias + task * op.rate] = loss;
    }
    if (op.place < shape.columns) {
        partials[group * shape.columns + op.place] += bitcast<f32>(op.weights) * loss;
    }
    return 0.0;
}

// The outputs x [rows, tiles] as [points, rows], to `report` at `place` + task · `inner`. Ends with a barrier.
fn predictions(op: Op, task: u32, lane: u32) {
    for (var item = lane; item < op.points * op.rows; item += WORKGROUP) {
        let p = item / op.rows;
        let value = load(op.x + (item % op.rows) * op.tiles + p / 4u)[p % 4u];
        report[op.place + task * op.inner + item] = value;
    }
    sync();
}

// Reads what every task will need, all lanes at once: later, each first read of it would be waited for alone.
fn warm_cache(lane: u32) {
    var seen = 0u;
    for (var i = lane; i < shape.ops; i += WORKGROUP) {
        seen ^= ops[i].kind;
    }
    for (var i = lane; i < arrayLength(&blocks); i += WORKGROUP) {
        seen ^= blocks[i].left;
    }
    // A cache line holds 32 numbers.
    for (var i = 32u * lane; i < arrayLength(&params); i += 32u * WORKGROUP) {
        seen ^= bitcast<u32>(params[i]);
    }
    // Where nobody looks, so that the reads are not left out.
    lanes[lane] = f32(seen);
}

// One workgroup: `shape.group` tasks.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let group = shape.first_group + workgroup.x;
    // Wraps around where FAST is the larger; adding an address beyond FAST wraps back.
    spill_base = workgroup.x * shape.spill - FAST;
    warm_cache(lane);
    // Rates and losses are added up by one invocation; a group's first task sets all other columns.
    if (lane == 0u) {
        for (var c = shape.params; c < shape.columns; c++) {
            partials[group * shape.columns + c] = 0.0;
        }
    }
    let first = group * shape.group;
    let end = min(first + shape.group, shape.tasks);
    for (var task = first; task < end; task++) {
        var loss = 0.0;
        for (var i = 0u; i < shape.ops; i++) {
            let op = ops[i];
            switch op.kind {
                case OP_LOAD: {
                    load_points(op, task, lane);
                }
                case OP_DENSE: {
                    dense(op, lane, group);
                }
                case OP_LOSS: {
                    loss_gradient(op, lane);
                    if (lane == 0u) {
                        loss = log_loss(op, task, group, loss);
                    }
                }
                case OP_LOSS_TANGENT: {
                    loss_tangent(op, lane);
                }
                case OP_PRODUCTS: {
                    products(op, task, lane, group, task == first);
                }
                default: {
                    predictions(op, task, lane);
                }
            }
        }
        // The next task overwrites what the last operation reads.
        sync();
    }
}
