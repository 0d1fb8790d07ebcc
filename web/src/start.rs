//! Parameters to adapt from.

use crate::engine::Engine;
use crate::{Thrown, thrown};
use fastweights::meta::Plan;
use fastweights::recipe::Recipe;
use fastweights::run::read_params;
use fastweights::task::{PointWeights, TaskBatch};
use std::path::Path;
use wasm_bindgen::prelude::*;

/// A network's parameters, and how they are adapted.
#[wasm_bindgen]
pub struct Start {
    pub(crate) plan: Plan,
    /// θ₀ and learned rates.
    pub(crate) params: Vec<f32>,
}

/// What came of an adaptation.
#[wasm_bindgen]
pub struct Adapted {
    losses: Vec<f32>,
    predictions: Vec<f32>,
}

#[wasm_bindgen]
impl Adapted {
    /// Losses on the query points after 0, 1, … steps.
    #[wasm_bindgen(getter)]
    pub fn losses(&self) -> Vec<f32> {
        self.losses.clone()
    }

    /// Outputs at the query points, `[steps + 1, query, outputs]`.
    #[wasm_bindgen(getter)]
    pub fn predictions(&self) -> Vec<f32> {
        self.predictions.clone()
    }
}

#[wasm_bindgen]
impl Start {
    /// A meta-learned start: its recipe, and the bytes of its checkpoint.
    pub fn learned(recipe: &str, bytes: &[u8]) -> Result<Start, Thrown> {
        let plan = plan(recipe)?;
        let params = read_params(&plan, Path::new("checkpoint"), bytes).map_err(thrown)?;
        Ok(Self { plan, params })
    }

    /// The same network at random.
    pub fn random(recipe: &str) -> Result<Start, Thrown> {
        let recipe = Recipe::parse(recipe, "recipe", &[]).map_err(thrown)?;
        let params = recipe.start().map_err(thrown)?.params;
        Ok(Self { plan: recipe.plan().map_err(thrown)?, params })
    }

    /// Adapts on the support points for 0 … `steps` steps, at the rate given or those that it has, and tells what comes out at
    /// the query points after each. Support points of weight 0 are as if they were not there. `query_y` may be zeros.
    #[allow(clippy::too_many_arguments, reason = "JavaScript has no tuples")]
    pub async fn adapt(
        &self,
        engine: &Engine,
        support_x: Vec<f32>,
        support_y: Vec<f32>,
        weights: Option<Vec<f32>>,
        query_x: Vec<f32>,
        query_y: Vec<f32>,
        steps: usize,
        rate: Option<f64>,
    ) -> Result<Adapted, Thrown> {
        let (inputs, targets) = (self.plan.model.inputs(), self.plan.targets());
        let (support, query) = (support_x.len() / inputs, query_x.len() / inputs);
        let mut tasks = TaskBatch::zeros(1, 0, 0, inputs, targets);
        (tasks.support, tasks.query) = (support, query);
        (tasks.support_x, tasks.support_y) = (support_x.into(), support_y.into());
        (tasks.query_x, tasks.query_y) = (query_x.into(), query_y.into());
        tasks.weights =
            weights.map(|support| PointWeights { support: support.into(), query: vec![1.0; query].into() });
        let plan = self.plan.for_evaluation(&self.params, support, query, steps, rate);
        let theta = &self.params[..plan.model.param_count()];
        let kind = engine.kind.clone();
        let found = kind.evaluate(&plan, theta, &tasks).await.map_err(thrown)?;
        Ok(Adapted { losses: found.query_loss, predictions: found.predictions.unwrap_or_default() })
    }
}

fn plan(recipe: &str) -> Result<Plan, Thrown> {
    Recipe::parse(recipe, "recipe", &[]).and_then(|recipe| recipe.plan()).map_err(thrown)
}
