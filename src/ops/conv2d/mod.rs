//! Cross-correlation of images with a bank of kernels.

mod cpu;
#[cfg(feature = "gpu")]
pub(crate) mod gpu;

use super::named::{is_one, is_yes, one, read_sides, write_sides, yes};
use super::{Arity, Backward, Curvature, Operation, ParamSpec, Role, Shape, Site, scalar::Scalar};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Cross-correlation with zero padding, `W: [outputs, channels / groups, rows, columns]` (`torch.nn.Conv2d`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv2d {
    /// Channels out.
    pub outputs: usize,
    /// Rows and columns of the kernel, pixels.
    #[serde(deserialize_with = "read_sides", serialize_with = "write_sides")]
    pub kernel: [usize; 2],
    /// Step of the kernel, pixels (default 1).
    #[serde(default = "one")]
    pub stride: usize,
    /// Zeros put above and below, and at both sides of the image, pixels (default 0).
    #[serde(default, deserialize_with = "read_sides", serialize_with = "write_sides")]
    pub padding: [usize; 2],
    /// Pixels from one of the kernel's taps to the next (default 1).
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub dilation: usize,
    /// Groups of channels that do not see each other; as many as channels is a depthwise convolution (default 1).
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub groups: usize,
    /// Whether each channel out has a bias (default yes).
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub bias: bool,
}

impl Conv2d {
    /// With a square kernel, one group and a bias.
    #[must_use]
    pub fn square(outputs: usize, kernel: usize, stride: usize, padding: usize) -> Self {
        let (kernel, padding) = ([kernel; 2], [padding; 2]);
        Self { outputs, kernel, stride, padding, dilation: 1, groups: 1, bias: true }
    }

    /// Pixels that the kernel spans along a side, between its first and its last tap.
    fn span(&self, side: usize) -> Option<usize> {
        self.kernel[side].checked_sub(1)?.checked_mul(self.dilation)?.checked_add(1)
    }

    /// Pixels out along a side.
    fn side(&self, length: usize, side: usize) -> Result<usize, String> {
        let (kernel, padding) = (self.kernel[side], self.padding[side]);
        if kernel == 0 || self.stride == 0 || self.dilation == 0 {
            return Err("kernel, stride and dilation must be at least 1".to_owned());
        }
        let room = (padding.checked_mul(2).and_then(|p| p.checked_add(length)))
            .zip(self.span(side))
            .and_then(|(padded, span)| padded.checked_sub(span));
        match room {
            Some(room) => Ok(room / self.stride + 1),
            None => {
                let way = ["rows", "columns"][side];
                let span = match (self.dilation, self.span(side)) {
                    (2.., Some(span)) => format!(", which spans {span} with dilation {},", self.dilation),
                    _ => String::new(),
                };
                Err(format!(
                    "a kernel of {kernel} {way}{span} does not fit {length} {way} with padding {padding}"
                ))
            }
        }
    }

    /// Calls `tap(output element, weight, input element)` for every product.
    fn taps(&self, site: &Site<'_>, mut tap: impl FnMut(usize, usize, usize)) {
        let channels = site.inputs[0].features();
        let ([h, w], [oh, ow]) = (site.inputs[0].sides(), site.output.sides());
        let (wide, deep) = (self.outputs / self.groups, channels / self.groups);
        let taps = self.kernel[0] * self.kernel[1];
        for row in 0..site.count() {
            for o in 0..self.outputs {
                for c in 0..deep {
                    for at in 0..oh * ow * taps {
                        let (k, ox, oy) = (at % taps, at / taps % ow, at / taps / ow);
                        let y = oy * self.stride + k / self.kernel[1] * self.dilation;
                        let x = ox * self.stride + k % self.kernel[1] * self.dilation;
                        let inside = |at: usize, side: usize, length| {
                            at.checked_sub(self.padding[side]).filter(|&at| at < length)
                        };
                        if let (Some(y), Some(x)) = (inside(y, 0, h), inside(x, 1, w)) {
                            let channel = o / wide * deep + c;
                            let out = ((row * self.outputs + o) * oh + oy) * ow + ox;
                            let input = ((row * channels + channel) * h + y) * w + x;
                            tap(out, (o * deep + c) * taps + k, input);
                        }
                    }
                }
            }
        }
    }
}

impl fmt::Display for Conv2d {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { outputs, kernel: [rows, columns], stride, padding, dilation, groups, bias } = self;
        write!(f, "conv2d {rows}×{columns} to {outputs}, stride {stride}, padding ")?;
        match padding[0] == padding[1] {
            true => write!(f, "{}", padding[0])?,
            false => write!(f, "{}×{}", padding[0], padding[1])?,
        }
        if *dilation != 1 {
            write!(f, ", dilation {dilation}")?;
        }
        if *groups != 1 {
            write!(f, ", {groups} groups")?;
        }
        f.write_str(if *bias { "" } else { ", no bias" })
    }
}

impl Operation for Conv2d {
    const NAME: &'static str = "conv2d";
    const ARITY: Arity = Arity::One;

    fn output(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let Shape::Image { channels, height, width } = inputs[0] else {
            return Err(
                "it takes an image, not a vector; a series of n values is the image [1, 1, n]".to_owned()
            );
        };
        if self.outputs == 0 {
            return Err("it has no outputs".to_owned());
        }
        if self.groups == 0
            || !channels.is_multiple_of(self.groups)
            || !self.outputs.is_multiple_of(self.groups)
        {
            let (groups, outputs) = (self.groups, self.outputs);
            return Err(format!(
                "groups = {groups} must divide its {channels} channels in and its {outputs} out"
            ));
        }
        let (height, width) = (self.side(height, 0)?, self.side(width, 1)?);
        Ok(Shape::Image { channels: self.outputs, height, width })
    }

    fn params(&self, inputs: &[Shape], _: Shape) -> Vec<ParamSpec> {
        let (deep, taps) = (inputs[0].features() / self.groups, self.kernel[0] * self.kernel[1]);
        let (inputs, outputs) = (deep * taps, self.outputs / self.groups * taps);
        let shape = vec![self.outputs, deep, self.kernel[0], self.kernel[1]];
        let mut all = vec![ParamSpec::weight(shape, Role::Weight { inputs, outputs })];
        if self.bias {
            all.push(ParamSpec::bias(vec![self.outputs], Role::Bias { inputs, outputs }));
        }
        all
    }

    fn multiply_adds(&self, inputs: &[Shape], output: Shape) -> u64 {
        // Taps on the padding are counted, as others multiply them.
        let deep = inputs[0].features() / self.groups;
        (output.len() * deep * self.kernel[0] * self.kernel[1]) as u64
    }

    fn curvature(&self) -> Curvature {
        Curvature::Smooth
    }

    fn forward<S: Scalar>(&self, site: &Site<'_>, x: &[&[S]], theta: &[&[S]]) -> Vec<S> {
        let pixels = site.output.pixels();
        let start = |i: usize| theta.get(1).map_or(S::constant(0.0), |bias| bias[i / pixels % self.outputs]);
        let mut y: Vec<S> = (0..site.count() * site.output.len()).map(start).collect();
        self.taps(site, |out, w, input| y[out] = y[out] + theta[0][w] * x[0][input]);
        y
    }

    fn backward<S: Scalar>(
        &self,
        site: &Site<'_>,
        pass: Backward<'_, S>,
        dtheta: &mut [Vec<S>],
    ) -> Vec<Vec<S>> {
        let mut dx = vec![S::constant(0.0); pass.x[0].len()];
        if let Some(bias) = dtheta.get_mut(1) {
            for (i, &dy) in pass.dy.iter().enumerate() {
                let o = i / site.output.pixels() % self.outputs;
                bias[o] = bias[o] + dy;
            }
        }
        self.taps(site, |out, w, input| {
            dtheta[0][w] = dtheta[0][w] + pass.dy[out] * pass.x[0][input];
            dx[input] = dx[input] + pass.theta[0][w] * pass.dy[out];
        });
        vec![dx]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_named_with_its_sizes() {
        let conv = Conv2d::square(6, 3, 1, 0);
        let image = |channels, height, width| Shape::Image { channels, height, width };
        let fits = Conv2d { groups: 2, dilation: 2, ..conv }.output(&[image(4, 5, 5)]);
        assert_eq!(fits, Ok(image(6, 1, 1)));
        for (conv, shape, words) in [
            (
                Conv2d { groups: 4, ..conv },
                image(8, 5, 5),
                "groups = 4 must divide its 8 channels in and its 6 out",
            ),
            (Conv2d { groups: 3, ..conv }, image(8, 5, 5), "groups = 3 must divide its 8 channels in"),
            (Conv2d { groups: 0, ..conv }, image(8, 5, 5), "groups = 0"),
            (conv, image(1, 2, 9), "a kernel of 3 rows does not fit 2 rows with padding 0"),
            (
                Conv2d { dilation: 4, ..conv },
                image(1, 9, 8),
                "a kernel of 3 columns, which spans 9 with dilation 4, does not fit 8 columns with padding 0",
            ),
            (conv, Shape::Vector(7), "[1, 1, n]"),
        ] {
            let refused = conv.output(&[shape]).unwrap_err();
            assert!(refused.contains(words), "{refused}");
        }
    }
}
