// import: layer
// What the kernels of a layer norm (Ba et al. 2016) have in common. A row is one point, of `inputs` elements; γ and β have
// as many each, where `bias` says that there are any: parameters e and `inputs` + e. A record of a row is mean and
// 1/√(variance + ε), and of the tangent pass mean(ẋ) and mean(x̂ ẋ) behind them.

override WORKGROUP: u32 = 128u;

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
