// import: window_pass
// The winner of a window. The kernel that imports this has `inputs`.

// Where the largest value of a window lies, of those of the image that begins at `image`; the first of equal ones.
fn winner(image: u32, out: vec2<u32>) -> u32 {
    let first = image + corner_of(out);
    var best = first;
    var top = inputs[first];
    for (var y = 0u; y < pool.kernel.x; y++) {
        for (var x = 0u; x < pool.kernel.y; x++) {
            let at = first + y * pool.size.y + x;
            let value = inputs[at];
            if (value > top) {
                top = value;
                best = at;
            }
        }
    }
    return best;
}
