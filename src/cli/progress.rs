//! Progress on standard error: a bar on a terminal, lines elsewhere, or nothing.

use super::failure::note;
use fastweights::run::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;

/// How far a training is.
pub(super) enum Meter {
    Bar(ProgressBar),
    Lines { next: u64 },
    Quiet,
}

impl Meter {
    pub(super) fn new(total: u64, done: u64, quiet: bool) -> Self {
        if quiet {
            return Self::Quiet;
        }
        if !std::io::stderr().is_terminal() {
            return Self::Lines { next: done };
        }
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{bar:5} {human_pos}/{human_len} {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_position(done);
        Self::Bar(bar)
    }

    pub(super) fn show(&mut self, progress: &Progress) {
        match self {
            Self::Bar(bar) => {
                bar.set_position(progress.iteration);
                bar.set_message(describe(progress));
            }
            // Ten lines a training, whatever its length.
            Self::Lines { next } => {
                if progress.iteration >= *next || progress.iteration == progress.total {
                    note(&format!("{}/{}  {}", progress.iteration, progress.total, describe(progress)));
                    let tenth = progress.total.div_ceil(10).max(1);
                    *next = (progress.iteration / tenth + 1) * tenth;
                }
            }
            Self::Quiet => {}
        }
    }

    pub(super) fn finish(&self) {
        if let Self::Bar(bar) = self {
            // What comes next starts on a clean line; the table says how it ended.
            bar.finish_and_clear();
        }
    }
}

/// Time left, speed and losses; beside the bar, all of it must fit 80 columns.
fn describe(progress: &Progress) -> String {
    let left = (progress.total - progress.iteration) as f64 / progress.rate.max(1e-9);
    let losses = progress.losses;
    let control = progress.control_loss.map_or_else(String::new, |loss| format!("  control {loss:.3}"));
    let support = if losses.support > 0.0 { format!("{:.3} → ", losses.support) } else { String::new() };
    let trial = progress.validation.map_or_else(String::new, |trial| {
        let best = if trial.best { ", best" } else { "" };
        format!("  trial {:.1} %{best}", 100.0 * trial.accuracy)
    });
    let rate =
        if progress.rate < 9.95 { format!("{:.1}", progress.rate) } else { format!("{:.0}", progress.rate) };
    format!("{}  {rate} it/s  loss {support}{:.3}{control}{trial}", time(left), losses.query)
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

    #[test]
    fn a_line_fits_80_columns() {
        let losses = Losses { support: 4.5801, query: 1.2345 };
        let (accuracy, ci95) = (0.9876, 0.01);
        let trial =
            ValidationLine { iteration: 9, accuracy, ci95, loss: 0.1, train_accuracy: 0.9, best: true };
        for (rate, control_loss, validation) in
            [(34_567.0, None, None), (5_678.0, Some(4.5639), None), (5.8, None, Some(trial))]
        {
            let (iteration, total) = (10_000, 50_000);
            let progress = Progress { iteration, total, losses, control_loss, rate, validation };
            let width = "█████ 50,000/50,000 ".chars().count() + describe(&progress).chars().count();
            assert!(width <= 80, "{width}: {}", describe(&progress));
        }
    }
}
