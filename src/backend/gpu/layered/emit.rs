//! Dispatches written down: what the instructions of a program bind, and where it lies.

use super::facts::Facts;
use super::layout::{Role, Slices};
use crate::backend::gpu::resident::request::Places;
use crate::meta::RateShape;
use crate::program::{ArrayId, ArrayKind, Put, Set, Site};
use crate::wgsl::lower::{Below, Bound, Call, Operand, Parameters, Rates, Seat};
use crate::wgsl::{Declaration, Place};
use std::collections::HashMap;

/// Bytes from one uniform to the next.
pub(crate) const UNIFORM_STRIDE: usize = 256;

/// One dispatch.
#[derive(Clone, Debug)]
pub(crate) struct Dispatch {
    /// The kernel.
    pub(crate) kernel: &'static Declaration,
    /// Its overrides.
    pub(crate) constants: Vec<(&'static str, f64)>,
    /// What it binds.
    pub(crate) bindings: Vec<Bound>,
    /// Workgroups.
    pub(crate) workgroups: [u32; 3],
}

/// Writes down dispatches.
pub(super) struct Emitter<'a> {
    pub(super) facts: &'a Facts<'a>,
    pub(super) slices: &'a Slices,
    pub(super) report: Places,
    pub(super) group: usize,
    uniforms: Vec<u8>,
    known: HashMap<Vec<u8>, usize>,
    pub(super) out: Vec<Dispatch>,
    /// First task of the tile, and how many it has.
    pub(super) first: usize,
    pub(super) tasks: usize,
    /// Whether the row's query loss holds something of this tile yet.
    pub(super) started: bool,
    /// Whether the gradients of the next step's rates are wanted with its direction.
    pub(super) rates_wait: bool,
}

/// Where a role's numbers of a tile begin, for those that hold all tasks.
pub(super) fn from_task(place: Place, first: usize) -> Place {
    place.plus(first * place.stride as usize)
}

impl<'a> Emitter<'a> {
    pub(super) fn new(facts: &'a Facts<'a>, slices: &'a Slices, report: Places, group: usize) -> Self {
        Self {
            facts,
            slices,
            report,
            group,
            uniforms: Vec::new(),
            known: HashMap::new(),
            out: Vec::new(),
            first: 0,
            tasks: 0,
            started: false,
            rates_wait: false,
        }
    }

    /// Every uniform, [`UNIFORM_STRIDE`] bytes each.
    pub(super) fn uniforms(self) -> Vec<u8> {
        self.uniforms
    }

    /// Appends dispatches; alike uniforms share a place.
    pub(super) fn push(&mut self, calls: impl IntoIterator<Item = Call>) {
        for Call { kernel, constants, uniform, bindings, workgroups } in calls {
            let next = self.uniforms.len();
            let uniform = *self.known.entry(uniform).or_insert_with_key(|bytes| {
                self.uniforms.extend_from_slice(bytes);
                self.uniforms.resize(next + UNIFORM_STRIDE, 0);
                next
            });
            let bindings = [Bound::Uniform(uniform)].into_iter().chain(bindings).collect();
            self.out.push(Dispatch { kernel, constants, bindings, workgroups });
        }
    }

    /// Points of a set.
    pub(super) fn points(&self, set: Set) -> usize {
        match set {
            Set::Support => self.facts.plan.support,
            Set::Query => self.facts.plan.query,
        }
    }

    /// Points of a set, or what they should be mapped to: `width` floats a point, from point `start` on.
    pub(super) fn given(&self, set: Set, targets: bool, start: usize) -> Operand {
        let plan = self.facts.plan;
        let slice = self.slices.points[2 * usize::from(set == Set::Query) + usize::from(targets)];
        let width = if targets { plan.targets() } else { plan.model.inputs() };
        // Given tasks are all there, drawn ones by the tile.
        let first = if self.facts.wanted.drawn { 0 } else { self.first };
        let place = from_task(Place::new(0, self.points(set) * width), first).plus(start * width);
        Operand { bound: Bound::Slice(Role::Points.index(), slice), place }
    }

    /// Shares of the points of a set, from point `start` on, where they do not count alike.
    pub(super) fn shares(&self, set: Set, start: usize) -> Option<Operand> {
        let slice = self.slices.shares[usize::from(set == Set::Query)];
        let place = from_task(Place::new(0, self.points(set)), self.first).plus(start);
        let bound = Bound::Slice(Role::Points.index(), slice);
        self.facts.wanted.weighted.then_some(Operand { bound, place })
    }

    /// An array of the program.
    pub(super) fn operand(&self, id: ArrayId) -> Operand {
        let (array, at) = (self.facts.program.array(id), id.index());
        if array.kind == ArrayKind::Input {
            return self.given(array.set, false, array.points.start);
        }
        let role = Role::Arrays(self.facts.colours[at]);
        let place = Place::new(0, self.facts.lens[at]);
        Operand { bound: Bound::Slice(role.index(), self.slices.arrays[at]), place }
    }

    pub(super) fn optional(&self, id: Option<ArrayId>) -> Option<Operand> {
        id.map(|id| self.operand(id))
    }

    pub(super) fn operands(&self, ids: &[Option<ArrayId>]) -> Vec<Option<Operand>> {
        ids.iter().map(|&id| self.optional(id)).collect()
    }

    pub(super) fn puts(&self, puts: &[Option<Put>]) -> Vec<Option<Below>> {
        let one = |put: &Put| Below { to: self.operand(put.to), add: put.add, gate: put.gate };
        puts.iter().map(|put| put.as_ref().map(one)).collect()
    }

    /// A node in a pass.
    pub(super) fn seat(&self, site: &Site) -> Seat {
        Seat {
            sizes: self.facts.sizes(site.node, site.pass.points.len()),
            tasks: self.tasks as u32,
            x: self.operands(&site.x),
            y: self.optional(site.y),
            saved: self.optional(site.saved),
            shares: self.shares(site.pass.set, site.pass.points.start),
            params: self.params(site.node, site.pass.step, site.pass.set),
        }
    }

    pub(super) fn fast(&self, step: usize) -> Bound {
        let (slice, turn) = self.facts.fast_slice(step);
        Bound::Slice(Role::Fast(turn).index(), self.slices.fast[slice])
    }

    /// θ_j of a node: what the inner loop does not move stays the one θ₀ of all tasks.
    pub(super) fn weights(&self, step: usize, node: usize) -> Operand {
        let here = |place: Place| Operand { bound: Bound::Params, place };
        let Some((index, _)) = self.facts.block(node) else { return here(Place::default()) };
        if step == 0 || !self.facts.adapted(node) {
            return here(Place::new(self.facts.plan.model.block_at(index, step).weight, 0));
        }
        let place = Place::new(self.facts.fast_offsets[index], self.facts.fast_words);
        Operand { bound: self.fast(step), place }
    }

    /// Room for what is not written.
    pub(super) fn spare(&self) -> [Bound; 2] {
        self.slices.spare.map(|slice| Bound::Slice(Role::Spare.index(), slice))
    }

    pub(super) fn rate_sums(&self) -> Bound {
        Bound::Slice(Role::RateSums.index(), self.slices.rate_sums)
    }

    /// The rows of this tile.
    pub(super) fn rows(&self) -> Operand {
        let columns = Place::new(0, self.facts.columns);
        if self.group > 1 || !self.facts.wanted.gradient {
            return Operand { bound: Bound::Slice(Role::Rows.index(), self.slices.rows), place: columns };
        }
        let bound = Bound::Slice(Role::Partials.index(), self.slices.partials);
        Operand { bound, place: from_task(columns, self.first) }
    }

    /// How gradients of inner rates are wanted, if they are.
    pub(super) fn rates(&self, wanted: bool) -> Rates {
        match (wanted, self.facts.plan.per_parameter_rates()) {
            (false, _) => Rates::None,
            (true, true) => Rates::Each,
            (true, false) => Rates::Shared,
        }
    }

    /// What is done with a node's parameters in a pass at θ_`step`.
    pub(super) fn params(&self, node: usize, step: usize, set: Set) -> Parameters {
        let (facts, plan, rows) = (self.facts, self.facts.plan, self.rows());
        let nothing = Operand { bound: Bound::Params, place: Place::default() };
        let mut params = Parameters {
            moves: 0,
            theta: self.weights(step, node),
            next: nothing,
            rate: Place::default(),
            v: rows,
            gradient: nothing,
            direction: [nothing; 2],
            rate_gradient: Place::default(),
            rate_adds: false,
            rate_sums: self.rate_sums(),
            stretches: Bound::Slice(Role::Stretches.index(), self.slices.stretches),
            spare: self.spare(),
        };
        let Some((index, _)) = facts.block(node) else { return params };
        let ids = plan.model.nodes()[node].params.clone().enumerate();
        params.moves = ids.map(|(i, id)| u32::from(plan.steps > 0 && plan.adapted[id]) << i).sum();
        params.v.place = rows.place.plus(plan.model.block_at(index, step).weight);
        if set == Set::Query {
            return params;
        }
        let at = facts.fast_offsets[index];
        if facts.adapted(node) {
            params.next = Operand { bound: self.fast(step + 1), place: Place::new(at, facts.fast_words) };
        }
        if let Some(bound) = self.gradient(step) {
            params.gradient = Operand { bound, place: Place::new(at, facts.fast_words) };
        }
        let (p, rate) = (plan.model.param_count(), plan.rate_index(step, index));
        params.rate = Place::new(p + rate, plan.per_parameter_rates().into());
        let rates = Operand { bound: Bound::Params, place: params.rate };
        params.direction = self.direction_of(at, rates, params.v);
        if facts.shared_rates() {
            let (parts, blocks) = (facts.rate_parts, plan.model.blocks().len());
            params.rate_gradient = Place::new((step * blocks + index) * parts, plan.steps * blocks * parts);
        } else if facts.program.learned {
            params.rate_gradient = rows.place.plus(p + rate);
        }
        params.rate_adds = plan.rates.shape == RateShape::PerParameter && step + 1 < plan.steps;
        params
    }
}
