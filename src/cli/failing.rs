//! A device that is lost on purpose: what a test of `--recover` needs. `FASTWEIGHTS_LOSE_DEVICE=N` loses it N times, each in the
//! third block of a training.

use fastweights::meta::{
    Backend, Evaluation, Forecast, Losses, Plan, Prepared, TrainPlan, TrainState, Training,
};
use fastweights::task::TaskBatch;
use fastweights::{Error, Result};
use std::sync::atomic::{AtomicU32, Ordering};

/// How often it was lost by this process.
static LOST: AtomicU32 = AtomicU32::new(0);

/// The device, or one that is lost so often.
pub(super) fn as_asked(device: Box<dyn Backend>) -> Box<dyn Backend> {
    let times = std::env::var("FASTWEIGHTS_LOSE_DEVICE").ok().and_then(|times| times.parse().ok());
    match times {
        Some(times) if LOST.load(Ordering::Relaxed) < times => Box::new(Failing { device }),
        Some(_) | None => device,
    }
}

struct Failing {
    device: Box<dyn Backend>,
}

impl Backend for Failing {
    fn name(&self) -> String {
        self.device.name()
    }

    fn alone(&self) -> Option<&dyn Backend> {
        self.device.alone()
    }

    fn training(&self, plan: &TrainPlan, state: TrainState) -> Result<Box<dyn Training>> {
        Ok(Box::new(Lost { training: self.device.training(plan, state)?, blocks: 0 }))
    }

    fn forecast(&self, plan: &TrainPlan) -> Result<Forecast> {
        self.device.forecast(plan)
    }

    fn prepare<'a>(&'a self, plan: &Plan, tasks: usize, weighted: bool) -> Result<Box<dyn Prepared + 'a>> {
        self.device.prepare(plan, tasks, weighted)
    }

    fn evaluate(
        &self,
        plan: &Plan,
        theta: &[f32],
        tasks: &TaskBatch,
        predictions: bool,
    ) -> Result<Evaluation> {
        self.device.evaluate(plan, theta, tasks, predictions)
    }
}

/// A training that ends in its third block.
struct Lost {
    training: Box<dyn Training>,
    blocks: u32,
}

impl Training for Lost {
    fn advance(&mut self, iterations: u64) -> Result<Vec<Losses>> {
        self.blocks += 1;
        if self.blocks < 3 {
            return self.training.advance(iterations);
        }
        LOST.fetch_add(1, Ordering::Relaxed);
        Err(Error::device("the device was lost, as FASTWEIGHTS_LOSE_DEVICE asks for"))
    }

    fn state(&mut self) -> Result<TrainState> {
        self.training.state()
    }
}
