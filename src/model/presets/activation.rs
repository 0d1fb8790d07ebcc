//! The function between a network's layers, as recipes give it.

use crate::ops::Op;
use crate::ops::elementwise::Function;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Any function of single elements: in recipes its name, or with its setting a table, as in
/// `{ type = "leaky_relu", negative_slope = 0.1 }`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Activation(pub Function);

impl From<Activation> for Op {
    fn from(activation: Activation) -> Self {
        activation.0.into()
    }
}

impl Serialize for Activation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.setting_name() {
            None => serializer.serialize_str(Op::from(self.0).name()),
            Some(_) => self.0.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Activation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "the name of a function, or a table with its type")]
        enum Typed {
            Word(String),
            Table(serde_json::Map<String, serde_json::Value>),
        }
        let table = match Typed::deserialize(deserializer)? {
            Typed::Word(word) => serde_json::Map::from_iter([("type".to_owned(), word.into())]),
            Typed::Table(table) => table,
        };
        let name = table.get("type").and_then(|name| name.as_str()).unwrap_or_default().to_owned();
        match serde_json::from_value(table.into()) {
            _ if !Function::NAMES.contains(&&*name) => Err(D::Error::unknown_variant(&name, Function::NAMES)),
            Ok(Op::Elementwise(function)) => Ok(Self(function)),
            Ok(op) => Err(D::Error::custom(format!("{op} is no function of single elements"))),
            Err(error) => Err(D::Error::custom(error)),
        }
    }
}
