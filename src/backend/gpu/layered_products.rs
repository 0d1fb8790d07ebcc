//! Linear layers and convolutions as dispatches. Both are products, of the same operands.

use super::conv_product::ConvCut;
use super::kernel::Declaration;
use super::layer::LayerPass;
use super::layered_ops::{Back, Constants, Emitter, Pass, Take};
use super::layered_plan::{Bound, Role};
use super::product::Cut;
use super::{conv2d, conv2d_backward, conv2d_backward_tangent, conv2d_tangent, conv2d_update};
use super::{conv2d_update_tangent, linear, linear_backward, linear_backward_tangent, linear_tangent};
use super::{linear_update, linear_update_tangent};

/// Overrides and bindings.
type Told<const C: usize, const B: usize> = ([(&'static str, f64); C], [Bound; B]);

fn flag(on: bool) -> f64 {
    f64::from(u8::from(on))
}

impl Emitter<'_> {
    pub(super) fn linear(&mut self, pass: Pass, l: usize) {
        let (layer, bindings) = (self.layer(pass, l), self.forward_bindings(pass, l));
        self.product(&linear::DECLARATION, linear::shape, layer, &[], &bindings);
    }

    pub(super) fn conv2d(&mut self, pass: Pass, l: usize) {
        let (layer, bindings) = (self.layer(pass, l), self.forward_bindings(pass, l));
        self.conv_product(&conv2d::DECLARATION, conv2d::shape, layer, &[], &bindings);
    }

    pub(super) fn linear_backward(&mut self, pass: Pass, l: usize, take: Take, below: bool) {
        if let Some((constants, bindings)) = self.update_bindings(pass, l, take) {
            let layer = self.taken(pass, l, take);
            self.product(&linear_update::DECLARATION, linear_update::shape, layer, &constants, &bindings);
        }
        if below {
            let (layer, bindings) = (self.layer(pass, l), self.backward_bindings(pass, l));
            self.product(&linear_backward::DECLARATION, linear_backward::shape, layer, &[], &bindings);
        }
    }

    pub(super) fn conv2d_backward(&mut self, pass: Pass, l: usize, take: Take, below: bool) {
        if let Some((constants, bindings)) = self.update_bindings(pass, l, take) {
            let layer = self.taken(pass, l, take);
            let (kernel, size) = (&conv2d_update::DECLARATION, conv2d_update::shape);
            self.conv_product(kernel, size, layer, &constants, &bindings);
        }
        if below {
            let (layer, bindings) = (self.layer(pass, l), self.backward_bindings(pass, l));
            self.conv_product(&conv2d_backward::DECLARATION, conv2d_backward::shape, layer, &[], &bindings);
        }
    }

    pub(super) fn linear_tangent(&mut self, pass: Pass, l: usize) {
        let layer = self.directed(self.layer(pass, l), l);
        let bindings = self.tangent_bindings(pass, l);
        self.product(&linear_tangent::DECLARATION, linear_tangent::shape, layer, &[], &bindings);
    }

    pub(super) fn conv2d_tangent(&mut self, pass: Pass, l: usize) {
        let layer = self.directed(self.layer(pass, l), l);
        let bindings = self.tangent_bindings(pass, l);
        self.conv_product(&conv2d_tangent::DECLARATION, conv2d::shape, layer, &[], &bindings);
    }

    pub(super) fn linear_backward_tangent(&mut self, pass: Pass, l: usize, back: Back) {
        if back.below {
            let layer = self.directed(self.layer(pass, l), l);
            let bindings = self.backward_tangent_bindings(pass, l);
            let (kernel, size) = (&linear_backward_tangent::DECLARATION, linear_backward_tangent::shape);
            self.product(kernel, size, layer, &[], &bindings);
        }
        if let Some((constants, bindings)) = self.update_tangent_bindings(pass, l, back) {
            let layer = self.layer(pass, l);
            let (kernel, size) = (&linear_update_tangent::DECLARATION, linear_update_tangent::shape);
            self.product(kernel, size, layer, &constants, &bindings);
        }
    }

    pub(super) fn conv2d_backward_tangent(&mut self, pass: Pass, l: usize, back: Back) {
        if back.below {
            let layer = self.directed(self.layer(pass, l), l);
            let bindings = self.backward_tangent_bindings(pass, l);
            let (kernel, size) = (&conv2d_backward_tangent::DECLARATION, conv2d_backward::shape);
            self.conv_product(kernel, size, layer, &[], &bindings);
        }
        if let Some((constants, bindings)) = self.update_tangent_bindings(pass, l, back) {
            let layer = self.layer(pass, l);
            let (kernel, size) = (&conv2d_update_tangent::DECLARATION, conv2d_update::shape);
            self.conv_product(kernel, size, layer, &constants, &bindings);
        }
    }

    /// A layer whose gradient becomes what `take` says.
    pub(super) fn taken(&self, pass: Pass, l: usize, take: Take) -> LayerPass {
        match take {
            Take::Keep => self.keeping(self.layer(pass, l), l),
            _ => self.layer(pass, l),
        }
    }

    fn forward_bindings(&self, pass: Pass, l: usize) -> [Bound; 3] {
        [self.input(pass, l), self.weights(pass.step, l).0, self.outputs(pass, l)]
    }

    fn backward_bindings(&self, pass: Pass, l: usize) -> [Bound; 4] {
        let (dz, dx) = (self.cotangent(pass, l), self.cotangent(pass, l - 1));
        [dz, self.weights(pass.step, l).0, self.input(pass, l), dx]
    }

    fn update_bindings(&self, pass: Pass, l: usize, take: Take) -> Option<Told<2, 5>> {
        // θ_j is read for the step alone; v may lie where nothing else of the dispatch does.
        let (weights, result, constants) = match take {
            Take::Nothing => return None,
            Take::Step => (self.weights(pass.step, l).0, self.next(pass), [("STEP", 1.0), ("ADD", 0.0)]),
            Take::Keep => (Bound::Params, self.gradient(pass.step), [("STEP", 0.0), ("ADD", 0.0)]),
            Take::Outer { adds } => (Bound::Params, self.rows().0, [("STEP", 0.0), ("ADD", flag(adds))]),
        };
        let bindings = [self.cotangent(pass, l), self.input(pass, l), weights, Bound::Params, result];
        Some((constants, bindings))
    }

    fn tangent_bindings(&self, pass: Pass, l: usize) -> [Bound; 7] {
        let [rates, direction] = self.direction();
        [
            self.input(pass, l),
            self.input_tangent(pass, l),
            self.weights(pass.step, l).0,
            rates,
            direction,
            self.outputs(pass, l),
            self.output_tangent(l),
        ]
    }

    fn backward_tangent_bindings(&self, pass: Pass, l: usize) -> [Bound; 7] {
        let [rates, direction] = self.direction();
        [
            self.cotangent(pass, l),
            self.cotangent_tangent(l),
            self.weights(pass.step, l).0,
            rates,
            direction,
            self.input(pass, l),
            self.cotangent_tangent(l - 1),
        ]
    }

    fn update_tangent_bindings(&self, pass: Pass, l: usize, back: Back) -> Option<Told<3, 6>> {
        if !back.second && back.rates == 0.0 {
            return None;
        }
        let tangent = if back.second { self.cotangent_tangent(l) } else { self.cotangent(pass, l) };
        let bindings = [
            self.cotangent(pass, l),
            tangent,
            self.input(pass, l),
            self.input_tangent(pass, l),
            self.rows().0,
            Bound::Slice(Role::RateSums, self.slices.rate_sums),
        ];
        let constants =
            [("VALUE", flag(back.rates > 0.0)), ("SECOND", flag(back.second)), ("RATES", back.rates)];
        Some((constants, bindings))
    }

    fn product(
        &mut self,
        kernel: &'static Declaration,
        size: fn(&LayerPass) -> (u32, u32),
        layer: LayerPass,
        constants: Constants<'_>,
        bindings: &[Bound],
    ) {
        let (rows, columns) = size(&layer);
        let cut = Cut::of(rows, columns);
        let mut all = cut.constants(kernel);
        all.extend_from_slice(constants);
        let workgroups = [cut.workgroups(rows, columns), self.tasks as u32, 1];
        self.push(kernel, &all, &layer, bindings, workgroups);
    }

    fn conv_product(
        &mut self,
        kernel: &'static Declaration,
        size: fn(&LayerPass) -> [u32; 3],
        layer: LayerPass,
        constants: Constants<'_>,
        bindings: &[Bound],
    ) {
        let [rows, columns, products] = size(&layer);
        let cut = ConvCut::of(rows, columns);
        let tangents = kernel.constants.iter().any(|(name, _)| *name == "VALUE");
        let mut all = cut.constants(tangents).to_vec();
        all.extend_from_slice(constants);
        let workgroups = [cut.workgroups(rows, columns), self.tasks as u32, products];
        self.push(kernel, &all, &layer, bindings, workgroups);
    }
}
