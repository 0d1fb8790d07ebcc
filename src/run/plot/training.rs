//! Losses over meta-training.

use super::canvas::{Axes, CONTROL, Draw, MAML, Mark, TRUTH, count, legend, log_ticks, mesh, px, text};
use crate::run::MetricsLine;
use plotters::coord::Shift;
use plotters::prelude::*;

/// The lines of `metrics.jsonl`.
pub(super) struct Training<'a> {
    pub(super) lines: &'a [MetricsLine],
}

type Of = fn(&MetricsLine) -> Option<f64>;

const SERIES: [(Of, RGBColor, &str); 3] = [
    (|line| (line.support_loss > 0.0).then_some(line.support_loss), TRUTH, "support, before adapting"),
    (|line| Some(line.query_loss), MAML, "query, after adapting"),
    (|line| line.control_loss, CONTROL, "control"),
];

impl Training<'_> {
    fn points(&self, of: Of) -> Vec<(f64, f64)> {
        let points = self.lines.iter().filter_map(|line| Some((line.iteration as f64, of(line)?)));
        points.filter(|(_, y)| y.is_finite() && *y > 0.0).collect()
    }
}

/// Moving average over a hundredth of the training to each side, in the logarithm.
fn smooth(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let reach = (points.len() / 100).max(1);
    (points.iter().enumerate())
        .map(|(i, &(x, _))| {
            let window = &points[i.saturating_sub(reach)..(i + reach + 1).min(points.len())];
            let mean = window.iter().map(|(_, y)| y.ln()).sum::<f64>() / window.len() as f64;
            (x, mean.exp())
        })
        .collect()
}

impl Draw for Training<'_> {
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
        let series = SERIES.map(|(of, colour, label)| (self.points(of), colour, label));
        let mut all: Vec<f64> = series.iter().flat_map(|(points, ..)| points.iter().map(|p| p.1)).collect();
        all.sort_by(f64::total_cmp);
        let at = |share: f64| all.get((share * all.len().saturating_sub(1) as f64) as usize).copied();
        // The first, large losses may leave the frame; what is learned later must be seen.
        let (low, high) = (0.8 * at(0.0).unwrap_or(0.1), 1.25 * at(0.998).unwrap_or(1.0));
        let last = self.lines.last().map_or(1.0, |line| line.iteration as f64);
        let high = high.max(1.01 * low);
        let y = (low..high).log_scale().with_key_points(log_ticks(low, high));
        let mut chart = ChartBuilder::on(&chart_area)
            .margin(px(8.0, scale))
            .margin_right(px(24.0, scale))
            .caption("Loss over meta-training", text(16.0, scale))
            .x_label_area_size(px(38.0, scale))
            .y_label_area_size(px(56.0, scale))
            .build_cartesian_2d(0.0..last, y)?;
        let axes = Axes {
            x: "meta-iterations",
            y: "loss, logarithmic",
            labels: (6, 8),
            x_format: count,
            vertical: true,
        };
        mesh(&mut chart, &axes, scale)?;
        let inside = |points: &[(f64, f64)]| -> Vec<(f64, f64)> {
            points.iter().copied().filter(|(_, y)| (low..=high).contains(y)).collect()
        };
        for (points, colour, _) in &series {
            let style = colour.mix(0.25).stroke_width(px(1.0, scale));
            chart.draw_series(LineSeries::new(inside(points), style))?;
        }
        for (points, colour, _) in &series {
            let style = colour.stroke_width(px(2.2, scale));
            chart.draw_series(LineSeries::new(inside(&smooth(points)), style))?;
            // A single point makes no line.
            let alone = (points.len() == 1).then(|| points[0]);
            chart.draw_series(alone.map(|at| Circle::new(at, px(3.5, scale), colour.filled())))?;
        }
        let entries: Vec<_> = (series.iter())
            .filter(|(points, ..)| !points.is_empty())
            .map(|(_, colour, label)| (Mark::Line(*colour, 2.2), *label))
            .collect();
        legend(&strip, &entries, scale)
    }
}
