// import: row_norm
// Sums over the elements that a γ and a β belong to. The kernel that imports this has `terms`: what element `e` of a point
// adds to the sums of a task.

struct Summed {
    parameter: u32, // the γ
    leads: bool, // whether this invocation goes on with the sum
    sum: vec4<f32>,
}

// The row of element `at` of a task, which is of point `p`.
fn row_at(p: u32, at: u32) -> u32 {
    if (PER_CHANNEL) {
        return at / layer.row;
    }
    return p;
}

// From the first to the last element of γ `a` in steps, in their order.
fn sum_of(task: u32, a: u32, first: u32, end: u32, step: u32) -> vec4<f32> {
    let pixels = layer.height * layer.width;
    var sum = vec4<f32>(0.0);
    for (var i = first; i < end; i += step) {
        if (PER_CHANNEL) {
            sum += terms(task, i / pixels, a * pixels + i % pixels);
        } else {
            sum += terms(task, i, a);
        }
    }
    return sum;
}

// What an invocation has of it: an element of γ each, or with PER_CHANNEL one for all of the workgroup.
fn summed(task: u32, group: u32, lane: u32) -> Summed {
    if (PER_CHANNEL) {
        let end = layer.points * layer.height * layer.width;
        let sum = row_sums(sum_of(task, group, lane, end, WORKGROUP), lane);
        return Summed(group, lane == 0u, sum);
    }
    let a = group * WORKGROUP + lane;
    let inside = a < layer.outputs;
    return Summed(a, inside, sum_of(task, a, 0u, select(0u, layer.points, inside), 1u));
}
