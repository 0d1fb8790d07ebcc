//! What a plan's graph needs: which values move, which are learned through, which nodes are part of others.

use super::target::Target;
use crate::meta::Plan;
use crate::model::{Model, Value};
use crate::ops::Op;
use crate::ops::elementwise::Function;

/// Facts of a graph under a plan, worked out once.
#[derive(Clone, Debug)]
pub struct Flow {
    /// For each value, the one whose array holds it: of an alias its input, of a ReLU that is part of the node before that
    /// node's output.
    pub root: Vec<Value>,
    /// The nodes that are run, in order.
    pub nodes: Vec<usize>,
    /// For each node, whether a ReLU is part of it.
    pub relu: Vec<bool>,
    /// For each value, whether it depends on a parameter that the inner loop moves.
    pub moves: Vec<bool>,
    /// For each value, whether it depends on any parameter.
    pub learned: Vec<bool>,
}

impl Flow {
    /// Works the facts out, for an executor.
    #[must_use]
    pub fn new(plan: &Plan, target: &dyn Target) -> Self {
        let model = &plan.model;
        let all = model.nodes().len();
        let mut flow = Self {
            root: vec![Value::INPUT],
            nodes: Vec::new(),
            relu: vec![false; all],
            moves: vec![false],
            learned: vec![false],
        };
        for (n, node) in model.nodes().iter().enumerate() {
            let any = |of: &[bool]| node.inputs.iter().any(|input| of[input.index()]);
            let adapted = plan.steps > 0 && node.params.clone().any(|param| plan.adapted[param]);
            let learns = model.params()[node.params.clone()].iter().any(|param| !param.is_fixed());
            let (moves, learned) = (adapted || any(&flow.moves), learns || any(&flow.learned));
            flow.moves.push(moves);
            flow.learned.push(learned);
            let root = match folds(model, n, target) {
                Some(before) => {
                    flow.relu[before] = true;
                    flow.root[Value::of(before).index()]
                }
                None if target.aliases(model, n) => flow.root[node.inputs[0].index()],
                None => {
                    flow.nodes.push(n);
                    Value::of(n)
                }
            };
            flow.root.push(root);
        }
        flow
    }

    /// Whether a value's array holds what came out of a ReLU that is part of its node.
    #[must_use]
    pub fn gated(&self, value: Value) -> bool {
        self.root[value.index()].node().is_some_and(|node| self.relu[node])
    }
}

/// The node that a ReLU is part of, where it may be: both values have one use, and whoever takes the second closes cotangents.
fn folds(model: &Model, n: usize, target: &dyn Target) -> Option<usize> {
    let node = &model.nodes()[n];
    let Op::Elementwise(Function::Relu) = node.op else { return None };
    let before = node.inputs[0].node()?;
    if model.uses(node.inputs[0]) != 1 || !target.folds_relu(&model.nodes()[before].op) {
        return None;
    }
    // A flattened image is the image itself, so look at who takes that.
    let mut value = Value::of(n);
    loop {
        let mut users = model.nodes().iter().enumerate().filter(|(_, user)| user.inputs.contains(&value));
        match (users.next(), users.next()) {
            (None, _) => return Some(before),
            (Some((user, _)), None) if target.aliases(model, user) => value = Value::of(user),
            (Some((_, user)), None) if model.uses(value) == 1 && target.gates(&user.op) => {
                return Some(before);
            }
            (Some(_), _) => return None,
        }
    }
}
