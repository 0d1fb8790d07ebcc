// Philox4x32-10: counter-based random words. Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as
// 1, 2, 3" (SC 2011), section 3.3. The same integers as on the host, from the same keys.

// What a stream is for; the values of the host's `Purpose`.
const PURPOSE_TASK = 2u;
const PURPOSE_POOL = 3u;
const PURPOSE_SHUFFLE = 4u;

// Upper half of the 64-bit product, from products of 16-bit halves: WGSL has no wider integer.
fn mul_high(a: u32, b: u32) -> u32 {
    let a0 = a & 0xffffu;
    let a1 = a >> 16u;
    let b0 = b & 0xffffu;
    let b1 = b >> 16u;
    // At most (2¹⁶−1)² + 2¹⁶ − 1 each: no sum overflows.
    let middle = a1 * b0 + ((a0 * b0) >> 16u);
    let carry = (middle & 0xffffu) + a0 * b1;
    return a1 * b1 + (middle >> 16u) + (carry >> 16u);
}

fn philox(counter: vec4<u32>, seed: vec2<u32>) -> vec4<u32> {
    var c = counter;
    var k = seed;
    for (var i = 0; i < 10; i++) {
        let high = vec2<u32>(mul_high(c.x, 0xD2511F53u), mul_high(c.z, 0xCD9E8D57u));
        let low = vec2<u32>(c.x * 0xD2511F53u, c.z * 0xCD9E8D57u);
        c = vec4<u32>(high.y ^ c.y ^ k.x, low.y, high.x ^ c.w ^ k.y, low.x);
        k += vec2<u32>(0x9E3779B9u, 0xBB67AE85u);
    }
    return c;
}

// Word `i` of the stream (seed, purpose, iteration, task).
fn word(i: u32, seed: vec2<u32>, purpose: u32, iteration: u32, task: u32) -> u32 {
    return philox(vec4<u32>(i / 4u, task, iteration, purpose), seed)[i % 4u];
}

// A number in [0, 1) from the upper 24 bits.
fn unit(bits: u32) -> f32 {
    return f32(bits >> 8u) * (1.0 / 16777216.0);
}

// An index below n.
fn below(bits: u32, n: u32) -> u32 {
    return mul_high(bits, n);
}
