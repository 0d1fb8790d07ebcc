//! The loss on new tasks against steps of adaptation.

use super::canvas::{
    Axes, CONTROL, Draw, INK, MAML, Mark, STANDARD, TRUTH, legend, log_ticks, mesh, px, short, text,
};
use crate::meta::Curve;
use crate::recipe::Protocol;
use crate::run::Report;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

/// The parts of a curve of finite values, as points.
fn runs(values: impl Iterator<Item = f64>) -> Vec<Vec<(f64, f64)>> {
    let points: Vec<_> = values.enumerate().map(|(i, y)| (i as f64, y)).collect();
    let parts = points.split(|(_, y)| !y.is_finite());
    parts.filter(|part| !part.is_empty()).map(<[_]>::to_vec).collect()
}

/// Whole steps only.
fn steps_label(value: f64) -> String {
    if value >= 0.0 && value.fract() == 0.0 { short(value) } else { String::new() }
}

/// Both learners' curves with bands of 95 %. Where no task is left to take a mean of there is no
/// point, and a cross at the upper edge says so; where the median task has diverged, the median ends.
pub(super) struct Steps<'a> {
    pub(super) report: &'a Report,
}

impl Steps<'_> {
    fn is_accuracy(&self) -> bool {
        self.report.metric == "accuracy"
    }

    fn curves(&self) -> Vec<(Curve, RGBColor, &'static str)> {
        let learners = &self.report.learners;
        let name = match self.report.why_flat() {
            Some(_) => "control (flat: at the mean of all tasks)",
            None => "control",
        };
        let control = learners.control.as_ref().map(|curve| (curve, CONTROL, name));
        let standard = learners.standard.as_ref().map(|curve| (curve, STANDARD, "standard initialisation"));
        let naive = learners.naive.as_ref().map(|curve| (curve, TRUTH, "last value"));
        let curves =
            [Some((&learners.maml, MAML, "meta-learned")), control, standard, naive].into_iter().flatten();
        let percent = if self.is_accuracy() { 100.0 } else { 1.0 };
        let scaled = |values: &[f64]| values.iter().map(|value| percent * value).collect();
        curves
            .map(|(curve, colour, label)| {
                let (mean, ci95, median) = (scaled(&curve.mean), scaled(&curve.ci95), scaled(&curve.median));
                (Curve { mean, ci95, median, ..curve.clone() }, colour, label)
            })
            .collect()
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
            None => match &self.report.classification {
                Some(c) => {
                    let shots = if c.shots == 1 { "shot" } else { "shots" };
                    format!("{tasks} new tasks of {} classes, adapted on {} {shots} of each", c.ways, c.shots)
                }
                None => format!("{tasks} new tasks, adapted on {} points each", points.support),
            },
        };
        // One point stands in the middle.
        let last = (steps.len() - 1) as f64;
        let x = if last > 0.0 { -0.02 * last..1.02 * last } else { -0.5..0.5 };
        let mut chart = ChartBuilder::on(area)
            .margin(px(8.0, scale))
            .margin_right(px(24.0, scale))
            .caption(title, text(16.0, scale))
            .x_label_area_size(px(38.0, scale))
            .y_label_area_size(px(56.0, scale))
            .build_cartesian_2d(x, y)?;
        let y_name = match self.report.metric {
            "accuracy" => "accuracy, %",
            "psnr" => "PSNR, dB",
            // Such a range is drawn from above 0 on only in the logarithm.
            _ if low > 0.0 => "mean squared error, logarithmic",
            _ => "mean squared error",
        };
        let labels = (steps.len().min(12), 8);
        mesh(
            &mut chart,
            &Axes { x: "steps of adaptation", y: y_name, labels, x_format: steps_label, vertical: false },
            scale,
        )?;
        let inside = |(i, y): (f64, f64)| (i, y.clamp(low, high));
        // All bands first, so that none lies over a line. What no step changes stays a plain line.
        for (curve, colour, _) in self.curves().into_iter().filter(|(_, colour, _)| *colour != TRUTH) {
            let bound =
                |sign: f64| runs(curve.mean.iter().zip(&curve.ci95).map(move |(m, ci)| m + sign * ci));
            for (upper, lower) in bound(1.0).into_iter().zip(bound(-1.0)) {
                let band: Vec<_> = upper.into_iter().chain(lower.into_iter().rev()).map(inside).collect();
                chart.draw_series([Polygon::new(band.clone(), colour.mix(0.2).filled())])?;
                if let [top, bottom] = band[..] {
                    // Of a single point.
                    chart.draw_series([PathElement::new(
                        [top, bottom],
                        colour.stroke_width(px(1.5, scale)),
                    )])?;
                }
            }
        }
        for (curve, colour, _) in self.curves() {
            for median in runs(curve.median.iter().copied()) {
                chart.draw_series(DashedLineSeries::new(
                    median.into_iter().map(inside),
                    px(5.0, scale),
                    px(4.0, scale),
                    colour.stroke_width(px(1.5, scale)),
                ))?;
            }
            let width = if colour == TRUTH { 1.5 } else { 2.5 };
            for mean in runs(curve.mean.iter().copied()) {
                let mean: Vec<_> = mean.into_iter().map(inside).collect();
                chart.draw_series(LineSeries::new(mean.clone(), colour.stroke_width(px(width, scale))))?;
                if colour != TRUTH || mean.len() == 1 {
                    let radius = px(3.5, scale);
                    chart.draw_series(mean.into_iter().map(|at| Circle::new(at, radius, colour.filled())))?;
                }
            }
            let gone = curve.mean.iter().enumerate().filter(|(_, mean)| !mean.is_finite());
            let style = colour.stroke_width(px(2.0, scale));
            chart.draw_series(gone.map(|(i, _)| Cross::new((i as f64, high), px(4.0, scale), style)))?;
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
        let top = tops.filter(finite).reduce(f64::max).unwrap_or(1.0);
        let bottom = lines.iter().copied().fold(f64::MAX, f64::min).min(top);
        // Wrong and right are the ends of a share.
        if self.is_accuracy() {
            self.chart(&chart, 0.0..105.0, (0.0, 105.0), scale)?;
        // A task that diverged can lift a mean by orders of magnitude.
        } else if top > 40.0 * bottom && self.report.metric != "psnr" {
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
        if curves.iter().any(|(curve, ..)| curve.mean.iter().any(|mean| !mean.is_finite())) {
            entries.push((Mark::Cross(INK), "no task is finite"));
        }
        legend(&strip, &entries, scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_finite_is_left_out_and_nothing_is_drawn_across_it() {
        let found = runs([1.0, 2.0, f64::NAN, 3.0, f64::INFINITY].into_iter());
        assert_eq!(found, [vec![(0.0, 1.0), (1.0, 2.0)], vec![(3.0, 3.0)]]);
        assert!(runs([f64::NAN; 3].into_iter()).is_empty());
    }
}
