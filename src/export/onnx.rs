//! A model as ONNX.

use super::ends::{after, before, raw_columns};
use super::ops::{self, Place};
use super::proto::{ModelProto, OperatorSetId, StringEntry};
use super::writer::Writer;
use crate::adapted::{Adapted, Signature};
use crate::error::{Error, Result};
use crate::ops::Op;
use prost::Message as _;

/// The version of the format, and of the operators: those of 2022, which every runtime in use reads.
const IR_VERSION: i64 = 8;
const OPSET: i64 = 17;

/// Most bytes of a message of protobuf.
const MOST: u64 = (1 << 31) - 1;

/// The bytes of the file.
pub(super) fn bytes(adapted: &Adapted) -> Result<Vec<u8>> {
    let model = model(adapted);
    let needed = model.encoded_len() as u64;
    match needed <= MOST {
        true => Ok(model.encode_to_vec()),
        false => {
            let hint = "export as safetensors or npz";
            Err(Error::limit("bytes of an ONNX file", needed, MOST, hint))
        }
    }
}

/// The message.
pub(super) fn model(adapted: &Adapted) -> ModelProto {
    let (model, theta, signature) = (adapted.model(), adapted.weights(), adapted.signature());
    let mut to = Writer::new();
    let x = before(&mut to, signature, model);
    let (mut values, mut norms) = (vec![x], adapted.norms().iter());
    for node in model.nodes() {
        let params = model.params()[node.params.clone()].iter();
        let place = Place {
            node,
            inputs: node.inputs.iter().map(|input| values[input.index()].clone()).collect(),
            shapes: node.inputs.iter().map(|&input| model.value(input)).collect(),
            theta: params.map(|param| (&param.shape[..], &theta[param.range()])).collect(),
            norm: if matches!(node.op, Op::BatchNorm(_)) { norms.next() } else { None },
        };
        let value = ops::write(&mut to, &place);
        values.push(value);
    }
    after(&mut to, signature, model, &values[model.output().index()]);
    let mut graph = to.graph;
    let about = adapted.about();
    let recipe = about.origin.recipe.as_str();
    graph.name = if recipe.is_empty() { "model" } else { recipe }.to_owned();
    ModelProto {
        ir_version: IR_VERSION,
        producer_name: env!("CARGO_PKG_NAME").to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        doc_string: doc(adapted),
        graph: Some(graph),
        opset_import: vec![OperatorSetId { domain: String::new(), version: OPSET }],
        metadata_props: metadata(adapted),
    }
}

/// Where the model comes from, in a line.
fn doc(adapted: &Adapted) -> String {
    let about = adapted.about();
    let (run, checkpoint) = (&about.origin.run, &about.origin.checkpoint);
    match about.points {
        0 => format!("{run} ({checkpoint}), as meta-trained"),
        points => format!("{run} ({checkpoint}), after {} inner steps on {points} points", about.steps),
    }
}

fn metadata(adapted: &Adapted) -> Vec<StringEntry> {
    let json = |names: &[String]| serde_json::to_string(names).unwrap_or_default();
    let classes = adapted.signature().classes();
    let classes = (!classes.is_empty()).then(|| ("classes", json(classes)));
    let columns = match adapted.signature() {
        Signature::Table(columns) => Some(("columns", json(&raw_columns(columns)))),
        Signature::Points(_) | Signature::Series(_) | Signature::Images(_) | Signature::Field(_) => None,
    };
    let origin = serde_json::to_string(&adapted.about().origin).unwrap_or_default();
    let all = [Some(("origin", origin)), classes, columns].into_iter().flatten();
    all.map(|(key, value)| StringEntry { key: key.to_owned(), value }).collect()
}
