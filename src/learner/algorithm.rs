//! What a learner does, as settings.

use crate::error::{Error, Result};
use crate::meta::{
    Adapt, Annealing, InnerOptimizer, Loss, MetaGradient, OuterKind, OuterOptimizer, Plan, RateShape, Rates,
    Schedule, TrainState,
};
use crate::model::{Init, Model};

/// A model with the settings of its inner and its outer loop. It knows nothing of tasks but their shape.
///
/// Every member of the family is a constructor; each setting can be changed behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Algorithm {
    /// The model, from points `[inputs]` to `[outputs]`.
    pub model: Model,
    /// The loss of support and query alike.
    pub loss: Loss,
    /// Inner steps K.
    pub steps: usize,
    /// Their rate, or where learned rates start.
    pub inner_lr: f64,
    /// Which rates are learned, if any.
    pub learned_lr: Option<RateShape>,
    /// How a gradient becomes an inner step.
    pub inner: InnerOptimizer,
    /// What goes back from the adapted to the initial parameters.
    pub order: MetaGradient,
    /// Which layers adapt.
    pub adapt: Adapt,
    /// Whether the scales and shifts of batch norms adapt, else they are meta-learned only.
    pub adapt_batch_norm: bool,
    /// Weights of the query losses of θ_0 … θ_K, `[steps + 1]`; the last alone if absent.
    pub loss_weights: Option<Vec<f64>>,
    /// What changes over training.
    pub annealing: Annealing,
    /// The outer optimizer.
    pub outer: OuterOptimizer,
    /// How parameters are drawn.
    pub init: Init,
    /// The seed that they are drawn from.
    pub seed: u64,
}

impl Algorithm {
    /// MAML (Finn, Abbeel and Levine 2017, algorithm 1) with second-order gradients: one inner step at rate 0.01, Adam at
    /// 10⁻³ outside.
    #[must_use]
    pub fn maml(model: Model, loss: Loss) -> Self {
        Self {
            model,
            loss,
            steps: 1,
            inner_lr: 0.01,
            learned_lr: None,
            inner: InnerOptimizer::default(),
            order: MetaGradient::SecondOrder,
            adapt: Adapt::All,
            adapt_batch_norm: true,
            loss_weights: None,
            annealing: Annealing::default(),
            outer: OuterOptimizer::adam(1e-3, u64::from(u32::MAX)),
            init: Init::default(),
            seed: 0,
        }
    }

    /// First-order MAML (section 5.2 there): inner steps are taken for constants.
    #[must_use]
    pub fn first_order_maml(model: Model, loss: Loss) -> Self {
        Self { order: MetaGradient::FirstOrder, ..Self::maml(model, loss) }
    }

    /// ANIL (Raghu et al. 2020): the inner loop moves the head alone.
    #[must_use]
    pub fn anil(model: Model, loss: Loss) -> Self {
        Self { adapt: Adapt::Head, ..Self::maml(model, loss) }
    }

    /// BOIL (Oh et al. 2021): the inner loop moves everything but the head.
    #[must_use]
    pub fn boil(model: Model, loss: Loss) -> Self {
        Self { adapt: Adapt::Body, ..Self::maml(model, loss) }
    }

    /// Meta-SGD (Li et al. 2017, algorithm 1): a learned rate for each parameter.
    #[must_use]
    pub fn meta_sgd(model: Model, loss: Loss) -> Self {
        Self { learned_lr: Some(RateShape::PerParameter), ..Self::maml(model, loss) }
    }

    /// MAML++ (Antoniou, Edwards and Storkey 2019, section 4): learned rates for each layer and step, scales and shifts of batch
    /// norms for each step, first order for the first tenth of `iterations` meta-iterations, losses after all of `steps` steps
    /// that give way to the last over the first half, a cosine-annealed outer rate.
    #[must_use]
    pub fn maml_plus_plus(model: Model, loss: Loss, steps: usize, iterations: u64) -> Self {
        let outer = OuterOptimizer { schedule: Schedule::Cosine, ..OuterOptimizer::adam(1e-3, iterations) };
        Self {
            steps,
            learned_lr: Some(RateShape::PerLayerStep),
            adapt_batch_norm: false,
            annealing: Annealing { first_order: iterations / 10, multi_step_loss: iterations / 2 },
            outer,
            ..Self::maml(model.with_norm_steps(steps), loss)
        }
    }

    /// Reptile (Nichol, Achiam and Schulman 2018, algorithm 1): the initial parameters go `share` of the way that adaptation in
    /// `steps` steps goes, in the mean over tasks.
    #[must_use]
    pub fn reptile(model: Model, loss: Loss, steps: usize, share: f64) -> Self {
        let outer =
            OuterOptimizer { kind: OuterKind::Sgd, ..OuterOptimizer::adam(share, u64::from(u32::MAX)) };
        Self { steps, order: MetaGradient::Displacement, outer, ..Self::maml(model, loss) }
    }

    /// The meta-gradient over tasks of `support` and `query` points.
    ///
    /// # Errors
    /// As [`Plan::check`].
    pub fn plan(&self, support: usize, query: usize) -> Result<Plan> {
        let rates = Rates::fixed(self.inner_lr);
        let mut plan = Plan::new(self.model.clone(), self.loss, support, query, self.steps, rates)?;
        plan = plan.adapt(&self.adapt)?;
        if !self.adapt_batch_norm {
            plan = plan.keep_batch_norm();
        }
        plan.order = self.order;
        plan.inner = self.inner;
        plan.annealing = self.annealing;
        if let Some(weights) = &self.loss_weights {
            plan.loss_weights.clone_from(weights);
        }
        if let Some(shape) = self.learned_lr {
            plan.rates.shape = shape;
            plan.rates.learned = true;
            plan.rates.values = vec![self.inner_lr; plan.rate_count()];
        }
        plan.check()?;
        Ok(plan)
    }

    /// Where training begins: drawn parameters and, where they are learned, rates.
    ///
    /// # Errors
    /// As [`Plan::check`].
    pub fn start(&self) -> Result<TrainState> {
        if !self.inner_lr.is_finite() {
            return Err(Error::recipe(
                "inner_lr",
                format!("is {}; a finite number is needed", self.inner_lr),
            ));
        }
        let theta = self.init.draw(&self.model, self.seed);
        Ok(TrainState::start(self.plan(1, 1)?.meta_params(&theta)))
    }
}
