// import: layer
// What the parameter updates do on the way back, at parameter `e` of a task, with its gradient and the gradient's
// tangent. The kernel that imports this has `rows` with v and the gradients of rates, `rate_sums`, SECOND and WORKGROUP.

// 0: no gradient of rates, 1: a rate for each parameter, 2: one for all of the layer's.
override RATES: u32 = 0u;

var<workgroup> sums: array<f32, WORKGROUP>;
var<private> rate_sum: f32;

fn step_back(task: u32, e: u32, gradient: f32, tangent: f32) {
    let at = layer.v.x + task * layer.v.y + e;
    if (RATES != 0u) {
        let change = select(0.0, -gradient * rows[at], moves_parameter(e));
        if (RATES == 2u) {
            rate_sum += change;
        } else {
            let to = layer.rate_gradient.x + task * layer.rate_gradient.y + e;
            if (layer.rate_adds != 0u) {
                rows[to] += change;
            } else {
                rows[to] = change;
            }
        }
    }
    if (SECOND) {
        rows[at] -= tangent;
    }
}

// The workgroup's share of the gradient of its layer's one rate.
fn leave_rate_sum(workgroup: vec3<u32>, lane: u32) {
    if (RATES == 2u) {
        sums[lane] = rate_sum;
        workgroupBarrier();
        for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
            if (lane < half) {
                sums[lane] += sums[lane + half];
            }
            workgroupBarrier();
        }
        if (lane == 0u) {
            rate_sums[layer.rate_gradient.x + workgroup.y * layer.rate_gradient.y + workgroup.x] = sums[0];
        }
    }
}
