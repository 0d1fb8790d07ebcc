//! What the kernels of the layered path keep and fuse, as the program asks it.

use super::rooms;
use crate::meta::Plan;
use crate::model::{Model, Op};
use crate::program::{Keeps, Target};
use crate::wgsl::lower::Kept;

/// The layered path.
pub(super) struct Layered;

impl Target for Layered {
    fn keeps(&self, op: &Op, relu: bool) -> Keeps {
        let room = rooms::of(op);
        let Kept { x, y, x_dot } = room.keeps(relu);
        let leaves = room.leaves();
        Keeps { x, y, x_dot, y_dot: false, saved: leaves, saved_dot: leaves }
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
