//! The GPU as a [`Backend`].

use super::device::Device;
use super::device::kernel::Kernels;
use super::device::wait::wait;
use super::fused::{self, Tuning};
use super::layered::{self, LayeredTuning};
use super::reach::{Path, Reach};
use super::resident::draw::draws_here;
use super::resident::pass::Pass;
use super::resident::request::{self, Now, Purpose, Request, Source};
use super::resident::shared::Share;
use super::resident::training::Resident;
use crate::error::{Error, Result};
use crate::meta::{
    Backend, Evaluation, Exchange, Forecast, KernelTime, MetaOutput, Plan, Prepared, SharedTraining, Shares,
    TrainPlan, TrainState, Training,
};
use crate::task::{TaskBatch, TaskSource};
use crate::wgsl::Library;
use std::sync::Arc;

/// Floats of tasks and results that one evaluation keeps on the device; more tasks are taken in turns.
const EVALUATION_WORDS: usize = 16 << 20;

/// An opened GPU with its compiled kernels.
#[derive(Clone, Debug)]
pub struct GpuBackend {
    device: Arc<Device>,
    kernels: Arc<Kernels>,
    tuning: Tuning,
    layered: LayeredTuning,
    /// Most bytes of device memory that a training or an evaluation may take.
    memory: Option<u64>,
    /// The path that is forced; else fused where the plan fits it.
    path: Option<Path>,
    /// Others that share the meta-batches of trainings.
    exchange: Option<Arc<dyn Exchange>>,
}

impl GpuBackend {
    /// Computes on an opened device.
    #[must_use]
    pub fn new(device: Device) -> Self {
        let tuning = Tuning::of(device.report());
        let layered = LayeredTuning::default();
        Self {
            device: Arc::new(device),
            kernels: Arc::default(),
            tuning,
            layered,
            memory: None,
            path: None,
            exchange: None,
        }
    }

    /// The same with another cut of the work.
    #[must_use]
    pub fn with_tuning(mut self, tuning: Tuning) -> Self {
        self.tuning = tuning;
        self
    }

    /// The same with another cut of the layered path's work.
    #[must_use]
    pub fn with_layered_tuning(mut self, tuning: LayeredTuning) -> Self {
        self.layered = tuning;
        self
    }

    /// The same with a bound on what a training or an evaluation takes of the device's memory: the layered path takes fewer
    /// tasks at once, computes support passes again, or takes points in chunks, where that is needed and can be. Nothing
    /// but rounding depends on it.
    #[must_use]
    pub fn with_memory(self, bytes: u64) -> Self {
        Self { memory: Some(bytes), ..self }
    }

    /// The same with the meta-batches of trainings shared by the members of an exchange, each of which makes the same calls.
    /// Results are the same bits for any number of members with the same kind of device.
    #[must_use]
    pub fn shared(mut self, exchange: Arc<dyn Exchange>) -> Self {
        self.exchange = Some(exchange);
        self
    }

    /// The same with the path forced.
    #[must_use]
    pub fn with_path(mut self, path: Path) -> Self {
        self.path = Some(path);
        self
    }

    /// The same with other shader files, as experiments and tests of the tests need.
    #[must_use]
    pub fn with_shaders(mut self, library: Library) -> Self {
        self.kernels = Arc::new(Kernels::new(library));
        self
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// How the work is cut.
    #[must_use]
    pub fn tuning(&self) -> Tuning {
        self.tuning
    }

    /// What is planned by.
    pub(super) fn reach(&self) -> Reach {
        Reach {
            capacity: *self.device.capacity(),
            tuning: self.tuning,
            layered: self.layered,
            memory: self.memory,
            path: self.path,
        }
    }

    fn pass(&self, request: &Request<'_>, others: u64) -> Result<Pass> {
        let images =
            matches!(request.source, Source::Sampler(s) if matches!(s.source, TaskSource::Images(_)));
        let reach = self.reach();
        let path = reach.path(request.plan, request.tasks, request.purpose, images || request.weighted)?;
        if request.weighted && path == Path::Fused {
            return Err(Error::unsupported("the fused path has no weights of points; take the layered one"));
        }
        tracing::debug!(?path, tasks = request.tasks, "a pass on the GPU");
        match path {
            Path::Layered => {
                layered::record(&self.device, &self.kernels, &reach.layered_tuning(others), request)
            }
            Path::Fused => fused::record(&self.device, &self.kernels, &self.tuning, request),
        }
    }

    /// A training whose meta-batches are shared.
    fn shared_training(
        &self,
        train: &TrainPlan,
        state: TrainState,
        exchange: &Arc<dyn Exchange>,
    ) -> Result<SharedTraining<Share>> {
        train.check()?;
        let shares = Shares::new(train.sampler.tasks(), Some(exchange));
        let others = self.footprint(train)?.others;
        let (purpose, weighted) = (Purpose::Gradient { report: false }, train.sampler.weighs());
        // The path of the whole meta-batch, whatever the share.
        let path = self.reach().path(&train.plan, train.sampler.tasks(), purpose, weighted)?;
        let (this, plan) = (self.clone().with_path(path), train.plan.clone());
        let make = move |tasks: usize| {
            let source = Source::Given;
            let request = Request { plan: &plan, tasks, purpose, source, weighted, outer: None, slots: 1 };
            this.pass(&request, others)
        };
        SharedTraining::new(train, state, shares, Share::new(train, Box::new(make)))
    }

    /// A training that keeps its state on the device: [`Backend::training`], of its own kind.
    ///
    /// # Errors
    /// As there.
    pub fn resident(&self, plan: &TrainPlan, state: &TrainState) -> Result<Resident> {
        let others = self.footprint(plan)?.others;
        let request = Request {
            plan: &plan.plan,
            tasks: plan.sampler.tasks(),
            purpose: Purpose::Gradient { report: false },
            source: match draws_here(&plan.sampler, self.device.capacity()) {
                true => Source::Sampler(&plan.sampler),
                false => Source::Given,
            },
            weighted: plan.sampler.weighs(),
            outer: Some(&plan.outer),
            slots: request::DEPTH * request::BLOCK,
        };
        Resident::new(self.pass(&request, others)?, plan, state)
    }
}

/// Bytes of the state of meta-parameters: θ₀, rates, θ₀ᵀ and the table of its places; two moments and the gradient.
pub(super) fn state_bytes(plan: &Plan) -> u64 {
    let (p, meta) = (plan.model.param_count() as u64, plan.meta_len() as u64);
    4 * (3 * p + plan.rate_count() as u64 + 3 * meta)
}

/// The meta-gradient of given tasks.
struct Given {
    pass: Pass,
    plan: Plan,
}

impl Prepared for Given {
    fn meta_gradient(&mut self, params: &[f32], tasks: &TaskBatch) -> Result<MetaOutput> {
        wait(self.compute(params, tasks))
    }
}

impl Given {
    async fn compute(&self, params: &[f32], tasks: &TaskBatch) -> Result<MetaOutput> {
        let Self { pass, plan } = self;
        plan.check_inputs(params.len(), tasks)?;
        pass.poison()?;
        pass.set_params(plan, params)?;
        pass.upload(tasks)?;
        pass.set_now(0, &[Now::default()]);
        pass.submit(0..1, None, None);
        let wanted = pass.places();
        let read = async |at: Option<u32>, count| match at {
            Some(at) => pass.report(at, count).await,
            None => Ok(Vec::new()),
        };
        let mut query_loss = read(wanted.query_losses, tasks.tasks * (plan.steps + 1)).await?;
        if !plan.track_all {
            for row in query_loss.chunks_exact_mut(plan.steps + 1) {
                for (loss, &weight) in row.iter_mut().zip(&plan.loss_weights) {
                    if weight == 0.0 {
                        *loss = 0.0;
                    }
                }
            }
        }
        Ok(MetaOutput {
            meta_loss: pass.losses().await?[0],
            gradient: pass.gradient().await?,
            query_loss,
            support_loss: read(wanted.support_losses, tasks.tasks * plan.steps).await?,
            fast: read(wanted.fast, tasks.tasks * plan.model.param_count()).await?,
        })
    }
}

impl Backend for GpuBackend {
    fn name(&self) -> String {
        let report = self.device.report();
        format!("{} ({}, {})", report.name, report.kind, report.backend)
    }

    fn training(&self, plan: &TrainPlan, state: TrainState) -> Result<Box<dyn Training>> {
        match &self.exchange {
            Some(exchange) => Ok(Box::new(self.shared_training(plan, state, exchange)?)),
            None => Ok(Box::new(self.resident(plan, &state)?)),
        }
    }

    fn profile(&self, plan: &TrainPlan, state: TrainState) -> Result<Vec<KernelTime>> {
        self.resident(plan, &state)?.profile()
    }

    fn forecast(&self, plan: &TrainPlan) -> Result<Forecast> {
        Ok(self.footprint(plan)?.into())
    }

    fn prepare<'a>(&'a self, plan: &Plan, tasks: usize, weighted: bool) -> Result<Box<dyn Prepared + 'a>> {
        Ok(Box::new(self.given(plan, tasks, weighted)?))
    }

    fn evaluate(
        &self,
        plan: &Plan,
        theta: &[f32],
        tasks: &TaskBatch,
        predictions: bool,
    ) -> Result<Evaluation> {
        wait(self.evaluate_async(plan, theta, tasks, predictions))
    }
}

/// The same where waiting is not allowed.
impl GpuBackend {
    fn given(&self, plan: &Plan, tasks: usize, weighted: bool) -> Result<Given> {
        let request = Request {
            plan,
            tasks,
            purpose: Purpose::Gradient { report: true },
            source: Source::Given,
            weighted,
            outer: None,
            slots: 1,
        };
        Ok(Given { pass: self.pass(&request, state_bytes(plan))?, plan: plan.clone() })
    }

    /// [`Backend::meta_gradient`].
    ///
    /// # Errors
    /// As there.
    pub async fn meta_gradient_async(
        &self,
        plan: &Plan,
        params: &[f32],
        tasks: &TaskBatch,
    ) -> Result<MetaOutput> {
        plan.check_inputs(params.len(), tasks)?;
        self.given(plan, tasks.tasks, tasks.weights.is_some())?.compute(params, tasks).await
    }

    /// [`Backend::evaluate`].
    ///
    /// # Errors
    /// As there.
    pub async fn evaluate_async(
        &self,
        plan: &Plan,
        theta: &[f32],
        tasks: &TaskBatch,
        predictions: bool,
    ) -> Result<Evaluation> {
        plan.check_inputs(theta.len(), tasks)?;
        if plan.rates.learned {
            return Err(Error::unsupported(
                "evaluation takes fixed rates: make the plan with for_evaluation",
            ));
        }
        let (inputs, outputs) = (plan.model.inputs(), plan.model.outputs());
        let kept = if predictions { (plan.steps + 1) * plan.query * outputs } else { 0 };
        let words = (plan.support + plan.query) * (inputs + plan.targets()) + kept + 2 * plan.steps + 1;
        let turn = (EVALUATION_WORDS / words).clamp(1, tasks.tasks.max(1));
        let mut query_loss = Vec::with_capacity(tasks.tasks * (plan.steps + 1));
        let mut predicted = vec![Vec::new(); if predictions { plan.steps + 1 } else { 0 }];
        for first in (0..tasks.tasks).step_by(turn) {
            let some = tasks.slice(first..tasks.tasks.min(first + turn));
            let request = Request {
                plan,
                tasks: some.tasks,
                purpose: Purpose::Evaluation { predictions },
                source: Source::Given,
                weighted: some.weights.is_some(),
                outer: None,
                slots: 1,
            };
            let pass = self.pass(&request, state_bytes(plan))?;
            pass.poison()?;
            pass.set_params(plan, theta)?;
            pass.upload(&some)?;
            pass.set_now(0, &[Now::default()]);
            pass.submit(0..1, None, None);
            if let Some(at) = pass.places().query_losses {
                query_loss.extend(pass.report(at, some.tasks * (plan.steps + 1)).await?);
            }
            if let Some(at) = pass.places().predictions {
                let count = some.tasks * plan.query * outputs;
                let all = pass.report(at, (plan.steps + 1) * count).await?;
                for (step, values) in predicted.iter_mut().zip(all.chunks_exact(count)) {
                    step.extend_from_slice(values);
                }
            }
        }
        Ok(Evaluation { query_loss, predictions: predictions.then(|| predicted.concat()) })
    }
}
