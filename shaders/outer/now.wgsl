// What changes from one meta-iteration to the next.
struct Now {
    iteration: u32, // of the sampler's key
    first_task: u32, // of the sampler's key
    query_first: u32, // first query point among those drawn
    first_visit: u32, // into the pool
    step: f32, // the outer optimizer's scalars: lr / (1 − β₁ᵗ), or lr
    root: f32, // 1 / √(1 − β₂ᵗ)
    slot: u32, // of the loss log
    unused: u32,
}
