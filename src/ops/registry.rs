//! The list of ops. Adding one is its room and a line here.

use super::elementwise::Function;
use super::operation::{Arity, Backward, Curvature, Operation, Site};
use super::param::ParamSpec;
use super::scalar::Scalar;
use super::shape::Shape;
use super::{
    add, avg_pool2d, batch_norm, concat, conv2d, flatten, fourier, global_avg_pool2d, group_norm, latent,
    layer_norm, linear, max_pool2d, mul,
};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// Makes the enum of all ops, and the calls that go to the room of each.
macro_rules! ops {
    ($($(#[$doc:meta])* $variant:ident($room:ty),)*) => {
        /// An op with its settings, in recipes a table with its name as `type`.
        #[derive(Clone, Copy, Debug, PartialEq, Serialize)]
        #[serde(tag = "type", rename_all = "snake_case")]
        pub enum Op {
            $($(#[$doc])* $variant($room),)*
            /// A function of single elements.
            #[serde(untagged)]
            Elementwise(Function),
        }

        $(impl From<$room> for Op {
            fn from(op: $room) -> Self {
                Self::$variant(op)
            }
        })*

        impl From<Function> for Op {
            fn from(function: Function) -> Self {
                Self::Elementwise(function)
            }
        }

        impl Op {
            /// The names of all ops, element-wise functions last.
            #[must_use]
            pub fn names() -> Vec<&'static str> {
                let mut all = vec![$(<$room>::NAME),*];
                all.extend(Function::NAMES);
                all
            }

            /// Reads the settings of the op with this name.
            fn read(name: &str, settings: serde_json::Value) -> serde_json::Result<Self> {
                match name {
                    $(<$room>::NAME => serde_json::from_value(settings).map(Self::$variant),)*
                    _ => serde_json::from_value(settings).map(Self::Elementwise),
                }
            }
        }

        /// Runs an expression on the op within, whatever it is.
        macro_rules! each {
            ($op:expr, $within:ident => $value:expr) => {
                match $op {
                    $(Op::$variant($within) => $value,)*
                    Op::Elementwise($within) => $value,
                }
            };
        }
        pub(crate) use each;
    };
}

ops! {
    /// `y = W x + b`.
    Linear(linear::Linear),
    /// Cross-correlation.
    Conv2d(conv2d::Conv2d),
    /// Normalised over the points at hand.
    BatchNorm(batch_norm::BatchNorm),
    /// Normalised over all of a point.
    LayerNorm(layer_norm::LayerNorm),
    /// Normalised over groups of a point's channels.
    GroupNorm(group_norm::GroupNorm),
    /// The largest of each window.
    MaxPool2d(max_pool2d::MaxPool2d),
    /// The mean of each window.
    AvgPool2d(avg_pool2d::AvgPool2d),
    /// The mean of each channel.
    GlobalAvgPool2d(global_avg_pool2d::GlobalAvgPool2d),
    /// An image as a vector.
    Flatten(flatten::Flatten),
    /// A sum of values.
    Add(add::Add),
    /// A product of values, element by element.
    Mul(mul::Mul),
    /// Values side by side.
    Concat(concat::Concat),
    /// Sines and cosines of random directions.
    Fourier(fourier::Fourier),
    /// A parameter that is a value.
    Latent(latent::Latent),
}

fn arity_of<O: Operation>(_: &O) -> Arity {
    O::ARITY
}

impl Op {
    /// Its name in recipes; that of the function for an element-wise one.
    #[must_use]
    pub fn name(&self) -> &'static str {
        each!(self, op => op.name())
    }

    /// How many inputs it takes.
    #[must_use]
    pub fn arity(&self) -> Arity {
        each!(self, op => arity_of(op))
    }

    /// See [`Operation::resolved`].
    #[must_use]
    pub fn resolved(self) -> Self {
        each!(self, op => op.resolved().into())
    }

    /// See [`Operation::output`].
    ///
    /// # Errors
    /// As there.
    pub fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        each!(self, op => op.output(inputs))
    }

    /// See [`Operation::params`].
    #[must_use]
    pub fn params(&self, inputs: &[Shape], output: Shape) -> Vec<ParamSpec> {
        each!(self, op => op.params(inputs, output))
    }

    /// See [`Operation::multiply_adds`].
    #[must_use]
    pub fn multiply_adds(&self, inputs: &[Shape], output: Shape) -> u64 {
        each!(self, op => op.multiply_adds(inputs, output))
    }

    /// See [`Operation::curvature`].
    #[must_use]
    pub fn curvature(&self) -> Curvature {
        each!(self, op => op.curvature())
    }

    /// See [`Operation::couples_points`].
    #[must_use]
    pub fn couples_points(&self) -> bool {
        each!(self, op => op.couples_points())
    }

    /// See [`Operation::forward`].
    #[must_use]
    pub fn forward<S: Scalar>(&self, site: &Site<'_>, x: &[&[S]], theta: &[&[S]]) -> Vec<S> {
        each!(self, op => op.forward(site, x, theta))
    }

    /// See [`Operation::backward`].
    #[must_use]
    pub fn backward<S: Scalar>(
        &self,
        site: &Site<'_>,
        pass: Backward<'_, S>,
        dtheta: &mut [Vec<S>],
    ) -> Vec<Vec<S>> {
        each!(self, op => op.backward(site, pass, dtheta))
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        each!(self, op => op.fmt(f))
    }
}

impl<'de> Deserialize<'de> for Op {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut table = serde_json::Map::<String, serde_json::Value>::deserialize(deserializer)?;
        let Some(serde_json::Value::String(mut name)) = table.get("type").cloned() else {
            return Err(D::Error::missing_field("type"));
        };
        if name == "gelu" {
            // PyTorch has both forms under one name.
            match table.remove("approximate").as_ref().map(|form| form.as_str()) {
                None | Some(Some("none")) => {}
                Some(Some("tanh")) => {
                    "gelu_tanh".clone_into(&mut name);
                    table.insert("type".to_owned(), name.clone().into());
                }
                Some(_) => return Err(D::Error::custom("`approximate` is neither \"none\" nor \"tanh\"")),
            }
        }
        if name == "instance_norm" {
            // What PyTorch has a name for is a case of group norm here.
            "group_norm".clone_into(&mut name);
            if table.insert("groups".to_owned(), "channels".into()).is_some() {
                return Err(D::Error::custom("`groups` is not for instance_norm, which has one a channel"));
            }
        }
        if name == "conv1d" {
            // A spelling: a kernel of one row.
            "conv2d".clone_into(&mut name);
            for (key, first) in [("kernel", 1), ("padding", 0)] {
                if let Some(value) = table.get_mut(key) {
                    let side = value.as_u64().ok_or_else(|| {
                        D::Error::custom(format!("`{key}` of conv1d is {value}; it must be a whole number"))
                    })?;
                    *value = serde_json::json!([first, side]);
                }
            }
        }
        if !Self::names().contains(&&*name) {
            return Err(D::Error::unknown_variant(&name, NAMES.get_or_init(Self::names)));
        }
        if !Function::NAMES.contains(&&*name) {
            table.remove("type");
        }
        Self::read(&name, table.into()).map_err(D::Error::custom)
    }
}

static NAMES: std::sync::OnceLock<Vec<&'static str>> = std::sync::OnceLock::new();
