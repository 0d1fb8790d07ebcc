// import: fused_memory
// import: philox
// import: sine
// The points of a task, drawn or copied into the workgroup's memory. The draws are those of the host's
// `task::Sampler`, to the integer.

// 0: given tasks in `data`, 1: sinusoids y = a sin(x + b) (Finn et al. 2017, section 5.1), 2: windows of the series in
// `data`, [count, length].
override SOURCE: u32 = 1u;

// Which of a pool task's points stands at place `p` of this visit: the shuffle's swaps, followed backwards.
fn shuffled(p: u32, key: u32) -> u32 {
    var at = p;
    for (var i = min(shape.shuffled, shape.points - 1u); i > 0u; i--) {
        let place = i - 1u;
        let bits = word(place, shape.seed, PURPOSE_SHUFFLE, now.iteration, key);
        let other = place + below(bits, shape.points - place);
        if (at == place) {
            at = other;
        } else if (at == other) {
            at = place;
        }
    }
    return at;
}

fn uniform_draw(i: u32, key: vec3<u32>, low: f32, width: f32) -> f32 {
    return low + width * unit(word(i, shape.seed, key.x, key.y, key.z));
}

// (x, y) of point `p` of a sinusoid.
fn sinusoid_point(task: u32, p: u32) -> vec2<f32> {
    var key = vec3<u32>(PURPOSE_TASK, now.iteration, now.first_task + task);
    var place = p;
    if (shape.pool != 0u) {
        place = shuffled(p, key.z);
        key = vec3<u32>(PURPOSE_POOL, 0u, (now.first_visit + task % shape.pool) % shape.pool);
    }
    let a = uniform_draw(0u, key, shape.ranges[0].x, shape.ranges[0].y);
    let b = uniform_draw(1u, key, shape.ranges[0].z, shape.ranges[0].w);
    let x = uniform_draw(2u + place, key, shape.ranges[1].x, shape.ranges[1].y);
    return vec2<f32>(x, a * sine(x + b));
}

// Feature `k` of point `p`, or with k = `inputs` its target, of a series task.
fn series_value(task: u32, p: u32, k: u32) -> f32 {
    let key = now.first_task + task;
    let series = below(word(0u, shape.seed, PURPOSE_TASK, now.iteration, key), shape.series.x);
    let start = below(word(1u, shape.seed, PURPOSE_TASK, now.iteration, key), shape.series.z);
    return data[series * shape.series.y + start + p + k];
}

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
