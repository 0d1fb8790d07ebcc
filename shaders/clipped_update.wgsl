// import: outer
// The outer update with the meta-gradient scaled down to a norm (Pascanu, Mikolov and Bengio 2013, algorithm 1):
//     g ← g · min(1, c / ‖g‖).

override WORKGROUP: u32 = 64u;

// One invocation: one element. Each sums the squares anew, in the same order.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let e = id.x;
    if (e >= outer.learned) {
        return;
    }
    var square = 0.0;
    for (var i = 0u; i < outer.norm_parts; i++) {
        square += gradient[outer.learned + i];
    }
    let norm = sqrt(square);
    var g = gradient[e];
    if (norm > outer.clip_norm) {
        g *= outer.clip_norm / norm;
    }
    update(e, g);
}
