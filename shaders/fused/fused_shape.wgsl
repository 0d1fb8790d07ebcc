// import: now
// What the parts of the fused pass share. The pass is a program: the host lays out a task's memory, lists the
// operations of its meta-gradient, and every workgroup runs the list for its tasks. The host's twins of these structs are
// in `src/backend/gpu/fused/program.rs`.
//
// Matrices over the points of a task are [rows, tiles] of vec4: four points side by side, the last tile padded
// with zeros. An address is an index of a vec4 in the task's memory (`fused_memory.wgsl`).

// "No such thing".
const NONE = 0xffffffffu;

const OP_LOAD = 0u;
const OP_DENSE = 1u;
const OP_LOSS = 2u;
const OP_LOSS_TANGENT = 3u;
const OP_PRODUCTS = 4u;
const OP_PREDICTIONS = 5u;

// What follows an operation: nothing, a ReLU, a function; on the way back and in tangents its slope, or that and what the
// bend adds.
const CURVE_RELU = 1u;
const CURVE_FORWARD = 2u;
const CURVE_SLOPE = 3u;
const CURVE_TERM = 4u;

// One operation. Fields that a kind does not name are 0.
struct Op {
    kind: u32,
    tiles: u32, // of its points
    points: u32,
    rows: u32, // of the result
    inner: u32, // rows of x
    x: u32,
    y: u32, // the result
    curve: u32, // what follows, see below
    gate: u32, // the result is zero where this is not positive
    weights: u32, // in `params`: element (row, k) at k · rows + row
    bias: u32, // in `params`
    first_block: u32,
    blocks: u32,
    rate: u32, // in `params`: factor of the blocks that belong to the direction
    dz: u32,
    place: u32,
    // Of a function beyond ReLU: addresses of its slope and bend, its number and setting (`fused_curve.wgsl`).
    slope: u32,
    bend: u32,
    function: u32,
    setting: u32,
    setting_rest: u32,
}

// coef · A Bᵀ, a sum of outer products over points; `rate` in `params` is a further factor.
struct Block {
    left: u32, // A [rows, tiles]
    right: u32, // B [inner, tiles]
    tiles: u32,
    coef: f32,
    rate: u32,
    bias: f32, // 1 where the block also moves the bias
    x: u32, // what Bᵀ is multiplied with
    gram: u32, // where Bᵀ x goes, [4 tiles, tiles of x]; NONE marks nothing
    direction: u32, // belongs to the direction of a tangent, not to the weights
    unused0: u32,
    unused1: u32,
    unused2: u32,
}

struct Shape {
    ops: u32,
    tasks: u32,
    group: u32, // tasks of a workgroup, one after the other
    first_group: u32, // of this dispatch
    columns: u32, // of `partials`
    spill: u32, // vec4 of storage that a workgroup has
    loss: u32, // address: losses of the tiles
    inputs: u32,
    targets: u32, // rows of the truth
    support: u32, // points
    query: u32,
    // Where given tasks lie in `data`; support_x is at 0.
    data_support_y: u32,
    data_query_x: u32,
    data_query_y: u32,
    // Task source.
    pool: u32, // 0: fresh tasks
    points: u32, // that the sampler draws: support + query
    seed: vec2<u32>,
    shuffled: u32, // places that a pool task's shuffle fills: the sampler's support points
    params: u32, // columns of the gradient by θ₀; those of rates and losses follow
    ranges: array<vec4<f32>, 2>, // low and width of amplitude and phase; of x
    series: vec4<u32>, // count, place of the values, window, place of the scales or 0
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<uniform> now: Now;
@group(0) @binding(2) var<storage, read> params: array<f32>; // θ₀, inner rates, θ₀ᵀ
@group(0) @binding(3) var<storage, read> data: array<f32>;
@group(0) @binding(4) var<storage, read> ops: array<Op>;
@group(0) @binding(5) var<storage, read> blocks: array<Block>;
@group(0) @binding(6) var<storage, read_write> partials: array<f32>; // [groups, columns]
// Losses of each task, fast weights, predictions, where they are asked for.
@group(0) @binding(7) var<storage, read_write> report: array<f32>;
