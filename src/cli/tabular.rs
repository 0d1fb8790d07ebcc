//! What tables add to the command line: their files, the result, predictions.

use super::failure::Outcome;
use super::numbers::number;
use super::out::{Out, check_writable};
use fastweights::adapted::Answers;
use fastweights::data::{counted, shown};
use fastweights::recipe::{Recipe, TableRows};
use fastweights::run::{By, Fit, Found, Judgement, Report, TableOutcome};
use fastweights::{Error, Result};
use std::path::{Path, PathBuf};

/// Files of a table.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct TableArguments {
    /// A file of training rows: CSV with any separator, or ARFF; plain, gzipped or zipped (task.train)
    #[arg(long, help_heading = "Tables", value_name = "FILE")]
    train: Option<String>,
    /// Its column of classes (task.label) [default: label]
    #[arg(long, help_heading = "Tables", value_name = "COLUMN", conflicts_with = "resume")]
    label: Option<String>,
    /// Its column of numbers to predict, in place of classes (task.target)
    #[arg(long, help_heading = "Tables", value_name = "COLUMN", conflicts_with_all = ["resume", "label"])]
    target: Option<String>,
    /// A file of rows to judge by or, without the column of classes, to predict (task.test)
    #[arg(long, help_heading = "Tables", value_name = "FILE")]
    test: Option<String>,
    /// Write the predictions to this file too, beside the run's predictions.csv
    #[arg(long, help_heading = "Tables", value_name = "FILE")]
    out_predictions: Option<PathBuf>,
}

impl TableArguments {
    /// Them as settings of a recipe.
    pub(super) fn settings(&self) -> Vec<(String, toml::Value)> {
        [("train", &self.train), ("label", &self.label), ("target", &self.target), ("test", &self.test)]
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
        let read = [&self.train, &self.test].into_iter().flatten().map(Path::new);
        check_writable(path, &read.collect::<Vec<_>>())
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

    /// Writes the predictions of a finished run to where they were asked for, if it has any.
    pub(super) fn write_predictions(&self, predictions: Option<&Answers>) -> Result<()> {
        match (predictions, &self.out_predictions) {
            (Some(predictions), Some(path)) => predictions.write(path),
            _ => Ok(()),
        }
    }
}

/// Prints how rows were classified, or their numbers found.
pub(super) fn print(report: &Report, outcome: &TableOutcome, out: &mut Out) -> Outcome {
    let TableOutcome { data, judged_by, rows, train_rows, classes, .. } = outcome;
    let what = match &outcome.target {
        Some(target) => format!("numbers of `{}`", shown(target)),
        None => counted(classes.len(), "class"),
    };
    let trained = counted(*train_rows, "row");
    out.line(&match judged_by.as_str() {
        "held-out rows" => format!("{rows} {judged_by} of {data}, {what}; trained on {trained}"),
        file => format!("{} of {file}, {what}; trained on {trained} of {data}", counted(*rows, "row")),
    })?;
    match &outcome.found {
        Found::Classes(by) => classified(report, classes, by, out),
        Found::Numbers { by, mean } => fitted(report, by, mean, out),
    }
}

fn classified(report: &Report, classes: &[String], by: &By<Judgement>, out: &mut Out) -> Outcome {
    let By { initial, adapted, control } = by;
    let (steps, maml) = (report.steps.len() - 1, &report.learners.maml);
    let rows = report.points.query;
    out.line(&format!(
        "accuracy {} as meta-trained (θ₀, no adaptation); {} after {steps} steps on {} training rows",
        share(initial.accuracy, maml.ci95[0], rows),
        share(adapted.accuracy, maml.ci95[steps], rows),
        report.points.support
    ))?;
    if let (Some(control), Some(curve)) = (control, &report.learners.control) {
        let (before, after) =
            (share(control.accuracy, curve.ci95[0], rows), share(curve.mean[steps], curve.ci95[steps], rows));
        out.line(&format!(
            "control, the same network without an inner loop: {before}; {after} after {steps} steps"
        ))?;
    }
    for (who, judgement) in [("θ₀", Some(initial)), ("control", control.as_ref())] {
        if let Some(ties) = judgement.map(|judgement| judgement.ties).filter(|&ties| ties > 0) {
            out.line(&format!(
                "{who}: the largest output of {} is that of several classes, of which the first is taken; where outputs \
                 pass a ReLU, --set model.output_relu=false helps",
                counted(ties, "row")
            ))?;
        }
    }
    if classes.len() <= 12 { confusion(classes, initial, out) } else { Ok(()) }
}

/// Prints how numbers were found.
fn fitted(report: &Report, by: &By<Fit>, mean: &Fit, out: &mut Out) -> Outcome {
    let steps = report.steps.len() - 1;
    out.line(&format!("{:<44}  {:>10}  {:>10}  {:>7}", "", "RMSE", "mean error", "R²"))?;
    let lines = [
        ("as meta-trained (θ₀, no adaptation)".to_owned(), Some(&by.initial)),
        (format!("after {steps} steps on {} training rows", report.points.support), Some(&by.adapted)),
        ("control, the same without an inner loop".to_owned(), by.control.as_ref()),
        ("the mean of the training rows".to_owned(), Some(mean)),
    ];
    for (who, fit) in lines {
        let Some(fit) = fit else { continue };
        let r2 = fit.r2.map_or_else(|| "–".to_owned(), |r2| format!("{r2:.3}"));
        out.line(&format!("{who:<44}  {:>10}  {:>10}  {r2:>7}", number(fit.rmse), number(fit.mae)))?;
    }
    Ok(())
}

/// A share with the half of its interval, which fewer than thirty rows are too few for. Where all rows are of one kind it has
/// no width; by the rule of three the share of all rows is then within 3 of so many.
fn share(value: f64, half: f64, rows: usize) -> String {
    let (percent, rule) = (100.0 * value, 300.0 / rows.max(1) as f64);
    match (rows, half == 0.0) {
        (0..30, _) => format!("{percent:.2} % (of {}, too few for an interval)", counted(rows, "row")),
        (_, true) if value >= 1.0 => format!("{percent:.2} % (95 %: above {:.1})", 100.0 - rule),
        (_, true) if value <= 0.0 => format!("{percent:.2} % (95 %: below {rule:.1})"),
        _ => format!("{percent:.2} ± {:.2} %", 100.0 * half),
    }
}

/// The matrix of the learner without adaptation, with precision and recall.
fn confusion(classes: &[String], judgement: &Judgement, out: &mut Out) -> Outcome {
    let width = classes.iter().map(|name| name.chars().count()).max().unwrap_or(0).clamp(10, 24);
    let cut = |name: &str| name.chars().take(width).collect::<String>();
    let heads =
        classes.iter().map(|name| format!("  {:>width$}", format!("as {}", cut(name)), width = width + 3));
    let mut lead = vec![format!("{:>width$}", "θ₀: true")];
    let mut columns: Vec<_> = heads.map(|head| vec![head]).collect();
    let mut rates = vec![format!("  {:>9}  {:>6}", "precision", "recall")];
    for (class, counts) in judgement.per_class.iter().zip(&judgement.confusion) {
        lead.push(format!("{:>width$}", cut(&class.class)));
        for (cells, count) in columns.iter_mut().zip(counts) {
            cells.push(format!("  {count:>width$}", width = width + 3));
        }
        let percent =
            |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |v| format!("{:.1}", 100.0 * v));
        rates.push(format!("  {:>9}  {:>6}", percent(class.precision), percent(class.recall)));
    }
    columns.push(rates);
    super::columns::table(&lead, &columns, out)
}
