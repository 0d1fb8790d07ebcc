//! A graph of ONNX on its way.

use super::proto::{
    AttributeProto, Dimension, GraphProto, NodeProto, TensorProto, TensorShape, TensorType, TypeProto,
    ValueInfo,
};
use std::collections::HashSet;

/// Types of elements, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    Float = 1,
    Uint8 = 2,
    Int64 = 7,
    Double = 11,
}

/// A setting of a node.
pub(super) enum Setting<'a> {
    Float(&'a str, f64),
    Int(&'a str, usize),
    Ints(&'a str, &'a [usize]),
}

impl Setting<'_> {
    fn proto(&self) -> AttributeProto {
        let whole = |value: &usize| i64::try_from(*value).unwrap_or(i64::MAX);
        match self {
            Self::Float(name, value) => {
                AttributeProto { name: (*name).into(), f: Some(*value as f32), kind: 1, ..Default::default() }
            }
            Self::Int(name, value) => {
                AttributeProto { name: (*name).into(), i: Some(whole(value)), kind: 2, ..Default::default() }
            }
            Self::Ints(name, values) => AttributeProto {
                name: (*name).into(),
                ints: values.iter().map(whole).collect(),
                kind: 7,
                ..Default::default()
            },
        }
    }
}

/// What goes in and comes out goes by these names and by no others.
const ENDS: [&str; 8] = ["x", "y", "window", "value", "pixels", "rows", "logits", "probabilities"];

/// A graph on its way. Nodes are named after what they belong to; a value goes by the name of its node.
pub(super) struct Writer {
    pub(super) graph: GraphProto,
    names: HashSet<String>,
}

impl Writer {
    pub(super) fn new() -> Self {
        Self { graph: GraphProto::default(), names: ENDS.map(str::to_owned).into() }
    }

    /// A name like this one that nothing else has.
    fn free(&mut self, name: &str) -> String {
        let mut free = name.to_owned();
        let mut number = 1;
        while !self.names.insert(free.clone()) {
            number += 1;
            free = format!("{name}_{number}");
        }
        free
    }

    fn tensor(&mut self, name: &str, dims: &[usize], element: Element, raw_data: Vec<u8>) -> String {
        let name = self.free(name);
        let dims = dims.iter().map(|&side| side as i64).collect();
        self.graph.initializer.push(TensorProto {
            dims,
            data_type: element as i32,
            name: name.clone(),
            raw_data,
        });
        name
    }

    /// Numbers that belong to the model.
    pub(super) fn floats(&mut self, name: &str, dims: &[usize], values: &[f32]) -> String {
        self.tensor(name, dims, Element::Float, values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    /// The same in float64.
    pub(super) fn doubles(&mut self, name: &str, dims: &[usize], values: &[f64]) -> String {
        self.tensor(name, dims, Element::Double, values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    /// Whole numbers; -1 is what ONNX has for "the rest".
    pub(super) fn wholes(&mut self, name: &str, values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.tensor(name, &[values.len()], Element::Int64, bytes)
    }

    /// One number for all.
    pub(super) fn scalar(&mut self, name: &str, value: f64) -> String {
        self.floats(name, &[], &[value as f32])
    }

    /// Adds a node with one output; its name.
    pub(super) fn node(&mut self, op: &str, name: &str, inputs: &[&str], settings: &[Setting<'_>]) -> String {
        let name = self.free(name);
        self.add(op, name.clone(), inputs, settings);
        name
    }

    fn add(&mut self, op: &str, name: String, inputs: &[&str], settings: &[Setting<'_>]) {
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![name.clone()],
            name,
            op_type: op.to_owned(),
            attribute: settings.iter().map(Setting::proto).collect(),
        });
    }

    /// Turns numbers into another type.
    pub(super) fn cast(&mut self, name: &str, value: &str, to: Element) -> String {
        self.node("Cast", name, &[value], &[Setting::Int("to", to as usize)])
    }

    /// What goes in: any number of points of a shape.
    pub(super) fn input(&mut self, name: &str, element: Element, sides: &[usize], doc: &str) -> String {
        self.graph.input.push(info(name, element, sides, doc));
        name.to_owned()
    }

    /// Gives a value out under a name.
    pub(super) fn output(&mut self, name: &str, value: &str, element: Element, sides: &[usize], doc: &str) {
        self.add("Identity", name.to_owned(), &[value], &[]);
        self.graph.output.push(info(name, element, sides, doc));
    }
}

fn info(name: &str, element: Element, sides: &[usize], doc: &str) -> ValueInfo {
    let batch = Dimension { dim_param: Some("batch".to_owned()), ..Default::default() };
    let side = |&side: &usize| Dimension { dim_value: Some(side as i64), ..Default::default() };
    let dim = [batch].into_iter().chain(sides.iter().map(side)).collect();
    let kind = TensorType { elem_type: element as i32, shape: Some(TensorShape { dim }) };
    ValueInfo {
        name: name.to_owned(),
        kind: Some(TypeProto { tensor_type: Some(kind) }),
        doc_string: doc.to_owned(),
    }
}
