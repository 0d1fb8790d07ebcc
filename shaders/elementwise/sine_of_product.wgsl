// sin(ω x) and cos(ω x), each with an error relative to itself of a few 10⁻⁷ for |ω x| up to 10⁴. The product is taken in
// parts of 12 bits, whose products are exact, and less the nearest multiple of π/2 in three parts, of which the first
// two times their count are exact. ω is `omega` and the `rest` that float32 lacks of it.

fn sine_of_product(omega: f32, rest: f32, x: f32) -> vec2<f32> {
    let w1 = bitcast<f32>(bitcast<u32>(omega) & 0xfffff000u);
    let x1 = bitcast<f32>(bitcast<u32>(x) & 0xfffff000u);
    let w2 = omega - w1;
    let x2 = x - x1;
    let turns = floor(omega * x * 0.63661977 + 0.5);
    let first = w1 * x1 - turns * 1.5703125;
    let small = (w1 * x2 + w2 * x1) + (w2 * x2 + rest * x);
    let r = (first - turns * 4.837512969970703e-4) + (small - turns * 7.549789954891882e-8);
    let r2 = r * r;
    var p = 2.7557319e-6;
    p = p * r2 - 1.984127e-4;
    p = p * r2 + 8.333333e-3;
    p = p * r2 - 0.16666667;
    let s = r + r * r2 * p;
    var q = -2.7557319e-7;
    q = q * r2 + 2.4801587e-5;
    q = q * r2 - 1.3888889e-3;
    q = q * r2 + 4.1666668e-2;
    q = q * r2 - 0.5;
    let c = 1.0 + r2 * q;
    let quarter = i32(turns) & 3;
    let pair = select(vec2<f32>(s, c), vec2<f32>(c, -s), (quarter & 1) == 1);
    return select(pair, -pair, quarter >= 2);
}
