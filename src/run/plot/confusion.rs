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

/// Room left of the squares and above them.
const LEFT: f64 = 130.0;
const TOP: f64 = 70.0;
/// Room below them, for names that stand upright.
const BELOW: f64 = 110.0;

/// A name that fits beside the squares.
fn short(name: &str) -> String {
    if name.chars().count() <= 14 { name.to_owned() } else { name.chars().take(13).chain(['…']).collect() }
}

impl Confusion<'_> {
    /// The side of a square: wide enough for names of a readable size.
    fn cell(&self) -> f64 {
        (400.0 / self.outcome.classes.len() as f64).max(18.0)
    }

    fn side(&self) -> f64 {
        self.cell() * self.outcome.classes.len() as f64
    }

    /// Whether names stand upright below the columns.
    fn upright(&self) -> bool {
        let longest = self.outcome.classes.iter().map(|name| short(name).chars().count()).max().unwrap_or(0);
        7.5 * longest as f64 > self.cell()
    }
}

impl Draw for Confusion<'_> {
    fn size(&self) -> (u32, u32) {
        let below = if self.upright() { BELOW } else { 50.0 };
        ((LEFT + self.side() + 30.0) as u32, (TOP + self.side() + below) as u32)
    }

    fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        scale: f64,
    ) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
        area.fill(&WHITE)?;
        let classes = &self.outcome.classes;
        let (cell, side) = (self.cell(), self.side());
        let at = |x: f64, y: f64| (px(x, scale) as i32, px(y, scale) as i32);
        let style = |size: f64| text(size, scale).pos(Pos::new(HPos::Center, VPos::Center));
        let title = format!("{}: rows by true class (left) and by class found", self.outcome.judged_by);
        area.draw(&Text::new(title, at(f64::from(self.size().0) / 2.0, 24.0), style(15.0)))?;
        let names = (cell * 0.6).clamp(10.0, 13.0);
        let most = self.judgement.confusion.iter().flatten().max().copied().unwrap_or(0);
        // As wide as a square at most.
        let counts_size = (cell / (0.62 * most.to_string().len() as f64)).min(cell * 0.6).clamp(5.0, 15.0);
        for (row, counts) in self.judgement.confusion.iter().enumerate() {
            let total = counts.iter().sum::<usize>().max(1) as f64;
            let y = TOP + row as f64 * cell;
            let name = text(names, scale).pos(Pos::new(HPos::Right, VPos::Center));
            area.draw(&Text::new(short(&classes[row]), at(LEFT - 8.0, y + cell / 2.0), name))?;
            for (column, &count) in counts.iter().enumerate() {
                let (x, share) = (LEFT + column as f64 * cell, count as f64 / total);
                let corners = [at(x, y), at(x + cell, y + cell)];
                area.draw(&Rectangle::new(corners, MAML.mix(0.85 * share).filled()))?;
                area.draw(&Rectangle::new(corners, INK.mix(0.4).stroke_width(px(0.8, scale))))?;
                if count > 0 {
                    let ink = if share > 0.6 { WHITE } else { INK };
                    let middle = at(x + cell / 2.0, y + cell / 2.0);
                    area.draw(&Text::new(count.to_string(), middle, style(counts_size).color(&ink)))?;
                }
            }
        }
        for (column, name) in classes.iter().enumerate() {
            let (x, y) = (LEFT + (column as f64 + 0.5) * cell, TOP + side);
            if self.upright() {
                let upright = text(names, scale).transform(FontTransform::Rotate270);
                let name =
                    Text::new(short(name), at(x, y + 8.0), upright.pos(Pos::new(HPos::Right, VPos::Center)));
                area.draw(&name)?;
            } else {
                area.draw(&Text::new(short(name), at(x, y + 16.0), style(names)))?;
            }
        }
        Ok(())
    }
}
