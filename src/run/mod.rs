//! The directory that a run leaves behind, and what is in it.
//!
//! | path | holds |
//! | --- | --- |
//! | `recipe.toml` | the recipe, every setting spelled out |
//! | `metrics.jsonl` | mean losses of every `run.report_every` meta-iterations, one JSON object a line |
//! | `checkpoints/<step>.safetensors` | θ₀ under PyTorch's names and shapes, nothing else: `load_state_dict` takes it as it is |
//! | `checkpoints/state/<step>.safetensors` | what continuing needs besides: optimizer moments, learned rates, counters |
//! | `checkpoints/best/` | the same two of the step that did best in a trial, if there are trials |
//! | `validation.jsonl` | the trials: accuracy or loss on tasks that nothing else sees every `validation.every` meta-iterations |
//! | `checkpoints/control/` | the same two of the control; its steps are its own updates |
//! | `times.jsonl` | seconds of training up to each checkpoint, over all processes of the run |
//! | `processes.jsonl` | the processes that worked on it: version, arguments, device, and the recipe as each left it |
//! | `run.lock` | empty; locked while a process trains |
//! | `evaluation.json` | losses on new tasks against steps of adaptation |
//! | `columns.toml` | of a table: names of columns, scaling, classes; with a checkpoint all that predicting needs |
//! | `predictions.csv` | of a table: classes and probabilities, or numbers, of the test or held-out rows |
//! | `tensorboard/` | curves, learned rates, pictures as TensorBoard reads them, if `run.tensorboard` |
//! | `plots/` | pictures, as SVG and PNG |
//!
//! All but `evaluation.json`, `times.jsonl` and `processes.jsonl`, which hold times, are the same bytes for the same recipe, seed and device,
//! however often the run was interrupted and resumed.

mod adapt;
mod checkpoint;
mod conclude;
mod dir;
mod experiment;
mod field;
mod field_report;
mod files;
mod finished;
mod forecast;
mod judge;
mod learning;
mod lock;
mod measure;
mod metrics;
mod model_layout;
mod model_picture;
mod models;
mod page;
#[cfg(feature = "plot")]
mod plot;
mod process;
mod rates;
mod recovery;
mod report;
mod sample;
mod series;
mod table_outcome;
mod table_report;
#[cfg(feature = "tensorboard")]
mod tensorboard;
mod times;
mod together;
mod trial;

pub use crate::file::write_atomic;
pub use adapt::{needs_points, ready, table_predictions};
pub use checkpoint::{Checkpoints, Saved, read_params};
pub use conclude::conclude;
pub use dir::RunDir;
pub use experiment::{Ending, Experiment, Progress};
pub use field_report::FieldReport;
pub use forecast::forecast;
pub use judge::{evaluation_bytes, judge};
pub use lock::RunLock;
pub use measure::Measures;
pub use metrics::{MetricsLine, read_metrics};
pub use model_picture::draw_model;
pub use models::Models;
pub use page::write_page;
#[cfg(feature = "plot")]
pub use plot::draw_all;
pub use process::Process;
pub use recovery::Recovery;
pub use report::{Classification, Judged, Learners, Points, Report, Seconds};
pub use sample::fit;
#[cfg(feature = "plot")]
pub use sample::png;
pub use series::{Against, Difference, Effect, SeriesFile, SeriesReport, Third, TraitEffect};
pub use table_outcome::{By, ClassJudgement, Fit, Found, Judgement, TableOutcome};
#[cfg(feature = "tensorboard")]
pub use tensorboard::{EventFile, write_results};
pub use together::told_models;
pub use trial::{ValidationLine, read_validation};
