//! Signals: what a field's points are taken from.

use super::phantom::Phantom;
use crate::data::ImageSet;
use crate::error::{Error, Result};
use std::sync::Arc;

/// Points of many signals, measured at places of their own: any number each, in any order.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredFields {
    inputs: usize,
    targets: usize,
    /// Where each field's points begin, and where the last one's end.
    offsets: Vec<usize>,
    x: Vec<f32>,
    y: Vec<f32>,
}

impl MeasuredFields {
    /// Fields of `lengths` points each, `x: [points, inputs]` and `y: [points, targets]`, one field behind the other.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorKind::Shape) if the arrays hold more or less, or a point has no coordinate or no value;
    /// [`Failed`](crate::ErrorKind::Failed) naming a field of fewer than two points;
    /// [`NotFinite`](crate::ErrorKind::NotFinite) naming a point.
    pub fn new(
        (inputs, x): (usize, Vec<f32>),
        (targets, y): (usize, Vec<f32>),
        lengths: &[usize],
    ) -> Result<Self> {
        let points: usize = lengths.iter().sum();
        for (what, width, values) in [("coordinates", inputs, &x), ("values", targets, &y)] {
            if width == 0 || values.len() != points * width {
                let what = format!("{what} of fields");
                return Err(Error::shape(what, &[points, width.max(1)], &[values.len()]));
            }
            if let Some(at) = values.iter().position(|value| !value.is_finite()) {
                return Err(Error::not_finite(format!("{what} of point {} are {}", at / width, values[at])));
            }
        }
        if let Some(field) = lengths.iter().position(|&length| length < 2) {
            let reason = format!("field {field} has {} points; two at least are needed", lengths[field]);
            return Err(Error::failed(reason));
        }
        let mut offsets = vec![0];
        for length in lengths {
            offsets.push(offsets[offsets.len() - 1] + length);
        }
        Ok(Self { inputs, targets, offsets, x, y })
    }

    /// Number of fields.
    #[must_use]
    pub fn count(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Points of a field.
    ///
    /// # Panics
    /// If there is no such field.
    #[must_use]
    pub fn points(&self, field: usize) -> usize {
        self.offsets[field + 1] - self.offsets[field]
    }
}

/// Where signals come from. Those that are chosen stand in an order, by which evaluations take them.
#[derive(Clone, Debug)]
pub enum Signals {
    /// [`Phantom`]s of `side × side` pixels, as many as are asked for.
    Phantoms {
        /// Pixels of a row and of a column.
        side: usize,
    },
    /// Images of a set: colours from 0 to 1.
    Images {
        /// The set.
        set: Arc<ImageSet>,
        /// Numbers of the images that there are to be drawn.
        chosen: Arc<[usize]>,
    },
    /// Points measured anywhere.
    Measured {
        /// All fields.
        fields: Arc<MeasuredFields>,
        /// Numbers of those that there are to be drawn.
        chosen: Arc<[usize]>,
    },
}

impl Signals {
    /// Number of signals to draw from; nothing where there is no end of them.
    #[must_use]
    pub fn count(&self) -> Option<usize> {
        match self {
            Self::Phantoms { .. } => None,
            Self::Images { chosen, .. } | Self::Measured { chosen, .. } => Some(chosen.len()),
        }
    }

    /// Coordinates of a point.
    #[must_use]
    pub fn inputs(&self) -> usize {
        match self {
            Self::Phantoms { .. } | Self::Images { .. } => 2,
            Self::Measured { fields, .. } => fields.inputs,
        }
    }

    /// Values at a point.
    #[must_use]
    pub fn targets(&self) -> usize {
        match self {
            Self::Phantoms { .. } => 1,
            Self::Images { set, .. } => set.channels(),
            Self::Measured { fields, .. } => fields.targets,
        }
    }

    /// Pixels of a row and of a column; nothing where points lie anywhere.
    #[must_use]
    pub fn side(&self) -> Option<usize> {
        match self {
            Self::Phantoms { side } => Some(*side),
            Self::Images { set, .. } => Some(set.side()),
            Self::Measured { .. } => None,
        }
    }

    /// Numbers of points of all signals that there are to be drawn, the least and the greatest.
    #[must_use]
    pub fn points(&self) -> (usize, usize) {
        match self {
            Self::Phantoms { side } => (side * side, side * side),
            Self::Images { set, .. } => (set.side().pow(2), set.side().pow(2)),
            Self::Measured { fields, chosen } => {
                let all = || chosen.iter().map(|&field| fields.points(field));
                (all().min().unwrap_or(0), all().max().unwrap_or(0))
            }
        }
    }

    /// The signal at a place of those chosen; a phantom is drawn by its words.
    pub(super) fn signal(&self, words: &mut crate::philox::Philox, at: usize) -> Signal<'_> {
        match self {
            Self::Phantoms { side } => Signal::Phantom { phantom: Phantom::draw(words), side: *side },
            Self::Images { set, chosen } => {
                Signal::Image { pixels: set.image(chosen[at]), channels: set.channels(), side: set.side() }
            }
            Self::Measured { fields, chosen } => {
                let (from, to) = (fields.offsets[chosen[at]], fields.offsets[chosen[at] + 1]);
                Signal::Measured {
                    inputs: fields.inputs,
                    x: &fields.x[from * fields.inputs..to * fields.inputs],
                    targets: fields.targets,
                    y: &fields.y[from * fields.targets..to * fields.targets],
                }
            }
        }
    }
}

/// One signal.
pub(super) enum Signal<'a> {
    Phantom { phantom: Phantom, side: usize },
    Image { pixels: &'a [u8], channels: usize, side: usize },
    Measured { inputs: usize, x: &'a [f32], targets: usize, y: &'a [f32] },
}

/// The middle of a pixel, or of any of `count` equal parts of the way from −1 to 1.
pub(super) fn middle(part: usize, count: usize) -> f32 {
    (2 * part + 1) as f32 / count as f32 - 1.0
}

impl Signal<'_> {
    /// Number of its points.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Phantom { side, .. } | Self::Image { side, .. } => side * side,
            Self::Measured { inputs, x, .. } => x.len() / inputs,
        }
    }

    /// A point's coordinates and values. Pixels are counted row by row from the upper left corner; the second coordinate goes
    /// down.
    pub(super) fn point_into(&self, point: usize, x: &mut [f32], y: &mut [f32]) {
        match self {
            Self::Phantom { side, .. } | Self::Image { side, .. } => {
                let place = [middle(point % side, *side), middle(point / side, *side)];
                x.copy_from_slice(&place);
                self.values_into(place, y);
            }
            Self::Measured { inputs, x: all, targets, y: values } => {
                x.copy_from_slice(&all[point * inputs..][..*inputs]);
                y.copy_from_slice(&values[point * targets..][..*targets]);
            }
        }
    }

    /// Values at a place of the plane, 0 outside of the image; of points measured anywhere there are none.
    pub(super) fn values_into(&self, place: [f32; 2], y: &mut [f32]) {
        match self {
            Self::Phantom { phantom, .. } => y.fill(phantom.value(place)),
            Self::Image { pixels, channels, side } => {
                let [column, row] = place.map(|x| ((x + 1.0) * 0.5 * *side as f32).floor());
                let inside = |at: f32| at >= 0.0 && at < *side as f32;
                let at = row.max(0.0) as usize * side + column.max(0.0) as usize;
                for (channel, y) in (0..*channels).zip(y) {
                    let pixel = || f32::from(pixels[channel * side * side + at]) / 255.0;
                    *y = if inside(column) && inside(row) { pixel() } else { 0.0 };
                }
            }
            Self::Measured { .. } => y.fill(0.0),
        }
    }
}
