//! Building a graph: shapes inferred node by node, everything that does not fit refused by name.

use super::Model;
use super::node::{Block, Node, Param, Value};
use crate::error::{Error, Result};
use crate::ops::{Arity, Op, Rows, Shape};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// A graph under construction. Its output is the node added last.
#[derive(Clone, Debug)]
pub struct Graph {
    input: Shape,
    nodes: Vec<Node>,
    blocks: Vec<Block>,
    params: Vec<Param>,
    /// End of the flat parameter vector.
    end: usize,
}

/// A node as a recipe gives it: the table of an op, with `name` and `inputs` where it has them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NamedOp {
    /// Its name; without one its place in the list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The op.
    #[serde(flatten)]
    pub op: Op,
    /// Names of nodes, or `input`; without them the node before, or the input for the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Vec<String>>,
}

impl From<Op> for NamedOp {
    fn from(op: Op) -> Self {
        Self { name: None, op, inputs: None }
    }
}

impl<'de> Deserialize<'de> for NamedOp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let mut table = serde_json::Map::<String, serde_json::Value>::deserialize(deserializer)?;
        let (name, inputs) = (table.remove("name"), table.remove("inputs"));
        let read = |what: &str, e: serde_json::Error| D::Error::custom(format!("`{what}` of a layer: {e}"));
        Ok(Self {
            name: name.map(serde_json::from_value).transpose().map_err(|e| read("name", e))?,
            inputs: inputs.map(serde_json::from_value).transpose().map_err(|e| read("inputs", e))?,
            op: serde_json::from_value(table.into()).map_err(D::Error::custom)?,
        })
    }
}

/// What recipes call the model's input.
pub(super) const INPUT: &str = "input";

fn refused(reason: impl Into<String>) -> Error {
    Error::recipe("model.layers", reason.into())
}

/// How messages name a node.
fn called(name: &str, op: &Op) -> String {
    match name.parse::<usize>() {
        Ok(_) => format!("layer {name} ({op})"),
        Err(_) => format!("node `{name}` ({op})"),
    }
}

impl Graph {
    /// A graph for points of the given shape.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming `model.inputs`, for an empty input.
    pub fn new(input: Shape) -> Result<Self> {
        if input.is_empty() {
            return Err(Error::recipe("model.inputs", "is 0; a model needs at least one input feature"));
        }
        Ok(Self { input, nodes: Vec::new(), blocks: Vec::new(), params: Vec::new(), end: 0 })
    }

    /// Shape and rows of a value.
    fn value(&self, value: Value) -> (Shape, Rows) {
        value.node().map_or((self.input, Rows::Point), |node| (self.nodes[node].shape, self.nodes[node].rows))
    }

    /// What a message says of a node's inputs.
    fn sources(&self, inputs: &[Value]) -> String {
        let one = |value: &Value| match value.node().map(|node| &self.nodes[node]) {
            None => format!("the input is {}", self.input),
            Some(node) => format!("{} gives {}", called(&node.name, &node.op), node.shape),
        };
        inputs.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    /// Adds a node; its output.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming `model.layers`, the node, and those whose outputs it takes with their
    /// shapes.
    pub fn add(&mut self, name: impl Into<String>, op: impl Into<Op>, inputs: &[Value]) -> Result<Value> {
        let (name, op) = (name.into(), op.into().resolved());
        let refuse = |reason: &str| {
            let from = self.sources(inputs);
            let from = if from.is_empty() { from } else { format!("; {from}") };
            refused(format!("{}: {reason}{from}", called(&name, &op)))
        };
        if self.nodes.iter().any(|node| node.name == name) || name == INPUT {
            return Err(refuse("its name is taken"));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.split('.').any(|part| part.is_empty() || !part.chars().all(plain)) {
            return Err(refuse("a name has letters, digits and _, and a dot between parts of it"));
        }
        let few = match op.arity() {
            Arity::Source => (!inputs.is_empty()).then_some("it is a parameter and takes no input"),
            Arity::One => (inputs.len() != 1).then_some("it takes one input"),
            Arity::Several => (inputs.len() < 2).then_some("it takes two inputs or more"),
        };
        if let Some(reason) = few {
            return Err(refuse(reason));
        }
        let (shapes, rows): (Vec<_>, Vec<_>) = inputs.iter().map(|&input| self.value(input)).unzip();
        let rows = if rows.contains(&Rows::Point) { Rows::Point } else { Rows::Task };
        if op.couples_points() && rows == Rows::Task {
            return Err(refuse("it normalises over points, and this value has one row a task"));
        }
        let shape = op.output(&shapes).map_err(|reason| refuse(&reason))?;
        let len = [shape.features(), shape.pixels()].iter().try_fold(1_usize, |n, &m| n.checked_mul(m));
        if len.is_none_or(|len| len > u32::MAX as usize) {
            return Err(refuse("its output is too large"));
        }
        let mut params = Vec::new();
        let mut end = self.end;
        for spec in op.params(&shapes, shape) {
            let next = (spec.shape.iter().try_fold(1_usize, |n, &m| n.checked_mul(m)))
                .and_then(|n| n.checked_add(end))
                .filter(|&end| end <= u32::MAX as usize);
            let next = next.ok_or_else(|| refuse("it has too many parameters"))?;
            let (block, offset) = (self.blocks.len(), end);
            let name = format!("{name}.{}", spec.name);
            params.push(Param { name, shape: spec.shape, role: spec.role, offset, block });
            end = next;
        }
        let node = self.nodes.len();
        let block = (!params.is_empty()).then_some(self.blocks.len());
        if block.is_some() {
            let bias = params.get(1).map_or(end, |bias| bias.offset);
            self.blocks.push(Block { layer: node, weight: self.end, bias, outputs: end - bias });
        }
        self.end = end;
        let first = self.params.len();
        self.params.extend(params);
        let (inputs, params) = (inputs.to_vec(), first..self.params.len());
        self.nodes.push(Node { name, op, inputs, shape, rows, params, block });
        Ok(Value::of(node))
    }

    /// Adds a node behind the one added last (or the input), called by its place.
    ///
    /// # Errors
    /// As [`Graph::add`].
    pub fn then(&mut self, op: impl Into<Op>) -> Result<Value> {
        let op = op.into();
        let last = self.nodes.len().checked_sub(1).map_or(Value::INPUT, Value::of);
        let inputs = if op.arity() == Arity::Source { Vec::new() } else { vec![last] };
        self.add(self.nodes.len().to_string(), op, &inputs)
    }

    /// Adds the nodes of a recipe, in an order in which each stands behind its inputs.
    ///
    /// # Errors
    /// As [`Graph::add`]; an input that names no node, a cycle.
    pub fn add_named(&mut self, ops: &[NamedOp]) -> Result<()> {
        let names: Vec<String> =
            ops.iter().enumerate().map(|(i, op)| op.name.clone().unwrap_or_else(|| i.to_string())).collect();
        let mut waiting: Vec<(usize, Vec<String>)> = Vec::new();
        for (i, named) in ops.iter().enumerate() {
            let before = || if i == 0 { INPUT.to_owned() } else { names[i - 1].clone() };
            let given = named.inputs.clone();
            let inputs = match named.op.arity() {
                Arity::Source => given.unwrap_or_default(),
                Arity::One | Arity::Several => given.unwrap_or_else(|| vec![before()]),
            };
            if let Some(unknown) = inputs.iter().find(|input| *input != INPUT && !names.contains(input)) {
                let name = called(&names[i], &named.op);
                let all = names.iter().take(10).cloned().collect::<Vec<_>>().join(", ");
                return Err(refused(format!(
                    "{name}: its input `{unknown}` is no node; there are input, {all}"
                )));
            }
            waiting.push((i, inputs));
        }
        let last = names.last().cloned();
        while !waiting.is_empty() {
            let known = |name: &String| {
                if name == INPUT {
                    return Some(Value::INPUT);
                }
                self.nodes.iter().position(|node| node.name == *name).map(Value::of)
            };
            let ready = waiting.iter().position(|(i, inputs)| {
                // The last of the list is the output, so it waits for all others.
                (Some(&names[*i]) != last.as_ref() || waiting.len() == 1)
                    && inputs.iter().all(|input| known(input).is_some())
            });
            let Some(ready) = ready else {
                let stuck =
                    waiting.iter().map(|(i, _)| format!("`{}`", names[*i])).collect::<Vec<_>>().join(", ");
                return Err(refused(format!("has a cycle, or something behind its last node: {stuck}")));
            };
            let (i, inputs) = waiting.remove(ready);
            let inputs: Vec<Value> = inputs.iter().filter_map(known).collect();
            self.add(names[i].clone(), ops[i].op, &inputs)?;
        }
        Ok(())
    }

    /// The outputs of nodes that no other node takes.
    #[must_use]
    pub fn unused(&self) -> Vec<Value> {
        let used = |value: Value| self.nodes.iter().any(|node| node.inputs.contains(&value));
        (0..self.nodes.len()).map(Value::of).filter(|&value| !used(value)).collect()
    }

    /// The model, if every node is used and there is something to learn.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming a node that nobody uses, or `model.layers`.
    pub fn finish(self) -> Result<Model> {
        let last = self.nodes.len().saturating_sub(1);
        if let Some(node) = self.unused().iter().filter_map(|value| value.node()).find(|&node| node != last) {
            let name = called(&self.nodes[node].name, &self.nodes[node].op);
            return Err(refused(format!("{name} is used by no node; take it away or name it as an input")));
        }
        if self.params.iter().all(Param::is_fixed) {
            return Err(refused("has no layer with parameters to learn; there is nothing to learn"));
        }
        if self.nodes[last].rows == Rows::Task {
            return Err(refused("its output has one row a task; it must depend on the points"));
        }
        Ok(Model::of_graph(self.input, self.nodes, self.blocks, self.params))
    }
}
