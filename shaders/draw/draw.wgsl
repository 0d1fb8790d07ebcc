// import: now
// import: task_draws
// The points of the tasks of a tile, drawn into buffers: x [tasks, points, inputs] and y [tasks, points, targets] of
// the support and of the query half.

struct DrawPass {
    first: u32, // task of the tile
    inputs: u32,
    targets: u32,
    support: u32, // points
    query: u32,
    unused0: u32,
    pool: u32, // 0: fresh tasks
    points: u32, // that the sampler draws: support + query
    seed: vec2<u32>,
    shuffled: u32, // places that a pool task's shuffle fills: the sampler's support points
    unused1: u32,
    ranges: array<vec4<f32>, 2>, // low and width of amplitude and phase; of x
    series: vec4<u32>, // count, place of the values, window, place of the scales or 0
}

override WORKGROUP: u32 = 64u;
// 1: sinusoids y = a sin(x + b) (Finn et al. 2017, section 5.1), 2: windows of the series in `data`.
override SOURCE: u32 = 1u;

@group(0) @binding(0) var<uniform> shape: DrawPass;
@group(0) @binding(1) var<uniform> now: Now;
@group(0) @binding(2) var<storage, read> data: array<f32>;
@group(0) @binding(3) var<storage, read_write> support_x: array<f32>;
@group(0) @binding(4) var<storage, read_write> support_y: array<f32>;
@group(0) @binding(5) var<storage, read_write> query_x: array<f32>;
@group(0) @binding(6) var<storage, read_write> query_y: array<f32>;

// One workgroup: WORKGROUP points of one task, support points first.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let p = workgroup.x * WORKGROUP + lane;
    if (p >= shape.support + shape.query) {
        return;
    }
    let is_query = p >= shape.support;
    let place = select(p, p - shape.support + now.query_first, is_query);
    let at = workgroup.y * select(shape.support, shape.query, is_query) + select(p, p - shape.support, is_query);
    var point = vec2<f32>(0.0);
    if (SOURCE == 1u) {
        point = sinusoid_point(shape.first + workgroup.y, place);
    }
    for (var row = 0u; row < shape.inputs + shape.targets; row++) {
        var value = select(point.x, point.y, row >= shape.inputs);
        if (SOURCE == 2u) {
            value = series_value(shape.first + workgroup.y, place, row);
        }
        let x = at * shape.inputs + row;
        let y = at * shape.targets + row - shape.inputs;
        if (row < shape.inputs) {
            if (is_query) {
                query_x[x] = value;
            } else {
                support_x[x] = value;
            }
        } else if (is_query) {
            query_y[y] = value;
        } else {
            support_y[y] = value;
        }
    }
}
