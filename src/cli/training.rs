//! How a training reports, saves and ends, as arguments.

use fastweights::Result;
use fastweights::recipe::parse_setting;

/// How often it reports and saves, and when it ends. All but `--log-every` may be changed by `--resume`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct TrainingArguments {
    /// Meta-iterations between lines of metrics (run.report_every)
    #[arg(long, value_name = "N", conflicts_with = "resume")]
    log_every: Option<u64>,
    /// Meta-iterations between trials on meta-validation tasks (validation.every)
    #[arg(long, value_name = "N")]
    validate_every: Option<u64>,
    /// End early after so many meta-iterations without a better trial; 0 never does (validation.patience)
    #[arg(long, value_name = "N")]
    patience: Option<u64>,
    /// Meta-iterations between checkpoints (run.checkpoint_every)
    #[arg(long, value_name = "N")]
    save_every: Option<u64>,
    /// Keep the newest N checkpoints; 0 keeps all (run.keep)
    #[arg(long, value_name = "N")]
    keep: Option<u64>,
    /// What to do where a loss or a parameter is not finite: end, or leave the meta-iteration out (run.on_nonfinite)
    #[arg(long, value_name = "WHAT", value_parser = ["stop", "skip"])]
    on_nonfinite: Option<String>,
    /// Write event files for TensorBoard into the run's directory (run.tensorboard)
    #[arg(long)]
    tensorboard: bool,
    /// Most memory to take, e.g. 2GB: what does not fit is computed again, or in parts (run.max_memory)
    #[arg(long, value_name = "SIZE")]
    max_memory: Option<String>,
}

impl TrainingArguments {
    /// The settings that they stand for.
    pub(super) fn settings(&self) -> Result<Vec<(String, toml::Value)>> {
        let numbers = [
            ("run.report_every", self.log_every),
            ("validation.every", self.validate_every),
            ("validation.patience", self.patience),
            ("run.checkpoint_every", self.save_every),
            ("run.keep", self.keep),
        ];
        let words = [("run.on_nonfinite", &self.on_nonfinite), ("run.max_memory", &self.max_memory)];
        let numbers = numbers.into_iter().filter_map(|(key, n)| Some(format!("{key}={}", n?)));
        let words = words.into_iter().filter_map(|(key, word)| Some(format!("{key}=\"{}\"", word.as_ref()?)));
        let tensorboard = self.tensorboard.then(|| "run.tensorboard=true".to_owned());
        numbers.chain(words).chain(tensorboard).map(|text| parse_setting(&text)).collect()
    }
}
