//! Progress of imports and downloads on standard error.

use fastweights::data::{Phase, Step};
use indicatif::{ProgressBar, ProgressStyle};

/// How far an import or a download is: a bar on a terminal, nothing elsewhere, as it takes seconds.
pub(super) struct Steps(ProgressBar);

impl Steps {
    pub(super) fn new(quiet: bool) -> Self {
        // Hides itself where standard error is no terminal.
        Self(if quiet { ProgressBar::hidden() } else { ProgressBar::no_length() })
    }

    /// May be called from several threads at once.
    pub(super) fn show(&self, step: Step) {
        let Self(bar) = self;
        let (what, template) = match step.phase {
            Phase::Download => ("downloading", "{wide_bar} {bytes}/{total_bytes}  {eta} left  {msg}"),
            Phase::Read => ("reading", "{wide_bar} {human_pos}/{human_len}  {msg}"),
            _ => ("decoding", "{wide_bar} {human_pos}/{human_len}  {msg}"),
        };
        if bar.message() != what {
            bar.set_style(
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar.set_message(what);
        }
        if step.total > 0 {
            bar.set_length(step.total);
        }
        bar.set_position(step.done);
    }

    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
