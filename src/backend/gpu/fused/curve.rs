//! What functions behind layers add to the operations of a pass (`shaders/fused/fused_curve.wgsl`).

use super::memory::Memory;
use super::ops::{CURVE_FORWARD, CURVE_RELU, CURVE_SLOPE, CURVE_TERM, NONE, Op};
use crate::model::{Link, Model};

/// Functions of different layers in one kernel: it looks at each operation's.
const MIXED: f64 = 255.0;

/// What a slope does with the bend beside it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bend {
    /// Nothing: nobody needs it, or nothing moves.
    Leave,
    /// Multiplies it by what the slope is multiplied by.
    Take,
    /// Adds it.
    Add,
}

/// A set of points in a record, with the weights they are seen with.
#[derive(Clone, Copy)]
pub(crate) struct Pass {
    pub(crate) record: u32,
    pub(crate) x: u32,
    pub(crate) step: usize,
    pub(crate) tiles: u32,
    pub(crate) points: u32,
    /// Whether a tangent pass comes.
    pub(crate) bends: bool,
}

impl Pass {
    /// What becomes of bends on the way back, and in tangents.
    pub(crate) fn bend(&self) -> Bend {
        if self.bends { Bend::Take } else { Bend::Leave }
    }
}

/// A layer in a record.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    pub(crate) memory: &'a Memory,
    pub(crate) link: &'a Link,
    pub(crate) layer: usize,
    pub(crate) record: u32,
    pub(crate) tiles: u32,
}

impl At<'_> {
    fn slope(&self) -> Option<u32> {
        self.memory.slope(self.record, self.layer, self.tiles)
    }

    fn bend(&self) -> u32 {
        self.memory.bend(self.record, self.layer, self.tiles).unwrap_or(NONE)
    }

    /// The function, at the end of the layer's forward operation; what it leaves for a tangent pass where there will be one.
    pub(crate) fn ahead(&self, op: Op, bends: bool) -> Op {
        let Some(function) = self.link.function else { return op };
        let Some(slope) = self.slope() else { return Op { curve: CURVE_RELU, ..op } };
        let setting = function.setting();
        Op {
            curve: CURVE_FORWARD,
            slope,
            bend: if bends { self.bend() } else { NONE },
            function: function.code(),
            setting: setting as f32,
            setting_rest: (setting - f64::from(setting as f32)) as f32,
            ..op
        }
    }

    /// Its slope, at the end of an operation whose result is the layer's cotangent or a tangent.
    pub(crate) fn sloped(&self, op: Op, bend: Bend) -> Op {
        let Some(slope) = self.slope() else {
            let relu = self.link.relu();
            return Op { gate: if relu { self.output() } else { NONE }, ..op };
        };
        let curve = if bend == Bend::Add { CURVE_TERM } else { CURVE_SLOPE };
        Op { curve, slope, bend: if bend == Bend::Leave { NONE } else { self.bend() }, ..op }
    }

    /// The same where the operation is a loss, which has the outputs at hand.
    pub(crate) fn ending(&self, op: Op, bend: Bend) -> Op {
        match self.link.relu() {
            true => Op { curve: CURVE_RELU, ..op },
            false => Op { gate: op.gate, ..self.sloped(op, bend) },
        }
    }

    fn output(&self) -> u32 {
        self.memory.output(self.record, self.layer, self.tiles)
    }
}

/// The overrides of a model's functions.
pub(crate) fn constants(model: &Model) -> [(&'static str, f64); 2] {
    let mut codes = model.chain().iter().filter_map(Link::curve).map(|function| f64::from(function.code()));
    let first = codes.next();
    let function = if codes.all(|code| Some(code) == first) { first.unwrap_or(0.0) } else { MIXED };
    [("CURVED", f64::from(u8::from(first.is_some()))), ("FUNCTION", function)]
}
