//! The list of losses. Adding one is its room and a line here, or a line in the table of element-wise ones.

use super::criterion::Criterion;
use super::cross_entropy::CrossEntropy;
use super::elementwise::ElementLoss;
use super::truth::Truth;
use crate::error::{Error, Result};
use crate::ops::scalar::Scalar;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Makes the enum of all losses, and the calls that go to the room of each.
macro_rules! losses {
    ($($(#[$doc:meta])* $variant:ident($room:ty) $name:literal;)*) => {
        /// The loss of a set of points, in recipes its name, or a table with the name as `type` and its setting.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub enum Loss {
            /// A loss of single elements, mean over points and outputs.
            Elementwise(ElementLoss),
            $($(#[$doc])* $variant($room),)*
        }

        $(impl From<$room> for Loss {
            fn from(loss: $room) -> Self {
                Self::$variant(loss)
            }
        })*

        impl Loss {
            /// The names of all, in the order of their codes.
            #[must_use]
            pub fn names() -> Vec<&'static str> {
                let mut all = ElementLoss::NAMES.to_vec();
                all.extend([$($name),*]);
                all
            }

            /// Reads the settings of the loss with this name.
            fn read(name: &str, mut table: serde_json::Map<String, serde_json::Value>) -> serde_json::Result<Self> {
                match name {
                    $($name => {
                        table.remove("type");
                        serde_json::from_value(table.into()).map(Self::$variant)
                    })*
                    _ => serde_json::from_value(table.into()).map(Self::Elementwise),
                }
            }

            /// Its settings as a table.
            fn table(&self) -> serde_json::Result<serde_json::Value> {
                match self {
                    Self::Elementwise(within) => serde_json::to_value(within),
                    $(Self::$variant(within) => serde_json::to_value(within),)*
                }
            }
        }

        /// Runs an expression on the loss within, whatever it is.
        macro_rules! each {
            ($loss:expr, $within:ident => $value:expr) => {
                match $loss {
                    Loss::Elementwise($within) => $value,
                    $(Loss::$variant($within) => $value,)*
                }
            };
        }
    };
}

losses! {
    /// Softmax cross-entropy, mean over points.
    CrossEntropy(CrossEntropy) "cross_entropy";
}

impl From<ElementLoss> for Loss {
    fn from(loss: ElementLoss) -> Self {
        Self::Elementwise(loss)
    }
}

impl Default for Loss {
    fn default() -> Self {
        Self::mse()
    }
}

impl Loss {
    /// Mean squared error.
    #[must_use]
    pub const fn mse() -> Self {
        Self::Elementwise(ElementLoss::Mse {})
    }

    /// Huber's loss: squares up to `delta`, absolute values beyond.
    #[must_use]
    pub const fn huber(delta: f64) -> Self {
        Self::Elementwise(ElementLoss::Huber { delta })
    }

    /// Binary cross-entropy of the logistic function of the outputs.
    #[must_use]
    pub const fn bce_with_logits() -> Self {
        Self::Elementwise(ElementLoss::BceWithLogits {})
    }

    /// Softmax cross-entropy against class indices.
    #[must_use]
    pub const fn cross_entropy() -> Self {
        Self::CrossEntropy(CrossEntropy { label_smoothing: 0.0 })
    }

    /// Its name in recipes.
    #[must_use]
    pub fn name(&self) -> &'static str {
        each!(self, loss => loss.name())
    }

    /// Its number in shaders.
    #[must_use]
    pub fn code(&self) -> u32 {
        Self::names().iter().position(|&name| name == self.name()).unwrap_or(0) as u32
    }

    /// See [`Criterion::setting`].
    #[must_use]
    pub fn setting(&self) -> f64 {
        each!(self, loss => loss.setting())
    }

    /// Checks its settings.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming the setting.
    pub fn check(&self) -> Result<()> {
        let checked = each!(self, loss => loss.check());
        checked.map_err(|(setting, reason)| Error::recipe(format!("model.loss.{setting}"), reason))
    }

    /// See [`Criterion::truth`].
    #[must_use]
    pub fn truth(&self) -> Truth {
        each!(self, loss => loss.truth())
    }

    /// See [`Criterion::value`].
    #[must_use]
    pub fn value<S: Scalar>(&self, out: &[S], target: &[f64]) -> S {
        each!(self, loss => loss.value(out, target))
    }

    /// See [`Criterion::cotangent`].
    #[must_use]
    pub fn cotangent<S: Scalar>(&self, out: &[S], target: &[f64]) -> Vec<S> {
        each!(self, loss => loss.cotangent(out, target))
    }

    /// See [`Criterion::decides`].
    #[must_use]
    pub fn decides(&self) -> bool {
        each!(self, loss => loss.decides())
    }

    /// See [`Criterion::right`].
    #[must_use]
    pub fn right(&self, out: &[f32], target: &[f32]) -> Option<f64> {
        each!(self, loss => loss.right(out, target))
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        each!(self, loss => loss.fmt(f))
    }
}

/// The name alone where there is nothing else to say.
impl Serialize for Loss {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::Error as _;
        let mut table = self.table().map_err(S::Error::custom)?;
        match table.as_object_mut() {
            Some(settings) if settings.keys().any(|key| key != "type") => {
                settings.insert("type".to_owned(), self.name().into());
                table.serialize(serializer)
            }
            _ => serializer.serialize_str(self.name()),
        }
    }
}

impl<'de> Deserialize<'de> for Loss {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a loss's name, or a table with it as `type`, is needed")]
        enum Typed {
            Name(String),
            Table(serde_json::Map<String, serde_json::Value>),
        }
        let table = match Typed::deserialize(deserializer)? {
            Typed::Name(name) => serde_json::Map::from_iter([("type".to_owned(), name.into())]),
            Typed::Table(table) => table,
        };
        let Some(serde_json::Value::String(name)) = table.get("type").cloned() else {
            return Err(D::Error::missing_field("type"));
        };
        if !Self::names().contains(&&*name) {
            return Err(D::Error::unknown_variant(&name, NAMES.get_or_init(Self::names)));
        }
        Self::read(&name, table).map_err(D::Error::custom)
    }
}

static NAMES: std::sync::OnceLock<Vec<&'static str>> = std::sync::OnceLock::new();
