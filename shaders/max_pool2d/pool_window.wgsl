// import: layer
// The windows of a max-pool. The kernel that imports this has `inputs`.

// Where the largest value of window (oy, ox) lies, of those that begin at `image`; the first of equal ones.
fn winner(image: u32, oy: u32, ox: u32) -> u32 {
    let first = image + oy * layer.stride * layer.width + ox * layer.stride;
    var best = first;
    var top = inputs[first];
    for (var y = 0u; y < layer.kernel; y++) {
        for (var x = 0u; x < layer.kernel; x++) {
            let at = first + y * layer.width + x;
            let value = inputs[at];
            if (value > top) {
                top = value;
                best = at;
            }
        }
    }
    return best;
}
