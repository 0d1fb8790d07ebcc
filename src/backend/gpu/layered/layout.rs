//! Where the numbers of a layered pass lie: the buffers, and how long each slice is.

use super::facts::Facts;
use crate::backend::gpu::device::adapter::Capacity;
use crate::backend::gpu::device::arena::{Layout, Slice};
use crate::backend::gpu::resident::request::Places;
use crate::error::{Error, Result};
use crate::program::{Extent, place};

/// The buffers by role, in the order of the layouts; those of arrays follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Points of tasks: given ones of all tasks, or drawn ones of a tile.
    Points,
    /// θ_1 … θ_K, by step.
    Fast(usize),
    /// Gradients of inner steps, of optimizers that need them whole.
    Gradients,
    /// Moments of inner optimizers, by step.
    Moments(usize),
    /// The direction of tangents and the adjoints of the moments.
    Adjoints,
    /// A row a task: v, gradients of the rates, query and support loss.
    Rows,
    /// Sums of rows over groups of tasks; with one task a group these are the rows themselves.
    Partials,
    /// Parts of the gradients of shared rates.
    RateSums,
    /// Stretches of sums that workgroups share.
    Stretches,
    /// Losses, fast weights and predictions for the host.
    Report,
    /// What a kernel binds and does not write.
    Spare,
    /// Arrays of the program, by colour.
    Arrays(usize),
}

impl Role {
    /// All but those of arrays.
    const FIXED: [Self; 13] = [
        Self::Points,
        Self::Fast(0),
        Self::Fast(1),
        Self::Gradients,
        Self::Moments(0),
        Self::Moments(1),
        Self::Adjoints,
        Self::Rows,
        Self::Partials,
        Self::RateSums,
        Self::Stretches,
        Self::Report,
        Self::Spare,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Points => "points of tasks",
            Self::Fast(_) => "fast weights",
            Self::Gradients => "inner gradients",
            Self::Moments(_) => "inner moments",
            Self::Adjoints => "adjoints of inner steps",
            Self::Rows => "rows of tasks",
            Self::Partials => "partial sums",
            Self::RateSums => "sums for rates",
            Self::Stretches => "stretches of sums",
            Self::Report => "report",
            Self::Spare => "what is not written",
            Self::Arrays(_) => "values and cotangents",
        }
    }

    /// Its place among the layouts.
    pub(super) fn index(self) -> usize {
        match self {
            Self::Arrays(colour) => Self::FIXED.len() + colour,
            fixed => Self::FIXED.iter().position(|&role| role == fixed).unwrap_or(0),
        }
    }
}

/// Where the numbers of a task lie.
#[derive(Clone, Debug)]
pub(super) struct Slices {
    /// Support x and y, query x and y.
    pub(super) points: [Slice; 4],
    /// Shares of support and of query points.
    pub(super) shares: [Slice; 2],
    /// `[step kept][adapted parameters]`.
    pub(super) fast: Vec<Slice>,
    /// The program's arrays, each `[tasks, elements]`.
    pub(super) arrays: Vec<Slice>,
    /// `[step kept]`: gradients, moments after the step; adjoints. Empty where the optimizer is plain.
    pub(super) gradients: Vec<Slice>,
    pub(super) moments: Vec<Slice>,
    pub(super) adjoints: Slice,
    pub(super) rows: Slice,
    pub(super) partials: Slice,
    pub(super) rate_sums: Slice,
    /// What the dispatch before the last left of a weight gradient.
    pub(super) stretches: Slice,
    pub(super) report: Slice,
    pub(super) spare: [Slice; 2],
}

/// How tasks are cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grouping {
    /// Tasks of a tile.
    pub(super) tile: usize,
    /// Tasks of a group, and groups.
    pub(super) group: usize,
    pub(super) groups: usize,
}

/// Layouts under construction.
struct Laying {
    layouts: Vec<Layout>,
}

impl Laying {
    fn words(&mut self, role: Role, what: &str, count: usize) -> Result<Slice> {
        indexable(role.label(), count as u64, u32::MAX.into())?;
        self.layouts[role.index()].words(what, count as u64)
    }
}

impl Facts<'_> {
    /// Lays out every slice.
    pub(super) fn slices(&self, capacity: &Capacity, cut: Grouping) -> Result<(Vec<Layout>, Slices, Places)> {
        let roles: Vec<_> = (Role::FIXED.into_iter()).chain((0..self.buffers()).map(Role::Arrays)).collect();
        let layouts = roles.iter().map(|role| Layout::new(role.label(), capacity)).collect();
        let mut laying = Laying { layouts };
        let points = self.lay_points(&mut laying, cut.tile)?;
        let held = usize::from(self.wanted.weighted) * self.tasks;
        let mut shares = |points: usize| laying.words(Role::Points, "shares", held * points);
        let shares = [shares(self.plan.support)?, shares(self.plan.query)?];
        let (fast, gradients, moments) = self.lay_steps(&mut laying, cut.tile)?;
        let arrays = self.lay_arrays(&mut laying, cut.tile, capacity)?;
        let adjoints = if self.adapts && self.kept() { cut.tile * self.adjoint_words() } else { 0 };
        let adjoints = laying.words(Role::Adjoints, "adjoints", adjoints)?;
        let gradient = usize::from(self.wanted.gradient);
        let rows = gradient * usize::from(cut.group > 1) * cut.tile * self.columns;
        let rows = laying.words(Role::Rows, "rows", rows)?;
        let partials = laying.words(Role::Partials, "groups", gradient * cut.groups * self.columns)?;
        let parts = match self.shared_rates() {
            true => cut.tile * self.plan.steps * self.plan.model.blocks().len() * self.rate_parts,
            false => 0,
        };
        let rate_sums = laying.words(Role::RateSums, "parts", parts)?;
        let stretches = laying.words(Role::Stretches, "stretches", cut.tile * self.stretch_words())?;
        let (places, report) = self.report();
        let report = laying.words(Role::Report, "report", report)?;
        let spare = [laying.words(Role::Spare, "first", 4)?, laying.words(Role::Spare, "second", 4)?];
        for (role, layout) in roles.iter().zip(&laying.layouts) {
            if layout.bytes() > capacity.buffer_bytes {
                return Err(Error::limit(
                    format!("bytes of a buffer ({})", role.label()),
                    layout.bytes(),
                    capacity.buffer_bytes,
                    "use a smaller model, fewer points or inner steps, or --device cpu",
                ));
            }
        }
        let slices = Slices {
            points,
            shares,
            fast,
            arrays,
            gradients,
            moments,
            adjoints,
            rows,
            partials,
            rate_sums,
            stretches,
            report,
            spare,
        };
        Ok((laying.layouts, slices, places))
    }

    fn lay_points(&self, laying: &mut Laying, tile: usize) -> Result<[Slice; 4]> {
        let plan = self.plan;
        // Gathers go below zero on their way to a tap.
        let most = self.lens.iter().max().copied().unwrap_or(0) as u64;
        indexable("numbers of a task's layer", most, i32::MAX as u64)?;
        let held = if self.wanted.drawn { tile } else { self.tasks };
        let (inputs, targets) = (plan.model.inputs(), plan.targets());
        let mut words = |what: &str, count: usize| laying.words(Role::Points, what, held * count);
        Ok([
            words("support_x", plan.support * inputs)?,
            words("support_y", plan.support * targets)?,
            words("query_x", plan.query * inputs)?,
            words("query_y", plan.query * targets)?,
        ])
    }

    /// θ_j, and of inner rules the gradients and moments of steps.
    fn lay_steps(&self, laying: &mut Laying, tile: usize) -> Result<(Vec<Slice>, Vec<Slice>, Vec<Slice>)> {
        let (mut fast, mut gradients, mut moments) = (Vec::new(), Vec::new(), Vec::new());
        let steps = self.plan.steps;
        if !self.adapts {
            return Ok((fast, gradients, moments));
        }
        for slice in 0..self.fast_slices() {
            // Kept: θ_{slice + 1}; else θ_j of all j with the same turn.
            let turn = match self.kept() {
                true => (slice + 1) % 2,
                false => (slice + usize::from(steps == 1)) % 2,
            };
            fast.push(laying.words(Role::Fast(turn), "weights", tile * self.fast_words)?);
        }
        if self.program.keeps_gradients {
            for _ in 0..if self.kept() { steps } else { 1 } {
                gradients.push(laying.words(Role::Gradients, "gradients", tile * self.fast_words)?);
            }
            for step in 0..if self.kept() { steps } else { steps.min(2) } {
                let role = Role::Moments(step % 2);
                moments.push(laying.words(role, "moments", tile * self.moment_words())?);
            }
        }
        Ok((fast, gradients, moments))
    }

    /// The program's arrays, those whose lives do not meet in one place.
    fn lay_arrays(&self, laying: &mut Laying, tile: usize, capacity: &Capacity) -> Result<Vec<Slice>> {
        let mut slices = vec![Slice { offset: 0, bytes: 16 }; self.lens.len()];
        let align = capacity.alignment.div_ceil(4).max(4) as usize;
        for buffer in 0..self.buffers() {
            let extent = |(i, &len): (usize, &usize)| Extent {
                len: if self.colours[i] == buffer { tile * len } else { 0 },
                life: self.program.arrays[i].life.clone(),
                in_place_of: None,
            };
            let extents: Vec<_> = self.lens.iter().enumerate().map(extent).collect();
            let placed = place(&extents, align);
            let role = Role::Arrays(buffer);
            for (i, extent) in extents.iter().enumerate().filter(|(_, extent)| extent.len > 0) {
                indexable(role.label(), extent.len as u64, u32::MAX.into())?;
                let bytes = (4 * extent.len as u64).next_multiple_of(16);
                slices[i] = Slice { offset: 4 * placed.offsets[i] as u64, bytes };
            }
            let longest = extents.iter().map(|extent| 4 * extent.len as u64).max().unwrap_or(0);
            laying.layouts[role.index()].room("layer", 4 * placed.len as u64, longest)?;
        }
        Ok(slices)
    }

    /// What the host reads, and its floats.
    fn report(&self) -> (Places, usize) {
        let plan = self.plan;
        let mut words = 0;
        let mut report = |wanted: bool, count: usize| {
            let at = words;
            words += if wanted { count } else { 0 };
            wanted.then_some(at as u32)
        };
        let predictions = (plan.steps + 1) * self.tasks * plan.query * plan.model.outputs();
        let places = Places {
            query_losses: report(self.wanted.losses, self.tasks * (plan.steps + 1)),
            support_losses: report(self.wanted.losses, self.tasks * plan.steps),
            fast: report(self.wanted.fast, self.tasks * plan.model.param_count()),
            predictions: report(self.wanted.predictions, predictions),
        };
        (places, words)
    }
}

/// Kernels count in 32 bits.
fn indexable(what: &str, count: u64, most: u64) -> Result<()> {
    match count <= most {
        true => Ok(()),
        false => {
            let what = format!("elements that 32 bits can index ({what})");
            Err(Error::limit(what, count, most, "use a smaller meta-batch, smaller images or --device cpu"))
        }
    }
}
