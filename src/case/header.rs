//! What a case's file says of it: the model, the loss, the inner loop.

use crate::error::{Error, Result};
use crate::meta::{Adapt, Loss, MetaGradient, Plan, RateShape, Rates};
use crate::model::{Block, Graph, Model, Op, Shape, Value};
use serde::Deserialize;
use std::path::Path;

#[derive(Deserialize)]
pub(super) struct Header {
    pub(super) layers: Vec<serde_json::Map<String, serde_json::Value>>,
    pub(super) loss: serde_json::Value,
    inner: HeaderInner,
    pub(super) tasks: usize,
    pub(super) support: usize,
    pub(super) query: usize,
    pub(super) head: Option<usize>,
    pub(super) input: Option<Vec<usize>>,
}

#[derive(Deserialize)]
struct HeaderInner {
    lr: serde_json::Value,
    steps: usize,
    order: MetaGradient,
    adapt: Adapt,
    loss_weights: Option<Vec<f64>>,
}

impl Header {
    /// Refuses counts that only a damaged or hostile file has, before anything is sized by them.
    pub(super) fn check(&self, path: &Path) -> Result<()> {
        let mut counts = vec![
            ("inner.steps", self.inner.steps, 1000),
            ("tasks", self.tasks, 1 << 20),
            ("support", self.support, 1 << 20),
            ("query", self.query, 1 << 20),
            ("layers (their number)", self.layers.len(), 256),
        ];
        counts.extend(self.input.iter().flatten().map(|&size| ("input", size, 1 << 20)));
        for (key, value) in self.layers.iter().flatten() {
            let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            for value in values.iter().filter_map(serde_json::Value::as_u64) {
                counts.push((key, usize::try_from(value).unwrap_or(usize::MAX), 1 << 16));
            }
        }
        match counts.into_iter().find(|(_, value, most)| value > most) {
            None => Ok(()),
            Some((key, value, most)) => {
                Err(Error::file(path, format!("`{key}` is {value}; at most {most} is allowed")))
            }
        }
    }
}

impl Header {
    /// The model, its nodes called by their places.
    pub(super) fn graph(&self, path: &Path, input: Shape) -> Result<Model> {
        let mut graph = Graph::new(input)?;
        for (i, layer) in self.layers.iter().enumerate() {
            let mut layer = layer.clone();
            let inputs = layer.remove("inputs");
            // What follows from the graph.
            layer.remove("in");
            let kind = layer.get("type").and_then(|kind| kind.as_str()).unwrap_or_default().to_owned();
            if !Op::names().contains(&&*kind) {
                return Err(Error::unsupported(format!("{}: unsupported layer: {kind}", path.display())));
            }
            if kind == "batch_norm" {
                layer.remove("features");
            }
            if let Some(outputs) = layer.remove("out") {
                layer.insert("outputs".to_owned(), outputs);
            }
            let op: Op = serde_json::from_value(layer.into())
                .map_err(|e| Error::file_caused(path, format!("layer {i} is not as expected"), e))?;
            let Some(inputs) = inputs else {
                graph.then(op)?;
                continue;
            };
            let inputs: Vec<i64> = serde_json::from_value(inputs).map_err(|e| {
                Error::file_caused(path, format!("layer {i}: `inputs` is not as expected"), e)
            })?;
            let value = |&index: &i64| match usize::try_from(index) {
                Err(_) if index == -1 => Ok(Value::INPUT),
                Ok(node) if node < i => Ok(Value::of(node)),
                _ => Err(Error::file(path, format!("layer {i}: its input {index} is no earlier layer"))),
            };
            let inputs = inputs.iter().map(value).collect::<Result<Vec<_>>>()?;
            graph.add(i.to_string(), op, &inputs)?;
        }
        graph.finish()
    }

    /// The plan; learned rates are still to be read.
    pub(super) fn plan(&self, path: &Path, model: Model) -> Result<Plan> {
        let steps = self.inner.steps;
        let learned = self.inner.lr.as_str() == Some("learned");
        let rates = if learned {
            let shape = RateShape::PerParameterStep;
            Rates { shape, learned, values: vec![0.0; steps * model.param_count()], range: None }
        } else {
            let neither = || Error::file(path, "`inner.lr` is neither a number nor \"learned\"");
            Rates::fixed(self.inner.lr.as_f64().ok_or_else(neither)?)
        };
        let mut plan = Plan::new(model, self.loss(path)?, self.support, self.query, steps, rates)?;
        plan.order = self.inner.order;
        plan.track_all = true;
        plan = match self.inner.adapt {
            Adapt::Head => {
                let block = |block: &Block| Some(block.layer) == self.head;
                let blocks: Vec<bool> = plan.model.blocks().iter().map(block).collect();
                plan.adapt_blocks(&blocks)
            }
            Adapt::All | Adapt::Body | Adapt::Matching(_) => plan.adapt(&self.inner.adapt)?,
        };
        if let Some(weights) = &self.inner.loss_weights {
            plan.loss_weights.clone_from(weights);
        }
        plan.check()?;
        Ok(plan)
    }

    fn loss(&self, path: &Path) -> Result<Loss> {
        serde_json::from_value(self.loss.clone())
            .map_err(|_| Error::unsupported(format!("{}: unsupported loss: {}", path.display(), self.loss)))
    }
}
