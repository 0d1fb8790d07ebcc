//! Rows by true class and by the class that they were taken for.

use super::canvas::{Draw, INK, MAML, px, text};
use crate::run::{Judgement, TableOutcome};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Most classes that a picture has room for.
pub(super) const MOST: usize = 40;

/// The confusion matrix of the learner without adaptation.
pub(super) struct Confusion<'a> {
    pub(super) outcome: &'a TableOutcome,
    pub(super) judgement: &'a Judgement,
}

/// A name that fits beside the squares.
fn short(name: &str) -> String {
    if name.chars().count() <= 14 { name.to_owned() } else { name.chars().take(13).chain(['…']).collect() }
}

impl Draw for Confusion<'_> {
    fn size(&self) -> (u32, u32) {
        (560, 520)
    }

    fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        scale: f64,
    ) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
        area.fill(&WHITE)?;
        let classes = &self.outcome.classes;
        let (left, top, side) = (130.0, 70.0, 400.0);
        let cell = side / classes.len() as f64;
        let at = |x: f64, y: f64| (px(x, scale) as i32, px(y, scale) as i32);
        let style = |size: f64| text(size, scale).pos(Pos::new(HPos::Center, VPos::Center));
        let title = format!("{}: rows by true class (left) and by class found", self.outcome.judged_by);
        area.draw(&Text::new(title, at(280.0, 24.0), style(15.0)))?;
        let font = (cell * 0.3).clamp(5.0, 15.0);
        for (row, counts) in self.judgement.confusion.iter().enumerate() {
            let total = counts.iter().sum::<usize>().max(1) as f64;
            let y = top + row as f64 * cell;
            let name = text(font.min(13.0), scale).pos(Pos::new(HPos::Right, VPos::Center));
            area.draw(&Text::new(short(&classes[row]), at(left - 8.0, y + cell / 2.0), name))?;
            for (column, &count) in counts.iter().enumerate() {
                let (x, share) = (left + column as f64 * cell, count as f64 / total);
                let corners = [at(x, y), at(x + cell, y + cell)];
                area.draw(&Rectangle::new(corners, MAML.mix(0.85 * share).filled()))?;
                area.draw(&Rectangle::new(corners, INK.mix(0.4).stroke_width(px(0.8, scale))))?;
                if count > 0 {
                    let ink = if share > 0.6 { WHITE } else { INK };
                    let middle = at(x + cell / 2.0, y + cell / 2.0);
                    area.draw(&Text::new(count.to_string(), middle, style(font).color(&ink)))?;
                }
            }
        }
        for (column, name) in classes.iter().enumerate().filter(|_| classes.len() <= 8) {
            let x = left + (column as f64 + 0.5) * cell;
            area.draw(&Text::new(short(name), at(x, top + side + 16.0), style(font.min(13.0))))?;
        }
        Ok(())
    }
}
