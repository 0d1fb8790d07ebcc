//! Cases of meta-gradients with their answers, kept as safetensors: what the self-check reads.
//!
//! The format: float64 tensors (class labels int64), and a metadata key `case` with JSON that gives the
//! layers under PyTorch's conventions, the loss, the inner loop and the counts of tasks and points.

mod header;

use crate::error::{Error, Result};
use crate::losses::Truth;
use crate::meta::{MetaOutput, Plan};
use crate::model::{Op, Shape, Value};
use crate::task::TaskBatch;
use header::Header;
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use std::path::Path;

/// A meta-gradient to compute and the answers to compare with.
#[derive(Clone, Debug)]
pub struct Case {
    /// What to compute.
    pub plan: Plan,
    /// Meta-parameters, `[P + R]`.
    pub params: Vec<f64>,
    /// The tasks.
    pub tasks: TaskBatch<f64>,
    /// Expected tensors by name; their shapes are checked when they are read.
    pub answers: BTreeMap<String, Vec<f64>>,
}

/// A named result with its shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Name, as in the case files.
    pub name: String,
    /// Shape.
    pub shape: Vec<usize>,
    /// Values, row-major.
    pub values: Vec<f64>,
}

/// The tensors of a file that nobody took yet: shape and values by name.
struct Tensors<'a> {
    path: &'a Path,
    tensors: BTreeMap<String, (Vec<usize>, Vec<f64>)>,
}

impl Tensors<'_> {
    fn missing(&self, name: &str) -> Error {
        Error::file(self.path, format!("tensor `{name}` is missing"))
    }

    fn shaped(&self, name: &str, needed: &[usize], found: &[usize]) -> Result<()> {
        match needed == found {
            true => Ok(()),
            false => Err(Error::shape(format!("{}: `{name}`", self.path.display()), needed, found)),
        }
    }

    fn take(&mut self, name: &str, needed: &[usize]) -> Result<Vec<f64>> {
        let (shape, values) = self.tensors.remove(name).ok_or_else(|| self.missing(name))?;
        self.shaped(name, needed, &shape)?;
        Ok(values)
    }

    fn tasks(&mut self, plan: &Plan, tasks: usize, point: &[usize]) -> Result<TaskBatch<f64>> {
        let (inputs, targets) = (plan.model.inputs(), plan.targets());
        // A class is one number, without an axis of its own.
        let target: &[usize] = if plan.loss.truth() == Truth::Class { &[] } else { &[targets] };
        Ok(TaskBatch {
            tasks,
            support: plan.support,
            query: plan.query,
            inputs,
            targets,
            support_x: self.take("support_x", &[&[tasks, plan.support], point].concat())?.into(),
            support_y: self.take("support_y", &[&[tasks, plan.support], target].concat())?.into(),
            query_x: self.take("query_x", &[&[tasks, plan.query], point].concat())?.into(),
            query_y: self.take("query_y", &[&[tasks, plan.query], target].concat())?.into(),
            weights: None,
        })
    }

    fn check_answers(&self, plan: &Plan, tasks: usize) -> Result<()> {
        for (name, needed, optional) in answer_shapes(plan, tasks) {
            match self.tensors.get(&name) {
                Some((shape, _)) => self.shaped(&name, &needed, shape)?,
                None if optional => {}
                None => return Err(self.missing(&name)),
            }
        }
        Ok(())
    }
}

/// The answers that a case has: names, shapes, and whether one may be missing.
fn answer_shapes(plan: &Plan, tasks: usize) -> Vec<(String, Vec<usize>, bool)> {
    let losses = [("query_loss", plan.steps + 1), ("support_loss", plan.steps)];
    let losses = losses.map(|(name, count)| (name.to_owned(), vec![tasks, count], count == 0));
    let mut all = vec![("meta_loss".to_owned(), vec![1], false)];
    all.extend(losses);
    for param in plan.model.params().iter().filter(|param| !param.is_fixed()) {
        let with = |first: usize| [&[first], &param.shape[..]].concat();
        all.push((format!("meta_grad.{}", param.name), param.shape.clone(), false));
        if plan.rates.learned {
            all.push((format!("meta_grad_lr.{}", param.name), with(plan.steps), false));
        }
        all.push((format!("fast.{}", param.name), with(tasks), true));
    }
    all
}

impl Case {
    /// Reads a case file.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) naming the file and what is wrong with it,
    /// [`Unsupported`](crate::ErrorKind::Unsupported) naming a layer this build does not know.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|e| Error::file_caused(path, "cannot be read", e))?;
        Self::parse(path, &bytes)
    }

    /// Reads the bytes of a case file; errors name it by `path`.
    ///
    /// # Errors
    /// As [`Case::read`].
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        let not_safetensors = |e| Error::file_caused(path, "is not a safetensors file", e);
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(not_safetensors)?;
        let file = SafeTensors::deserialize(bytes).map_err(not_safetensors)?;
        let header = (metadata.metadata().as_ref().and_then(|m| m.get("case")))
            .ok_or_else(|| Error::file(path, "has no metadata key `case`; it is not a case file"))?;
        let header: Header = serde_json::from_str(header)
            .map_err(|e| Error::file_caused(path, "metadata key `case` is not as expected", e))?;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.tensors() {
            let words = view.data().chunks_exact(8).map(|b| <[u8; 8]>::try_from(b).unwrap_or_default());
            let values: Vec<f64> = match view.dtype() {
                Dtype::F64 => words.map(f64::from_le_bytes).collect(),
                Dtype::I64 => words.map(|w| i64::from_le_bytes(w) as f64).collect(),
                other => {
                    return Err(Error::file(
                        path,
                        format!("tensor `{name}` is {other:?}; F64 or I64 is needed"),
                    ));
                }
            };
            tensors.insert(name, (view.shape().to_vec(), values));
        }
        Self::build(path, &header, tensors)
    }

    fn build(
        path: &Path,
        header: &Header,
        tensors: BTreeMap<String, (Vec<usize>, Vec<f64>)>,
    ) -> Result<Self> {
        header.check(path)?;
        let mut file = Tensors { path, tensors };
        let support = file.tensors.get("support_x").ok_or_else(|| file.missing("support_x"))?;
        let point = header.input.as_deref().unwrap_or(support.0.get(2..).unwrap_or_default()).to_vec();
        let input = match point[..] {
            [channels, height, width] => Shape::Image { channels, height, width },
            _ => Shape::Vector(point.iter().product()),
        };
        let model = header.graph(path, input)?;
        // Ahead of the rates, so that what a header says is allocated only if the file is as large.
        let mut params = Vec::new();
        for param in model.params() {
            let kind = if param.is_fixed() { "const" } else { "theta" };
            params.extend(file.take(&format!("{kind}.{}", param.name), &param.shape)?);
        }
        let mut plan = header.plan(path, model)?;
        if plan.rates.learned {
            let mut per_param = Vec::new();
            for param in plan.model.params() {
                let shape = [&[plan.steps], &param.shape[..]].concat();
                per_param.push(match param.is_fixed() {
                    true => vec![0.0; plan.steps * param.len()],
                    false => file.take(&format!("lr.{}", param.name), &shape)?,
                });
            }
            for j in 0..plan.steps {
                for (param, rates) in plan.model.params().iter().zip(&per_param) {
                    params.extend_from_slice(&rates[j * param.len()..][..param.len()]);
                }
            }
            plan.rates.values = params[plan.model.param_count()..].to_vec();
        }
        let tasks = file.tasks(&plan, header.tasks, &point)?;
        plan.check_inputs(params.len(), &tasks).map_err(|e| Error::file_caused(path, "does not fit", e))?;
        file.check_answers(&plan, header.tasks)?;
        let answers = file.tensors.into_iter().map(|(name, (_, values))| (name, values)).collect();
        Ok(Self { plan, params, tasks, answers })
    }

    /// What was computed, under the names and in the shapes of the case files.
    #[must_use]
    pub fn outputs(&self, out: &MetaOutput<f64>) -> Vec<Tensor> {
        let (plan, p, tasks) = (&self.plan, self.plan.model.param_count(), self.tasks.tasks);
        let tensor = |name: String, shape: Vec<usize>, values: Vec<f64>| Tensor { name, shape, values };
        let mut all = vec![tensor("meta_loss".into(), vec![1], vec![out.meta_loss])];
        for param in plan.model.params().iter().filter(|param| !param.is_fixed()) {
            all.push(tensor(
                format!("meta_grad.{}", param.name),
                param.shape.clone(),
                out.gradient[param.range()].to_vec(),
            ));
            if plan.rates.learned {
                let rows = (0..plan.steps)
                    .flat_map(|j| &out.gradient[p + j * p..][param.range()])
                    .copied()
                    .collect();
                let shape = [&[plan.steps], &param.shape[..]].concat();
                all.push(tensor(format!("meta_grad_lr.{}", param.name), shape, rows));
            }
            if !out.fast.is_empty() {
                let rows = (0..tasks).flat_map(|t| &out.fast[t * p..][param.range()]).copied().collect();
                all.push(tensor(format!("fast.{}", param.name), [&[tasks], &param.shape[..]].concat(), rows));
            }
        }
        all.push(tensor("query_loss".into(), vec![tasks, plan.steps + 1], out.query_loss.clone()));
        all.push(tensor("support_loss".into(), vec![tasks, plan.steps], out.support_loss.clone()));
        all
    }

    /// `‖out − ref‖ / ‖ref‖` of every tensor that the case has an answer for. The gradient of a bias that
    /// a batch or instance norm takes away again is zero but for rounding, so what comes of it is judged against the norm of all
    /// parameters' together. A tensor that should be
    /// there and is not, or is not finite, has an error of NaN or infinity, so that `error <= tolerance` fails.
    #[must_use]
    pub fn compare(&self, out: &MetaOutput<f64>) -> Vec<(String, f64)> {
        let outputs = self.outputs(out);
        (self.answers.iter())
            .map(|(name, answer)| {
                let found = outputs.iter().find(|t| t.name == *name);
                let error = match found {
                    None => f64::INFINITY,
                    Some(t) => match self.family_of_free_bias(name) {
                        Some(family) => relative_to(&t.values, answer, self.norm_of(family)),
                        None => relative_error(&t.values, answer),
                    },
                };
                (name.clone(), error)
            })
            .collect()
    }

    /// For a tensor of a bias that a batch or instance norm behind it takes away again, which therefore has no gradient: the prefix
    /// of the tensors that it is one of.
    fn family_of_free_bias(&self, name: &str) -> Option<&'static str> {
        let families = ["meta_grad.", "meta_grad_lr.", "fast."];
        let (family, name) =
            families.into_iter().find_map(|family| Some((family, name.strip_prefix(family)?)))?;
        let model = &self.plan.model;
        let param = model.params().iter().find(|param| param.name == name)?.clone();
        let block = model.blocks()[param.block];
        // What moves with all of a channel goes through these as it is.
        let carries = |op: &Op| {
            matches!(op, Op::Flatten(_) | Op::GlobalAvgPool2d(_) | Op::AvgPool2d(_) | Op::MaxPool2d(_))
        };
        let mut value = Value::of(block.layer);
        let next = loop {
            let mut users = model.nodes().iter().enumerate().filter(|(_, node)| node.inputs.contains(&value));
            match (users.next(), users.next()) {
                (Some((n, node)), None) if carries(&node.op) => value = Value::of(n),
                (Some((_, node)), None) => break Some(node),
                _ => break None,
            }
        };
        let takes_it_away = next.is_some_and(|node| {
            let alone = matches!(node.op, Op::GroupNorm(norm) if norm.is_instance_norm(node.shape));
            alone || matches!(node.op, Op::BatchNorm(_))
        });
        let is_free = param.offset == block.bias && takes_it_away;
        is_free.then_some(family)
    }

    fn norm_of(&self, family: &str) -> f64 {
        let all = self.answers.iter().filter(|(name, _)| name.starts_with(family));
        norm(all.flat_map(|(_, answer)| answer).copied())
    }
}

/// `‖out − reference‖ / ‖reference‖`; infinite if the lengths differ, the plain norm of `out` where the
/// reference is zero, NaN if any value is.
#[must_use]
pub fn relative_error(out: &[f64], reference: &[f64]) -> f64 {
    relative_to(out, reference, norm(reference.iter().copied()))
}

/// `‖out − reference‖ / scale`, or the plain norm where the scale is zero.
fn relative_to(out: &[f64], reference: &[f64], scale: f64) -> f64 {
    if out.len() != reference.len() {
        return f64::INFINITY;
    }
    let error = norm(out.iter().zip(reference).map(|(o, r)| o - r));
    if scale > 0.0 { error / scale } else { error }
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|v| v * v).sum::<f64>().sqrt()
}

impl MetaOutput<f32> {
    /// The same numbers in float64.
    #[must_use]
    pub fn widen(&self) -> MetaOutput<f64> {
        let widen = |values: &[f32]| values.iter().map(|&v| f64::from(v)).collect();
        MetaOutput {
            meta_loss: f64::from(self.meta_loss),
            gradient: widen(&self.gradient),
            query_loss: widen(&self.query_loss),
            support_loss: widen(&self.support_loss),
            fast: widen(&self.fast),
        }
    }
}
