//! Accuracy over meta-training: the trials on meta-validation and meta-training tasks.

use super::canvas::{Axes, Draw, INK, MAML, Mark, TRUTH, count, legend, mesh, px, text};
use crate::run::ValidationLine;
use plotters::coord::Shift;
use plotters::prelude::*;

/// The lines of `validation.jsonl`.
pub(super) struct Accuracy<'a> {
    pub(super) trials: &'a [ValidationLine],
}

/// Both ends of a trial's interval.
fn upper_lower(trial: &ValidationLine) -> Vec<(f64, f64)> {
    let x = trial.iteration as f64;
    [(trial.accuracy + trial.ci95).min(1.0), trial.accuracy - trial.ci95].map(|y| (x, 100.0 * y)).to_vec()
}

impl Draw for Accuracy<'_> {
    fn size(&self) -> (u32, u32) {
        (820, 460)
    }

    fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        scale: f64,
    ) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
        area.fill(&WHITE)?;
        let height = area.dim_in_pixel().1;
        let (chart_area, strip) = area.split_vertically(height - px(34.0, scale));
        let percent = |of: fn(&ValidationLine) -> f64| -> Vec<(f64, f64)> {
            self.trials.iter().map(|t| (t.iteration as f64, 100.0 * of(t))).collect()
        };
        let (validation, train) = (percent(|t| t.accuracy), percent(|t| t.train_accuracy));
        let (upper, lower) = (percent(|t| (t.accuracy + t.ci95).min(1.0)), percent(|t| t.accuracy - t.ci95));
        let low = lower.iter().chain(&train).map(|p| p.1).fold(f64::INFINITY, f64::min);
        // At most 90: so large a range has no tick above 100.
        let bottom = (low - 2.0).clamp(0.0, 90.0);
        let last = self.trials.last().map_or(1.0, |t| t.iteration as f64);
        // A short training begins with its first trial, not with nothing.
        let first = if self.trials.len() > 1 { self.trials[0].iteration as f64 } else { 0.0 };
        let from = if first > 0.2 * last { first - 0.03 * (last - first) } else { 0.0 };
        let mut chart = ChartBuilder::on(&chart_area)
            .margin(px(8.0, scale))
            .margin_right(px(24.0, scale))
            .caption("Accuracy after adapting, over meta-training", text(16.0, scale))
            .x_label_area_size(px(38.0, scale))
            .y_label_area_size(px(56.0, scale))
            .build_cartesian_2d(from..last, bottom..100.5)?;
        let axes =
            Axes { x: "meta-iterations", y: "accuracy, %", labels: (6, 8), x_format: count, vertical: true };
        mesh(&mut chart, &axes, scale)?;
        let band: Vec<_> = upper.into_iter().chain(lower.into_iter().rev()).collect();
        chart.draw_series([Polygon::new(band, MAML.mix(0.2).filled())])?;
        chart.draw_series(LineSeries::new(train.clone(), TRUTH.stroke_width(px(1.5, scale))))?;
        chart.draw_series(LineSeries::new(validation.clone(), MAML.stroke_width(px(2.5, scale))))?;
        if let (&[train], &[validation]) = (&train[..], &validation[..]) {
            // A single trial makes no line and no band, but a whisker.
            let ends = upper_lower(&self.trials[0]);
            chart.draw_series([PathElement::new(ends, MAML.stroke_width(px(1.5, scale)))])?;
            let dots = [(train, TRUTH), (validation, MAML)];
            chart.draw_series(dots.map(|(at, colour)| Circle::new(at, px(4.5, scale), colour.filled())))?;
        }
        let best = self.trials.iter().rposition(|t| t.best).map(|i| validation[i]);
        chart.draw_series(best.map(|at| Circle::new(at, px(4.5, scale), INK.filled())))?;
        let entries = [
            (Mark::Line(MAML, 2.5), "meta-validation classes"),
            (Mark::Band(MAML), "95 % interval"),
            (Mark::Line(TRUTH, 1.5), "meta-training classes"),
            (Mark::Dot(INK), "best, kept"),
        ];
        legend(&strip, &entries, scale)
    }
}
