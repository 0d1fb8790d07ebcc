// import: outer
// The outer update with the meta-gradient scaled down to a norm (Pascanu, Mikolov and Bengio 2013, algorithm 1):
//     g ← g · min(1, c / ‖g‖).

override WORKGROUP: u32 = 256u;
// The most workgroups of a dispatch: beyond, each takes more than one stretch.
const MOST_GROUPS = 65535u;

var<workgroup> sums: array<f32, WORKGROUP>;

// One invocation: one element. Every workgroup sums the squares anew, in the same order.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    var part = 0.0;
    for (var i = lane; i < outer.norm_parts; i += WORKGROUP) {
        part += gradient[outer.learned + i];
    }
    sums[lane] = part;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        if (lane < half) {
            sums[lane] += sums[lane + half];
        }
        workgroupBarrier();
    }
    let norm = sqrt(sums[0]);
    for (var e = workgroup.x * WORKGROUP + lane; e < outer.learned; e += MOST_GROUPS * WORKGROUP) {
        var g = gradient[e];
        if (norm > outer.clip_norm) {
            g *= outer.clip_norm / norm;
        }
        update(e, g);
    }
}
