//! Operations counted by hand, for FLOP/s beside a measured time.

use super::Model;

/// Multiply-adds of one meta-gradient, counted from the explicit-weight formulation.
///
/// A multiply-add counts as two operations. The count is of the textbook algorithm (forward,
/// backward, Hessian-vector product by tangents of a pass whose activations were kept), so that a
/// formulation that needs fewer operations shows as a higher rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operations {
    /// Floating-point operations a task and meta-iteration.
    pub per_task: u64,
}

impl Operations {
    /// Counts a meta-gradient: `support` and `query` points a task, `steps` inner steps.
    #[must_use]
    pub fn meta_gradient(
        model: &Model,
        support: usize,
        query: usize,
        steps: usize,
        second_order: bool,
    ) -> Self {
        let (mut forward, mut input_grad) = (0_u64, 0_u64);
        for node in model.nodes() {
            let shapes: Vec<_> = node.inputs.iter().map(|&input| model.value(input).0).collect();
            let macs = node.op.multiply_adds(&shapes, node.shape);
            // The cotangent of the model's input, or of what no parameter lies below, is not wanted.
            input_grad += if forward == 0 { 0 } else { macs };
            forward += macs;
        }
        let gradient = 2 * forward + input_grad;
        // ẇ: W ẋ (not at the input layer) and Ẇ x forward; Wᵀ dż and Ẇᵀ dz backward; dż xᵀ and dz ẋᵀ.
        let tangent = (forward + input_grad) + 2 * input_grad + (forward + input_grad);
        let steps = steps as u64;
        let support_cost = steps * support as u64 * (gradient + if second_order { tangent } else { 0 });
        Self { per_task: 2 * (support_cost + query as u64 * gradient) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Op, Shape};

    #[test]
    fn convolutions_count_every_output_pixel() {
        let conv = Op::conv2d(64, 3, 2, 1);
        let norm = Op::batch_norm(1e-5, true);
        let image = Shape::Image { channels: 1, height: 28, width: 28 };
        let model = Model::sequential(image, &[conv, norm, conv, norm]).unwrap();
        let (first, second) = (14 * 14 * 64 * 9, 7 * 7 * 64 * 64 * 9);
        let ops = Operations::meta_gradient(&model, 5, 5, 0, true);
        assert_eq!(ops.per_task, 2 * 5 * (2 * (first + second) + second));
    }

    #[test]
    fn the_sinusoid_network_costs_what_a_pencil_says() {
        let model = Model::mlp(1, &[40, 40], 1, false).unwrap();
        // forward 1680 multiply-adds a point, input gradients 1640.
        let gradient = 2 * 1680 + 1640;
        let tangent = 2 * (1680 + 1640) + 2 * 1640;
        let ops = Operations::meta_gradient(&model, 5, 5, 1, true);
        assert_eq!(ops.per_task, 2 * (5 * (gradient + tangent) + 5 * gradient));
    }
}
