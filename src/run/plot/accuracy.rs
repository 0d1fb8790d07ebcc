//! Accuracy, or the loss of what has none, over meta-training: the trials on meta-validation and meta-training tasks.

use super::canvas::{Axes, Draw, INK, MAML, Mark, TRUTH, count, legend, mesh, px, text};
use crate::run::ValidationLine;
use plotters::coord::Shift;
use plotters::prelude::*;

/// The lines of `validation.jsonl`.
pub(super) struct Accuracy<'a> {
    pub(super) trials: &'a [ValidationLine],
}

/// What a trial came to: per cent of accuracy, or the loss.
fn middle(trial: &ValidationLine) -> f64 {
    trial.accuracy.map_or(trial.loss, |accuracy| 100.0 * accuracy)
}

/// Both ends of its interval; of a single row or task itself.
fn upper_lower(trial: &ValidationLine) -> [f64; 2] {
    let (middle, ci95) = (middle(trial), if trial.ci95.is_finite() { trial.ci95 } else { 0.0 });
    match trial.accuracy {
        Some(_) => [(middle + 100.0 * ci95).min(100.0), (middle - 100.0 * ci95).max(0.0)],
        None => [middle + ci95, (middle - ci95).max(0.0)],
    }
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
        let shares = self.trials.iter().any(|trial| trial.accuracy.is_some());
        let along = |of: &dyn Fn(&ValidationLine) -> f64| -> Vec<(f64, f64)> {
            let points = self.trials.iter().map(|t| (t.iteration as f64, of(t)));
            points.filter(|(_, y)| y.is_finite()).collect()
        };
        let validation = along(&middle);
        let train = along(&|t| t.train_accuracy.map_or(f64::NAN, |accuracy| 100.0 * accuracy));
        let (upper, lower) = (along(&|t| upper_lower(t)[0]), along(&|t| upper_lower(t)[1]));
        let low = lower.iter().chain(&train).map(|p| p.1).fold(f64::INFINITY, f64::min);
        let high = upper.iter().map(|p| p.1).fold(f64::MIN_POSITIVE, f64::max);
        // At most 90: so large a range has no tick above 100.
        let (bottom, top) = if shares { ((low - 2.0).clamp(0.0, 90.0), 100.5) } else { (0.0, 1.05 * high) };
        let last = self.trials.last().map_or(1.0, |t| t.iteration as f64);
        // A short training begins with its first trial, not with nothing.
        let first = if self.trials.len() > 1 { self.trials[0].iteration as f64 } else { 0.0 };
        let from = if first > 0.2 * last { first - 0.03 * (last - first) } else { 0.0 };
        let mut chart = ChartBuilder::on(&chart_area)
            .margin(px(8.0, scale))
            .margin_right(px(24.0, scale))
            .caption(
                format!(
                    "{what} after adapting, over meta-training",
                    what = if shares { "Accuracy" } else { "Loss" }
                ),
                text(16.0, scale),
            )
            .x_label_area_size(px(38.0, scale))
            .y_label_area_size(px(56.0, scale))
            .build_cartesian_2d(from..last, bottom..top)?;
        let y = if shares { "accuracy, %" } else { "loss of trials" };
        let axes = Axes { x: "meta-iterations", y, labels: (6, 8), x_format: count, vertical: true };
        mesh(&mut chart, &axes, scale)?;
        let band: Vec<_> = upper.into_iter().chain(lower.into_iter().rev()).collect();
        chart.draw_series([Polygon::new(band, MAML.mix(0.2).filled())])?;
        chart.draw_series(LineSeries::new(train.clone(), TRUTH.stroke_width(px(1.5, scale))))?;
        chart.draw_series(LineSeries::new(validation.clone(), MAML.stroke_width(px(2.5, scale))))?;
        if let &[at] = &validation[..] {
            // A single trial makes no line and no band, but a whisker.
            let ends = upper_lower(&self.trials[0]).map(|y| (at.0, y)).to_vec();
            chart.draw_series([PathElement::new(ends, MAML.stroke_width(px(1.5, scale)))])?;
            let dots = train.iter().map(|&at| (at, TRUTH)).chain([(at, MAML)]);
            chart.draw_series(dots.map(|(at, colour)| Circle::new(at, px(4.5, scale), colour.filled())))?;
        }
        let best = self.trials.iter().rfind(|t| t.best).map(|t| (t.iteration as f64, middle(t)));
        chart.draw_series(best.map(|at| Circle::new(at, px(4.5, scale), INK.filled())))?;
        let of = if train.is_empty() { "held out for trials" } else { "meta-validation classes" };
        let mut entries = vec![(Mark::Line(MAML, 2.5), of), (Mark::Band(MAML), "95 % interval")];
        entries.extend((!train.is_empty()).then_some((Mark::Line(TRUTH, 1.5), "meta-training classes")));
        entries.push((Mark::Dot(INK), "best, kept"));
        legend(&strip, &entries, scale)
    }
}
