// sin(t) for |t| up to about 10⁴, error below 3·10⁻⁷: WGSL's own promises 2⁻¹¹, and only within ±π.
// The angle less the nearest multiple of π in three exact parts, then the series to the 11th power.

fn sine(t: f32) -> f32 {
    let turns = floor(t * 0.318309886 + 0.5);
    // fma, as fast arithmetic may put the parts together again otherwise.
    let r = fma(turns, -1.509958e-7, fma(turns, -9.675026e-4, fma(turns, -3.140625, t)));
    let r2 = r * r;
    var p = -2.5052108e-8;
    p = p * r2 + 2.7557319e-6;
    p = p * r2 - 1.984127e-4;
    p = p * r2 + 8.333333e-3;
    p = p * r2 - 0.16666667;
    let s = r + r * r2 * p;
    // sin(r + nπ) changes sign with odd n.
    let odd = turns - 2.0 * floor(turns * 0.5);
    return s - 2.0 * odd * s;
}
