//! A model that was adapted to one task, with all that predicting needs: a file of its own.
//!
//! [`Adapted`] is weights, what its batch norms are frozen at, and a [`Signature`]: what goes in and comes out, in the units
//! of the files that people have. It knows nothing of the run that it came from but what it says of it ([`About`]), and needs
//! nothing of it. Each point is predicted by itself, alone or among others.
//!
//! The file is one safetensors file. Its tensors have the names and shapes that PyTorch gives them, running statistics of batch
//! norms included, so `load_state_dict` takes them as they are. Its metadata, one JSON object under the key `fastweights`, hold
//! SHA-256 over everything else and, under `about`:
//!
//! | key | holds |
//! | --- | --- |
//! | `program` | the program that wrote it |
//! | `run`, `recipe`, `checkpoint`, `checkpoint_sha256` | what it was adapted from; `step` beside `about` is its meta-iteration |
//! | `support`, `points` | the file or folder that it was adapted on, and how many points that were |
//! | `steps`, `optimizer`, `inner_lr` | how it was adapted: inner rates by layer and step |
//! | `loss` | what adaptation minimised |
//! | `model` | the graph: `input`, and `layers` as recipes have them |
//! | `task` | its [`Signature`] by `kind`: columns with their scaling, the order of classes, how pictures are read |

mod about;
mod adapting;
mod answers;
mod examples;
mod field_files;
mod field_form;
mod file;
mod forecast;
mod freeze;
mod inputs;
mod predictions;
mod signature;

pub use about::{About, Origin};
pub use adapting::{Adaptation, Score, Start};
pub use answers::Answers;
pub use examples::{Choice, Examples};
pub use field_form::FieldForm;
pub use forecast::{Ahead, Forecasts};
pub(crate) use forecast::{Going, go_on, long_enough};
pub use inputs::Inputs;
pub(crate) use predictions::largest;
pub use predictions::{Predicted, Predictions};
pub use signature::{ImageForm, PointColumns, SeriesForm, SeriesScale, Signature};

use crate::error::{Error, Result};
use crate::meta::{Backend, Loss, Plan, Rates};
use crate::model::{Model, NormStatistics};
use crate::task::TaskBatch;

/// Numbers of points that are predicted at a time: 16 MiB.
const TURN: usize = 1 << 22;

/// A model that was adapted to one task.
#[derive(Clone, Debug, PartialEq)]
pub struct Adapted {
    about: About,
    signature: Signature,
    loss: Loss,
    /// Batch norms as they were trained.
    model: Model,
    theta: Vec<f32>,
    norms: Vec<NormStatistics>,
    /// The model at those statistics, and its parameters.
    frozen: (Model, Vec<f32>),
}

impl Adapted {
    /// Puts together what fits together.
    fn new(
        (about, signature, loss): (About, Signature, Loss),
        (model, theta): (Model, Vec<f32>),
        norms: Vec<NormStatistics>,
    ) -> Result<Self> {
        signature.check(&model)?;
        let finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
        if !finite(&theta) || !norms.iter().all(|norm| finite(&norm.mean) && finite(&norm.variance)) {
            return Err(Error::not_finite(
                "a weight of the adapted model is not finite; take fewer --steps or a smaller --inner-lr",
            ));
        }
        let frozen = model.frozen(&theta, &norms)?;
        Ok(Self { about, signature, loss, model, theta, norms, frozen })
    }

    /// What it was adapted from, and how.
    #[must_use]
    pub fn about(&self) -> &About {
        &self.about
    }

    /// What goes in and comes out.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The model, its batch norms as they were trained; those of each step are one.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Its parameters `[P]`, in the order of [`Model::params`].
    #[must_use]
    pub fn weights(&self) -> &[f32] {
        &self.theta
    }

    /// What its batch norms are frozen at, in the order of [`Model::norms`].
    #[must_use]
    pub fn norms(&self) -> &[NormStatistics] {
        &self.norms
    }

    /// Outputs `[points, outputs]` at `x: [points, inputs]`, as the model has them, each point by itself.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorKind::Shape) if `x` holds no whole points, [`NotFinite`](crate::ErrorKind::NotFinite) if an output
    /// is none, and as [`Backend::evaluate`].
    pub fn outputs(&self, device: &dyn Backend, x: &[f32]) -> Result<Vec<f32>> {
        let (model, theta) = &self.frozen;
        let inputs = model.inputs();
        let mut all = Vec::with_capacity(x.len() / inputs * model.outputs());
        for x in x.chunks((TURN / inputs).clamp(1, 4096) * inputs) {
            all.extend(outputs(device, model, theta, x)?);
        }
        match all.iter().all(|output| output.is_finite()) {
            true => Ok(all),
            false => Err(Error::not_finite(
                "an output of the model is not finite; it may have been adapted by too many steps or at too large a rate",
            )),
        }
    }
}

/// Outputs of a model at given parameters, all points at once; batch norms take the statistics of these points.
fn outputs(device: &dyn Backend, model: &Model, theta: &[f32], x: &[f32]) -> Result<Vec<f32>> {
    let (inputs, width) = (model.inputs(), model.outputs());
    let points = x.len() / inputs;
    if points == 0 || points * inputs != x.len() {
        return Err(Error::shape("points [points, inputs]", &[points.max(1), inputs], &[x.len()]));
    }
    // The loss is not looked at, and zeros are targets of this one.
    let plan = Plan::new(model.clone(), Loss::mse(), 0, points, 0, Rates::fixed(0.0))?;
    let mut task = TaskBatch::zeros(1, 0, points, inputs, width);
    task.query_x.copy_from_slice(x);
    Ok(device.evaluate(&plan, theta, &task, true)?.predictions.unwrap_or_default())
}
