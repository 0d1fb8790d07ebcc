//! Series: the flags of `train` that name a file, and the tables about kinds of series.

use super::failure::Outcome;
use super::numbers::{interval, number};
use super::out::Out;
use fastweights::data::counted;
use fastweights::run::{Effect, Report, SeriesReport};
use std::path::PathBuf;
use toml::Value;

/// A file of series, for a recipe of series, or of points, for one of fields.
#[derive(Clone, Debug, clap::Args)]
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
            "{} series to learn from, {} held out, {} left out as too short, {} without a value left out",
            series.train_series,
            series.held_out_series,
            file.short_series,
            counted(file.dropped_rows, "row")
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
    for (name, difference) in [("control", against.control.as_ref()), ("last value", Some(&against.naive))] {
        let Some(difference) = difference else { continue };
        out.line(&format!(
            "after adaptation, series by series: MAML less {name} {}, better on {:.0} of {}",
            interval(difference.mean, difference.ci95),
            difference.better * report.tasks as f64,
            counted(report.tasks, "series")
        ))?;
    }
    beaten_by_nothing(report, out)?;
    if series.traits.iter().all(|kind| kind.thirds.is_empty()) {
        return Ok(());
    }
    out.line("")?;
    out.line("Loss before → after adaptation (change; mean of before − after ± 95 %) in thirds of the series by a trait")?;
    let mut lead = vec![format!("{:<7}{:<7}{:>14}{:>5}", "", "", "measure", "n")];
    let mut learners = ["MAML", "control"].map(|name| vec![format!("   {name:<40}")]);
    let mut naive = vec![format!("{:>12}", "last value")];
    for kind in &series.traits {
        for (third, name) in kind.thirds.iter().zip(["weak", "middle", "strong"]) {
            let [low, high] = third.range;
            let range = format!("{low:.2} to {high:.2}");
            let first = if name == "weak" { kind.name } else { "" };
            lead.push(format!("{first:<7}{name:<7}{range:>14}{:>5}", third.series));
            for (cells, found) in learners.iter_mut().zip([Some(&third.maml), third.control.as_ref()]) {
                cells.extend(found.map(|found| format!("   {:<40}", effect(found))));
            }
            naive.push(format!("{:>12}", number(third.naive)));
        }
    }
    let learners = learners.into_iter().filter(|cells| cells.len() == lead.len());
    super::columns::table(&lead, &learners.chain([naive]).collect::<Vec<_>>(), out)
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

/// `before → after (share; difference ± 95 %)`.
fn effect(effect: &Effect) -> String {
    format!(
        "{} → {} ({:+.0} %; {})",
        number(effect.before),
        number(effect.after),
        -100.0 * effect.lowered,
        interval(effect.difference, effect.difference_ci95)
    )
}
