//! One new task of images: what it adapts on, and what it makes of query images.

use super::canvas::{CONTROL, Draw, GRID, INK, MAML, px, text};
use crate::task::TaskBatch;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// A task as pictures, a row a class.
pub(super) struct Pictures {
    /// One task.
    pub(super) tasks: TaskBatch,
    pub(super) ways: usize,
    pub(super) channels: usize,
    pub(super) side: usize,
    pub(super) steps: usize,
    /// Names of its classes.
    pub(super) names: Vec<String>,
    /// Whether a grey picture is ink, which is drawn dark on white.
    pub(super) ink: bool,
    /// Outputs for the query images after the last step, `[query, ways]`.
    pub(super) outputs: Vec<f32>,
}

/// Images shown of a class, of support and of query each, and classes.
const SHOWN: usize = 5;
const ROWS: usize = 10;

/// Size of an image and what lies around it, at scale 1.
const IMAGE: f64 = 64.0;
const GAP: f64 = 12.0;
const LABEL: f64 = 18.0;
/// Of characters of a name, at most so many stand left of its pictures.
const NAME: usize = 22;
const LETTER: f64 = 7.4;
const TOP: f64 = 62.0;

/// Shades of grey, or steps of a colour channel, that are told apart: fewer make smaller files.
const SHADES: f32 = 15.0;

impl Pictures {
    fn columns(&self) -> (usize, usize) {
        ((self.tasks.support / self.ways).min(SHOWN), (self.tasks.query / self.ways).min(SHOWN))
    }

    fn rows(&self) -> usize {
        self.ways.min(ROWS)
    }

    /// The name of a class, its end if it is long: what stands before is shared by many.
    fn name(&self, class: usize) -> String {
        let name = self.names.get(class).map_or("", String::as_str);
        let count = name.chars().count();
        let cut = || ['…'].into_iter().chain(name.chars().skip(count + 1 - NAME)).collect();
        if count <= NAME { name.to_owned() } else { cut() }
    }

    /// Where pictures begin, beside the longest name.
    fn left(&self) -> f64 {
        let longest =
            (0..self.rows()).map(|class| format!("{class}  {}", self.name(class)).chars().count()).max();
        2.0 * GAP + LETTER * longest.unwrap_or(0) as f64
    }

    /// Whether there is such a query; of a small class there may be fewer than of others.
    fn is_there(&self, query: usize) -> bool {
        self.tasks.weights.as_ref().is_none_or(|weights| weights.query[query] != 0.0)
    }

    /// The class that a query image is taken for.
    fn predicted(&self, query: usize) -> usize {
        let row = &self.outputs[query * self.ways..][..self.ways];
        (1..self.ways).fold(0, |best, class| if row[class] > row[best] { class } else { best })
    }

    /// Draws an image at its upper left corner. Equal neighbours in a row of
    /// pixels become one rectangle.
    fn image<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        pixels: &[f32],
        (left, top): (f64, f64),
        scale: f64,
    ) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
        let side = self.side;
        let colour = |r: usize, c: usize| {
            let channel = |channel: usize| {
                let value = pixels[channel * side * side + r * side + c];
                ((value.clamp(0.0, 1.0) * SHADES).round() / SHADES * 255.0) as u8
            };
            match self.channels {
                3 => RGBColor(channel(0), channel(1), channel(2)),
                _ => {
                    let shade = if self.ink { 255 - channel(0) } else { channel(0) };
                    RGBColor(shade, shade, shade)
                }
            }
        };
        let at = |i: usize| (i as f64 / side as f64 * IMAGE * scale).round() as i32;
        let (x, y) = ((left * scale) as i32, (top * scale) as i32);
        for r in 0..side {
            let mut from = 0;
            for c in 1..=side {
                if c == side || colour(r, c) != colour(r, from) {
                    let corners = [(x + at(from), y + at(r)), (x + at(c), y + at(r + 1))];
                    area.draw(&Rectangle::new(corners, colour(r, from).filled()))?;
                    from = c;
                }
            }
        }
        let frame = [(x, y), (x + at(side), y + at(side))];
        area.draw(&Rectangle::new(frame, GRID.stroke_width(px(1.0, scale))))
    }
}

impl Draw for Pictures {
    fn size(&self) -> (u32, u32) {
        let (support, query) = self.columns();
        let width = self.left() + (support + query) as f64 * (IMAGE + GAP) + 3.0 * GAP;
        let height = TOP + self.rows() as f64 * (IMAGE + LABEL + GAP);
        (width.max(420.0) as u32, height as u32)
    }

    fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        scale: f64,
    ) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
        area.fill(&WHITE)?;
        let (shots, queries) = (self.tasks.support / self.ways, self.tasks.query / self.ways);
        let (support, query) = self.columns();
        let inputs = self.tasks.inputs;
        let write = |words: &str, (x, y): (f64, f64), size: f64, colour: RGBColor, across: HPos| {
            let style = text(size, scale).color(&colour).pos(Pos::new(across, VPos::Center));
            area.draw(&Text::new(words.to_owned(), ((x * scale) as i32, (y * scale) as i32), style))
        };
        let left_edge = self.left();
        let middle = left_edge + support as f64 * (IMAGE + GAP) + GAP;
        let plural = if self.steps == 1 { "step" } else { "steps" };
        write("A meta-test task", (GAP, 16.0), 15.0, INK, HPos::Left)?;
        write("support", (left_edge, 44.0), 13.0, INK, HPos::Left)?;
        let head = format!("query, taken for class … after {} {plural}", self.steps);
        write(&head, (middle, 44.0), 13.0, INK, HPos::Left)?;
        for class in 0..self.rows() {
            let top = TOP + class as f64 * (IMAGE + LABEL + GAP);
            let name = format!("{class}  {}", self.name(class));
            write(&name, (GAP, top + IMAGE / 2.0), 13.0, INK, HPos::Left)?;
            for i in 0..support {
                let pixels = &self.tasks.support_x[(class * shots + i) * inputs..][..inputs];
                self.image(area, pixels, (left_edge + i as f64 * (IMAGE + GAP), top), scale)?;
            }
            for i in (0..query).filter(|i| self.is_there(class * queries + i)) {
                let (point, left) = (class * queries + i, middle + i as f64 * (IMAGE + GAP));
                self.image(area, &self.tasks.query_x[point * inputs..][..inputs], (left, top), scale)?;
                let taken = self.predicted(point);
                let (mark, colour) = if taken == class { ("right", MAML) } else { ("wrong", CONTROL) };
                let at = (left + IMAGE / 2.0, top + IMAGE + LABEL / 2.0);
                write(&format!("{taken}, {mark}"), at, 12.0, colour, HPos::Center)?;
            }
        }
        Ok(())
    }
}
