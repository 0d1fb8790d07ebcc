//! Group norm, over groups of a point's channels.

use super::named::{default_eps, yes};
use super::row_norm::{self, RowNorm};
use super::{Arity, Backward, Curvature, Operation, ParamSpec, Shape, Site, scalar::Scalar};
use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// How channels are grouped: in recipes a number, or `"channels"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Groups {
    /// Into so many groups of neighbours, all of one size.
    Count(usize),
    /// Each is a group of its own: instance norm.
    Channels,
}

/// The word for [`Groups::Channels`].
const CHANNELS: &str = "channels";

impl Groups {
    fn of(self, channels: usize) -> usize {
        match self {
            Self::Count(count) => count,
            Self::Channels => channels,
        }
    }
}

impl Serialize for Groups {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(count) => count.serialize(serializer),
            Self::Channels => serializer.serialize_str(CHANNELS),
        }
    }
}

impl<'de> Deserialize<'de> for Groups {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a number of groups, or \"channels\"")]
        enum Typed {
            Count(usize),
            Word(String),
        }
        match Typed::deserialize(deserializer)? {
            Typed::Count(count) => Ok(Self::Count(count)),
            Typed::Word(word) if word == CHANNELS => Ok(Self::Channels),
            Typed::Word(word) => {
                Err(D::Error::invalid_value(Unexpected::Str(&word), &"a number of groups, or \"channels\""))
            }
        }
    }
}

/// `y = γ (x − μ) / √(σ² + ε) + β` with mean and biased variance over the channels of a group and all their pixels, of one
/// point, and a γ and a β for each channel (Wu and He 2018; `torch.nn.GroupNorm`). Features of a vector are channels of one
/// pixel. With a group for each channel it is instance norm (Ulyanov et al. 2016; `torch.nn.InstanceNorm2d`).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupNorm {
    /// Groups.
    pub groups: Groups,
    /// ε (default 1e-5).
    #[serde(default = "default_eps")]
    pub eps: f64,
    /// Whether there are γ (`weight`) and β (`bias`), else 1 and 0 (default yes).
    #[serde(default = "yes")]
    pub affine: bool,
}

impl GroupNorm {
    /// So many groups; ε = 1e-5, with γ and β.
    #[must_use]
    pub const fn of(groups: usize) -> Self {
        Self { groups: Groups::Count(groups), eps: 1e-5, affine: true }
    }

    /// Instance norm: a group for each channel; ε = 1e-5, with γ and β.
    #[must_use]
    pub const fn instance() -> Self {
        Self { groups: Groups::Channels, eps: 1e-5, affine: true }
    }

    /// Groups of so many channels.
    #[must_use]
    pub fn group_count(&self, channels: usize) -> usize {
        self.groups.of(channels)
    }

    /// Whether each channel of a point of this shape is a group of its own.
    #[must_use]
    pub fn is_instance_norm(&self, point: Shape) -> bool {
        self.groups.of(point.features()) == point.features()
    }
}

impl fmt::Display for GroupNorm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.groups {
            Groups::Count(1) => f.write_str("group_norm, 1 group")?,
            Groups::Count(count) => write!(f, "group_norm, {count} groups")?,
            Groups::Channels => f.write_str("group_norm, a group for each channel")?,
        }
        f.write_str(if self.affine { "" } else { ", not affine" })
    }
}

impl RowNorm for GroupNorm {
    fn eps(self) -> f64 {
        self.eps
    }

    fn affine(self) -> bool {
        self.affine
    }

    fn groups(self, channels: usize) -> Option<usize> {
        Some(self.groups.of(channels))
    }
}

impl Operation for GroupNorm {
    const NAME: &'static str = "group_norm";
    const ARITY: Arity = Arity::One;

    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        row_norm::check_eps(self.eps)?;
        let (channels, groups) = (inputs[0].features(), self.groups.of(inputs[0].features()));
        match groups > 0 && channels.is_multiple_of(groups) {
            true => Ok(inputs[0]),
            false => Err(format!("{channels} channels cannot be cut into {groups} groups of one size")),
        }
    }

    fn params(&self, inputs: &[Shape], _: Shape) -> Vec<ParamSpec> {
        row_norm::params(*self, vec![inputs[0].features()])
    }

    fn multiply_adds(&self, _: &[Shape], _: Shape) -> u64 {
        0
    }

    fn curvature(&self) -> Curvature {
        Curvature::Smooth
    }

    fn forward<S: Scalar>(&self, site: &Site<'_>, x: &[&[S]], theta: &[&[S]]) -> Vec<S> {
        row_norm::forward(*self, site, x, theta)
    }

    fn backward<S: Scalar>(
        &self,
        site: &Site<'_>,
        pass: Backward<'_, S>,
        dtheta: &mut [Vec<S>],
    ) -> Vec<Vec<S>> {
        row_norm::backward(*self, site, pass, dtheta)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Op;

    #[test]
    fn instance_norm_is_its_case_of_a_group_a_channel() {
        let read = |text: &str| serde_json::from_str::<Op>(text);
        assert_eq!(read("{\"type\": \"instance_norm\"}").unwrap(), Op::instance_norm());
        let plain = read("{\"type\": \"instance_norm\", \"affine\": false, \"eps\": 0.1}").unwrap();
        assert_eq!(plain, GroupNorm { groups: Groups::Channels, eps: 0.1, affine: false }.into());
        assert_eq!(read(&serde_json::to_string(&plain).unwrap()).unwrap(), plain);
        let refused = read("{\"type\": \"instance_norm\", \"groups\": 2}").unwrap_err().to_string();
        assert!(refused.contains("`groups` is not for instance_norm"), "{refused}");
    }

    #[test]
    fn groups_are_a_number_or_a_word_and_of_one_size() {
        let read = |text: &str| serde_json::from_str::<GroupNorm>(text);
        for (text, groups) in
            [("{\"groups\": 3}", Groups::Count(3)), ("{\"groups\": \"channels\"}", Groups::Channels)]
        {
            let norm = read(text).unwrap();
            assert_eq!((norm.groups, norm.eps, norm.affine), (groups, 1e-5, true));
            assert_eq!(read(&serde_json::to_string(&norm).unwrap()).unwrap(), norm);
        }
        for (text, says) in
            [("{\"groups\": \"all\"}", "channels"), ("{}", "groups"), ("{\"groups\": 2, \"x\": 1}", "x")]
        {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        let image = Shape::Image { channels: 6, height: 2, width: 2 };
        for (groups, fits) in [(1, true), (3, true), (6, true), (0, false), (4, false), (12, false)] {
            for shape in [image, Shape::Vector(6)] {
                let output = GroupNorm::of(groups).output(&[shape]);
                assert_eq!(output.is_ok(), fits, "{groups}");
                assert!(
                    output.err().is_none_or(|e| e.contains("6 channels") && e.contains(&groups.to_string()))
                );
            }
        }
    }
}
