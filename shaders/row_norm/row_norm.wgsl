// import: layer
// What the kernels of layer norm (Ba et al. 2016) and group norm (Wu and He 2018) have in common. A row is what is
// normalised together, `row` neighbouring elements: a point, or a group of its channels. There are `outputs` γ and as many β,
// where `bias` says that there are any: parameters a and `outputs` + a; one for each element of a point, or with PER_CHANNEL for
// each channel. A record of a row is mean and 1/√(variance + ε), and of the tangent pass mean(ẋ) and mean(x̂ ẋ) behind them.

override PER_CHANNEL: bool = false;
override WORKGROUP: u32 = 128u;

// Rows of a task.
fn row_count() -> u32 {
    return layer.points * (layer.channels * layer.height * layer.width / layer.row);
}

// The γ of element `e` of row `r`.
fn affine(r: u32, e: u32) -> u32 {
    if (PER_CHANNEL) {
        return (r * layer.row + e) / (layer.height * layer.width) % layer.outputs;
    }
    return e;
}

var<workgroup> lane_sums: array<vec4<f32>, WORKGROUP>;

// The sums over all invocations, in a fixed order.
fn row_sums(part: vec4<f32>, lane: u32) -> vec4<f32> {
    workgroupBarrier();
    lane_sums[lane] = part;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        if (lane < half) {
            lane_sums[lane] += lane_sums[lane + half];
        }
        workgroupBarrier();
    }
    return lane_sums[0];
}
