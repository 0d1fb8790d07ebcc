//! Single held-out series: their last values, and the forecasts of both learners before and after adaptation.

use super::canvas::{Axes, CONTROL, Draw, GRID, INK, MAML, Mark, TRUTH, legend, mesh, px, short, text};
use crate::error::Result;
use crate::meta::{Backend, Evaluation};
use crate::recipe::{Family, Recipe};
use crate::run::Measures;
use crate::run::models::{Models, adapt};
use crate::run::report::Judged;
use crate::task::TaskBatch;
use plotters::coord::Shift;
use plotters::prelude::*;

/// One of the measures.
type Measure = fn(&Measures) -> f64;

/// One series with what was made of it; values in the units of the file.
pub(super) struct Series {
    title: String,
    /// The last values, each at its place from the end: the last is at 0.
    values: Vec<f64>,
    /// Support points of the task.
    support: usize,
    /// Whether the query is the support once more.
    same: bool,
    steps: usize,
    maml: Forecast,
    control: Option<Forecast>,
}

/// Forecasts of the last values, one value ahead each.
struct Forecast {
    before: Vec<f64>,
    after: Vec<f64>,
}

/// Pictures of a typical held-out series and of those with the strongest trend, season and change of level, by the stems
/// of their files.
pub(super) fn pictures(
    recipe: &Recipe,
    models: &Models,
    judged: &Judged,
    device: &dyn Backend,
) -> Result<Vec<(String, Series)>> {
    let Family::Series(kind) = &recipe.task.family else { return Ok(Vec::new()) };
    let window = kind.window;
    let (settings, steps) = (&judged.settings, judged.report.steps.len() - 1);
    let table = recipe.held_out(settings.tasks)?;
    let stretch = window + recipe.task.support + recipe.task.query;
    let measures: Vec<_> = (0..settings.tasks).map(|i| Measures::of(table.series(i), stretch)).collect();
    let mut pictures = Vec::new();
    for (name, number) in chosen(judged, &measures) {
        let one = recipe.evaluation_tasks(settings, number..number + 1)?;
        let same = settings.protocol == Some(crate::recipe::Protocol::Same);
        // Forecasts of the support points are shown too, so the query becomes all points.
        let all = if same { one } else { whole(one) };
        let (maml, control) = adapt(recipe, steps, models, device, judged.report.inner_lr, &all, true)?;
        let values = table.series(number);
        let [mean, inverse] =
            table.scale(number, values.len() - if same { all.query } else { recipe.task.query });
        let origin = recipe.series().map_or(0.0, |data| data.held_out_origins[number]);
        let forecast = |evaluation: Evaluation| {
            let predictions = evaluation.predictions?;
            let whole = |part: &[f32]| -> Vec<f64> {
                part.iter().map(|&y| f64::from(y) / f64::from(inverse) + f64::from(mean) + origin).collect()
            };
            let last = predictions.len().checked_sub(all.query)?;
            Some(Forecast { before: whole(&predictions[..all.query]), after: whole(&predictions[last..]) })
        };
        let Some(maml) = forecast(maml) else { continue };
        let shown = values.len().min(2 * window + all.query);
        let title = match recipe.series() {
            Some(data) => data.set.series[data.held_out_numbers[number]].0.clone(),
            None => format!("series {number}"),
        };
        let what = match name {
            "typical" => "typical loss".to_owned(),
            "trend" => format!("trend {:.2}", measures[number].trend),
            "season" => {
                format!("season {:.2} at lag {}", measures[number].season, measures[number].lag.unwrap_or(0))
            }
            _ => format!("change {:.2}", measures[number].change),
        };
        let picture = Series {
            title: format!("{title}: {what}"),
            values: values[values.len() - shown..].iter().map(|&v| f64::from(v) + origin).collect(),
            support: all.support,
            same,
            steps,
            maml,
            control: control.and_then(forecast),
        };
        pictures.push((format!("series-{name}"), picture));
    }
    Ok(pictures)
}

/// The series to be shown, each for another reason.
fn chosen(judged: &Judged, measures: &[Measures]) -> Vec<(&'static str, usize)> {
    let steps = judged.report.steps.len() - 1;
    let median = judged.report.learners.maml.median[steps];
    let far = |i: &usize| (f64::from(judged.maml[i * (steps + 1) + steps]) - median).abs();
    let typical = (0..measures.len()).min_by(|a, b| far(a).total_cmp(&far(b)));
    let named: [(_, Measure); 3] =
        [("season", |m| m.season), ("trend", |m| m.trend), ("change", |m| m.change)];
    let mut chosen = Vec::from_iter(typical.map(|number| ("typical", number)));
    for (name, of) in named {
        // A series is shown once.
        let free = (0..measures.len()).filter(|i| chosen.iter().all(|(_, other)| other != i));
        let most = free.max_by(|&a, &b| of(&measures[a]).total_cmp(&of(&measures[b])));
        chosen.extend(most.map(|number| (name, number)));
    }
    chosen
}

/// The same task, judged on its support points too.
fn whole(one: TaskBatch) -> TaskBatch {
    TaskBatch {
        query: one.support + one.query,
        query_x: [&one.support_x[..], &one.query_x].concat().into(),
        query_y: [&one.support_y[..], &one.query_y].concat().into(),
        ..one
    }
}

impl Series {
    /// The place of value `i` of `n` last ones.
    fn place(i: usize, n: usize) -> f64 {
        i as f64 - (n as f64 - 1.0)
    }

    /// Range of the values, and of forecasts as far as they are near.
    fn y_range(&self) -> (f64, f64) {
        let bounds = |values: &mut dyn Iterator<Item = f64>| {
            values.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)))
        };
        let (low, high) = bounds(&mut self.values.iter().copied());
        let size = if high > low { high - low } else { low.abs().max(1.0) };
        let all = [Some(&self.maml), self.control.as_ref()];
        let near = all.iter().flatten().flat_map(|f| f.before.iter().chain(&f.after)).copied();
        let near = near.filter(|v| (low - 0.5 * size..=high + 0.5 * size).contains(v));
        let (low, high) = bounds(&mut near.chain([low, high]));
        (low - 0.06 * size, high + 0.06 * size)
    }

    fn panel<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        (title, colour): (&str, RGBColor),
        forecast: &Forecast,
        scale: f64,
    ) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
        let (bottom, top) = self.y_range();
        let n = self.values.len();
        let wide = if top.abs().max(bottom.abs()) >= 1000.0 { 68.0 } else { 52.0 };
        let mut chart = ChartBuilder::on(area)
            .margin(px(8.0, scale))
            .margin_right(px(14.0, scale))
            .caption(title, text(15.0, scale))
            .x_label_area_size(px(38.0, scale))
            .y_label_area_size(px(wide, scale))
            .build_cartesian_2d(Self::place(0, n)..0.8, bottom..top)?;
        let x = "values before the last";
        let axes = Axes { x, y: "value", labels: (6, 7), x_format: short, vertical: true };
        mesh(&mut chart, &axes, scale)?;
        // Values that are forecast after adaptation stand on a shade.
        let query = forecast.before.len() - if self.same { 0 } else { self.support };
        let from = Self::place(0, query) - 0.5;
        chart.draw_series([Rectangle::new([(from, bottom), (0.8, top)], GRID.mix(0.6).filled())])?;
        let along = |values: &[f64]| -> Vec<(f64, f64)> {
            let places = values.iter().enumerate().map(|(i, &y)| (Self::place(i, values.len()), y));
            // Beyond the frame a line would be drawn along its edge, so it is cut.
            places.filter(|(_, y)| (bottom..=top).contains(y)).collect()
        };
        chart.draw_series(LineSeries::new(along(&self.values), TRUTH.stroke_width(px(1.6, scale))))?;
        let targets: Vec<_> = along(&self.values[n - forecast.before.len()..]);
        chart.draw_series(
            targets
                .iter()
                .take(self.support)
                .map(|&at| EmptyElement::at(at) + Circle::new((0, 0), px(3.2, scale), INK.filled())),
        )?;
        chart.draw_series(DashedLineSeries::new(
            along(&forecast.before),
            px(5.0, scale),
            px(4.0, scale),
            colour.stroke_width(px(1.6, scale)),
        ))?;
        chart.draw_series(LineSeries::new(along(&forecast.after), colour.stroke_width(px(2.4, scale))))?;
        Ok(())
    }
}

impl Draw for Series {
    fn size(&self) -> (u32, u32) {
        (if self.control.is_some() { 1040 } else { 620 }, 400)
    }

    fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        scale: f64,
    ) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
        area.fill(&WHITE)?;
        let height = area.dim_in_pixel().1;
        let (charts, strip) = area.split_vertically(height - px(34.0, scale));
        let titles = ["meta-learned", "control"].map(|learner| format!("{}, {learner}", self.title));
        match &self.control {
            Some(control) => {
                let panels = charts.split_evenly((1, 2));
                self.panel(&panels[0], (&titles[0], MAML), &self.maml, scale)?;
                self.panel(&panels[1], (&titles[1], CONTROL), control, scale)?;
            }
            None => self.panel(&charts, (&titles[0], MAML), &self.maml, scale)?,
        }
        let plural = if self.steps == 1 { "step" } else { "steps" };
        let after = format!("after {} {plural}", self.steps);
        let mut entries = vec![
            (Mark::Line(TRUTH, 1.6), "series"),
            (Mark::Dot(INK), "targets it adapts on"),
            (Mark::Band(TRUTH), "judged on"),
            (Mark::Dashes(MAML, 1.6), "meta-learned, before"),
            (Mark::Line(MAML, 2.4), after.as_str()),
        ];
        if self.control.is_some() {
            entries.push((Mark::Dashes(CONTROL, 1.6), "control, before"));
            entries.push((Mark::Line(CONTROL, 2.4), after.as_str()));
        }
        legend(&strip, &entries, scale)
    }
}
