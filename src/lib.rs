//! Gradient-based meta-learning (MAML and its family) on any GPU and on CPUs with wide SIMD.
//!
//! A [`Recipe`](recipe::Recipe) is an experiment as data, a [`Backend`](meta::Backend) is a device, and a
//! [`Trainer`](meta::Trainer) steps one through on the other:
//!
//! ```
//! use fastweights::backend::cpu::CpuBackend;
//! use fastweights::meta::Trainer;
//! use fastweights::recipe::{Recipe, parse_setting};
//! use fastweights::run::{Models, judge};
//!
//! # fn main() -> fastweights::Result<()> {
//! let settings = [parse_setting("outer.iterations=500")?, parse_setting("evaluation.tasks=50")?];
//! let recipe = Recipe::load("sinusoid", &settings)?;
//! let cpu = CpuBackend::new(Some(1));
//! let mut trainer = Trainer::new(&cpu, &recipe.train_plan()?, recipe.start()?)?;
//! for block in trainer.by_ref() {
//!     let block = block?;
//!     println!("{:>5}  {:.3}", block.end(), block.mean().query);
//! }
//! let models = Models { maml: trainer.state()?.params, control: None, iterations: trainer.iteration() };
//! let judged = judge(&recipe, &recipe.evaluation, &models, &cpu, None)?;
//! assert_eq!(judged.report.learners.maml.mean.len(), 11);
//! # Ok(())
//! # }
//! ```
//!
//! Task families of one's own implement [`TaskFamily`](task::TaskFamily) and train as built-in ones do
//! (`examples/own_tasks.rs`, `examples/own_data.rs`). Single batches of given tasks go to
//! [`Backend::meta_gradient`](meta::Backend::meta_gradient) as a [`TaskBatch`](task::TaskBatch).

pub mod adapted;
pub mod backend;
pub mod case;
mod clock;
pub mod data;
mod error;
mod exchange;
#[cfg(feature = "export")]
pub mod export;
mod file;
mod kept;
pub mod learner;
pub mod losses;
pub mod meta;
pub mod model;
pub mod ops;
mod philox;
pub mod program;
pub mod recipe;
pub mod run;
mod simd;
pub mod task;
mod tensors;
#[cfg(feature = "gpu")]
#[doc(hidden)]
pub mod wgsl;
pub mod workloads;

pub use error::{Error, ErrorKind, Result};
