//! Series: the flags of `train` that name a file, and the tables about kinds of series.

use super::failure::Outcome;
use super::numbers::{interval, number};
use super::out::Out;
use super::terminal::columns;
use console::Term;
use fastweights::run::{Effect, Report, SeriesReport};
use std::path::PathBuf;
use toml::Value;

/// A file of series, for a recipe of series, or of points, for one of fields.
#[derive(Debug, clap::Args)]
pub(super) struct SeriesArguments {
    /// A file of series, a folder of such files, or a file of points of fields: CSV with any separator, plain, zipped or gzipped
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// The columns that name a row's series, e.g. store,item [default: told from the file]; of points, the column of their field [default: id]
    #[arg(long, value_name = "NAMES", conflicts_with = "resume")]
    id_column: Option<String>,
    /// The column of values, or several that are a series each [default: told from the file]
    #[arg(long, value_name = "NAMES", conflicts_with = "resume")]
    value_column: Option<String>,
    /// The column of times, to sort by [default: one of dates, else rows are in order]
    #[arg(long, value_name = "NAME", conflicts_with = "resume")]
    time_column: Option<String>,
}

impl SeriesArguments {
    /// The settings of the recipe that they stand for.
    pub(super) fn settings(&self) -> Vec<(String, Value)> {
        let path = self.csv.as_ref().map(|path| path.display().to_string());
        [
            ("csv", &path),
            ("id_column", &self.id_column),
            ("value_column", &self.value_column),
            ("time_column", &self.time_column),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((format!("task.{key}"), Value::String(value.clone()?))))
        .collect()
    }
}

/// The line above the table of an evaluation on series.
pub(super) fn heading(report: &Report, series: &SeriesReport, rate: &str) -> String {
    let points = report.points;
    let judged = match series.protocol {
        fastweights::recipe::Protocol::Same => format!(
            "adapted on the last {} windows and judged on the same ones (protocol same: fit, not forecast)",
            points.support
        ),
        _ => format!(
            "adapted on {} windows, judged on the {} that follow (protocol ahead)",
            points.support, points.query
        ),
    };
    let scale = match series.scale {
        fastweights::recipe::Scale::Standard => "in squared deviations of each series' past",
        _ => "in squared units of the series",
    };
    format!("Mean squared error, {scale}, on {} held-out series, {judged}{rate}", report.tasks)
}

/// What was read, and by how much adaptation lowers the loss in each kind of series.
pub(super) fn print(report: &Report, series: &SeriesReport, out: &mut Out) -> Outcome {
    if let Some(file) = &series.file {
        out.line(&format!(
            "{} series to learn from, {} held out, {} left out as too short, {} rows without a value left out",
            series.train_series, series.held_out_series, file.short_series, file.dropped_rows
        ))?;
        if file.flat_series > 0 {
            out.line(&format!(
                "{} held-out series were flat before what is judged; what they do next is measured by the median deviation of the \
                 series to learn from",
                file.flat_series
            ))?;
        }
    }
    let against = &series.after_adaptation;
    for (name, difference) in
        [("pretrained", against.pretrained.as_ref()), ("last value", Some(&against.naive))]
    {
        let Some(difference) = difference else { continue };
        out.line(&format!(
            "after adaptation, series by series: MAML less {name} {}, better on {:.0} % of the series",
            interval(difference.mean, difference.ci95),
            100.0 * difference.better
        ))?;
    }
    beaten_by_nothing(report, out)?;
    if series.traits.iter().all(|kind| kind.thirds.is_empty()) {
        return Ok(());
    }
    out.line("")?;
    // What a terminal has no room for is in evaluation.json.
    let narrow = columns(&Term::stdout()).is_some_and(|columns| columns < 134);
    let (wide, what) = if narrow { (26, "") } else { (43, "; mean of before − after ± 95 %") };
    out.line(&format!("Loss before → after adaptation (change{what}) in thirds of the series by a trait"))?;
    out.line(&format!(
        "{:<8}{:<8}{:>14}{:>5}   {:<wide$}{:<wide$}{:>10}",
        "", "", "measure", "n", "MAML", "pretrained", "last value"
    ))?;
    for kind in &series.traits {
        for (third, name) in kind.thirds.iter().zip(["weak", "middle", "strong"]) {
            let [low, high] = third.range;
            let maml = effect(&third.maml, narrow);
            let pretrained = third.pretrained.as_ref().map_or_else(String::new, |e| effect(e, narrow));
            out.line(&format!(
                "{:<8}{name:<8}{:>14}{:>5}   {maml:<wide$}{pretrained:<wide$}{:>10}",
                if name == "weak" { kind.name } else { "" },
                format!("{low:.2} to {high:.2}"),
                third.series,
                number(third.naive)
            ))?;
        }
    }
    Ok(())
}

/// Says where the last value forecasts as well.
fn beaten_by_nothing(report: &Report, out: &mut Out) -> Outcome {
    let learners = &report.learners;
    if let (Some(maml), Some(naive)) =
        (learners.maml.median.last(), learners.naive.as_ref().and_then(|c| c.median.last()))
        && maml >= naive
    {
        out.line(&format!(
            "the median series is forecast no better than by its last value ({} against {}): these series move as by chance from one \
             value to the next, or training was too short",
            number(*maml),
            number(*naive)
        ))?;
    }
    Ok(())
}

/// `before → after (share; difference ± 95 %)`; without the difference where there is little room.
fn effect(effect: &Effect, narrow: bool) -> String {
    let difference = match narrow {
        true => String::new(),
        false => format!("; {}", interval(effect.difference, effect.difference_ci95)),
    };
    let [before, after] = [effect.before, effect.after].map(number);
    format!("{before} → {after} ({:+.0} %{difference})", -100.0 * effect.lowered)
}
