// import: layer
// What the kernels of a batch norm (Ioffe and Szegedy 2015, algorithm 1) have in common. A workgroup takes WIDE channels
// of one task, all points and pixels of them; side by side lie channels where an image is small, pixels where it is
// large. Statistics of a channel, for later passes: mean, 1/√(variance + ε), γ, β; and of the tangent pass a record of 8:
// mean, 1/√(variance + ε), γ, γ̇, mean(ẋ), mean(x̂ ẋ).

override WORKGROUP: u32 = 256u;
override WIDE: u32 = 1u;
// Whether points of share 0 are left out: then `flag` of the kernel says of each what it has, and statistics and records
// are followed by the shares.
override WEIGHTED: bool = false;

var<workgroup> lane_sums: array<vec4<f32>, WORKGROUP>;

fn norm_channel(workgroup: vec3<u32>, lane: u32) -> u32 {
    return workgroup.x * WIDE + lane % WIDE;
}

// Elements of a channel.
fn norm_count() -> u32 {
    return layer.points * layer.height * layer.width;
}

// Whether element `i` of a channel counts.
fn norm_counts(task: u32, i: u32) -> bool {
    if (!WEIGHTED) {
        return true;
    }
    return flag(task, i / (layer.height * layer.width)) > 0.0;
}

// Elements of a channel that count.
fn norm_total(task: u32) -> f32 {
    if (!WEIGHTED) {
        return f32(norm_count());
    }
    var points = 0u;
    for (var p = 0u; p < layer.points; p++) {
        points += select(0u, 1u, flag(task, p) > 0.0);
    }
    return f32(points * layer.height * layer.width);
}

// Where element `i` of channel `c` lies.
fn norm_at(c: u32, i: u32) -> u32 {
    let pixels = layer.height * layer.width;
    return (i / pixels * layer.channels + c) * pixels + i % pixels;
}

// The sums over all invocations of a channel, in a fixed order.
fn channel_sums(part: vec4<f32>, lane: u32) -> vec4<f32> {
    workgroupBarrier();
    lane_sums[lane] = part;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half >= WIDE; half /= 2u) {
        if (lane < half) {
            lane_sums[lane] += lane_sums[lane + half];
        }
        workgroupBarrier();
    }
    return lane_sums[lane % WIDE];
}
