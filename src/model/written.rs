//! A graph as files hold it: nodes with names, settings and inputs.

use super::Model;
use super::graph::{Graph, NamedOp};
use super::node::Value;
use crate::error::{Error, Result};
use crate::ops::Shape;
use serde::{Deserialize, Serialize};

/// Most nodes of a graph in a file.
const MOST_NODES: usize = 4096;

/// A graph as files hold it. It knows one set of scales and shifts of each batch norm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenModel {
    /// Axes of a point: `[features]`, or `[channels, height, width]`.
    pub input: Vec<usize>,
    /// The nodes, each behind those whose outputs it takes.
    pub layers: Vec<NamedOp>,
}

impl WrittenModel {
    /// What a model is made of.
    #[must_use]
    pub fn of(model: &Model) -> Self {
        let name = |value: &Value| {
            value
                .node()
                .map_or_else(|| super::graph::INPUT.to_owned(), |node| model.nodes()[node].name.clone())
        };
        let layer = |node: &super::Node| NamedOp {
            name: Some(node.name.clone()),
            op: node.op,
            inputs: Some(node.inputs.iter().map(name).collect()),
        };
        Self { input: model.input().axes(), layers: model.nodes().iter().map(layer).collect() }
    }

    /// The model.
    ///
    /// # Errors
    /// As [`Graph::add_named`], and for an input of other axes.
    pub fn model(&self) -> Result<Model> {
        let input = match self.input[..] {
            [features] => Shape::Vector(features),
            [channels, height, width] => Shape::Image { channels, height, width },
            _ => {
                let reason =
                    format!("is {:?}; [features] or [channels, height, width] is needed", self.input);
                return Err(Error::recipe("model.input", reason));
            }
        };
        if self.layers.len() > MOST_NODES {
            let reason = format!("are {}; at most {MOST_NODES} are read", self.layers.len());
            return Err(Error::recipe("model.layers", reason));
        }
        let product = self.input.iter().try_fold(1_usize, |all, &side| all.checked_mul(side));
        if product.is_none_or(|len| len > u32::MAX as usize) {
            return Err(Error::recipe("model.input", format!("is {:?}, which is too large", self.input)));
        }
        let mut graph = Graph::new(input)?;
        graph.add_named(&self.layers)?;
        graph.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Conv4, Mlp, Resnet12, Siren, WideResnet};

    #[test]
    fn presets_are_read_back_as_they_were() {
        let image = Shape::Image { channels: 3, height: 32, width: 32 };
        let point = Shape::Vector(2);
        let graphs = [
            Conv4::default().graph(image, 5),
            Resnet12::default().graph(image, 5),
            WideResnet::default().graph(image, 5),
            Mlp::default().graph(point, 1),
            Siren::default().graph(point, 3),
        ];
        for graph in graphs {
            let model = graph.unwrap().finish().unwrap();
            let text = serde_json::to_string(&WrittenModel::of(&model)).unwrap();
            let written: WrittenModel = serde_json::from_str(&text).unwrap();
            assert_eq!(written.model().unwrap(), model);
        }
    }

    #[test]
    fn what_is_no_graph_is_refused() {
        for text in [
            r#"{"input": [], "layers": []}"#,
            r#"{"input": [2, 3], "layers": []}"#,
            r#"{"input": [4], "layers": []}"#,
            r#"{"input": [18446744073709551615, 9, 9], "layers": [{"type": "flatten"}]}"#,
            r#"{"input": [4], "layers": [{"type": "linear", "outputs": 3, "inputs": ["nowhere"]}]}"#,
        ] {
            let written: WrittenModel = serde_json::from_str(text).unwrap();
            assert!(written.model().is_err(), "{text}");
        }
    }
}
