//! How learners are judged.

use serde::{Deserialize, Serialize};

/// How learners are judged: new tasks, adapted step by step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EvaluationSettings {
    /// New tasks (default 600; 1 of a table's mini-batches: the rows that were held out).
    pub tasks: usize,
    /// Points that each is adapted on (default: `task.support`; of a table's mini-batches at most as many training rows,
    /// default 1024).
    pub points: usize,
    /// Points that the sinusoid is judged on, evenly spread (default 200).
    pub dense: usize,
    /// Query images or rows a class (default: `task.queries`); absent where there are no classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queries: Option<usize>,
    /// What series are judged on (default `ahead`); absent where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// Most steps of adaptation (default 10).
    pub steps: usize,
}

/// What series are judged on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// On the last `task.query` windows, adapted on those just before.
    #[default]
    Ahead,
    /// On the very windows that they are adapted on, the last of the series: how well a learner fits, not how well it
    /// forecasts.
    Same,
}

impl EvaluationSettings {
    /// Whether series are judged on the windows that they are adapted on.
    pub(super) fn same(&self) -> bool {
        self.protocol == Some(Protocol::Same)
    }
}
