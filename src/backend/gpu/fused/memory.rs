//! What a task of the fused pass keeps, and where.

use crate::meta::Plan;
use crate::model::Link;

/// Tiles of four query points that evaluation looks at together.
const EVALUATION_TILES: usize = 8;
/// What is wanted beside the passes themselves; places in the report.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) train: bool,
    pub(crate) second: bool,
    pub(crate) learned: bool,
    pub(crate) columns: u32,
    pub(crate) query_losses: Option<u32>,
    pub(crate) support_losses: Option<u32>,
    pub(crate) fast: Option<u32>,
    pub(crate) predictions: Option<u32>,
    pub(crate) tasks: u32,
}

/// Addresses in a task's memory, in vec4. A *record* holds one forward and backward pass over a set of points:
/// outputs h and cotangents dz of every layer, then slopes of those with a function beyond ReLU, and where a tangent pass
/// comes what their bends add, [rows, tiles].
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    pub(crate) support_tiles: u32,
    pub(crate) query_tiles: u32,
    pub(crate) gram: u32,
    pub(crate) loss: u32,
    pub(crate) support_x: u32,
    pub(crate) support_y: u32,
    pub(crate) query_x: u32,
    pub(crate) query_y: u32,
    query_records: u32,
    step_records: u32,
    tangent_records: u32,
    /// Rows of a query record, of a step's, of its tangents'.
    rows: [u32; 3],
    /// Where bends begin behind slopes, if there are any.
    bends: Option<u32>,
    outputs: Vec<u32>,
    h: Vec<u32>,
    /// Row of the slope, of layers that have one.
    slopes: Vec<Option<u32>>,
    slots: Vec<u32>,
    /// Where θ₀ᵀ begins in the parameters.
    pub(crate) transposed: u32,
    pub(crate) words: u64,
}

impl Memory {
    pub(crate) fn new(plan: &Plan, wanted: &Wanted, gram: u32) -> Self {
        let (mut plain, mut h, mut outputs) = (0, Vec::new(), Vec::new());
        for layer in plan.model.chain() {
            h.push(plain);
            outputs.push(layer.outputs as u32);
            plain += 2 * layer.outputs as u32;
        }
        let mut sloped = plain;
        let slope = |layer: &Link| {
            sloped += layer.curve().map(|_| layer.outputs as u32)?;
            Some(sloped - layer.outputs as u32)
        };
        let slopes = plan.model.chain().iter().map(slope).collect();
        let bends = wanted.second.then_some(sloped - plain);
        let rows = [sloped, sloped + bends.unwrap_or(0), plain];
        // A pass whose gradient is not kept uses the record that the next kept one will overwrite.
        let (mut kept, mut records) = (0, 1);
        let mut slots = Vec::new();
        for &weight in &plan.loss_weights {
            let keeps = wanted.train && weight as f32 != 0.0;
            if keeps || plan.track_all {
                records = records.max(kept + 1);
            }
            slots.push(kept);
            kept += u32::from(keeps);
        }
        let support_tiles = plan.support.div_ceil(4);
        let all = plan.query.div_ceil(4);
        let query_tiles = if wanted.train { all } else { all.min(EVALUATION_TILES) };
        // What is touched most comes first: it stays in workgroup memory when the rest does not fit.
        let mut words = 0_u64;
        let mut place = |rows: usize, tiles: usize| {
            let at = words;
            words += (rows as u64) * (tiles as u64);
            at as u32
        };
        let (inputs, targets, steps) = (plan.model.inputs(), plan.targets(), plan.steps);
        let tangents = if wanted.second || wanted.learned { steps } else { 0 };
        Self {
            support_tiles: support_tiles as u32,
            query_tiles: query_tiles as u32,
            gram: place(gram as usize, 1),
            loss: place(1, support_tiles.max(query_tiles)),
            support_x: place(inputs, support_tiles),
            support_y: place(targets, support_tiles),
            query_x: place(inputs, query_tiles),
            query_y: place(targets, query_tiles),
            query_records: place(records as usize * rows[0] as usize, query_tiles),
            step_records: place(steps * rows[1] as usize, support_tiles),
            tangent_records: place(tangents * rows[2] as usize, support_tiles),
            rows,
            bends,
            outputs,
            h,
            slopes,
            slots,
            transposed: (plan.model.param_count() + plan.rate_count()) as u32,
            words,
        }
    }

    /// Which record the query pass at θ_step has.
    pub(crate) fn slot(&self, step: usize) -> u32 {
        self.slots[step]
    }

    pub(crate) fn query_record(&self, slot: u32) -> u32 {
        self.query_records + slot * self.rows[0] * self.query_tiles
    }

    pub(crate) fn step_record(&self, step: usize) -> u32 {
        self.step_records + step as u32 * self.rows[1] * self.support_tiles
    }

    pub(crate) fn tangent_record(&self, step: usize) -> u32 {
        self.tangent_records + step as u32 * self.rows[2] * self.support_tiles
    }

    pub(crate) fn output(&self, record: u32, layer: usize, tiles: u32) -> u32 {
        record + self.h[layer] * tiles
    }

    pub(crate) fn dz(&self, record: u32, layer: usize, tiles: u32) -> u32 {
        record + (self.h[layer] + self.outputs[layer]) * tiles
    }

    /// The slope of a layer's function in a query or a step record, if it has one beyond ReLU.
    pub(crate) fn slope(&self, record: u32, layer: usize, tiles: u32) -> Option<u32> {
        self.slopes[layer].map(|row| record + row * tiles)
    }

    /// What its bend adds, likewise, in a step record, where a tangent pass comes.
    pub(crate) fn bend(&self, record: u32, layer: usize, tiles: u32) -> Option<u32> {
        Some(self.slope(record, layer, tiles)? + self.bends? * tiles)
    }

    /// The inputs of a layer: the outputs of the one below, or the points themselves.
    pub(crate) fn input(&self, record: u32, layer: usize, tiles: u32, x: u32) -> u32 {
        if layer == 0 { x } else { self.output(record, layer - 1, tiles) }
    }
}
