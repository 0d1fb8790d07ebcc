//! What the kernels of the layered path keep and fuse, as the program asks it.

use super::rooms;
use crate::meta::Plan;
use crate::model::{Model, Op};
use crate::program::{Kept, Target};

/// The layered path.
pub(super) struct Layered;

impl Target for Layered {
    fn keeps(&self, op: &Op, relu: bool) -> Kept {
        rooms::of(op).keeps(relu)
    }

    fn aliases(&self, model: &Model, node: usize) -> bool {
        rooms::of(&model.nodes()[node].op).aliases()
    }

    fn folds_relu(&self, op: &Op) -> bool {
        rooms::of(op).folds_relu()
    }

    fn gates(&self, op: &Op) -> bool {
        rooms::of(op).gates()
    }

    fn gates_where_put(&self) -> bool {
        true
    }

    fn keeps_gradients(&self, plan: &Plan) -> bool {
        !plan.inner.is_plain()
    }

    fn rates_in_tangents(&self) -> bool {
        true
    }
}
