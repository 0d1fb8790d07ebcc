//! Models that lanes compute: linear layers one behind the other, each with at most one function of single elements.

use crate::model::{Block, Dense, Model, Value};
use crate::ops::Op;
use crate::ops::elementwise::Function;
use crate::ops::linear::Linear;

/// A linear layer and what follows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) dense: Dense,
    /// The function behind it, if it is none or another than ReLU, which products close themselves.
    pub(super) function: Option<Function>,
}

/// The layers of a model, if it is such a chain.
pub(in super::super) fn is_chain(model: &Model) -> bool {
    links(model).is_some()
}

pub(super) fn links(model: &Model) -> Option<Vec<Link>> {
    let mut all = Vec::<Link>::new();
    for (index, node) in model.nodes().iter().enumerate() {
        if node.inputs != [index.checked_sub(1).map_or(Value::INPUT, Value::of)] {
            return None;
        }
        if let Op::Linear(Linear { outputs, bias: true }) = node.op {
            let Block { weight, bias, .. } = model.blocks()[node.block?];
            let inputs = (bias - weight) / outputs;
            let dense = Dense { inputs, outputs, weight, bias, relu: false, index };
            all.push(Link { dense, function: None });
        } else if let Op::Elementwise(function) = node.op {
            let last = all.last_mut().filter(|last| !last.dense.relu && last.function.is_none())?;
            match function == (Function::Relu {}) {
                true => last.dense.relu = true,
                false => last.function = Some(function),
            }
        } else {
            // Any other op goes to the interpreter.
            return None;
        }
    }
    Some(all)
}
