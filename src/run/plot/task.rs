//! One new task: the true curve, the points, both learners before and after adaptation.

use super::canvas::{Axes, CONTROL, Draw, INK, MAML, Mark, TRUTH, legend, mesh, px, short, text};
use crate::task::TaskBatch;
use plotters::coord::Shift;
use plotters::prelude::*;

/// A single sinusoid with what was made of it.
pub(super) struct Task {
    /// One task, its query points along the true curve.
    pub(super) tasks: TaskBatch,
    pub(super) steps: usize,
    pub(super) maml: Curves,
    pub(super) control: Option<Curves>,
}

/// Predictions at the query points.
pub(super) struct Curves {
    pub(super) before: Vec<f32>,
    pub(super) after: Vec<f32>,
}

impl Task {
    /// Range of the targets, and of predictions as far as they are near.
    fn y_range(&self) -> (f64, f64) {
        let bounds = |values: &mut dyn Iterator<Item = f32>| {
            values
                .filter(|v| v.is_finite())
                .fold((f32::MAX, f32::MIN), |(low, high), v| (low.min(v), high.max(v)))
        };
        let (low, high) = bounds(&mut self.tasks.query_y.iter().copied());
        let size = (high - low).max(1.0);
        let all = [Some(&self.maml), self.control.as_ref()];
        let curves = all.iter().flatten().flat_map(|c| c.before.iter().chain(&c.after)).copied();
        // A diverged prediction must not flatten the rest.
        let near = curves.filter(|v| (low - size..=high + size).contains(v));
        let (low, high) = bounds(&mut near.chain([low, high]));
        let pad = 0.06 * (high - low);
        (f64::from(low - pad), f64::from(high + pad))
    }

    fn panel<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        (title, colour): (&str, RGBColor),
        curves: &Curves,
        scale: f64,
    ) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
        let xs = &self.tasks.query_x;
        let (low, high) = (f64::from(xs[0]), f64::from(xs[xs.len() - 1]));
        let (bottom, top) = self.y_range();
        let mut chart = ChartBuilder::on(area)
            .margin(px(8.0, scale))
            .margin_right(px(14.0, scale))
            .caption(title, text(16.0, scale))
            .x_label_area_size(px(38.0, scale))
            .y_label_area_size(px(48.0, scale))
            .build_cartesian_2d(low..high, bottom..top)?;
        let axes = Axes { x: "x", y: "y", labels: (6, 7), x_format: short, vertical: true };
        mesh(&mut chart, &axes, scale)?;
        let along = |values: &[f32]| -> Vec<(f64, f64)> {
            // Beyond the frame a line would be drawn along its edge, so it is cut.
            xs.iter()
                .zip(values)
                .map(|(x, y)| (f64::from(*x), f64::from(*y)))
                .filter(|(_, y)| (bottom..=top).contains(y))
                .collect()
        };
        chart.draw_series(LineSeries::new(along(&self.tasks.query_y), TRUTH.stroke_width(px(2.0, scale))))?;
        chart.draw_series(DashedLineSeries::new(
            along(&curves.before),
            px(5.0, scale),
            px(4.0, scale),
            colour.stroke_width(px(1.5, scale)),
        ))?;
        chart.draw_series(LineSeries::new(along(&curves.after), colour.stroke_width(px(2.5, scale))))?;
        let points = self.tasks.support_x.iter().zip(&self.tasks.support_y);
        chart.draw_series(points.map(|(x, y)| {
            let at = (f64::from(*x), f64::from(*y));
            EmptyElement::at(at)
                + Circle::new((0, 0), px(6.0, scale), WHITE.filled())
                + Circle::new((0, 0), px(4.5, scale), INK.filled())
        }))?;
        Ok(())
    }
}

impl Draw for Task {
    fn size(&self) -> (u32, u32) {
        (if self.control.is_some() { 1040 } else { 620 }, 460)
    }

    fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        scale: f64,
    ) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
        area.fill(&WHITE)?;
        let height = area.dim_in_pixel().1;
        let (charts, strip) = area.split_vertically(height - px(34.0, scale));
        let plural = if self.steps == 1 { "step" } else { "steps" };
        let after = format!("after {} {plural}", self.steps);
        match &self.control {
            Some(control) => {
                let panels = charts.split_evenly((1, 2));
                self.panel(&panels[0], ("Meta-learned", MAML), &self.maml, scale)?;
                self.panel(&panels[1], ("Control", CONTROL), control, scale)?;
            }
            None => self.panel(&charts, ("Meta-learned", MAML), &self.maml, scale)?,
        }
        let mut entries = vec![
            (Mark::Line(TRUTH, 2.0), "true curve"),
            (Mark::Dot(INK), "points it adapts on"),
            (Mark::Dashes(MAML, 1.5), "meta-learned, before"),
            (Mark::Line(MAML, 2.5), after.as_str()),
        ];
        if self.control.is_some() {
            entries.push((Mark::Dashes(CONTROL, 1.5), "control, before"));
            entries.push((Mark::Line(CONTROL, 2.5), after.as_str()));
        }
        legend(&strip, &entries, scale)
    }
}
