//! What tables add to the command line: their files, the result, predictions.

use super::failure::Outcome;
use super::out::Out;
use fastweights::meta::Backend;
use fastweights::recipe::{Recipe, TableRows};
use fastweights::run::{Judgement, Models, Report, RunDir, TableOutcome, table_predictions};
use fastweights::{Error, Result};
use std::path::PathBuf;

/// Files of a table.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Tables")]
pub(super) struct TableArguments {
    /// A CSV file of training rows: a header, numbers, and a column of classes (task.train)
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    train: Option<String>,
    /// Its column of classes (task.label) [default: label]
    #[arg(long, value_name = "COLUMN", conflicts_with = "resume")]
    label: Option<String>,
    /// A CSV file of rows to judge by or, without the column of classes, to predict (task.test)
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    test: Option<String>,
    /// Write the predictions to this file too, beside the run's predictions.csv
    #[arg(long, value_name = "FILE")]
    out_predictions: Option<PathBuf>,
}

impl TableArguments {
    /// Them as settings of a recipe.
    pub(super) fn settings(&self) -> Vec<(String, toml::Value)> {
        [("train", &self.train), ("label", &self.label), ("test", &self.test)]
            .into_iter()
            .filter_map(|(key, value)| Some((format!("task.{key}"), toml::Value::String(value.clone()?))))
            .collect()
    }

    /// Refuses what cannot come true, before anything is trained.
    pub(super) fn check(&self, recipe: &Recipe) -> Result<()> {
        let Some(path) = &self.out_predictions else { return Ok(()) };
        let batches = recipe.table().is_some_and(|table| matches!(table.rows, TableRows::Batches { .. }));
        if !batches {
            let reason = format!("is for mini-batches of a table; `{}` predicts no rows", recipe.name);
            return Err(Error::recipe("--out-predictions", reason));
        }
        if path.is_dir() { Err(Error::file(path, "is a directory; give a file")) } else { Ok(()) }
    }

    /// Refuses to write what a run has written when it finished.
    pub(super) fn check_finished(&self, run: &str) -> Result<()> {
        if self.out_predictions.is_none() {
            return Ok(());
        }
        let reason = format!(
            "comes too late, {run} is finished; its predictions.csv is there, and `predict` makes others"
        );
        Err(Error::recipe("--out-predictions", reason))
    }

    /// Writes the predictions of a finished run, if it has any.
    pub(super) fn write_predictions(
        &self,
        dir: &RunDir,
        recipe: &Recipe,
        models: &Models,
        device: &dyn Backend,
    ) -> Result<()> {
        let Some(predictions) = table_predictions(recipe, models, device)? else { return Ok(()) };
        predictions.write(&dir.predictions())?;
        self.out_predictions.as_deref().map_or(Ok(()), |path| predictions.write(path))
    }
}

/// Prints how rows were classified.
pub(super) fn print(report: &Report, outcome: &TableOutcome, out: &mut Out) -> Outcome {
    let TableOutcome { data, judged_by, rows, train_rows, classes, initial, adapted, pretrained, .. } =
        outcome;
    out.line(&format!(
        "{rows} {judged_by} of {data}, {} classes; trained on {train_rows} rows",
        classes.len()
    ))?;
    let (steps, maml) = (report.steps.len() - 1, &report.learners.maml);
    out.line(&format!(
        "accuracy {} as meta-trained (θ₀, no adaptation); {} after {steps} steps on {} training rows",
        share(initial.accuracy, maml.ci95[0]),
        share(adapted.accuracy, maml.ci95[steps]),
        report.points.support
    ))?;
    if let (Some(control), Some(curve)) = (pretrained, &report.learners.pretrained) {
        let (before, after) =
            (share(control.accuracy, curve.ci95[0]), share(curve.mean[steps], curve.ci95[steps]));
        out.line(&format!(
            "control, the same network without an inner loop: {before}; {after} after {steps} steps"
        ))?;
    }
    for (who, judgement) in [("θ₀", Some(initial)), ("control", pretrained.as_ref())] {
        if let Some(ties) = judgement.map(|judgement| judgement.ties).filter(|&ties| ties > 0) {
            out.line(&format!(
                "{who}: the largest output of {ties} rows is that of several classes, of which the first is taken; where outputs \
                 pass a ReLU, --set model.output_relu=false helps"
            ))?;
        }
    }
    if classes.len() <= 12 { confusion(classes, initial, out) } else { Ok(()) }
}

fn share(value: f64, half: f64) -> String {
    format!("{:.2} ± {:.2} %", 100.0 * value, 100.0 * half)
}

/// The matrix of the learner without adaptation, with precision and recall.
fn confusion(classes: &[String], judgement: &Judgement, out: &mut Out) -> Outcome {
    let width = classes.iter().map(|name| name.chars().count()).max().unwrap_or(0).clamp(10, 24);
    let cut = |name: &str| name.chars().take(width).collect::<String>();
    let mut head = format!("{:>width$}", "θ₀: true");
    for name in classes {
        head += &format!("  {:>width$}", format!("as {}", cut(name)), width = width + 3);
    }
    out.line(&format!("{head}  {:>9}  {:>6}", "precision", "recall"))?;
    for (class, counts) in judgement.per_class.iter().zip(&judgement.confusion) {
        let mut line = format!("{:>width$}", cut(&class.class));
        for count in counts {
            line += &format!("  {count:>width$}", width = width + 3);
        }
        let percent =
            |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |v| format!("{:.1}", 100.0 * v));
        out.line(&format!("{line}  {:>9}  {:>6}", percent(class.precision), percent(class.recall)))?;
    }
    Ok(())
}
