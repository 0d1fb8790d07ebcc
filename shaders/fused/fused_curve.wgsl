// import: fused_memory
// import: functions
// Functions behind linear layers, ReLU apart (`src/ops/elementwise/mod.rs`). Forward, h = f(z) leaves f′(z), and f″(z) where
// a tangent pass comes: the slope and the bend of the layer. On the way the bend becomes what the tangent of
// the cotangent needs beside the slope:
//     backward  dz = f′(z) ⊙ dh,      the bend times dh:       f″(z) ⊙ dh
//     tangent   ḣ  = f′(z) ⊙ ż,       and times ż:             f″(z) ⊙ dh ⊙ ż
//     of dz     dż = f′(z) ⊙ dḣ + f″(z) ⊙ dh ⊙ ż               (Pearlmutter 1994, section 3).

// Whether there is any such function.
override CURVED: bool = false;
// The one of all layers, or MIXED.
override FUNCTION: u32 = 0u;

const MIXED = 0xffu;

// f(z) at four columns at `at`, an element of the operation's result.
fn bent(op: Op, at: u32, y: vec4<f32>) -> vec4<f32> {
    let code = select(FUNCTION, op.function, FUNCTION == MIXED);
    let setting = bitcast<vec2<f32>>(vec2<u32>(op.setting, op.setting_rest));
    var z = y;
    var values = vec4<f32>();
    var slopes = vec4<f32>();
    var bends = vec4<f32>();
    // One call, of each column in turn: kernels stay small.
    for (var i = 0u; i < 4u; i++) {
        let f = function(code, setting, z.x);
        values = vec4<f32>(values.yzw, select(f.x, z.x, is_nan(z.x)));
        slopes = vec4<f32>(slopes.yzw, f.y);
        bends = vec4<f32>(bends.yzw, f.z);
        z = z.yzwx;
    }
    store(op.slope + at, slopes);
    if (op.bend != NONE) {
        store(op.bend + at, bends);
    }
    return values;
}

// A cotangent or a tangent on its way through the function.
fn sloped(op: Op, at: u32, y: vec4<f32>) -> vec4<f32> {
    let slope = load(op.slope + at);
    if (op.curve == CURVE_TERM) {
        return slope * y + load(op.bend + at);
    }
    if (op.bend != NONE) {
        store(op.bend + at, load(op.bend + at) * y);
    }
    return slope * y;
}
