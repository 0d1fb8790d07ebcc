//! The kernels of a batch norm (`shaders/batch_norm`), and how they are cut into workgroups (`norm.wgsl`).

use super::BatchNorm;
use crate::wgsl::Binding::{Read, Uniform, Write};
use crate::wgsl::lower::{Below, Bound, Call, Kept, Lower, Operand, Rates, Seat, Sizes, Take, Turned};
use crate::wgsl::{Declaration, LayerPass, Place};

/// `batch_norm.wgsl`.
pub const FORWARD: Declaration = Declaration {
    shader: "batch_norm",
    bindings: &[Uniform, Read, Read, Write, Write, Read],
    constants: &[("WORKGROUP", 256.0), ("WIDE", 1.0), ("WEIGHTED", 0.0), ("AFFINE", 1.0)],
    workgroup_bytes: 256 * 16,
};

/// `batch_norm_backward.wgsl`: with the inner step of its parameters.
pub const BACKWARD: Declaration = Declaration {
    shader: "batch_norm_backward",
    bindings: &[Uniform, Read, Read, Read, Read, Write, Write],
    constants: &[("WORKGROUP", 256.0), ("WIDE", 1.0), ("WEIGHTED", 0.0), ("RESULT", 0.0), ("BELOW", 1.0)],
    workgroup_bytes: 256 * 16,
};

/// What becomes of the parameters' gradient: nothing.
pub const RESULT_NONE: f64 = 0.0;
/// θ_{j+1}.
pub const RESULT_STEP: f64 = 1.0;
/// v, for the first time.
pub const RESULT_SETS: f64 = 2.0;
/// v, added to.
pub const RESULT_ADDS: f64 = 3.0;

/// `batch_norm_tangent.wgsl`.
pub const TANGENT: Declaration = Declaration {
    shader: "batch_norm_tangent",
    bindings: &[Uniform, Read, Read, Read, Read, Read, Read, Write, Write],
    constants: &[("WORKGROUP", 256.0), ("WIDE", 1.0), ("WEIGHTED", 0.0)],
    workgroup_bytes: 256 * 16,
};

/// `batch_norm_backward_tangent.wgsl`: with the inner step of its parameters, backwards.
pub const BACKWARD_TANGENT: Declaration = Declaration {
    shader: "batch_norm_backward_tangent",
    bindings: &[Uniform, Read, Read, Read, Read, Read, Write, Write, Write],
    constants: &[
        ("WORKGROUP", 256.0),
        ("WIDE", 1.0),
        ("WEIGHTED", 0.0),
        ("SECOND", 1.0),
        ("BELOW", 1.0),
        ("AFFINE", 1.0),
        ("RATES", 0.0),
    ],
    workgroup_bytes: 256 * 16 + 256 * 4,
};

/// Floats of a channel's statistics.
pub const STATS: u32 = 4;
/// Floats of a channel's record of the tangent pass.
pub const RECORD: u32 = 8;

/// Invocations of a workgroup, and channels that it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NormCut {
    /// Invocations.
    pub workgroup: u32,
    /// Channels.
    pub wide: u32,
}

impl NormCut {
    /// Every cut.
    pub const ALL: [Self; 3] =
        [Self { workgroup: 256, wide: 1 }, Self { workgroup: 64, wide: 1 }, Self { workgroup: 64, wide: 16 }];

    /// A workgroup a channel where images are large, so that neighbours read neighbouring pixels; else channels
    /// side by side. It depends on the shape alone, so that the order of sums does.
    #[must_use]
    pub fn of(layer: &LayerPass) -> Self {
        let pixels = layer.height * layer.width;
        match pixels {
            0..8 => Self::ALL[2],
            _ if layer.points * pixels > 512 => Self::ALL[0],
            _ => Self::ALL[1],
        }
    }

    /// Workgroups a task.
    #[must_use]
    pub fn workgroups(self, channels: u32) -> u32 {
        channels.div_ceil(self.wide)
    }

    /// The overrides.
    #[must_use]
    pub fn constants(self) -> [(&'static str, f64); 2] {
        [("WORKGROUP", self.workgroup.into()), ("WIDE", self.wide.into())]
    }
}

fn call(
    seat: &Seat,
    kernel: &'static Declaration,
    layer: LayerPass,
    constants: &[(&'static str, f64)],
    bindings: &[Bound],
) -> Call {
    let cut = NormCut::of(&layer);
    let mut all = cut.constants().to_vec();
    if seat.sizes.weighted {
        all.push(("WEIGHTED", 1.0));
    }
    all.extend_from_slice(constants);
    seat.call(kernel, &all, &layer, bindings, cut.workgroups(layer.channels))
}

fn flag(on: bool) -> f64 {
    f64::from(u8::from(on))
}

impl BatchNorm {
    fn fit(&self, sizes: &Sizes) -> LayerPass {
        LayerPass { epsilon: self.eps as f32, bias: self.affine.into(), ..sizes.layer() }
    }

    /// The tangent of the backward, or, without a tangent of the statistics, the backward of tangents.
    fn turned(&self, seat: &Seat, turned: &Turned<'_>, layer: LayerPass, second: bool) -> Vec<Call> {
        let Turned { x_dot, saved_dot, dy, dy_dot, dx, rates, .. } = turned;
        let (record, words) = match saved_dot {
            Some(record) => (*record, RECORD),
            None => (seat.saved.unwrap_or(*dy), STATS),
        };
        let below = dx.first().copied().flatten();
        let [spare, _] = seat.params.spare;
        let layer = LayerPass {
            dz: dy.place,
            dz_dot: dy_dot.place,
            input_moves: x_dot[0].is_some().into(),
            x_dot: x_dot[0].map_or(Place::default(), |x_dot| x_dot.place),
            dx_dot: below.map_or(Place::default(), |below| below.to.place),
            relu_below: below.is_some_and(|below| below.gate).into(),
            adds: below.is_some_and(|below| below.add).into(),
            record: record.place,
            record_words: words,
            ..layer
        };
        let bindings = [
            seat.read(seat.x[0]),
            seat.read(x_dot[0]),
            record.bound,
            dy.bound,
            dy_dot.bound,
            below.map_or(spare, |below| below.to.bound),
            if self.affine { seat.params.v.bound } else { seat.params.spare[1] },
            seat.params.rate_sums,
        ];
        let constants = [
            ("SECOND", flag(second)),
            ("BELOW", flag(below.is_some())),
            ("AFFINE", flag(self.affine)),
            ("RATES", rates.code()),
        ];
        vec![call(seat, &BACKWARD_TANGENT, layer, &constants, &bindings)]
    }
}

impl Lower for BatchNorm {
    fn keeps(&self, relu: bool) -> Kept {
        Kept { x: true, y: relu, x_dot: true, saved: true, saved_dot: true, ..Kept::default() }
    }

    fn folds_relu(&self) -> bool {
        true
    }

    fn gates(&self) -> bool {
        true
    }

    fn saved(&self, sizes: &Sizes) -> usize {
        (STATS * sizes.output.sides[0] + sizes.shares()) as usize
    }

    fn saved_dot(&self, sizes: &Sizes) -> usize {
        (RECORD * sizes.output.sides[0] + sizes.shares()) as usize
    }

    fn rate_parts(&self, sizes: &Sizes) -> u32 {
        let layer = self.fit(sizes);
        NormCut::of(&layer).workgroups(layer.channels)
    }

    fn forward(&self, seat: &Seat) -> Vec<Call> {
        let mut layer = seat.layer(self.fit(&seat.sizes));
        layer.record = seat.shares.map_or(Place::default(), |shares| shares.place);
        let bindings = [
            seat.read(seat.x[0]),
            seat.params.theta.bound,
            seat.read(seat.y),
            seat.read(seat.saved),
            seat.read(seat.shares),
        ];
        vec![call(seat, &FORWARD, layer, &[("AFFINE", flag(self.affine))], &bindings)]
    }

    fn backward(&self, seat: &Seat, dy: Operand, dx: &[Option<Below>], take: Take) -> Vec<Call> {
        let layer = seat.layer(self.fit(&seat.sizes));
        if take == Take::Curvature {
            let layer = LayerPass { adapted: 0, ..layer };
            let turned = Turned {
                x_dot: &[None],
                y_dot: None,
                saved_dot: None,
                dy,
                dy_dot: dy,
                dx,
                rates: Rates::None,
            };
            return self.turned(seat, &turned, layer, true);
        }
        let (result, layer, to) = match take {
            Take::Nothing | Take::Curvature => (RESULT_NONE, layer, seat.params.spare[1]),
            Take::Step { .. } => (RESULT_STEP, layer, seat.params.next.bound),
            Take::Keep { add } | Take::Outer { add } => {
                let (layer, _, [.., to]) =
                    seat.taken(take, layer).unwrap_or((layer, [("", 0.0); 2], [Bound::Params; 3]));
                (if add { RESULT_ADDS } else { RESULT_SETS }, layer, to)
            }
        };
        let below = dx[0];
        let layer = LayerPass {
            dz: dy.place,
            dx: below.map_or(Place::default(), |below| below.to.place),
            relu_below: below.is_some_and(|below| below.gate).into(),
            adds: below.is_some_and(|below| below.add).into(),
            ..layer
        };
        let bindings = [
            seat.read(seat.x[0]),
            seat.read(seat.saved),
            dy.bound,
            Bound::Params,
            below.map_or(seat.params.spare[0], |below| below.to.bound),
            to,
        ];
        let result = if self.affine { result } else { RESULT_NONE };
        let constants = [("RESULT", result), ("BELOW", flag(below.is_some()))];
        vec![call(seat, &BACKWARD, layer, &constants, &bindings)]
    }

    fn tangent(
        &self,
        seat: &Seat,
        x_dot: &[Option<Operand>],
        y_dot: Operand,
        saved_dot: Option<Operand>,
    ) -> Vec<Call> {
        let layer = LayerPass {
            input_moves: x_dot[0].is_some().into(),
            x_dot: x_dot[0].map_or(Place::default(), |x_dot| x_dot.place),
            y_dot: y_dot.place,
            record: saved_dot.map_or(Place::default(), |record| record.place),
            record_words: RECORD,
            ..seat.directed(seat.layer(self.fit(&seat.sizes)))
        };
        let [rates, u] = seat.params.direction;
        let x = seat.read(seat.x[0]);
        let bindings = [
            x,
            x_dot[0].map_or(x, |x_dot| x_dot.bound),
            seat.read(seat.saved),
            rates.bound,
            u.bound,
            seat.read(seat.y),
            y_dot.bound,
            seat.read(saved_dot),
        ];
        vec![call(seat, &TANGENT, layer, &[], &bindings)]
    }

    fn backward_tangent(&self, seat: &Seat, turned: &Turned<'_>) -> Vec<Call> {
        self.turned(seat, turned, seat.layer(self.fit(&seat.sizes)), true)
    }

    fn rates(&self, seat: &Seat, dy: Operand, rates: Rates) -> Vec<Call> {
        let turned =
            Turned { x_dot: &[None], y_dot: None, saved_dot: None, dy, dy_dot: dy, dx: &[None], rates };
        self.turned(seat, &turned, seat.layer(self.fit(&seat.sizes)), false)
    }
}
