//! The loss on new tasks against steps of adaptation.

use super::canvas::{Axes, CONTROL, Draw, INK, MAML, Mark, TRUTH, legend, log_ticks, mesh, px, short, text};
use crate::meta::Curve;
use crate::recipe::Protocol;
use crate::run::Report;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

/// Both learners' curves with bands of 95 %.
pub(super) struct Steps<'a> {
    pub(super) report: &'a Report,
}

impl Steps<'_> {
    fn curves(&self) -> Vec<(&Curve, RGBColor, &'static str)> {
        let learners = &self.report.learners;
        let control = learners.pretrained.as_ref().map(|curve| (curve, CONTROL, "pretrained"));
        let naive = learners.naive.as_ref().map(|curve| (curve, TRUTH, "last value"));
        [Some((&learners.maml, MAML, "meta-learned")), control, naive].into_iter().flatten().collect()
    }

    fn chart<DB: DrawingBackend, Y: Ranged<ValueType = f64> + ValueFormatter<f64>>(
        &self,
        area: &DrawingArea<DB, Shift>,
        y: impl AsRangedCoord<CoordDescType = Y, Value = f64>,
        (low, high): (f64, f64),
        scale: f64,
    ) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
        let Report { tasks, points, steps, .. } = self.report;
        let title = match &self.report.series {
            Some(series) => {
                let what =
                    if series.protocol == Protocol::Same { "judged on them" } else { "judged on the next" };
                format!("{tasks} held-out series, adapted on {} windows each, {what}", points.support)
            }
            None => format!("{tasks} new tasks, adapted on {} points each", points.support),
        };
        let last = (steps.len() - 1) as f64;
        let mut chart = ChartBuilder::on(area)
            .margin(px(8.0, scale))
            .margin_right(px(24.0, scale))
            .caption(title, text(16.0, scale))
            .x_label_area_size(px(38.0, scale))
            .y_label_area_size(px(56.0, scale))
            .build_cartesian_2d(-0.02 * last..1.02 * last, y)?;
        let y = if self.report.metric == "accuracy" { "accuracy" } else { "mean squared error" };
        let labels = (steps.len().min(12), 8);
        mesh(
            &mut chart,
            &Axes { x: "steps of adaptation", y, labels, x_format: short, vertical: false },
            scale,
        )?;
        let inside = |y: f64| y.clamp(low, high);
        let at = |i: usize, y: f64| (i as f64, inside(y));
        // All bands first, so that none lies over a line. What no step changes stays a plain line.
        for (curve, colour, _) in self.curves().into_iter().filter(|(_, colour, _)| *colour != TRUTH) {
            let bounds = curve.mean.iter().zip(&curve.ci95).enumerate();
            let upper = bounds.clone().map(|(i, (mean, ci))| at(i, mean + ci));
            let lower = bounds.map(|(i, (mean, ci))| at(i, mean - ci)).rev();
            let band: Vec<_> = upper.chain(lower).collect();
            chart.draw_series([Polygon::new(band, colour.mix(0.2).filled())])?;
        }
        for (curve, colour, _) in self.curves() {
            let points = |values: &[f64]| -> Vec<(f64, f64)> {
                values.iter().enumerate().map(|(i, &y)| at(i, y)).collect()
            };
            chart.draw_series(DashedLineSeries::new(
                points(&curve.median),
                px(5.0, scale),
                px(4.0, scale),
                colour.stroke_width(px(1.5, scale)),
            ))?;
            let means = points(&curve.mean);
            if colour == TRUTH {
                chart.draw_series(LineSeries::new(means, colour.stroke_width(px(1.5, scale))))?;
                continue;
            }
            chart.draw_series(LineSeries::new(means.clone(), colour.stroke_width(px(2.5, scale))))?;
            let radius = px(3.5, scale);
            chart.draw_series(means.into_iter().map(|at| Circle::new(at, radius, colour.filled())))?;
        }
        Ok(())
    }
}

impl Draw for Steps<'_> {
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
        let (chart, strip) = area.split_vertically(height - px(34.0, scale));
        let finite = |v: &f64| v.is_finite() && *v > 0.0;
        let curves = self.curves();
        let lines = curves.iter().flat_map(|(c, ..)| c.mean.iter().chain(&c.median)).copied();
        let lines: Vec<f64> = lines.filter(finite).collect();
        let tops = curves.iter().flat_map(|(c, ..)| c.mean.iter().zip(&c.ci95).map(|(m, ci)| m + ci));
        let top = tops.filter(finite).fold(f64::MIN_POSITIVE, f64::max);
        let bottom = lines.iter().copied().fold(f64::MAX, f64::min).min(top);
        // A task that diverged can lift a mean by orders of magnitude.
        if top > 40.0 * bottom {
            let (low, high) = (0.6 * bottom, 1.3 * top);
            let y = (low..high).log_scale().with_key_points(log_ticks(low, high));
            self.chart(&chart, y, (low, high), scale)?;
        } else {
            self.chart(&chart, 0.0..1.06 * top, (0.0, 1.06 * top), scale)?;
        }
        let mut entries: Vec<_> =
            curves.iter().map(|(_, colour, label)| (Mark::Line(*colour, 2.5), *label)).collect();
        entries.push((Mark::Band(INK), "95 % interval of the mean"));
        entries.push((Mark::Dashes(INK, 1.5), "median"));
        legend(&strip, &entries, scale)
    }
}
