// import: now
// import: philox
// The points of image tasks of a tile, drawn into buffers: x [tasks, points, channels × side × side] from 0 to 1 and y
// [tasks, points] of the support and of the query half. The draws are those of the host's `task::ImageTasks`, to the integer
// (Vinyals et al. 2016, section 2.2: n-way k-shot).

struct DrawImages {
    first: u32, // task of the tile
    support: u32, // points
    query: u32,
    shots: u32, // that the sampler draws, of each class
    queries: u32,
    ways: u32,
    classes: u32, // to draw from
    turns: u32, // quarter turns that a class comes in: 4 or 1
    side: u32,
    inputs: u32, // channels × side × side
    seed: vec2<u32>,
    pixels: u32, // word of `images` where the pixels begin
    unused0: u32,
    unused1: u32,
    unused2: u32,
}

override WORKGROUP: u32 = 64u;

// The most classes of a task, and images of a class.
const MOST = 1024u;

@group(0) @binding(0) var<uniform> shape: DrawImages;
@group(0) @binding(1) var<uniform> now: Now;
// Two words a class, first image and number of images; then bytes, [images, inputs].
@group(0) @binding(2) var<storage, read> images: array<u32>;
@group(0) @binding(3) var<storage, read_write> support_x: array<f32>;
@group(0) @binding(4) var<storage, read_write> support_y: array<f32>;
@group(0) @binding(5) var<storage, read_write> query_x: array<f32>;
@group(0) @binding(6) var<storage, read_write> query_y: array<f32>;

// Numbers drawn so far, ascending.
var<workgroup> taken: array<u32, MOST>;
// What lane 0 drew: image and rotation.
var<workgroup> drawn: vec2<u32>;

// The number that word `first + k` of the task's stream chooses among the n − k that words before it left over.
fn distinct(first: u32, n: u32, k: u32, task: u32) -> u32 {
    var number = 0u;
    for (var i = 0u; i <= k; i++) {
        number = below(word(first + i, shape.seed, PURPOSE_TASK, now.iteration, task), n - i);
        var place = 0u;
        while (place < i && taken[place] <= number) {
            number += 1u;
            place += 1u;
        }
        for (var j = i; j > place; j--) {
            taken[j] = taken[j - 1u];
        }
        taken[place] = number;
    }
    return number;
}

// One workgroup: one point of one task, support points first.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let p = workgroup.x;
    let is_query = p >= shape.support;
    // The point's place among all that the sampler draws.
    let place = select(p, p - shape.support + now.query_first, is_query);
    let all_support = shape.ways * shape.shots;
    let of_query = place >= all_support;
    let way = select(place / shape.shots, (place - all_support) / shape.queries, of_query);
    if (lane == 0u) {
        let task = now.first_task + shape.first + workgroup.y;
        let chosen = distinct(0u, shape.classes, way, task);
        let each = shape.shots + shape.queries;
        let k = select(place % shape.shots, shape.shots + (place - all_support) % shape.queries, of_query);
        let turn = below(word(shape.ways + way, shape.seed, PURPOSE_TASK, now.iteration, task), shape.turns);
        let at = 2u * chosen;
        let image = distinct(2u * shape.ways + way * each, images[at + 1u], k, task);
        drawn = vec2<u32>(images[at] + image, turn);
    }
    let image = workgroupUniformLoad(&drawn);
    let at = workgroup.y * select(shape.support, shape.query, is_query) + select(p, p - shape.support, is_query);
    let last = shape.side - 1u;
    for (var i = lane; i < shape.inputs; i += WORKGROUP) {
        let row = i / shape.side % shape.side;
        let column = i % shape.side;
        // Quarter turns against the clock.
        var source = vec2<u32>(row, column);
        if (image.y == 1u) {
            source = vec2<u32>(column, last - row);
        } else if (image.y == 2u) {
            source = vec2<u32>(last - row, last - column);
        } else if (image.y == 3u) {
            source = vec2<u32>(last - column, row);
        }
        let channel = i / (shape.side * shape.side);
        let byte = image.x * shape.inputs + (channel * shape.side + source.x) * shape.side + source.y;
        let bits = images[shape.pixels + byte / 4u] >> (8u * (byte % 4u));
        let value = f32(bits & 0xffu) * (1.0 / 255.0);
        if (is_query) {
            query_x[at * shape.inputs + i] = value;
        } else {
            support_x[at * shape.inputs + i] = value;
        }
    }
    if (lane == 0u) {
        if (is_query) {
            query_y[at] = f32(way);
        } else {
            support_y[at] = f32(way);
        }
    }
}
