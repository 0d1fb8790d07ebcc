//! An adapted model as a file.

use super::Adapted;
use super::about::{About, Origin};
use super::signature::Signature;
use crate::error::{Error, Result};
use crate::meta::{LayerRate, Loss};
use crate::model::{NormStatistics, WrittenModel};
use crate::tensors::{Header, Source, Tensors};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What the file says besides its tensors.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    program: String,
    run: String,
    recipe: String,
    checkpoint: String,
    checkpoint_sha256: String,
    support: String,
    points: usize,
    steps: usize,
    optimizer: String,
    inner_lr: Vec<LayerRate>,
    loss: Loss,
    model: WrittenModel,
    task: Signature,
}

impl Written {
    fn of(adapted: &Adapted) -> Self {
        let About { origin, program, support, points, steps, optimizer, inner_lr } = adapted.about.clone();
        let Origin { run, recipe, checkpoint, checkpoint_sha256, seed: _, iterations: _ } = origin;
        let (loss, model, task) = (adapted.loss, WrittenModel::of(&adapted.model), adapted.signature.clone());
        Self {
            program,
            run,
            recipe,
            checkpoint,
            checkpoint_sha256,
            support,
            points,
            steps,
            optimizer,
            inner_lr,
            loss,
            model,
            task,
        }
    }
}

/// Names of a norm's statistics, as PyTorch has them.
const STATISTICS: [&str; 2] = ["running_mean", "running_var"];

impl Adapted {
    /// Its tensors under the names that PyTorch gives them.
    pub(crate) fn tensors(&self) -> Tensors {
        let mut tensors = Tensors::default();
        tensors.add_theta("", &self.model, &self.theta);
        for (node, norm) in self.model.norms().zip(&self.norms) {
            for (name, values) in STATISTICS.iter().zip([&norm.mean, &norm.variance]) {
                tensors.add(format!("{}.{name}", node.name), &[values.len()], values);
            }
        }
        tensors
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) naming the file.
    pub fn save(&self, path: &Path) -> Result<()> {
        let Origin { seed, iterations, .. } = self.about.origin;
        let header = Header::new(seed, iterations).with_about(&Written::of(self));
        let header = header.map_err(|e| Error::file_caused(path, "cannot be described in JSON", e))?;
        self.tensors().write(path, header)
    }

    /// Reads what [`Adapted::save`] wrote.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) naming the file: no such file, one that differs from what was written by as much as a
    /// bit, or one that holds another thing.
    pub fn load(path: &Path) -> Result<Self> {
        let source = Source::read(path.to_owned())?;
        let header = source.header()?;
        let about = header.about.as_ref().ok_or_else(|| {
            let reason = "is no adapted model but a checkpoint; give its run's directory, or adapt it: fastweights adapt RUN \
                          --support INPUT --out FILE";
            Error::file(path, reason)
        })?;
        let written: Written = serde_json::from_str(about.get())
            .map_err(|e| Error::file_caused(path, "does not describe an adapted model", e))?;
        let origin = Origin {
            run: written.run,
            recipe: written.recipe,
            checkpoint: written.checkpoint,
            checkpoint_sha256: written.checkpoint_sha256,
            seed: header.seed(),
            iterations: header.step,
        };
        let about = About {
            origin,
            program: written.program,
            support: written.support,
            points: written.points,
            steps: written.steps,
            optimizer: written.optimizer,
            inner_lr: written.inner_lr,
        };
        let foreign = |e: Error| Error::file_caused(path, "does not describe an adapted model", e);
        let model = written.model.model().map_err(foreign)?;
        let theta = source.theta("", &model)?;
        let norms = model.norms().map(|node| {
            let of = |name: &str| source.floats(&format!("{}.{name}", node.name), &[node.shape.features()]);
            Ok(NormStatistics { mean: of(STATISTICS[0])?, variance: of(STATISTICS[1])? })
        });
        let norms = norms.collect::<Result<Vec<_>>>()?;
        if norms.iter().flat_map(|norm| &norm.variance).any(|&variance| variance < 0.0) {
            return Err(Error::file(path, "holds a variance below 0"));
        }
        Self::new((about, written.task, written.loss), (model, theta), norms).map_err(foreign)
    }
}
