//! What a learner does, as settings.

use super::{
    Adapt, Annealing, InnerLoop, Loss, MetaGradient, OuterKind, OuterOptimizer, Plan, RateShape, Rates,
    Schedule, TrainState,
};
use crate::error::{Error, Result};
use crate::model::{Init, Model};

/// Most learned rates.
const MOST_RATES: usize = 1 << 28;

/// A model with the settings of its inner and its outer loop. It knows nothing of tasks but their shape.
///
/// Every member of the family is a constructor; each setting can be changed behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Algorithm {
    /// The model, from points `[inputs]` to `[outputs]`.
    pub model: Model,
    /// The loss of support and query alike.
    pub loss: Loss,
    /// How a task is learned.
    pub inner: InnerLoop,
    /// The outer optimizer.
    pub outer: OuterOptimizer,
    /// How parameters are drawn.
    pub init: Init,
    /// The seed that they are drawn from.
    pub seed: u64,
}

impl Algorithm {
    /// The same with other settings of the inner loop.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut InnerLoop)) -> Self {
        change(&mut self.inner);
        self
    }

    /// MAML (Finn, Abbeel and Levine 2017, algorithm 1) with second-order gradients: one inner step at rate 0.01, Adam at
    /// 10⁻³ outside.
    #[must_use]
    pub fn maml(model: Model, loss: Loss) -> Self {
        Self {
            model,
            loss,
            inner: InnerLoop::default(),
            outer: OuterOptimizer::adam(1e-3, u64::from(u32::MAX)),
            init: Init::default(),
            seed: 0,
        }
    }

    /// First-order MAML (section 5.2 there): inner steps are taken for constants.
    #[must_use]
    pub fn first_order_maml(model: Model, loss: Loss) -> Self {
        Self::maml(model, loss).with(|inner| inner.order = MetaGradient::FirstOrder)
    }

    /// ANIL (Raghu et al. 2020): the inner loop moves the head alone.
    #[must_use]
    pub fn anil(model: Model, loss: Loss) -> Self {
        Self::maml(model, loss).with(|inner| inner.adapt = Adapt::Head)
    }

    /// BOIL (Oh et al. 2021): the inner loop moves everything but the head.
    #[must_use]
    pub fn boil(model: Model, loss: Loss) -> Self {
        Self::maml(model, loss).with(|inner| inner.adapt = Adapt::Body)
    }

    /// Meta-SGD (Li et al. 2017, algorithm 1): a learned rate for each parameter.
    #[must_use]
    pub fn meta_sgd(model: Model, loss: Loss) -> Self {
        Self::maml(model, loss).with(|inner| inner.learned_lr = Some(RateShape::PerParameter))
    }

    /// MAML++ (Antoniou, Edwards and Storkey 2019, section 4): learned rates for each layer and step, scales and shifts of batch
    /// norms for each step, first order for the first tenth of `iterations` meta-iterations, losses after all of `steps` steps
    /// that give way to the last over the first half, a cosine-annealed outer rate.
    #[must_use]
    pub fn maml_plus_plus(model: Model, loss: Loss, steps: usize, iterations: u64) -> Self {
        let outer = OuterOptimizer { schedule: Schedule::Cosine, ..OuterOptimizer::adam(1e-3, iterations) };
        let inner = InnerLoop {
            steps,
            learned_lr: Some(RateShape::PerLayerStep),
            adapt_batch_norm: false,
            annealing: Annealing { first_order: iterations / 10, multi_step_loss: iterations / 2 },
            ..InnerLoop::default()
        };
        Self { inner, outer, ..Self::maml(model.with_norm_steps(steps), loss) }
    }

    /// Reptile (Nichol, Achiam and Schulman 2018, algorithm 1): the initial parameters go `share` of the way that adaptation in
    /// `steps` steps goes, in the mean over tasks.
    #[must_use]
    pub fn reptile(model: Model, loss: Loss, steps: usize, share: f64) -> Self {
        let outer =
            OuterOptimizer { kind: OuterKind::Sgd, ..OuterOptimizer::adam(share, u64::from(u32::MAX)) };
        let inner = InnerLoop { steps, order: MetaGradient::Displacement, ..InnerLoop::default() };
        Self { inner, outer, ..Self::maml(model, loss) }
    }

    /// The meta-gradient over tasks of `support` and `query` points.
    ///
    /// # Errors
    /// As [`Plan::check`] and [`Init::check`].
    pub fn plan(&self, support: usize, query: usize) -> Result<Plan> {
        let inner = &self.inner;
        self.init.check(&self.model)?;
        let rates = Rates::fixed(inner.lr);
        let mut plan = Plan::new(self.model.clone(), self.loss, support, query, inner.steps, rates)?;
        plan = plan.adapt(&inner.adapt)?;
        if !inner.adapt_batch_norm {
            plan = plan.keep_batch_norm();
        }
        plan.order = inner.order;
        plan.inner = inner.optimizer;
        plan.annealing = inner.annealing;
        if let Some(weights) = &inner.loss_weights {
            plan.loss_weights.clone_from(weights);
        }
        if let Some(shape) = inner.learned_lr {
            plan.rates.shape = shape;
            plan.rates.learned = true;
            plan.rates.range = inner.lr_range.map(|ends| ends.map(|end| end as f32));
            let rates = plan.rate_count();
            if rates > MOST_RATES {
                let reason = format!("means {rates} rates; at most {MOST_RATES} fit");
                return Err(Error::recipe("inner.learned_lr", reason));
            }
            plan.rates.values = vec![inner.lr; rates];
        }
        plan.check()?;
        Ok(plan)
    }

    /// Puts learned rates of meta-parameters `[P + R]` that have left their range at its edge.
    pub fn hold_rates(&self, params: &mut [f32]) {
        let range = self.inner.lr_range.map(|ends| ends.map(|end| end as f32));
        let learned = self.inner.learned_lr.is_some();
        let rates = Rates { learned, range, ..Rates::fixed(0.0) };
        if let Some(values) = params.get_mut(self.model.param_count()..) {
            rates.hold(values);
        }
    }

    /// Where training begins: drawn parameters and, where they are learned, rates.
    ///
    /// # Errors
    /// As [`Plan::check`] and [`OuterOptimizer::check`].
    pub fn start(&self) -> Result<TrainState> {
        if !self.inner.lr.is_finite() {
            return Err(Error::recipe(
                "inner.lr",
                format!("is {}; a finite number is needed", self.inner.lr),
            ));
        }
        self.outer.check()?;
        let theta = self.init.draw(&self.model, self.seed);
        Ok(TrainState::start(self.plan(1, 1)?.meta_params(&theta)))
    }
}
