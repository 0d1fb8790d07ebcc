//! Products of many values as products of few, for kernels that bind few.

use super::Model;
use super::node::{Block, Node, Value};
use crate::ops::{Op, Rows};

impl Model {
    /// The same function with products of at most `most` values, 2 or more, each: one of more becomes several, one behind the
    /// other. Parameters keep their places, and the last of them the node's name. Nothing, if none is longer.
    #[must_use]
    pub(crate) fn with_products_of(&self, most: usize) -> Option<Self> {
        let long = |node: &Node| matches!(node.op, Op::Mul(_)) && node.inputs.len() > most;
        if !self.nodes.iter().any(long) {
            return None;
        }
        let mut nodes = Vec::<Node>::new();
        let mut values = vec![Value::INPUT];
        for node in &self.nodes {
            let mut inputs: Vec<Value> = node.inputs.iter().map(|input| values[input.index()]).collect();
            while long(node) && inputs.len() > most {
                let some: Vec<Value> = inputs.drain(..most).collect();
                let points = some.iter().any(|v| v.node().is_none_or(|from| nodes[from].rows == Rows::Point));
                let rows = if points { Rows::Point } else { Rows::Task };
                let name = format!("{}_{}", node.name, inputs.len());
                inputs.insert(0, Value::of(nodes.len()));
                nodes.push(Node { name, inputs: some, rows, ..node.clone() });
            }
            nodes.push(Node { inputs, ..node.clone() });
            values.push(Value::of(nodes.len() - 1));
        }
        let moved = |block: &Block| Block { layer: values[block.layer + 1].index() - 1, ..*block };
        let blocks: Vec<Block> = self.blocks.iter().map(moved).collect();
        // What has a product is no chain.
        Some(Self { nodes, blocks, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Graph, Shape};
    use crate::ops::latent::Latent;
    use crate::ops::mul::Mul;

    #[test]
    fn long_products_become_chains_and_parameters_stay() {
        let mut graph = Graph::new(Shape::Vector(3)).unwrap();
        let latents = [0, 1, 2].map(|i| graph.add(format!("z{i}"), Latent { size: 3 }, &[]).unwrap());
        let factors = [&latents[..], &[Value::INPUT, latents[0]]].concat();
        let product = graph.add("p", Mul {}, &factors).unwrap();
        graph.add("out", Op::linear(2), &[product]).unwrap();
        let model = graph.finish().unwrap();
        let narrow = model.with_products_of(3).unwrap();
        assert_eq!(narrow.params(), model.params());
        let products: Vec<_> = narrow.nodes().iter().filter(|n| matches!(n.op, Op::Mul(_))).collect();
        assert_eq!(products.iter().map(|n| n.inputs.len()).collect::<Vec<_>>(), [3, 3]);
        assert_eq!(products.iter().map(|n| n.rows).collect::<Vec<_>>(), [Rows::Task, Rows::Point]);
        assert_eq!(products[1].inputs[0], Value::of(3));
        assert_eq!(narrow.nodes()[narrow.blocks()[3].layer].name, "out");
        assert!(narrow.with_products_of(3).is_none() && model.with_products_of(5).is_none());
    }
}
