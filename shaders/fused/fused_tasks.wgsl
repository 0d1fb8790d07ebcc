// import: fused_memory
// import: task_draws
// The points of a task, drawn or copied into the workgroup's memory.

// 0: given tasks in `data`, 1: sinusoids y = a sin(x + b) (Finn et al. 2017, section 5.1), 2: windows of the series in
// `data`.
override SOURCE: u32 = 1u;

// x [inputs, tiles] and y [targets, tiles] of `points` points from `place` on, of the support (`rows` = 0) or the query
// half (1). Ends with a barrier.
fn load_points(op: Op, task: u32, lane: u32) {
    let is_query = op.rows != 0u;
    let half = select(shape.support, shape.query, is_query);
    let given_x = select(0u, shape.data_query_x, is_query) + (task * half + op.place) * shape.inputs;
    let given_y = select(shape.data_support_y, shape.data_query_y, is_query) + (task * half + op.place) * shape.targets;
    let first = op.place + select(0u, now.query_first, is_query);
    let rows = shape.inputs + shape.targets;
    for (var item = lane; item < rows * op.tiles; item += WORKGROUP) {
        let row = item / op.tiles;
        let tile = item % op.tiles;
        let is_truth = row >= shape.inputs;
        var value = vec4<f32>(0.0);
        for (var i = 0u; i < 4u; i++) {
            let p = tile * 4u + i;
            if (p < op.points) {
                if (SOURCE == 1u) {
                    let point = sinusoid_point(task, first + p);
                    value[i] = select(point.x, point.y, is_truth);
                } else if (SOURCE == 2u) {
                    value[i] = series_value(task, first + p, row);
                } else if (is_truth) {
                    value[i] = data[given_y + p * shape.targets + row - shape.inputs];
                } else {
                    value[i] = data[given_x + p * shape.inputs + row];
                }
            }
        }
        store(select(op.x + row * op.tiles, op.y + (row - shape.inputs) * op.tiles, is_truth) + tile, value);
    }
    sync();
}
