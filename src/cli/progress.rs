//! Progress on standard error: a bar with the curves so far on a terminal, lines elsewhere, or nothing.

use super::failure::note;
use super::numbers::{grouped, number};
use fastweights::Result;
use fastweights::run::{Progress, RunDir, read_validation};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

/// Columns of a small chart.
const CHART: usize = 40;

/// How often memory is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How far a training is.
pub(super) enum Meter {
    Bar(Box<Display>),
    Lines { next: u64, clock: Clock },
    Quiet,
}

/// How fast a training has been since it was looked at first: what one block takes says little.
#[derive(Default)]
pub(super) struct Clock(Option<(Instant, u64)>);

/// What a terminal shows.
pub(super) struct Display {
    bar: ProgressBar,
    clock: Clock,
    memory: Memory,
    loss: Trace,
    trials: Trace,
    /// Meta-iterations at the newest trial that was seen.
    trial: Option<u64>,
}

impl Meter {
    pub(super) fn new(total: u64, done: u64, quiet: bool) -> Self {
        if quiet {
            return Self::Quiet;
        }
        if !std::io::stderr().is_terminal() {
            return Self::Lines { next: done, clock: Clock::default() };
        }
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{wide_bar} {human_pos}/{human_len}  {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_position(done);
        let (clock, memory, loss, trials) =
            (Clock::default(), Memory::default(), Trace::default(), Trace::default());
        Self::Bar(Box::new(Display { bar, clock, memory, loss, trials, trial: None }))
    }

    pub(super) fn show(&mut self, progress: &Progress) {
        for why in &progress.skipped {
            let line = format!("skipped: {why}");
            match self {
                Self::Bar(display) => display.bar.suspend(|| note(&line)),
                Self::Lines { .. } | Self::Quiet => note(&line),
            }
        }
        match self {
            Self::Bar(display) => display.show(progress),
            // Ten lines a training, whatever its length.
            Self::Lines { next, clock } => {
                let rate = clock.rate(progress);
                if progress.iteration >= *next || progress.iteration == progress.total {
                    let text = format!("{}  {}", pace(progress, rate), losses(progress));
                    let (done, total) = (grouped(progress.iteration), grouped(progress.total));
                    note(&format!("{done}/{total}  {text}{}", trial(progress)));
                    let tenth = progress.total.div_ceil(10).max(1);
                    *next = (progress.iteration / tenth + 1) * tenth;
                }
            }
            Self::Quiet => {}
        }
    }

    pub(super) fn finish(&self) {
        if let Self::Bar(display) = self {
            // What comes next starts on a clean line; the table says how it ended.
            display.bar.finish_and_clear();
        }
    }
}

impl Display {
    fn show(&mut self, progress: &Progress) {
        self.bar.set_position(progress.iteration);
        self.loss.push(f64::from(progress.losses.query));
        let memory =
            self.memory.resident().map_or_else(String::new, |bytes| format!("  {} MiB", bytes >> 20));
        let pace = pace(progress, self.clock.rate(progress));
        let mut text = format!("{pace}{memory}\n{}\n  {}", losses(progress), self.loss.chart());
        if let Some(newest) = progress.validation {
            if self.trial.replace(newest.iteration) != Some(newest.iteration) {
                self.trials.push(newest.accuracy.unwrap_or(newest.loss));
            }
            text += &format!("\n{}\n  {}", trial(progress).trim_start(), self.trials.chart());
        }
        self.bar.set_message(text);
    }
}

/// The process's own memory.
#[derive(Default)]
struct Memory {
    system: System,
    looked: Option<Instant>,
    bytes: Option<u64>,
}

impl Memory {
    fn resident(&mut self) -> Option<u64> {
        if self.looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
            self.looked = Some(Instant::now());
            let own = sysinfo::get_current_pid().ok()?;
            let (which, what) =
                (ProcessesToUpdate::Some(&[own]), ProcessRefreshKind::nothing().with_memory());
            self.system.refresh_processes_specifics(which, false, what);
            self.bytes = self.system.process(own).map(sysinfo::Process::memory);
        }
        self.bytes
    }
}

/// A curve that is kept short: where there are too many values, two become their mean.
#[derive(Default)]
struct Trace {
    values: Vec<f64>,
    /// Values that each of `values` but the last is the mean of.
    each: u32,
    /// Sum and number of those that the last is the mean of.
    open: (f64, u32),
}

impl Trace {
    fn push(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        self.each = self.each.max(1);
        if self.open.1 == 0 {
            self.values.push(value);
        }
        self.open = (self.open.0 + value, self.open.1 + 1);
        if let Some(last) = self.values.last_mut() {
            *last = self.open.0 / f64::from(self.open.1);
        }
        if self.open.1 == self.each {
            self.open = (0.0, 0);
            if self.values.len() == 2 * CHART {
                self.values = self.values.chunks_exact(2).map(|pair| (pair[0] + pair[1]) / 2.0).collect();
                self.each *= 2;
            }
        }
    }

    /// A line of blocks, from the lowest value to the highest.
    fn chart(&self) -> String {
        const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let each = self.values.len().div_ceil(CHART).max(1);
        let means: Vec<f64> =
            self.values.chunks(each).map(|some| some.iter().sum::<f64>() / some.len() as f64).collect();
        let low = means.iter().copied().fold(f64::INFINITY, f64::min);
        let high = means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let level =
            |value: f64| if high > low { ((value - low) / (high - low) * 7.0).round() as usize } else { 3 };
        means.into_iter().map(|value| BLOCKS[level(value).min(7)]).collect()
    }
}

impl Clock {
    /// Meta-iterations a second.
    fn rate(&mut self, progress: &Progress) -> f64 {
        let (began, from) = *self.0.get_or_insert_with(|| (Instant::now(), progress.iteration));
        match (began.elapsed().as_secs_f64(), progress.iteration - from) {
            (seconds, done @ 1..) if seconds > 0.5 => done as f64 / seconds,
            _ => progress.rate,
        }
    }
}

/// Time left and speed.
fn pace(progress: &Progress, rate: f64) -> String {
    let left = (progress.total - progress.iteration) as f64 / rate.max(1e-9);
    let rate = if rate < 9.95 { format!("{rate:.1}") } else { grouped(rate.round() as u64) };
    format!("{} left  {rate} it/s", time(left))
}

fn losses(progress: &Progress) -> String {
    let losses = progress.losses;
    let control = progress.control_loss.map_or_else(String::new, |loss| format!("  control {loss:.3}"));
    let support = if losses.support > 0.0 { format!("{:.3} → ", losses.support) } else { String::new() };
    format!("loss {support}{:.3}{control}", losses.query)
}

fn trial(progress: &Progress) -> String {
    progress.validation.map_or_else(String::new, |trial| {
        let best = if trial.best { ", best" } else { "" };
        match trial.accuracy {
            Some(accuracy) => format!("  trial {:.1} %{best}", 100.0 * accuracy),
            None => format!("  trial {}{best}", number(trial.loss)),
        }
    })
}

/// The best of a run's trials, in words.
pub(super) fn best_trial(dir: &RunDir) -> Result<Option<String>> {
    let path = dir.validation();
    let trials = if path.is_file() { read_validation(&path)? } else { Vec::new() };
    Ok(trials.iter().rfind(|trial| trial.best).map(|best| {
        let found = match best.accuracy {
            Some(accuracy) => format!("accuracy {:.1} %", 100.0 * accuracy),
            None => format!("loss {}", number(best.loss)),
        };
        format!("best of {} trials: {found}, at meta-iteration {}", trials.len(), grouped(best.iteration))
    }))
}

/// A length of time in words.
pub(super) fn time(seconds: f64) -> String {
    match seconds {
        s if s < 9.95 => format!("{s:.1} s"),
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fastweights::meta::Losses;
    use fastweights::run::ValidationLine;

    fn progress(rate: f64, control_loss: Option<f32>, validation: Option<ValidationLine>) -> Progress {
        let losses = Losses { support: 4.5801, query: 1.2345 };
        let (iteration, total) = (10_000, 50_000);
        let (skipped, lines, rates) = (Vec::new(), Vec::new(), Vec::new());
        Progress { iteration, total, losses, control_loss, rate, validation, skipped, lines, rates }
    }

    #[test]
    fn a_line_fits_80_columns() {
        let (accuracy, ci95, train_accuracy) = (Some(0.9876), 0.01, Some(0.9));
        let line = ValidationLine { iteration: 9, accuracy, ci95, loss: 0.1, train_accuracy, best: true };
        for (rate, control_loss, validation) in
            [(34_567.0, None, None), (5_678.0, Some(4.5639), None), (5.8, None, Some(line))]
        {
            let progress = progress(rate, control_loss, validation);
            for text in [
                format!("████████████████ 50,000/50,000  {}  123456 MiB", pace(&progress, rate)),
                format!(
                    "50,000/50,000  {}  {}{}",
                    pace(&progress, rate),
                    losses(&progress),
                    trial(&progress)
                ),
            ] {
                assert!(text.chars().count() <= 80, "{text}");
            }
        }
    }

    #[test]
    fn a_small_chart_has_the_shape_of_its_curve_however_long_it_is() {
        for count in [5, 80, 81, 1_000, 100_000] {
            let mut trace = Trace::default();
            (0..count).for_each(|i| trace.push(1.0 - f64::from(i) / f64::from(count)));
            let chart: Vec<char> = trace.chart().chars().collect();
            assert!(chart.len() <= CHART && chart.len() >= 5.min(count as usize), "{count}: {chart:?}");
            assert!(chart.windows(2).all(|pair| pair[0] >= pair[1]), "{count}: {chart:?}");
            assert_eq!((chart[0], chart[chart.len() - 1]), ('█', '▁'));
        }
        let mut flat = Trace::default();
        [2.0, f64::NAN, 2.0].into_iter().for_each(|value| flat.push(value));
        assert_eq!(flat.chart(), "▄▄");
        assert_eq!(Trace::default().chart(), "");
    }

    #[test]
    fn the_process_has_memory() {
        assert!(Memory::default().resident().is_some_and(|bytes| bytes > 1 << 20));
    }
}
