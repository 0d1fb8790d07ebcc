//! What the CPU's kernels keep and fuse.

use crate::meta::Plan;
use crate::model::{Model, Value};
use crate::ops::cpu::Lower as _;
use crate::ops::{Op, Shape, each};
use crate::program::{Kept, Target};

/// The CPU as an executor of programs.
pub(super) struct Cpu;

impl Target for Cpu {
    fn keeps(&self, op: &Op, relu: bool) -> Kept {
        each!(op, op => op.keeps(relu))
    }

    fn aliases(&self, model: &Model, node: usize) -> bool {
        matches!(model.nodes()[node].op, Op::Flatten(_)) && images_serve_as_vectors(model)
    }

    fn folds_relu(&self, op: &Op) -> bool {
        matches!(op, Op::BatchNorm(_))
    }

    fn gates(&self, _: &Op) -> bool {
        true
    }

    fn gates_where_put(&self) -> bool {
        false
    }

    fn keeps_gradients(&self, plan: &Plan) -> bool {
        plan.rates.learned || plan.per_parameter_rates() || !plan.inner.is_plain()
    }

    fn rates_in_tangents(&self) -> bool {
        false
    }
}

/// Whether every flattened image may lie as the image does: not where it meets, element by element, a value that lies in
/// another way, nor where features are needed in their order.
fn images_serve_as_vectors(model: &Model) -> bool {
    let mut sides = vec![model.input().sides()];
    for node in model.nodes() {
        let mut inputs = node.inputs.iter().map(|input: &Value| sides[input.index()]);
        let first = inputs.next();
        let as_input = matches!(node.op, Op::Flatten(_)) || each!(&node.op, op => op.lies_as_inputs());
        let in_order = matches!(node.shape, Shape::Image { .. }) || first == Some([1, 1]);
        let needs_order = each!(&node.op, op => op.needs_order()) && !in_order;
        if needs_order || as_input && inputs.any(|other| Some(other) != first) {
            return false;
        }
        sides.push(first.filter(|_| as_input).unwrap_or(node.shape.sides()));
    }
    true
}
