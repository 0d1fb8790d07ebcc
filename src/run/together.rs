//! What processes that train the same tell each other: member 0 knows, the others follow.

use super::models::Models;
use super::trial::Trials;
use crate::error::{Error, Result};
use crate::meta::{Exchange, TrainState};
use crate::recipe::Recipe;

/// What member 0 says.
fn of_first(exchange: &dyn Exchange, said: &[u8]) -> Result<Vec<u8>> {
    let said = if exchange.member() == 0 { said } else { &[] };
    exchange.tell(said)?.into_iter().next().ok_or_else(|| Error::device("an exchange without members"))
}

/// Numbers of 32 bits as bytes, and back.
fn floats(said: &[u8]) -> Vec<f32> {
    said.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect()
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn number(said: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(said.get(..8)?.try_into().ok()?))
}

/// The length of the next block, as member 0 has it, and whether any member wants to stop.
pub(super) fn agreed(exchange: Option<&dyn Exchange>, len: u64, stop: bool) -> Result<(u64, bool)> {
    let Some(exchange) = exchange else { return Ok((len, stop)) };
    let said = exchange.tell(&[&len.to_le_bytes()[..], &[stop.into()]].concat())?;
    let stop = said.iter().any(|said| said.get(8) == Some(&1));
    Ok((said.first().and_then(|said| number(said)).unwrap_or(len), stop))
}

/// Whether any member wants to stop; so do all where one is gone, which shows at the next exchange.
pub(super) fn any(exchange: Option<&dyn Exchange>, stop: bool) -> bool {
    agreed(exchange, 0, stop).map_or(true, |(_, stop)| stop)
}

/// The trials that member 0 has read.
pub(super) fn followed(exchange: Option<&dyn Exchange>, own: Trials) -> Result<Trials> {
    let Some(exchange) = exchange else { return Ok(own) };
    let said = of_first(exchange, own.text().as_bytes())?;
    if exchange.member() == 0 { Ok(own) } else { Trials::told(&String::from_utf8_lossy(&said)) }
}

/// The state of member 0.
pub(super) fn followed_state(exchange: &dyn Exchange, own: &TrainState) -> Result<TrainState> {
    let TrainState { iteration, params, m, v } = own;
    let all = [bytes(params), bytes(m), bytes(v)].concat();
    let said = of_first(exchange, &[&iteration.to_le_bytes()[..], &all].concat())?;
    let values = floats(said.get(8..).unwrap_or_default());
    let (Some(iteration), true) = (number(&said), values.len() == 3 * params.len()) else {
        return Err(Error::shape("the state of rank 0", &[3 * params.len()], &[values.len()]));
    };
    let part = |i: usize| values[i * params.len()..(i + 1) * params.len()].to_vec();
    Ok(TrainState { iteration, params: part(0), m: part(1), v: part(2) })
}

/// The models that member 0 of an exchange has loaded; the others need not have the run, and give nothing.
///
/// # Errors
/// If a member is gone.
pub fn told_models(own: Option<Models>, recipe: &Recipe, exchange: Option<&dyn Exchange>) -> Result<Models> {
    let load = || own.ok_or_else(|| Error::failed("the first of the processes has loaded no models"));
    followed_models(exchange, load, recipe.control.enabled)
}

/// The models that member 0 has loaded.
pub(super) fn followed_models(
    exchange: Option<&dyn Exchange>,
    load: impl FnOnce() -> Result<Models>,
    control: bool,
) -> Result<Models> {
    let Some(exchange) = exchange else { return load() };
    let own = match exchange.member() {
        0 => load()?,
        _ => Models { maml: Vec::new(), control: None, iterations: 0 },
    };
    let iterations = of_first(exchange, &own.iterations.to_le_bytes())?;
    let maml = floats(&of_first(exchange, &bytes(&own.maml))?);
    let beside = floats(&of_first(exchange, &bytes(own.control.as_deref().unwrap_or_default()))?);
    let iterations = number(&iterations).unwrap_or_default();
    Ok(Models { maml, control: control.then_some(beside), iterations })
}
