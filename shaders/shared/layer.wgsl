// import: numbers
// One layer in one pass over all tasks: its sizes, and where its numbers lie in the buffers that a kernel binds. The
// host's twin is `src/wgsl/layer_pass.rs`.
//
// A place is (offset of task 0, stride from task to task), in floats; a stride of 0 is a number that all tasks share.
// Numbers of points are [points, channels, height, width], a vector being an image of one pixel. Parameters are
// W [outputs, inputs], then b [outputs] where there is one; a convolution's inputs are [channels, kernel, kernel_width], a
// norm has one.

struct Layer {
    points: u32,
    inputs: u32, // weights of an output
    outputs: u32, // features or channels
    relu: u32, // whether a ReLU follows
    relu_below: u32, // whether x comes out of one
    adapted: u32, // what the inner loop moves of it: 1 the weights, 2 the biases
    input_moves: u32, // whether ẋ is not zero
    rate_adds: u32, // whether a gradient of the rates is there to be added to
    channels: u32, // of x
    height: u32, // of x
    width: u32,
    out_height: u32, // of y
    out_width: u32,
    kernel: u32, // rows; of a pool also columns
    stride: u32,
    padding: u32, // rows
    x: vec2<u32>,
    y: vec2<u32>,
    dz: vec2<u32>, // cotangent of what the layer makes, ahead of its ReLU
    dx: vec2<u32>, // cotangent of what came out of the layer below, ahead of its ReLU
    x_dot: vec2<u32>,
    y_dot: vec2<u32>,
    dz_dot: vec2<u32>,
    dx_dot: vec2<u32>,
    weight: vec2<u32>, // θ_j
    next: vec2<u32>, // θ_{j+1}
    v: vec2<u32>, // gradient of the outer loss by θ_j
    rate: vec2<u32>, // offset of the layer's rate, and stride from parameter to parameter
    rate_gradient: vec2<u32>,
    stats: vec2<u32>, // of a batch norm, see `norm.wgsl`
    record: vec2<u32>,
    record_words: u32, // of a channel
    epsilon: f32,
    stretches: u32, // workgroups that share the sum of a convolution's weight gradient, see `conv_stretch.wgsl`
    stretch: u32, // terms of each
    kernel_width: u32,
    padding_width: u32,
    bias: u32, // whether there are biases
    adds: u32, // whether dx is added to what is there: the input has had another use
    group_channels: u32, // of x, in each group of a convolution
    group_outputs: u32, // of y, likewise
    dilation: u32, // pixels from one of the kernel's taps to the next
    tap_period: u32, // stride / gcd(stride, dilation)
    row: u32, // elements that a row norm normalises together, see `row_norm.wgsl`
    row_workgroups: u32, // workgroups that share a task's rows
}

@group(0) @binding(0) var<uniform> layer: Layer;

// Whether the inner loop moves parameter `e`.
fn moves_parameter(e: u32) -> bool {
    return (layer.adapted & select(1u, 2u, e >= layer.outputs * layer.inputs)) != 0u;
}

// Place of W[o, i] in the layer's parameters; i = inputs is the bias.
fn parameter(o: u32, i: u32) -> u32 {
    return select(o * layer.inputs + i, layer.outputs * layer.inputs + o, i == layer.inputs);
}
