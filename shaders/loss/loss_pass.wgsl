// The loss of one set of points of every task: sizes and places, as in `layer.wgsl`. The host's twin is in
// `src/backend/gpu/layered/kernels/loss.rs`.

struct LossPass {
    points: u32,
    outputs: u32,
    relu: u32, // whether the outputs come out of a ReLU
    wants_gradient: u32,
    y: vec2<u32>, // [points, outputs]
    truth: vec2<u32>, // [points, outputs], or [points] class indices
    dz: vec2<u32>, // cotangent of the outputs ahead of their ReLU
    y_dot: vec2<u32>,
    dz_dot: vec2<u32>,
    report: vec2<u32>, // one loss a task
    row: vec2<u32>, // of each task, the column of its query loss; the support loss follows
    weight: f32, // of this loss in the outer loss
    target_rows: u32, // ROW_…, what goes to the row
    part: f32, // what the mean over these points counts in that over the set; 1 with WEIGHTED
    unused: u32,
    shares: vec2<u32>, // with WEIGHTED, of each point its share of the mean; [points]
}

@group(0) @binding(0) var<uniform> shape: LossPass;

// Whether points count by shares of their own, instead of alike.
override WEIGHTED: bool = false;
