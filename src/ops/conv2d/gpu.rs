//! The kernels of a convolution (`shaders/conv2d`).

use super::Conv2d;
use crate::wgsl::Binding::{Read, Uniform, Write};
use crate::wgsl::conv_product::{ConvCut, declared};
use crate::wgsl::conv_stretch::Stretches;
use crate::wgsl::lower::{Below, Bound, Call, Kept, Lower, Operand, Rates, Seat, Sizes, Take, Turned};
use crate::wgsl::{Declaration, LayerPass, MOST_WORKGROUPS, Place};

/// Parameters of a workgroup that adds up stretches.
pub const SUMS_WORKGROUP: u32 = 64;

/// `conv2d.wgsl`.
pub const FORWARD: Declaration = Declaration {
    shader: "conv2d",
    bindings: &[Uniform, Read, Read, Write],
    constants: &declared::<8>(false, &[]),
    workgroup_bytes: ConvCut::DEFAULT.workgroup_bytes(false),
};

/// `conv2d_backward.wgsl`: the cotangent of the input.
pub const BACKWARD: Declaration = Declaration {
    shader: "conv2d_backward",
    bindings: &[Uniform, Read, Read, Read, Write],
    constants: &declared::<8>(false, &[]),
    workgroup_bytes: ConvCut::DEFAULT.workgroup_bytes(false),
};

/// `conv2d_update.wgsl`: the gradient of the parameters, and the inner step.
pub const UPDATE: Declaration = Declaration {
    shader: "conv2d_update",
    bindings: &[Uniform, Read, Read, Read, Read, Write],
    constants: &declared::<10>(false, &[("STEP", 1.0), ("ADD", 0.0)]),
    workgroup_bytes: ConvCut::DEFAULT.workgroup_bytes(false),
};

/// `conv2d_update_sums.wgsl`: the same from stretches.
pub const UPDATE_SUMS: Declaration = Declaration {
    shader: "conv2d_update_sums",
    bindings: &[Uniform, Read, Read, Read, Write],
    constants: &[("WORKGROUP", SUMS_WORKGROUP as f64), ("STEP", 1.0), ("ADD", 0.0)],
    workgroup_bytes: 0,
};

/// `conv2d_tangent.wgsl`.
pub const TANGENT: Declaration = Declaration {
    shader: "conv2d_tangent",
    bindings: &[Uniform, Read, Read, Read, Read, Read, Read, Write],
    constants: &declared::<9>(true, &[("VALUE", 0.0)]),
    workgroup_bytes: ConvCut::DEFAULT.workgroup_bytes(true),
};

/// `conv2d_backward_tangent.wgsl`: the tangent of the cotangent of the input.
pub const BACKWARD_TANGENT: Declaration = Declaration {
    shader: "conv2d_backward_tangent",
    bindings: &[Uniform, Read, Read, Read, Read, Read, Read, Write],
    constants: &declared::<9>(true, &[("VALUE", 0.0)]),
    workgroup_bytes: ConvCut::DEFAULT.workgroup_bytes(true),
};

/// `conv2d_update_tangent.wgsl`: an inner step, backwards.
pub const UPDATE_TANGENT: Declaration = Declaration {
    shader: "conv2d_update_tangent",
    bindings: &[Uniform, Read, Read, Read, Read, Write, Write],
    constants: &declared::<11>(true, &[("VALUE", 0.0), ("SECOND", 1.0), ("RATES", 0.0)]),
    workgroup_bytes: ConvCut::DEFAULT.workgroup_bytes(true) + 256 * 4,
};

/// `conv2d_update_tangent_sums.wgsl`: the same from stretches.
pub const UPDATE_TANGENT_SUMS: Declaration = Declaration {
    shader: "conv2d_update_tangent_sums",
    bindings: &[Uniform, Read, Write, Write],
    constants: &[("WORKGROUP", SUMS_WORKGROUP as f64), ("SECOND", 1.0), ("RATES", 0.0)],
    workgroup_bytes: SUMS_WORKGROUP * 4,
};

/// Rows, columns and groups of a product, and how many of each group there are.
pub type Products = [u32; 4];

fn groups(layer: &LayerPass) -> u32 {
    layer.outputs / layer.group_outputs
}

/// The product forward, and its tangent.
#[must_use]
pub fn forward_shape(layer: &LayerPass) -> Products {
    [layer.group_outputs, layer.points * layer.out_height * layer.out_width, groups(layer), 1]
}

/// The cotangent of the input, of the largest product: there is one for each remainder of rows and columns of pixels by the
/// stride.
#[must_use]
pub fn backward_shape(layer: &LayerPass) -> Products {
    let pixels = layer.height.div_ceil(layer.stride) * layer.width.div_ceil(layer.stride);
    [layer.group_channels, layer.points * pixels, groups(layer), layer.stride * layer.stride]
}

/// The parameters' gradient, biases in the last column; a product for each stretch of its terms.
#[must_use]
pub fn update_shape(layer: &LayerPass) -> Products {
    [layer.group_outputs, layer.inputs + layer.bias, groups(layer), layer.stretches]
}

/// From one tap of the kernel to the next that meets the same pixels of the input: stride / gcd(stride, dilation).
#[must_use]
pub fn tap_period(stride: u32, dilation: u32) -> u32 {
    (1..=stride).find(|period| (period * dilation).is_multiple_of(stride)).unwrap_or(stride)
}

/// Whether a kernel has tangents beside its values.
fn has_tangents(kernel: &Declaration) -> bool {
    kernel.constants.iter().any(|(name, _)| *name == "VALUE")
}

fn cut_call(
    seat: &Seat,
    (kernel, cut): (&'static Declaration, ConvCut),
    layer: LayerPass,
    [rows, columns, groups, products]: Products,
    constants: &[(&'static str, f64)],
    bindings: &[Bound],
) -> Call {
    let mut all = cut.constants(has_tangents(kernel)).to_vec();
    all.extend_from_slice(constants);
    let workgroups = [cut.workgroups(rows, columns), seat.tasks, groups * products];
    Call::new(kernel, &all, &layer, bindings, workgroups)
}

fn product(
    seat: &Seat,
    kernel: &'static Declaration,
    layer: LayerPass,
    shape: Products,
    bindings: &[Bound],
) -> Call {
    let cut = ConvCut::of(shape[0], shape[1], shape[2], seat.sizes.batch);
    cut_call(seat, (kernel, cut), layer, shape, &[], bindings)
}

/// Floats of a point's image, and of what comes out of it.
fn image(layer: &LayerPass) -> u32 {
    layer.channels * layer.height * layer.width
}

fn out_image(layer: &LayerPass) -> u32 {
    layer.outputs * layer.out_height * layer.out_width
}

/// A product with weights that the inner loop does not move, of all tasks at once. Its cut follows the whole meta-batch, so no
/// bit depends on the tile.
fn shared_product(
    seat: &Seat,
    kernel: &'static Declaration,
    layer: LayerPass,
    places: &[(Place, u32)],
    shape: fn(&LayerPass) -> Products,
    bindings: &[Bound],
) -> Call {
    if seat.params.moves != 0 {
        return product(seat, kernel, layer, shape(&layer), bindings);
    }
    let [rows, columns, groups, _] = shape(&layer);
    // Of many columns it does not matter how many.
    let cut = ConvCut::of(rows, columns.saturating_mul(seat.sizes.batch).min(1 << 20), groups, 1);
    let fits = |together: &LayerPass| {
        let [rows, columns, ..] = shape(together);
        cut.workgroups(rows, columns) <= MOST_WORKGROUPS
    };
    let together = seat.together(layer, places).filter(fits);
    let tasks = if together.is_some() { 1 } else { seat.tasks };
    let layer = together.unwrap_or(layer);
    let [rows, columns, groups, products] = shape(&layer);
    let workgroups = [cut.workgroups(rows, columns), tasks, groups * products];
    Call::new(kernel, &cut.constants(has_tangents(kernel)), &layer, bindings, workgroups)
}

/// The gradient of the parameters: one dispatch with the first bindings, or, where workgroups share its sums, one with the
/// second and one of the kernel that adds them up.
fn update(
    seat: &Seat,
    [kernel, sums]: [&'static Declaration; 2],
    layer: LayerPass,
    constants: &[(&'static str, f64)],
    [whole, partial, total]: [&[Bound]; 3],
) -> Vec<Call> {
    let shared = Stretches::of(&layer, seat.sizes.batch, has_tangents(kernel));
    let layer = shared.share(layer);
    let bindings = if shared.count == 1 { whole } else { partial };
    let mut calls =
        vec![cut_call(seat, (kernel, shared.cut), layer, update_shape(&layer), constants, bindings)];
    if shared.count > 1 {
        let known = |(name, _): &&(&str, f64)| sums.constants.iter().any(|(known, _)| known == name);
        let constants: Vec<_> = constants.iter().filter(known).copied().collect();
        let across = (layer.outputs * (layer.inputs + layer.bias)).div_ceil(SUMS_WORKGROUP);
        calls.push(seat.call(sums, &constants, &layer, total, across));
    }
    calls
}

impl Conv2d {
    fn fit(&self, sizes: &Sizes) -> LayerPass {
        let layer = sizes.layer();
        let [kernel, kernel_width] = self.kernel.map(|side| side as u32);
        let [padding, padding_width] = self.padding.map(|side| side as u32);
        let [groups, stride, dilation] = [self.groups, self.stride, self.dilation].map(|n| n as u32);
        LayerPass {
            inputs: layer.channels / groups * kernel * kernel_width,
            bias: self.bias.into(),
            kernel,
            kernel_width,
            stride,
            padding,
            padding_width,
            stretch: layer.points * layer.out_height * layer.out_width,
            group_channels: layer.channels / groups,
            group_outputs: layer.outputs / groups,
            dilation,
            tap_period: tap_period(stride, dilation),
            ..layer
        }
    }

    /// `v −= ġ` with the gradients of rates, from cotangents whose places the layer has.
    fn update_tangent(
        seat: &Seat,
        layer: LayerPass,
        [dy, dy_dot, x_dot]: [Bound; 3],
        second: bool,
        rates: Rates,
    ) -> Vec<Call> {
        let flag = |on: bool| f64::from(u8::from(on));
        let constants =
            [("VALUE", flag(rates != Rates::None)), ("SECOND", flag(second)), ("RATES", rates.code())];
        let (params, x) = (&seat.params, seat.read(seat.x[0]));
        let (stretches, v, rate_sums) = (params.stretches, params.v.bound, params.rate_sums);
        let whole = [dy, dy_dot, x, x_dot, v, rate_sums];
        let partial = [dy, dy_dot, x, x_dot, stretches, rate_sums];
        let total = [stretches, v, rate_sums];
        let kernels = [&UPDATE_TANGENT, &UPDATE_TANGENT_SUMS];
        update(seat, kernels, layer, &constants, [&whole, &partial, &total])
    }
}

impl Lower for Conv2d {
    fn keeps(&self, relu: bool) -> Kept {
        Kept { x: true, y: relu, x_dot: true, ..Kept::default() }
    }

    fn folds_relu(&self) -> bool {
        true
    }

    fn gates(&self) -> bool {
        true
    }

    fn stretches(&self, sizes: &Sizes, tangents: bool) -> usize {
        let layer = self.fit(sizes);
        Stretches::of(&layer, sizes.batch, tangents).words(&layer, tangents)
    }

    fn rate_parts(&self, sizes: &Sizes) -> u32 {
        let layer = self.fit(sizes);
        let [rows, columns, groups, _] = update_shape(&layer);
        match Stretches::of(&layer, sizes.batch, true) {
            Stretches { cut, count: 1, .. } => groups * cut.workgroups(rows, columns),
            Stretches { .. } => (groups * rows * columns).div_ceil(SUMS_WORKGROUP),
        }
    }

    fn forward(&self, seat: &Seat) -> Vec<Call> {
        let layer = seat.layer(self.fit(&seat.sizes));
        let bindings = [seat.read(seat.x[0]), seat.params.theta.bound, seat.read(seat.y)];
        let places = [(layer.x, image(&layer)), (layer.y, out_image(&layer))];
        vec![shared_product(seat, &FORWARD, layer, &places, forward_shape, &bindings)]
    }

    fn backward(&self, seat: &Seat, dy: Operand, dx: &[Option<Below>], take: Take) -> Vec<Call> {
        let layer = LayerPass { dz: dy.place, ..seat.layer(self.fit(&seat.sizes)) };
        let x = seat.read(seat.x[0]);
        let mut calls = Vec::new();
        if let Some((layer, constants, [theta, rates, result])) = seat.taken(take, layer) {
            let stretches = seat.params.stretches;
            let (whole, partial) =
                ([dy.bound, x, theta, rates, result], [dy.bound, x, theta, rates, stretches]);
            let total = [stretches, theta, rates, result];
            let kernels = [&UPDATE, &UPDATE_SUMS];
            calls.extend(update(seat, kernels, layer, &constants, [&whole, &partial, &total]));
        }
        if take == Take::Curvature {
            let layer = LayerPass { adapted: 0, dz_dot: dy.place, ..layer };
            let bounds = [dy.bound, dy.bound, Bound::Params];
            calls.extend(Self::update_tangent(seat, layer, bounds, true, Rates::None));
        }
        if let Some(below) = dx[0] {
            let (relu_below, adds) = (below.gate.into(), below.add.into());
            let layer = LayerPass { dx: below.to.place, relu_below, adds, ..layer };
            let bindings = [dy.bound, seat.params.theta.bound, x, below.to.bound];
            let gate = if below.gate { layer.x } else { layer.dx };
            let places = [(layer.dz, out_image(&layer)), (gate, image(&layer)), (layer.dx, image(&layer))];
            calls.push(shared_product(seat, &BACKWARD, layer, &places, backward_shape, &bindings));
        }
        calls
    }

    fn tangent(
        &self,
        seat: &Seat,
        x_dot: &[Option<Operand>],
        y_dot: Operand,
        _: Option<Operand>,
    ) -> Vec<Call> {
        let layer = LayerPass {
            input_moves: x_dot[0].is_some().into(),
            x_dot: x_dot[0].map_or(Place::default(), |x_dot| x_dot.place),
            y_dot: y_dot.place,
            ..seat.directed(seat.layer(self.fit(&seat.sizes)))
        };
        let [rates, u] = seat.params.direction;
        let x = seat.read(seat.x[0]);
        let bindings = [
            x,
            x_dot[0].map_or(x, |x_dot| x_dot.bound),
            seat.params.theta.bound,
            rates.bound,
            u.bound,
            seat.read(seat.y),
            y_dot.bound,
        ];
        vec![product(seat, &TANGENT, layer, forward_shape(&layer), &bindings)]
    }

    fn backward_tangent(&self, seat: &Seat, turned: &Turned<'_>) -> Vec<Call> {
        let Turned { x_dot, dy, dy_dot, dx, rates, .. } = turned;
        let layer = LayerPass {
            dz: dy.place,
            dz_dot: dy_dot.place,
            input_moves: x_dot[0].is_some().into(),
            x_dot: x_dot[0].map_or(Place::default(), |x_dot| x_dot.place),
            ..seat.layer(self.fit(&seat.sizes))
        };
        let mut calls = Vec::new();
        if let Some(below) = dx[0] {
            let (relu_below, adds) = (below.gate.into(), below.add.into());
            let layer = LayerPass { dx_dot: below.to.place, relu_below, adds, ..seat.directed(layer) };
            let [rates, u] = seat.params.direction;
            let (theta, x) = (seat.params.theta.bound, seat.read(seat.x[0]));
            let bindings = [dy.bound, dy_dot.bound, theta, rates.bound, u.bound, x, below.to.bound];
            calls.push(product(seat, &BACKWARD_TANGENT, layer, backward_shape(&layer), &bindings));
        }
        let bounds = [dy.bound, dy_dot.bound, seat.read(x_dot[0])];
        calls.extend(Self::update_tangent(seat, layer, bounds, true, *rates));
        calls
    }

    fn rates(&self, seat: &Seat, dy: Operand, rates: Rates) -> Vec<Call> {
        let layer = LayerPass { dz: dy.place, ..seat.layer(self.fit(&seat.sizes)) };
        let bounds = [dy.bound, dy.bound, Bound::Params];
        Self::update_tangent(seat, layer, bounds, false, rates)
    }
}
