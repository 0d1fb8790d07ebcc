// import: philox
// import: sine
// What the samplers are made of, one stream an invocation: word, index below 1000 and the sine of an angle.

@group(0) @binding(0) var<storage, read_write> words: array<vec4<u32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    let bits = word(i % 7u, vec2<u32>(0x89abcdefu, 0x01234567u), PURPOSE_POOL, i * 0x9e3779b9u, i);
    let angle = (unit(bits) - 0.5) * 2000.0;
    words[i] = vec4<u32>(bits, below(bits, 1000u), bitcast<u32>(unit(bits)), bitcast<u32>(sine(angle)));
}
