//! Batch norms as dispatches.

use super::batch_norm_backward::{RESULT_ADDS, RESULT_NONE, RESULT_SETS, RESULT_STEP};
use super::kernel::Declaration;
use super::layer::{LayerPass, Place};
use super::layered_ops::{Back, Constants, Emitter, Pass, Take};
use super::layered_plan::{Bound, Role};
use super::norm::{NormCut, RECORD, STATS};
use super::{batch_norm, batch_norm_backward, batch_norm_backward_tangent, batch_norm_tangent};

fn flag(on: bool) -> f64 {
    f64::from(u8::from(on))
}

impl Emitter<'_> {
    pub(super) fn norm(&mut self, pass: Pass, l: usize) {
        let bindings =
            [self.input(pass, l), self.weights(pass.step, l).0, self.outputs(pass, l), self.stats(pass, l)];
        let constants = [("AFFINE", flag(self.facts.nodes[l].block.is_some()))];
        self.channels(&batch_norm::DECLARATION, self.layer(pass, l), &constants, &bindings);
    }

    pub(super) fn norm_backward(&mut self, pass: Pass, l: usize, take: Take, below: bool) {
        let (result, to) = match take {
            Take::Nothing if !below => return,
            Take::Nothing => (RESULT_NONE, self.nothing()),
            Take::Step => (RESULT_STEP, self.next(pass)),
            Take::Keep => (RESULT_SETS, self.gradient(pass.step)),
            Take::Outer { adds: false } => (RESULT_SETS, self.rows().0),
            Take::Outer { adds: true } => (RESULT_ADDS, self.rows().0),
        };
        let bindings = [
            self.input(pass, l),
            self.stats(pass, l),
            self.cotangent(pass, l),
            Bound::Params,
            if below { self.cotangent(pass, l - 1) } else { self.nothing() },
            to,
        ];
        let constants = [("RESULT", result), ("BELOW", flag(below))];
        let layer = self.taken(pass, l, take);
        self.channels(&batch_norm_backward::DECLARATION, layer, &constants, &bindings);
    }

    pub(super) fn norm_tangent(&mut self, pass: Pass, l: usize) {
        let [rates, direction] = self.direction();
        let bindings = [
            self.input(pass, l),
            self.input_tangent(pass, l),
            self.stats(pass, l),
            rates,
            direction,
            self.outputs(pass, l),
            self.output_tangent(l),
            Bound::Slice(Role::Records, self.slices.records[l]),
        ];
        let layer = self.with_record(self.directed(self.layer(pass, l), l), RECORD);
        self.channels(&batch_norm_tangent::DECLARATION, layer, &[], &bindings);
    }

    pub(super) fn norm_backward_tangent(&mut self, pass: Pass, l: usize, back: Back) {
        let affine = self.facts.nodes[l].block.is_some();
        if !(back.below || affine && (back.second || back.rates > 0.0)) {
            return;
        }
        // Where no tangent pass came by, the statistics of the pass itself do: the record begins like them.
        let tangents = back.second && (self.facts.adapted(l) || self.facts.input_moves(l));
        let (record, words) = match tangents {
            true => (Bound::Slice(Role::Records, self.slices.records[l]), RECORD),
            false => (self.stats(pass, l), STATS),
        };
        let bindings = [
            self.input(pass, l),
            self.input_tangent(pass, l),
            record,
            self.cotangent(pass, l),
            if back.second { self.cotangent_tangent(l) } else { self.cotangent(pass, l) },
            // Nothing is written there otherwise, and the sums of rates are bound already.
            match back.below {
                true => self.cotangent_tangent(l - 1),
                false => Bound::Slice(Role::Report, self.slices.report),
            },
            self.rows().0,
            Bound::Slice(Role::RateSums, self.slices.rate_sums),
        ];
        let constants = [
            ("SECOND", flag(back.second)),
            ("BELOW", flag(back.below)),
            ("AFFINE", flag(affine)),
            ("RATES", back.rates),
        ];
        let layer = self.with_record(self.layer(pass, l), words);
        self.channels(&batch_norm_backward_tangent::DECLARATION, layer, &constants, &bindings);
    }

    fn with_record(&self, layer: LayerPass, words: u32) -> LayerPass {
        let record = Place::new(0, (words * layer.channels) as usize);
        LayerPass { record, record_words: words, ..layer }
    }

    fn channels(
        &mut self,
        kernel: &'static Declaration,
        layer: LayerPass,
        constants: Constants<'_>,
        bindings: &[Bound],
    ) {
        let cut = NormCut::of(&layer);
        let mut all = cut.constants().to_vec();
        all.extend_from_slice(constants);
        let workgroups = [cut.workgroups(layer.channels), self.tasks as u32, 1];
        self.push(kernel, &all, &layer, bindings, workgroups);
    }
}
