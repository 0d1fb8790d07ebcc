//! Linear layers and convolutions as dispatches. Both are products, of the same operands.

use super::conv_product::ConvCut;
use super::conv_stretch::Stretches;
use super::kernel::Declaration;
use super::layer::LayerPass;
use super::layered_ops::{Back, Constants, Emitter, Pass, Take};
use super::layered_plan::{Bound, Role};
use super::product::Cut;
use super::{conv2d, conv2d_backward, conv2d_backward_tangent, conv2d_tangent, conv2d_update};
use super::{
    conv2d_update_sums, conv2d_update_tangent, conv2d_update_tangent_sums, linear, linear_backward,
    linear_backward_tangent, linear_tangent,
};
use super::{linear_update, linear_update_tangent};

/// Overrides and bindings.
type Told<const C: usize, const B: usize> = ([(&'static str, f64); C], [Bound; B]);

/// Whether a kernel of convolutions has tangents beside its values.
fn has_tangents(kernel: &Declaration) -> bool {
    kernel.constants.iter().any(|(name, _)| *name == "VALUE")
}

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
            let (kernel, sums) = (&conv2d_update::DECLARATION, &conv2d_update_sums::DECLARATION);
            let [dz, x, weights, rates, result] = bindings;
            let partial = [dz, x, weights, rates, self.stretches()];
            let total = [self.stretches(), weights, rates, result];
            self.conv_update([kernel, sums], layer, &constants, [&bindings, &partial, &total]);
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
            let (kernel, sums) =
                (&conv2d_update_tangent::DECLARATION, &conv2d_update_tangent_sums::DECLARATION);
            let [dz, dz_dot, x, x_dot, rows, rate_sums] = bindings;
            let partial = [dz, dz_dot, x, x_dot, self.stretches(), rate_sums];
            let total = [self.stretches(), rows, rate_sums];
            self.conv_update([kernel, sums], layer, &constants, [&bindings, &partial, &total]);
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
        let cut = ConvCut::of(rows, columns, self.facts.tasks as u32);
        self.conv_cut(kernel, cut, [rows, columns, products], layer, constants, bindings);
    }

    /// The update of a convolution: one dispatch with the first bindings, or, where workgroups share its sums, one with
    /// the second and one of the kernel that adds them up.
    fn conv_update(
        &mut self,
        [kernel, sums]: [&'static Declaration; 2],
        layer: LayerPass,
        constants: Constants<'_>,
        [whole, partial, total]: [&[Bound]; 3],
    ) {
        let shared = Stretches::of(&layer, self.facts.tasks as u32, has_tangents(kernel));
        let layer = shared.share(layer);
        let bindings = if shared.count == 1 { whole } else { partial };
        self.conv_cut(kernel, shared.cut, conv2d_update::shape(&layer), layer, constants, bindings);
        if shared.count > 1 {
            let known = |(name, _): &&(&str, f64)| sums.constants.iter().any(|(known, _)| known == name);
            let constants: Vec<_> = constants.iter().filter(known).copied().collect();
            let across = (layer.outputs * (layer.inputs + 1)).div_ceil(conv2d_update_sums::WORKGROUP);
            self.push(sums, &constants, &layer, total, [across, self.tasks as u32, 1]);
        }
    }

    fn conv_cut(
        &mut self,
        kernel: &'static Declaration,
        cut: ConvCut,
        [rows, columns, products]: [u32; 3],
        layer: LayerPass,
        constants: Constants<'_>,
        bindings: &[Bound],
    ) {
        let mut all = cut.constants(has_tangents(kernel)).to_vec();
        all.extend_from_slice(constants);
        let workgroups = [cut.workgroups(rows, columns), self.tasks as u32, products];
        self.push(kernel, &all, &layer, bindings, workgroups);
    }

    fn stretches(&self) -> Bound {
        Bound::Slice(Role::Stretches, self.slices.stretches)
    }
}
