//! A meta-training that goes on while the page looks at it, with the same network trained without an inner loop beside it.

use crate::engine::{Engine, Kind};
use crate::start::Start;
use crate::{Thrown, thrown};
use fastweights::Result;
use fastweights::backend::gpu::Resident;
use fastweights::meta::{Backend, Losses, TrainPlan, TrainState, Training as Trains};
use fastweights::recipe::{Recipe, parse_setting};
use fastweights::run::{Checkpoints, Saved};
use std::path::PathBuf;
use wasm_bindgen::prelude::*;

/// A training on a device.
enum Runs {
    Gpu(Box<Resident>),
    Cpu(Box<dyn Trains>),
}

impl Runs {
    fn new(kind: &Kind, plan: &TrainPlan, state: &TrainState) -> Result<Self> {
        Ok(match kind {
            Kind::Gpu(gpu) => Self::Gpu(Box::new(gpu.resident(plan, state)?)),
            Kind::Cpu(cpu) => Self::Cpu(cpu.training(plan, state.clone())?),
        })
    }

    async fn advance(&mut self, iterations: u64) -> Result<Vec<Losses>> {
        match self {
            Self::Gpu(gpu) => gpu.advance_async(iterations).await,
            Self::Cpu(cpu) => cpu.advance(iterations),
        }
    }

    async fn state(&mut self) -> Result<TrainState> {
        match self {
            Self::Gpu(gpu) => gpu.state_async().await,
            Self::Cpu(cpu) => cpu.state(),
        }
    }
}

/// One of the two networks: its training, and what was last known of it.
struct Learner {
    plan: TrainPlan,
    runs: Runs,
    known: TrainState,
}

impl Learner {
    fn new(kind: &Kind, plan: TrainPlan, known: TrainState) -> Result<Self> {
        Ok(Self { runs: Runs::new(kind, &plan, &known)?, plan, known })
    }

    /// Up to so many more, not beyond the plan's last.
    async fn advance(&mut self, done: u64, iterations: u64) -> Result<Vec<Losses>> {
        let left = self.plan.outer.iterations.saturating_sub(done);
        self.runs.advance(iterations.min(left)).await
    }
}

/// See the module.
#[wasm_bindgen]
pub struct Training {
    recipe: Recipe,
    meta: Learner,
    plain: Learner,
    /// Updates of the plain network for each meta-iteration.
    ratio: u64,
    iteration: u64,
}

#[wasm_bindgen]
impl Training {
    /// A training from the start: settings as the command line's `--set` takes them.
    #[wasm_bindgen(constructor)]
    pub fn new(engine: &Engine, name: &str, settings: Vec<String>) -> std::result::Result<Training, Thrown> {
        Self::begin(&engine.kind, name, &settings).map_err(thrown)
    }

    /// Meta-iterations done.
    #[wasm_bindgen(getter)]
    pub fn iteration(&self) -> f64 {
        self.iteration as f64
    }

    /// The last meta-iteration.
    #[wasm_bindgen(getter)]
    pub fn last(&self) -> f64 {
        self.meta.plan.outer.iterations as f64
    }

    /// Runs some meta-iterations; their losses on query points.
    pub async fn advance(&mut self, iterations: u32) -> std::result::Result<Vec<f32>, Thrown> {
        let losses = self.meta.advance(self.iteration, iterations.into()).await.map_err(thrown)?;
        self.iteration += losses.len() as u64;
        Ok(losses.iter().map(|losses| losses.query).collect())
    }

    /// Lets the plain network catch up, by at most so many updates; whether it has.
    pub async fn advance_plain(&mut self, updates: u32) -> std::result::Result<bool, Thrown> {
        let done = self.plain.known.iteration;
        let wanted = (self.iteration * self.ratio).saturating_sub(done);
        let some = wanted.min(updates.into());
        let ran = self.plain.advance(done, some).await.map_err(thrown)?;
        self.plain.known.iteration += ran.len() as u64;
        Ok(some == wanted)
    }

    /// The meta-learned start as it is now.
    pub async fn learned(&mut self) -> std::result::Result<Start, Thrown> {
        self.meta.known = self.meta.runs.state().await.map_err(thrown)?;
        Ok(Start { plan: self.meta.plan.plan.clone(), params: self.meta.known.params.clone() })
    }

    /// The plain network as it is now, to be adapted as the other is.
    pub async fn pretrained(&mut self) -> std::result::Result<Start, Thrown> {
        self.plain.known = self.plain.runs.state().await.map_err(thrown)?;
        let mut plan = self.meta.plan.plan.clone();
        // The rate that the recipe adapts the plain network by.
        plan.rates = self.plain.plan.plan.rates.clone();
        Ok(Start { plan, params: self.plain.known.params.clone() })
    }

    /// The same training, as last known, on another device.
    pub fn moved(&self, engine: &Engine) -> std::result::Result<Training, Thrown> {
        let on = |learner: &Learner| Learner::new(&engine.kind, learner.plan.clone(), learner.known.clone());
        let moved = || {
            let (meta, plain) = (on(&self.meta)?, on(&self.plain)?);
            let iteration = meta.known.iteration;
            Ok(Self { recipe: self.recipe.clone(), meta, plain, ratio: self.ratio, iteration })
        };
        moved().map_err(thrown)
    }

    /// The recipe of a run directory that the command line goes on from.
    pub fn recipe(&self) -> std::result::Result<String, Thrown> {
        self.recipe.to_toml().map_err(thrown)
    }

    /// Files of a checkpoint in such a directory: pairs of path and bytes.
    pub async fn checkpoint(&mut self) -> std::result::Result<js_sys::Array, Thrown> {
        self.meta.known = self.meta.runs.state().await.map_err(thrown)?;
        // Sums of losses begin anew with the next line of metrics.
        let saved = Saved { state: self.meta.known.clone(), sums: vec![0.0; 2] };
        let place = Checkpoints::at(PathBuf::from("checkpoints"));
        let files = place.files(&self.meta.plan.plan, self.recipe.seed, &saved).map_err(thrown)?;
        let pairs = files.into_iter().map(|(path, bytes)| {
            let bytes = js_sys::Uint8Array::from(&bytes[..]);
            js_sys::Array::of2(&path.to_string_lossy().into_owned().into(), &bytes)
        });
        Ok(pairs.collect())
    }
}

impl Training {
    fn begin(kind: &Kind, name: &str, settings: &[String]) -> Result<Self> {
        let settings = settings.iter().map(|text| parse_setting(text)).collect::<Result<Vec<_>>>()?;
        let mut recipe = Recipe::load(name, &settings)?;
        // It is trained beside the other here, and anew by who goes on.
        recipe.control.enabled = true;
        let (plan, ratio) = (recipe.train_plan()?, recipe.control_updates());
        let Some(plain) = recipe.control_plan()? else {
            return Err(fastweights::Error::failed("the recipe has no plain network"));
        };
        let (start, plain_start) = (recipe.start()?, recipe.control_start()?);
        let (meta, plain) = (Learner::new(kind, plan, start)?, Learner::new(kind, plain, plain_start)?);
        Ok(Self { recipe, meta, plain, ratio, iteration: 0 })
    }
}
