// import: layer
// What the parameter updates do with parameter `e` of a task and its gradient G. The kernel that imports this has
// `weights`, `rates` and `result`.
//     STEP:      θ_{j+1} = θ_j − α_j ⊙ M ⊙ G          (Finn et al. 2017, equation 1), or with ADD θ_{j+1} −= α_j ⊙ M ⊙ G
//     otherwise: v = M ⊙ G, or with ADD v + M ⊙ G,
// where M are the parameters that `adapted` names.

override STEP: bool = true;
override ADD: bool = false;

fn step_on(task: u32, e: u32, gradient: f32) {
    let counts = moves_parameter(e);
    if (STEP) {
        let at = layer.next.x + task * layer.next.y + e;
        var next = 0.0;
        if (ADD) {
            next = result[at];
        } else {
            next = weights[layer.weight.x + task * layer.weight.y + e];
        }
        if (counts) {
            next -= rates[layer.rate.x + e * layer.rate.y] * gradient;
        }
        result[at] = next;
    } else {
        let at = layer.v.x + task * layer.v.y + e;
        let change = select(0.0, gradient, counts);
        if (ADD) {
            result[at] += change;
        } else {
            result[at] = change;
        }
    }
}
