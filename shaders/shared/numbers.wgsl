// What a compiler may not simplify on the ground that there be no NaN, which fast arithmetic lets it assume: a NaN has to
// reach the losses, where the host sees that a training diverged.

fn is_nan(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

// max(x, 0), NaN where x is: the bits of what is negative, −∞ included, are 0x80000000 to 0xff800000.
fn rectified(x: f32) -> f32 {
    return select(x, 0.0, bitcast<u32>(x) - 0x80000000u <= 0x7f800000u);
}

// clamp(x, −limit, limit), NaN where x is.
fn clamped(x: f32, limit: f32) -> f32 {
    return select(clamp(x, -limit, limit), x, is_nan(x));
}
