// import: layer
// Where the taps of a convolution lie. Two things meet in a tap: (c, ky, kx), a weight of an output, and (p, oy, ox), a
// pixel of the output. Of both, a vec4 holds what the tap's place adds up from:
//     (offset into x, row, column, number among its kind: of the weight, or of y at channel 0),
// and the tap lies within the image if the sums of rows and of columns do. The gradient by x meets (o, ty, tx), a weight
// of an input, with (p, y, x), a pixel of the input, in the same way. A product is of one group of channels, which do not see
// the others: c and o count within it.

// Beyond the end of terms or columns: with anything, outside the image.
const OUTSIDE = vec4<i32>(0, -0x20000000, 0, -1);

// The group that the workgroup has.
var<private> group: u32;

// Place of W[o, i] in the layer's parameters, o of the group; i = inputs is the bias.
fn group_parameter(o: u32, i: u32) -> u32 {
    return parameter(group * layer.group_outputs + o, i);
}

fn weight_tap(i: u32) -> vec4<i32> {
    if (i >= layer.inputs) {
        return OUTSIDE;
    }
    let area = layer.kernel * layer.kernel_width;
    let c = i / area;
    let ky = i % area / layer.kernel_width * layer.dilation;
    let kx = i % layer.kernel_width * layer.dilation;
    let offset = (c * layer.height + ky) * layer.width + kx;
    return vec4<i32>(vec4<u32>(offset, ky, kx, i));
}

// The same, and behind the weights the bias: of no place, and of number `inputs`.
fn weight_or_bias(i: u32) -> vec4<i32> {
    var tap = weight_tap(i);
    if (i == layer.inputs && layer.bias != 0u) {
        tap.w = i32(i);
    }
    return tap;
}

fn output_pixel(n: u32) -> vec4<i32> {
    let area = layer.out_height * layer.out_width;
    let p = n / area;
    if (p >= layer.points) {
        return OUTSIDE;
    }
    let at = n % area;
    let y = i32(at / layer.out_width * layer.stride) - i32(layer.padding);
    let x = i32(at % layer.out_width * layer.stride) - i32(layer.padding_width);
    let channels = p * layer.channels + group * layer.group_channels;
    let offset = i32(channels * layer.height * layer.width) + y * i32(layer.width) + x;
    return vec4<i32>(offset, y, x, i32((p * layer.outputs + group * layer.group_outputs) * area + at));
}

// A place where no number lies but 1, as at the bias of an output.
const ONE = -2;

// Where row and term meet, for four rows: the sum of their numbers, -1 beyond the end of either.
fn row_places(rows: vec4<i32>, number: i32) -> vec4<i32> {
    return select(vec4<i32>(-1), rows + number, (rows | vec4<i32>(number)) >= vec4<i32>(0));
}

// What was loaded from four places, where they were some.
fn settled(values: vec4<f32>, places: vec4<i32>) -> vec4<f32> {
    let numbers = select(vec4<f32>(0.0), values, places >= vec4<i32>(0));
    return select(numbers, vec4<f32>(1.0), places == vec4<i32>(ONE));
}

// Where x lies for a tap, -1 outside the image. Both sides are asked: a branch would cost more, and part the loads that follow.
fn input_at(tap: vec4<i32>) -> i32 {
    let inside = (u32(tap.y) < layer.height) & (u32(tap.z) < layer.width);
    return select(-1, tap.x, inside);
}

// The pixels of the input whose row and column, with the padding, leave these remainders by the stride: they meet the
// same weights, those with t · dilation of that remainder: every `tap_period`-th from a first one on, if there is any. So a
// stride makes stride² smaller products, and no product with zero. Functions that decide
// how often barriers run take the remainders and first weights as arguments: WGSL holds a private variable to differ from
// invocation to invocation, and refuses barriers under what depends on one.
var<private> remainder: vec2<u32>;
var<private> first_weight: vec2<u32>;

// The first row or column of the kernel that pixels with a remainder meet.
fn first_tap(rest: u32) -> u32 {
    for (var t = 0u; t < layer.tap_period; t++) {
        if (t * layer.dilation % layer.stride == rest) {
            return t;
        }
    }
    return 0xffffu;
}

fn first_taps(rest: vec2<u32>) -> vec2<u32> {
    return vec2<u32>(first_tap(rest.x), first_tap(rest.y));
}

// First row and column among the pixels with these remainders.
fn first_pixel(rest: vec2<u32>) -> vec2<u32> {
    let past = vec2<u32>(layer.padding, layer.padding_width) % layer.stride;
    return (rest + layer.stride - past) % layer.stride;
}

// Rows and columns of pixels with these remainders.
fn pixel_grid(rest: vec2<u32>) -> vec2<u32> {
    let size = vec2<u32>(layer.height, layer.width);
    let first = min(first_pixel(rest), size);
    return (size - first + layer.stride - 1u) / layer.stride;
}

// Rows and columns of the weights that they meet, from their first on.
fn tap_grid(first: vec2<u32>) -> vec2<u32> {
    let size = vec2<u32>(layer.kernel, layer.kernel_width);
    return (size - min(first, size) + layer.tap_period - 1u) / layer.tap_period;
}

// The k-th weight (o, ty, tx); the last component is its place in W at input channel 0.
fn input_tap(k: u32) -> vec4<i32> {
    let grid = tap_grid(first_weight);
    let area = max(grid.x * grid.y, 1u);
    if (k / area >= layer.group_outputs || grid.x * grid.y == 0u) {
        return OUTSIDE;
    }
    let o = group * layer.group_outputs + k / area;
    let t = vec2<u32>(k % area / grid.y, k % grid.y);
    let w = first_weight + layer.tap_period * t;
    // From one of these weights to the next, pixels of the output.
    let back = layer.tap_period * layer.dilation / layer.stride * t;
    let offset = i32(o * layer.out_height * layer.out_width) - i32(back.x * layer.out_width + back.y);
    let number = o * layer.inputs + w.x * layer.kernel_width + w.y;
    return vec4<i32>(offset, -i32(back.x), -i32(back.y), i32(number));
}

// The n-th pixel of the input (p, y, x); the last component is its place in x at channel 0.
fn input_pixel(n: u32) -> vec4<i32> {
    let grid = pixel_grid(remainder);
    let area = grid.x * grid.y;
    let p = n / max(area, 1u);
    if (p >= layer.points || area == 0u) {
        return OUTSIDE;
    }
    let pixel = first_pixel(remainder) + layer.stride * vec2<u32>(n % area / grid.y, n % grid.y);
    let padded = vec2<i32>(pixel + vec2<u32>(layer.padding, layer.padding_width));
    let met = (padded - vec2<i32>(first_weight * layer.dilation)) / i32(layer.stride);
    let offset = i32(p * layer.outputs * layer.out_height * layer.out_width) + met.x * i32(layer.out_width) + met.y;
    let channels = p * layer.channels + group * layer.group_channels;
    let at = (channels * layer.height + pixel.x) * layer.width + pixel.y;
    return vec4<i32>(offset, met, i32(at));
}

// Where dz lies for a tap, -1 outside the image.
fn output_at(tap: vec4<i32>) -> i32 {
    let inside = (u32(tap.y) < layer.out_height) & (u32(tap.z) < layer.out_width);
    return select(-1, tap.x, inside);
}
