//! Several devices of one process as one, each on a thread of its own.

use super::local::{Member, members_of};
use super::sharing::{joined, shares};
use crate::error::{Error, Result};
use crate::meta::{
    Backend, Evaluation, Exchange, Forecast, Losses, Plan, Prepared, TrainPlan, TrainState, Training,
};
use crate::task::TaskBatch;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};

/// Makes the device of a member, which shares its trainings' meta-batches by the exchange that it is given.
pub type MakeDevice<'a> = &'a mut dyn FnMut(usize, Arc<dyn Exchange>) -> Result<Box<dyn Backend>>;

/// See the module. Meta-batches are shared as those devices do it; evaluations by tasks.
pub struct Devices {
    devices: Vec<Box<dyn Backend>>,
    members: Vec<Arc<Member>>,
}

impl Devices {
    /// So many devices, one at least.
    ///
    /// # Errors
    /// What making one of them fails with.
    pub fn new(count: usize, make: MakeDevice<'_>) -> Result<Self> {
        let members = members_of(count.max(1));
        let made = members.iter().enumerate().map(|(i, member)| make(i, member.clone()));
        Ok(Self { devices: made.collect::<Result<_>>()?, members })
    }
}

/// Leaves if a thread panics, so that others do not wait for ever.
struct Leaving<'a>(&'a Member);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.leave();
        }
    }
}

/// Calls `call` for each item on a thread of its own. Who fails lets the others go; the first error is the one.
fn each<I: Send, T: Send>(
    members: &[Arc<Member>],
    items: impl IntoIterator<Item = I>,
    call: impl Fn(I) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let first: Mutex<Option<Error>> = Mutex::new(None);
    let (first_error, call) = (&first, &call);
    let done: Vec<Option<T>> = std::thread::scope(|scope| {
        let run = |(member, item): (&Arc<Member>, I)| {
            let member = Arc::clone(member);
            scope.spawn(move || {
                let _leaving = Leaving(&member);
                let failed = |error| {
                    first_error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    member.leave();
                };
                call(item).map_err(failed).ok()
            })
        };
        let threads: Vec<_> = members.iter().zip(items).map(run).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    if let Some(error) = first.into_inner().unwrap_or_else(PoisonError::into_inner) {
        members[0].meet_anew();
        return Err(error);
    }
    Ok(done.into_iter().flatten().collect())
}

/// A training that each device has a share of.
struct Together {
    trainings: Vec<Box<dyn Training>>,
    members: Vec<Arc<Member>>,
}

impl Training for Together {
    fn advance(&mut self, iterations: u64) -> Result<Vec<Losses>> {
        let all = each(&self.members, &mut self.trainings, |training| training.advance(iterations))?;
        Ok(all.into_iter().next().unwrap_or_default())
    }

    fn state(&mut self) -> Result<TrainState> {
        self.trainings[0].state()
    }
}

impl Backend for Devices {
    fn name(&self) -> String {
        let names: Vec<_> = self.devices.iter().map(|device| device.name()).collect();
        names.join(" + ")
    }

    fn training(&self, plan: &TrainPlan, state: TrainState) -> Result<Box<dyn Training>> {
        let trainings = each(&self.members, &self.devices, |device| device.training(plan, state.clone()))?;
        Ok(Box::new(Together { trainings, members: self.members.clone() }))
    }

    fn forecast(&self, plan: &TrainPlan) -> Result<Forecast> {
        let all = self.devices.iter().map(|device| device.forecast(plan)).collect::<Result<Vec<_>>>()?;
        let layouts: Vec<_> = all.iter().map(|forecast| forecast.layout.as_str()).collect();
        Ok(Forecast {
            bytes: all.iter().filter(|forecast| forecast.host == all[0].host).map(|f| f.bytes).sum(),
            host: all[0].host,
            layout: layouts.join(" + "),
        })
    }

    fn forecast_evaluation(&self, plan: &Plan, tasks: usize) -> u64 {
        let some = tasks.div_ceil(self.devices.len());
        self.devices.iter().map(|device| device.forecast_evaluation(plan, some)).sum()
    }

    fn prepare<'a>(&'a self, plan: &Plan, tasks: usize, weighted: bool) -> Result<Box<dyn Prepared + 'a>> {
        self.devices[0].prepare(plan, tasks, weighted)
    }

    fn adapt(&self, plan: &Plan, theta: &[f32], tasks: &TaskBatch) -> Result<Vec<f32>> {
        self.devices[0].adapt(plan, theta, tasks)
    }

    fn evaluate(
        &self,
        plan: &Plan,
        theta: &[f32],
        tasks: &TaskBatch,
        predictions: bool,
    ) -> Result<Evaluation> {
        let shares = shares(tasks.tasks, self.devices.len());
        let parts =
            each(&self.members, self.devices.iter().zip(shares), |(device, share)| match share.is_empty() {
                true => Ok(Evaluation { query_loss: Vec::new(), predictions: predictions.then(Vec::new) }),
                false => device.evaluate(plan, theta, &tasks.slice(share), predictions),
            })?;
        Ok(joined(&parts, plan.steps, predictions))
    }
}
