//! The plan of each meta-iteration of a training that anneals.

use super::{Annealing, MetaGradient, Plan};

/// Stages in which loss weights go from where they begin to where they end.
const STAGES: u64 = 10;

impl Plan {
    /// The plan as meta-iteration `iteration`, counted from 0, computes it.
    #[must_use]
    pub fn at(&self, iteration: u64) -> Self {
        let mut plan = self.clone();
        plan.annealing = Annealing::default();
        if iteration < self.annealing.first_order && self.order == MetaGradient::SecondOrder {
            plan.order = MetaGradient::FirstOrder;
        }
        let over = self.annealing.multi_step_loss;
        if iteration < over && self.steps > 0 {
            let done = self.stage(iteration) as f64 / STAGES as f64;
            for (j, weight) in plan.loss_weights.iter_mut().enumerate() {
                let equal = if j > 0 { 1.0 / self.steps as f64 } else { 0.0 };
                *weight = (1.0 - done) * equal + done * *weight;
            }
        }
        plan
    }

    /// The stage of the loss weights that a meta-iteration falls into.
    fn stage(&self, iteration: u64) -> u64 {
        iteration.saturating_mul(STAGES) / self.annealing.multi_step_loss.max(1)
    }

    /// Meta-iterations from `iteration` on that compute the same.
    #[must_use]
    pub fn unchanged(&self, iteration: u64) -> u64 {
        let Annealing { first_order, multi_step_loss } = self.annealing;
        let mut ends = vec![first_order];
        if iteration < multi_step_loss {
            // The first iteration of the next stage.
            ends.push(((self.stage(iteration) + 1) * multi_step_loss).div_ceil(STAGES));
        }
        let end = ends.into_iter().filter(|&end| end > iteration).min();
        end.map_or(u64::MAX, |end| end - iteration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::{Loss, Rates};
    use crate::model::Model;

    #[test]
    fn weights_and_order_change_at_the_ends_of_stages() {
        let model = Model::mlp(1, &[3], 1, false).unwrap();
        let mut plan = Plan::new(model, Loss::mse(), 2, 2, 4, Rates::fixed(0.1)).unwrap();
        assert_eq!(plan.unchanged(7), u64::MAX);
        plan.annealing = Annealing { first_order: 25, multi_step_loss: 100 };
        assert_eq!(plan.at(0).loss_weights, [0.0, 0.25, 0.25, 0.25, 0.25]);
        assert_eq!(plan.at(0).order, MetaGradient::FirstOrder);
        assert_eq!(plan.at(25).order, MetaGradient::SecondOrder);
        let weights = plan.at(59).loss_weights;
        assert!((weights[1] - 0.125).abs() < 1e-12 && (weights[4] - 0.625).abs() < 1e-12);
        assert_eq!(plan.at(100).loss_weights, plan.loss_weights);
        let mut at = 0;
        let mut ends = Vec::new();
        while plan.unchanged(at) < u64::MAX {
            let next = at + plan.unchanged(at);
            assert!((at..next).all(|i| plan.at(i) == plan.at(at)) && plan.at(next) != plan.at(at));
            at = next;
            ends.push(at);
        }
        assert_eq!(ends, [10, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100]);
        plan.annealing.multi_step_loss = 3;
        assert_eq!((plan.unchanged(0), plan.unchanged(2)), (1, 1));
    }
}
