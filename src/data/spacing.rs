//! Whether the times of series are evenly spaced, and what is missing between them.

use super::dates::month;
use super::series::{Clock, Gaps};
use super::sheet::{counted, shown};
use super::times::Moment;
use std::collections::HashMap;

/// A value on its way.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) time: Option<Moment>,
    pub(super) value: f64,
    pub(super) line: u64,
}

/// A series on its way, its rows in the order of time.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) rows: Vec<Row>,
}

/// In what times are counted.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Unit {
    Number,
    Seconds,
    Months,
}

/// How times are spaced.
pub(super) struct Spacing {
    unit: Unit,
    step: f64,
    /// Times that are missing between others.
    missing: usize,
    /// Steps that are no multiple of the usual one.
    uneven: usize,
    /// A series with a gap, and the line before it.
    first: Option<(String, u64)>,
}

/// A day in seconds.
const DAY: f64 = 86_400.0;

impl Unit {
    fn of(self, moment: &Moment) -> f64 {
        match self {
            Self::Number | Self::Seconds => moment.whole as f64 + moment.rest,
            Self::Months => month(moment.whole.div_euclid(86_400)).map_or(0.0, |(month, _)| month as f64),
        }
    }

    /// Steps between the times of a series.
    fn steps(self, rows: &[Row]) -> impl Iterator<Item = f64> {
        let times: Vec<_> =
            rows.iter().filter_map(|row| row.time.as_ref()).map(|time| self.of(time)).collect();
        (1..times.len()).map(move |i| times[i] - times[i - 1])
    }
}

impl Spacing {
    /// Of series with times; nothing where there is no step.
    pub(super) fn of(all: &[Found], dated: bool) -> Option<Self> {
        let mut unit = if dated { Unit::Seconds } else { Unit::Number };
        let mut step = usual(all, unit)?;
        // Months and years are not of one length; each has one time at most.
        let one_a_month = |rows: &[Row]| Unit::Months.steps(rows).all(|step| step > 0.0);
        if dated && step >= 28.0 * DAY && all.iter().all(|found| one_a_month(&found.rows)) {
            unit = Unit::Months;
            step = usual(all, unit)?;
        }
        let mut spacing = Self { unit, step, missing: 0, uneven: 0, first: None };
        for found in all {
            for (i, each) in unit.steps(&found.rows).enumerate() {
                match spacing.between(each) {
                    Some(0) => continue,
                    Some(missing) => spacing.missing += missing,
                    None => spacing.uneven += 1,
                }
                spacing.first.get_or_insert_with(|| (found.name.clone(), found.rows[i].line));
            }
        }
        Some(spacing)
    }

    /// Times that are missing within a step; nothing if it is no multiple of the usual one.
    fn between(&self, step: f64) -> Option<usize> {
        let times = step / self.step;
        let whole = times.round();
        (whole >= 1.0 && (times - whole).abs() < 0.01).then_some(whole as usize - 1)
    }

    fn step_text(&self) -> String {
        let (count, what) = match self.unit {
            Unit::Number => return self.step.to_string(),
            Unit::Months if self.step % 12.0 == 0.0 => (self.step / 12.0, "year"),
            Unit::Months => (self.step, "month"),
            Unit::Seconds if self.step % DAY == 0.0 => (self.step / DAY, "day"),
            Unit::Seconds if self.step % 3600.0 == 0.0 => (self.step / 3600.0, "hour"),
            Unit::Seconds => (self.step, "second"),
        };
        format!("{count} {what}{}", if count == 1.0 { "" } else { "s" })
    }

    /// What a person should know of the gaps.
    pub(super) fn note(&self, gaps: Gaps) -> Option<String> {
        let (name, line) = self.first.as_ref()?;
        let step = self.step_text();
        let mut said = Vec::new();
        if self.missing > 0 {
            let what = match gaps {
                Gaps::Keep => {
                    "values beside a gap become neighbours, --set task.gaps=fill puts values on a straight line between"
                }
                Gaps::Fill => "filled in on straight lines",
            };
            let missing = counted(self.missing, "time");
            let are = if self.missing == 1 { "is" } else { "are" };
            said.push(format!("{missing} {are} missing (the step is {step}): {what}"));
        }
        if self.uneven > 0 {
            let are = if self.uneven == 1 { "is" } else { "are" };
            said.push(format!("{} between times {are} no multiple of {step}", counted(self.uneven, "step")));
        }
        Some(format!("{}; the first in series `{}` after line {line}", said.join("; "), shown(name)))
    }

    /// Puts values on a straight line where times are missing.
    pub(super) fn fill(&self, found: &mut Found) {
        let missing: Vec<_> =
            self.unit.steps(&found.rows).map(|step| self.between(step).unwrap_or(0)).collect();
        let rows = std::mem::take(&mut found.rows);
        for (i, row) in rows.iter().enumerate() {
            found.rows.push(row.clone());
            let (Some(next), Some(&missing)) = (rows.get(i + 1), missing.get(i)) else { continue };
            for k in 1..=missing {
                let part = k as f64 / (missing + 1) as f64;
                let value = row.value + part * (next.value - row.value);
                found.rows.push(Row { time: None, value, line: row.line });
            }
        }
    }

    /// What the times of a series go on with.
    pub(super) fn clock(&self, rows: &[Row]) -> Option<Clock> {
        let last = rows.last()?.time?;
        Some(match self.unit {
            Unit::Number => Clock::Number { last: self.unit.of(&last), step: self.step },
            Unit::Seconds => Clock::Seconds { last: last.whole, step: self.step as i64 },
            Unit::Months => Clock::Months { last: self.unit.of(&last) as i64, step: self.step as i64 },
        })
    }
}

/// The most frequent step between times.
fn usual(all: &[Found], unit: Unit) -> Option<f64> {
    let mut counts = HashMap::<u64, usize>::new();
    for found in all {
        for step in unit.steps(&found.rows) {
            // Rounded, since decimal fractions differ by what binary ones cannot hold.
            *counts.entry(((step * 1e6).round() / 1e6).to_bits()).or_default() += 1;
        }
    }
    let best = counts
        .into_iter()
        .max_by(|a, b| a.1.cmp(&b.1).then(f64::from_bits(b.0).total_cmp(&f64::from_bits(a.0))));
    best.map(|(bits, _)| f64::from_bits(bits)).filter(|step| *step > 0.0)
}
