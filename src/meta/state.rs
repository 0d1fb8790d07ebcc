//! What a training has come to.

/// All that must be kept to continue a training to the byte.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrainState {
    /// Meta-iterations done.
    pub iteration: u64,
    /// Meta-parameters, `[P + R]`.
    pub params: Vec<f32>,
    /// Adam's first moment, `[P + R]`.
    pub m: Vec<f32>,
    /// Adam's second moment, `[P + R]`.
    pub v: Vec<f32>,
}

impl TrainState {
    /// The state before the first meta-iteration.
    #[must_use]
    pub fn start(params: Vec<f32>) -> Self {
        let zeros = vec![0.0; params.len()];
        Self { iteration: 0, m: zeros.clone(), v: zeros, params }
    }
}
