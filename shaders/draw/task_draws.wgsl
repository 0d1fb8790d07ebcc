// import: philox
// import: sine
// The points of a drawn task: those of the host's `task::Sampler`, to the integer. Whoever imports this has `shape` with
// the settings (`src/backend/gpu/resident/draw.rs`: Draws), `now`, and `data` with the series.

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

// Where series `i` begins among the values: integers in two floats each, as one holds no more than 24 bits.
fn series_offset(i: u32) -> u32 {
    return u32(data[2u * i]) * 4096u + u32(data[2u * i + 1u]);
}

// Feature `k` of point `p`, or with k = `inputs` its target, of a series task; with scales, less the mean and over the
// deviation of the values before the first query target.
fn series_value(task: u32, p: u32, k: u32) -> f32 {
    let key = now.first_task + task;
    let series = below(word(0u, shape.seed, PURPOSE_TASK, now.iteration, key), shape.series.x);
    let first = series_offset(series);
    let starts = series_offset(series + 1u) - first - shape.series.z - shape.points + 1u;
    let start = first + below(word(1u, shape.seed, PURPOSE_TASK, now.iteration, key), starts);
    let value = data[shape.series.y + start + p + k];
    if (shape.series.w == 0u) {
        return value;
    }
    // `shuffled` is the number of the sampler's support points.
    let scale = shape.series.w + 2u * (start + shape.series.z + shape.shuffled);
    return (value - data[scale]) * data[scale + 1u];
}
