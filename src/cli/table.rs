//! The final table.

use super::failure::Outcome;
use super::numbers::{interval, number};
use super::out::Out;
use super::{fields, series};
use fastweights::meta::Curve;
use fastweights::run::Report;

/// Steps that are worth a row, besides the last.
const ROWS: [usize; 7] = [0, 1, 2, 3, 5, 10, 16];

/// Tasks from which on the mean's distribution is near enough to the one that intervals follow.
const ENOUGH: usize = 30;

/// Prints how both learners fare.
pub(super) fn print(report: &Report, out: &mut Out) -> Outcome {
    if let Some(outcome) = &report.table {
        return super::tabular::print(report, outcome, out);
    }
    let last = report.steps.len() - 1;
    let rate = report.inner_lr.map_or_else(String::new, |rate| format!(", inner rate {rate}"));
    out.line(&heading(report, &rate))?;
    let percent = if report.classification.is_some() { 100.0 } else { 1.0 };
    let learners = &report.learners;
    let columns: Vec<_> = [
        Some(("MAML", &learners.maml)),
        learners.control.as_ref().map(|c| ("control", c)),
        learners.standard.as_ref().map(|c| ("standard", c)),
        learners.naive.as_ref().map(|c| ("last value", c)),
    ]
    .into_iter()
    .flatten()
    .collect();
    let rows: Vec<_> = ROWS.iter().copied().filter(|&step| step < last).chain([last]).collect();
    let lead: Vec<_> =
        std::iter::once("steps".to_owned()).chain(rows.iter().map(|step| format!("{step:>5}"))).collect();
    let cells = columns.iter().map(|(name, curve)| {
        let head = format!("   {:>19}  {:>8}", format!("{name}, mean ± 95 %"), "median");
        let cell = |&step: &usize| {
            let [mean, ci95, median] = [&curve.mean, &curve.ci95, &curve.median].map(|of| percent * of[step]);
            // Shares are told to hundredths of a percent.
            let (mean, median) = match report.classification {
                Some(_) if ci95.is_finite() => (format!("{mean:.2} ± {ci95:.2}"), format!("{median:.2}")),
                Some(_) => (format!("{mean:.2} ± –"), format!("{median:.2}")),
                None => (interval(mean, ci95), number(median)),
            };
            format!("   {mean:>19}  {median:>8}")
        };
        std::iter::once(head).chain(rows.iter().map(cell)).collect()
    });
    super::columns::table(&lead, &cells.collect::<Vec<Vec<_>>>(), out)?;
    for (name, curve) in &columns {
        diverged(name, curve, report.tasks, out)?;
    }
    if let Some(why) = report.why_flat() {
        out.line(&format!("control: {why}"))?;
    }
    if let Some(field) = &report.field {
        fields::print(report, field, out)?;
    }
    if report.tasks < ENOUGH {
        out.line(&format!(
            "{} too few for a sure interval: ± is rough below {ENOUGH}",
            if report.tasks == 1 { "one task is".to_owned() } else { format!("{} tasks are", report.tasks) }
        ))?;
    }
    report.series.as_ref().map_or(Ok(()), |series| series::print(report, series, out))
}

/// The line above the table.
fn heading(report: &Report, rate: &str) -> String {
    if let Some(field) = &report.field {
        return fields::heading(report, field, rate);
    }
    match (&report.classification, &report.series) {
        (None, Some(series)) => series::heading(report, series, rate),
        (None, None) => format!(
            "Mean squared error on {} new tasks, adapted on {} points each, judged on {}{rate}",
            report.tasks, report.points.support, report.points.query
        ),
        (Some(c), _) => format!(
            "Accuracy, %, on {} new tasks of the {} classes of {}: {} ways, {}, {}{rate}\n\
             {}parameters of meta-iteration {}",
            report.tasks,
            c.split,
            c.data,
            c.ways,
            plural(c.shots, "shot"),
            plural(c.queries, &format!("query {}", c.of)),
            c.batch_norm.map_or_else(String::new, |how| format!("batch norm: {how}; ")),
            report.iterations
        ),
    }
}

fn plural(n: usize, of: &str) -> String {
    format!("{n} {of}{}", if n == 1 { "" } else { "s" })
}

fn diverged(name: &str, curve: &Curve, tasks: usize, out: &mut Out) -> Outcome {
    if curve.runaway > 0 {
        out.line(&format!(
            "{name}: {} of {tasks} tasks went beyond ten times their first error, which lifts the mean; \
             a smaller --inner-lr of eval holds them",
            curve.runaway
        ))?;
    }
    match curve.diverged {
        0 => Ok(()),
        n => out.line(&format!(
            "{name}: {n} of {tasks} tasks left the finite range; from there on they are in the median, not in the mean"
        )),
    }
}
