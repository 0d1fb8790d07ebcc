//! Layers without parameters as dispatches. All are linear once the winners and signs of the pass are known, so a
//! tangent is the layer itself on other numbers.

use super::kernel::Declaration;
use super::layer::LayerPass;
use super::layered_ops::{Emitter, Pass};
use super::layered_plan::Bound;
use super::{global_avg_pool, global_avg_pool_backward, max_pool, max_pool_backward, relu};
use crate::model::Layer;

impl Emitter<'_> {
    /// Forward, or its tangent into `tangent`.
    pub(super) fn pool(&mut self, pass: Pass, l: usize, tangent: Option<Bound>) {
        let mut layer = self.layer(pass, l);
        let x = self.input(pass, l);
        let (values, result) = match tangent {
            Some(to) => (self.input_tangent(pass, l), to),
            None => (x, self.outputs(pass, l)),
        };
        let place = if tangent.is_some() { layer.x_dot } else { layer.x };
        match self.facts.nodes[l].layer {
            Layer::GlobalAvgPool2d => {
                layer.x = place;
                let workgroups = global_avg_pool::workgroups(&layer);
                self.elements(&global_avg_pool::DECLARATION, &layer, &[values, result], workgroups);
            }
            Layer::MaxPool2d { .. } => {
                (layer.y, layer.y_dot) = (place, layer.y);
                let workgroups = max_pool::workgroups(&layer);
                self.elements(&max_pool::DECLARATION, &layer, &[x, values, result], workgroups);
            }
            _ => {
                (layer.y, layer.y_dot) = (place, layer.y);
                let workgroups = relu::workgroups(&layer);
                self.elements(&relu::DECLARATION, &layer, &[x, values, result], workgroups);
            }
        }
    }

    /// From a cotangent, or its tangent, to that of the layer below.
    pub(super) fn pool_backward(&mut self, pass: Pass, l: usize, from: Bound, below: Bound) {
        let mut layer = self.layer(pass, l);
        let bindings = [self.input(pass, l), from, below];
        match self.facts.nodes[l].layer {
            Layer::GlobalAvgPool2d => {
                let workgroups = global_avg_pool_backward::workgroups(&layer);
                self.elements(&global_avg_pool_backward::DECLARATION, &layer, &bindings, workgroups);
            }
            Layer::MaxPool2d { .. } => {
                let workgroups = max_pool_backward::workgroups(&layer);
                self.elements(&max_pool_backward::DECLARATION, &layer, &bindings, workgroups);
            }
            _ => {
                (layer.y, layer.y_dot) = (layer.dz, layer.dx);
                let workgroups = relu::workgroups(&layer);
                self.elements(&relu::DECLARATION, &layer, &bindings, workgroups);
            }
        }
    }

    fn elements(
        &mut self,
        kernel: &'static Declaration,
        layer: &LayerPass,
        bindings: &[Bound],
        workgroups: u32,
    ) {
        self.push(kernel, &[], layer, bindings, [workgroups, self.tasks as u32, 1]);
    }
}
