//! Held-out fields beside what learners make of them, step by step.

use super::canvas::{Draw, GRID, INK, px, text};
use crate::error::Result;
use crate::meta::Backend;
use crate::recipe::Recipe;
use crate::run::field::{Start, psnr};
use crate::run::models::Models;
use crate::run::report::Judged;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Fields that are shown, the first of the evaluation.
const FIELDS: usize = 3;

/// Steps after which both starts are shown, and after which the standard initialisation is shown once more.
const STEPS: [usize; 4] = [0, 1, 2, 5];
const LONG: usize = 100;

/// Size of an image and what lies around it, at scale 1.
const IMAGE: f64 = 72.0;
const GAP: f64 = 8.0;
const LABEL: f64 = 16.0;
const TOP: f64 = 50.0;

/// Fields as strips of images, a row each.
pub(super) struct Strips {
    side: usize,
    channels: usize,
    rows: Vec<Vec<Picture>>,
}

/// Values of a field, `[side², channels]`, and how far they are from the truth, dB.
struct Picture {
    values: Vec<f32>,
    psnr: Option<f64>,
}

impl Strips {
    /// Those of the first held-out fields; nothing where they are no images.
    pub(super) fn of(
        recipe: &Recipe,
        models: &Models,
        judged: &Judged,
        device: &dyn Backend,
    ) -> Result<Option<Self>> {
        let Some((field, report)) = recipe.field().zip(judged.report.field.as_ref()) else { return Ok(None) };
        let Some(side) = field.side() else { return Ok(None) };
        let tasks = recipe.evaluation_tasks(&judged.settings, 0..FIELDS.min(judged.settings.tasks))?;
        if tasks.query != side * side {
            return Ok(None);
        }
        let (count, channels) = (tasks.tasks, tasks.targets);
        let (first, longer) = (report.standard_lr.first(), report.standard_longer.lr);
        let starts = [
            (Start::maml(recipe, models, judged.report.inner_lr)?, &STEPS[..]),
            (Start::standard(recipe, first.copied().unwrap_or_default())?, &STEPS[..]),
            (Start::standard(recipe, longer)?, &[LONG][..]),
        ];
        let size = side * side * channels;
        let truth =
            |task: usize| Picture { values: tasks.query_y[task * size..][..size].to_vec(), psnr: None };
        let mut rows: Vec<Vec<Picture>> = (0..count).map(|task| vec![truth(task)]).collect();
        for (start, shown) in starts {
            let most = shown.iter().copied().max().unwrap_or(0);
            let (losses, all) = start.adapt(device, &tasks, most, true)?;
            for &step in shown {
                for (task, row) in rows.iter_mut().enumerate() {
                    row.push(Picture {
                        values: all[(step * count + task) * size..][..size].to_vec(),
                        psnr: Some(psnr(losses[task * (most + 1) + step])),
                    });
                }
            }
        }
        Ok(Some(Self { side, channels, rows }))
    }

    /// Where a column begins: the truth, then both starts, a little apart.
    fn left(column: usize) -> f64 {
        let apart = f64::from(u8::from(column > 0) + u8::from(column > STEPS.len())) * 2.0 * GAP;
        2.0 * GAP + apart + column as f64 * (IMAGE + GAP)
    }

    fn image<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        values: &[f32],
        (left, top): (f64, f64),
        scale: f64,
    ) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
        let (side, channels) = (self.side, self.channels);
        let at = |i: usize| (i as f64 / side as f64 * IMAGE * scale).round() as i32;
        let (x, y) = ((left * scale) as i32, (top * scale) as i32);
        for (pixel, values) in values.chunks_exact(channels).enumerate() {
            let (r, c) = (pixel / side, pixel % side);
            let byte = |value: f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
            let colour = match values {
                [red, green, blue] => RGBColor(byte(*red), byte(*green), byte(*blue)),
                _ => RGBColor(byte(values[0]), byte(values[0]), byte(values[0])),
            };
            let corners = [(x + at(c), y + at(r)), (x + at(c + 1), y + at(r + 1))];
            area.draw(&Rectangle::new(corners, colour.filled()))?;
        }
        let frame = [(x, y), (x + at(side), y + at(side))];
        area.draw(&Rectangle::new(frame, GRID.stroke_width(px(1.0, scale))))
    }
}

impl Draw for Strips {
    fn size(&self) -> (u32, u32) {
        let columns = self.rows.first().map_or(1, Vec::len);
        let height = TOP + self.rows.len() as f64 * (IMAGE + LABEL + GAP);
        ((Self::left(columns) + GAP) as u32, height as u32)
    }

    fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        scale: f64,
    ) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
        area.fill(&WHITE)?;
        let write = |words: &str, (x, y): (f64, f64), size: f64, across: HPos| {
            let style = text(size, scale).color(&INK).pos(Pos::new(across, VPos::Center));
            area.draw(&Text::new(words.to_owned(), ((x * scale) as i32, (y * scale) as i32), style))
        };
        let middle = |column: usize| Self::left(column) + IMAGE / 2.0;
        write("truth", (middle(0), 38.0), 12.0, HPos::Center)?;
        for (start, name) in ["meta-learned start, after steps", "standard initialisation, after steps"]
            .into_iter()
            .enumerate()
        {
            let first = 1 + start * STEPS.len();
            write(name, (Self::left(first), 16.0), 13.0, HPos::Left)?;
            for (i, step) in STEPS.into_iter().enumerate() {
                write(&step.to_string(), (middle(first + i), 38.0), 12.0, HPos::Center)?;
            }
        }
        write(&LONG.to_string(), (middle(1 + 2 * STEPS.len()), 38.0), 12.0, HPos::Center)?;
        for (n, row) in self.rows.iter().enumerate() {
            let top = TOP + n as f64 * (IMAGE + LABEL + GAP);
            for (column, picture) in row.iter().enumerate() {
                self.image(area, &picture.values, (Self::left(column), top), scale)?;
                if let Some(psnr) = picture.psnr {
                    let at = (middle(column), top + IMAGE + LABEL / 2.0);
                    write(&format!("{psnr:.1} dB"), at, 11.0, HPos::Center)?;
                }
            }
        }
        Ok(())
    }
}
