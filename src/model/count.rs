//! Operations counted by hand, for FLOP/s beside a measured time.

use super::{Model, Rows};

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
    /// Counts a meta-gradient of which everything adapts: `support` and `query` points a task, `steps` inner steps.
    #[must_use]
    pub fn meta_gradient(
        model: &Model,
        support: usize,
        query: usize,
        steps: usize,
        second_order: bool,
    ) -> Self {
        let adapted = vec![true; model.params().len()];
        Self::adapting(model, &adapted, (support, query), steps, second_order)
    }

    /// Counts a meta-gradient of which those parameters adapt that `adapted` says, `[parameters]`; all are learned.
    #[must_use]
    pub fn adapting(
        model: &Model,
        adapted: &[bool],
        (support, query): (usize, usize),
        steps: usize,
        second_order: bool,
    ) -> Self {
        // For each value whether it moves while the inner loop runs, and whether anything that is learned lies below it.
        let (mut moves, mut learned) = (vec![false], vec![false]);
        let mut all = 0;
        for node in model.nodes() {
            let shapes: Vec<_> = node.inputs.iter().map(|&input| model.value(input).0).collect();
            let macs = node.op.multiply_adds(&shapes, node.shape);
            let any = |of: &[bool]| node.inputs.iter().any(|input| of[input.index()]);
            let (input_moves, input_learned) = (any(&moves), any(&learned));
            let own = node.params.clone().any(|param| adapted[param]);
            let has = !node.params.is_empty();
            moves.push(own || input_moves);
            learned.push(has || input_learned);
            let times = |wanted: bool| u64::from(wanted);
            let gradient = 1 + times(input_moves) + times(own);
            // ẇ: W ẋ (not at the input layer) and Ẇ x forward; Wᵀ dż and Ẇᵀ dz backward; dż xᵀ and dz ẋᵀ.
            let tangent = times(input_moves)
                + times(own)
                + times(input_learned)
                + times(own && input_learned)
                + times(has)
                + times(has && input_moves);
            let query_gradient = 1 + times(input_learned) + times(has);
            // What is a row a task is computed once for all points.
            let [s, q] = match node.rows {
                Rows::Point => [support, query],
                Rows::Task => [1, 1],
            };
            let support_cost = steps as u64 * s as u64 * (gradient + times(second_order) * tangent);
            all += macs * (support_cost + q as u64 * query_gradient);
        }
        Self { per_task: 2 * all }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Op, Shape, Siren};

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
    fn a_latent_that_alone_adapts_leaves_out_gradients_of_weights() {
        let siren = Siren { hidden: vec![7, 5], omega: 30.0, first_omega: 30.0, latent: 3 };
        let model = siren.graph(Shape::Vector(2), 1).unwrap().finish().unwrap();
        let adapted: Vec<_> = model.params().iter().map(|param| param.name.starts_with("latent")).collect();
        let (s, q, steps) = (11, 13, 2_usize);
        let ops = Operations::adapting(&model, &adapted, (s, q), steps, true);
        // The layer of coordinates: its product, and dż xᵀ for its weights; the others also dx, W ẋ, Wᵀ dż and dz ẋᵀ.
        let (first, others) = (2 * 7, 7 * 5 + 5);
        let points = steps * s * (2 * first + 6 * others) + q * (2 * first + 3 * others);
        // A linear layer of the latent, whose input adapts, for each hidden layer: once a task, and dx of it is the latent's gradient.
        let shifts = 3 * (7 + 5) * (steps * 6 + 3);
        assert_eq!(ops.per_task, 2 * (points + shifts) as u64);
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
