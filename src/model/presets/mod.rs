//! Networks that people know by name: each a function from what its tasks look like to a [`Graph`].
//!
//! Parameters are called as in the PyTorch module that the network is known by: a sequence as `nn.Sequential` has it,
//! residual networks as their usual code has them (`layer1.0.conv1.weight`).

mod activation;
mod conv4;
mod mlp;
mod resnet12;
mod siren;
mod wide;

pub use activation::Activation;
pub use conv4::{Conv4, Downsample};
pub use mlp::Mlp;
pub use resnet12::Resnet12;
pub use siren::Siren;
pub use wide::WideResnet;

use super::graph::Graph;
use super::init::Init;
use crate::error::{Error, Result};
use crate::ops::Shape;
use serde::{Serialize, Serializer};

/// A network by name, with its settings.
#[derive(Clone, Debug, PartialEq)]
pub enum Preset {
    /// `mlp`.
    Mlp(Mlp),
    /// `conv4`.
    Conv4(Conv4),
    /// `resnet12`.
    Resnet12(Resnet12),
    /// `wrn-DEPTH-WIDTH`, usually `wrn-28-10`.
    WideResnet(WideResnet),
    /// `siren`.
    Siren(Siren),
}

impl Preset {
    /// Their names, as messages list them.
    pub const NAMES: [&'static str; 5] = ["mlp", "conv4", "resnet12", "wrn-28-10", "siren"];

    /// The network of this name, its settings the usual ones; none if there is no such name.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming `model.preset`, for a wide residual network of a depth or width that is
    /// none.
    pub fn named(name: &str) -> Result<Option<Self>> {
        Ok(Some(match name {
            "mlp" => Self::Mlp(Mlp::default()),
            "conv4" => Self::Conv4(Conv4::default()),
            "resnet12" => Self::Resnet12(Resnet12::default()),
            "siren" => Self::Siren(Siren::default()),
            other => match other.strip_prefix("wrn-") {
                Some(sizes) => Self::WideResnet(WideResnet::of(sizes)?),
                None => return Ok(None),
            },
        }))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Mlp(_) => "mlp".to_owned(),
            Self::Conv4(_) => "conv4".to_owned(),
            Self::Resnet12(_) => "resnet12".to_owned(),
            Self::WideResnet(wide) => wide.name(),
            Self::Siren(_) => "siren".to_owned(),
        }
    }

    /// How its parameters are drawn if nothing else is asked for; none where that is a matter of the inner loop.
    #[must_use]
    pub fn init(&self) -> Option<Init> {
        match self {
            Self::Mlp(_) | Self::Conv4(_) => None,
            Self::Resnet12(_) | Self::WideResnet(_) => Some(Init::He),
            Self::Siren(_) => Some(Init::Siren),
        }
    }

    /// Refuses settings that no tasks could use.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming the key, its value and what is allowed.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Mlp(mlp) => mlp.check(),
            Self::Conv4(conv4) => conv4.check(),
            Self::Resnet12(resnet12) => resnet12.check(),
            Self::WideResnet(wide) => wide.check(),
            Self::Siren(siren) => siren.check(),
        }
    }

    /// The network from points of shape `input` to vectors of `outputs`.
    ///
    /// # Errors
    /// As [`Preset::check`]; [`Recipe`](crate::ErrorKind::Recipe) naming `model.preset`, for points that it cannot take.
    pub fn graph(&self, input: Shape, outputs: usize) -> Result<Graph> {
        match self {
            Self::Mlp(mlp) => mlp.graph(input, outputs),
            Self::Conv4(conv4) => conv4.graph(input, outputs),
            Self::Resnet12(resnet12) => resnet12.graph(input, outputs),
            Self::WideResnet(wide) => wide.graph(input, outputs),
            Self::Siren(siren) => siren.graph(input, outputs),
        }
    }
}

/// As recipes have it: its name as `preset`, its settings beside it.
impl Serialize for Preset {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Named<'a, T: Serialize> {
            preset: String,
            #[serde(flatten)]
            settings: &'a T,
        }
        let preset = self.name();
        match self {
            Self::Mlp(settings) => Named { preset, settings }.serialize(serializer),
            Self::Conv4(settings) => Named { preset, settings }.serialize(serializer),
            Self::Resnet12(settings) => Named { preset, settings }.serialize(serializer),
            Self::WideResnet(settings) => Named { preset, settings }.serialize(serializer),
            Self::Siren(settings) => Named { preset, settings }.serialize(serializer),
        }
    }
}

/// Refuses widths that are no layer's.
fn check_widths(key: &str, widths: &[usize], count: std::ops::RangeInclusive<usize>) -> Result<()> {
    if !count.contains(&widths.len()) {
        let allowed = match count.start() == count.end() {
            true => format!("{} are needed", count.start()),
            false => format!("{} to {} are allowed", count.start(), count.end()),
        };
        return Err(Error::recipe(key, format!("has {} numbers; {allowed}", widths.len())));
    }
    match widths.iter().find(|&&width| !(1..=65_536).contains(&width)) {
        None => Ok(()),
        Some(width) => Err(Error::recipe(key, format!("has {width}; allowed are 1 to 65536"))),
    }
}

/// Refuses points that are no images, or smaller than `least` pixels.
fn check_image(preset: &str, input: Shape, least: usize) -> Result<()> {
    let reason = match input {
        Shape::Vector(_) => {
            format!(
                "is {preset}, which takes images; these points are {input}: use mlp, siren or model.layers"
            )
        }
        Shape::Image { height, width, .. } if height.min(width) < least => format!(
            "is {preset}, which halves an image four times; of {height} × {width} pixels nothing is left, at least \
             {least} × {least} are needed"
        ),
        Shape::Image { .. } => return Ok(()),
    };
    Err(Error::recipe("model.preset", reason))
}

#[cfg(test)]
mod tests;
