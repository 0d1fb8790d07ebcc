// import: layer
// What the parameter updates do with parameter `e` of a task and its gradient G. The kernel that imports this has
// `weights`, `rates` and `result`.
//     STEP:      θ_{j+1} = θ_j − α_j ⊙ G          (Finn et al. 2017, equation 1)
//     otherwise: v = G, or with ADD v + G.

override STEP: bool = true;
override ADD: bool = false;

fn step_on(task: u32, e: u32, gradient: f32) {
    if (STEP) {
        let rate = rates[layer.rate.x + e * layer.rate.y];
        let value = weights[layer.weight.x + task * layer.weight.y + e];
        result[layer.next.x + task * layer.next.y + e] = value - rate * gradient;
    } else {
        let at = layer.v.x + task * layer.v.y + e;
        if (ADD) {
            result[at] += gradient;
        } else {
            result[at] = gradient;
        }
    }
}
