// Does the driver finish long loops? Some software drivers end every loop of an invocation, without a word,
// once it has run 65,535 iterations in total.
//
// state' = state · 1664525 + 1013904223 (mod 2³²; Numerical Recipes, section 7.1), `rounds` times from the
// invocation's index: the host knows the answer.

struct Probe {
    rounds: vec4<u32>, // x: iterations of the outer loop, y: of the inner
}

@group(0) @binding(0) var<uniform> probe: Probe;
@group(0) @binding(1) var<storage, read_write> result: array<u32>;

// One invocation: one sequence.
@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    var state = id.x;
    for (var i = 0u; i < probe.rounds.x; i++) {
        for (var k = 0u; k < probe.rounds.y; k++) {
            state = state * 1664525u + 1013904223u;
        }
    }
    result[id.x] = state;
}
