//! Values side by side are copies of rows (`shaders/shared/sum_rows.wgsl`).

use super::Concat;
use crate::wgsl::factors::{Result, SUM_ROWS, factor};
use crate::wgsl::lower::{Below, Call, Extent, Kept, Lower, Operand, Seat, Take};

/// Where each input begins within a row of the output.
fn starts(seat: &Seat) -> impl Iterator<Item = (usize, Extent, u32)> {
    let ends = seat.sizes.inputs.iter().scan(0, |end, input| {
        let start = *end;
        *end += input.len();
        Some(start)
    });
    seat.sizes.inputs.iter().zip(ends).enumerate().map(|(i, (&input, start))| (i, input, start))
}

/// Copies each input's part; zero where there is nothing to copy.
fn put(seat: &Seat, of: &[Option<Operand>], to: Operand) -> Vec<Call> {
    let (output, rows) = (seat.sizes.output, seat.sizes.rows(seat.sizes.output));
    let one = |(i, input, start): (usize, Extent, u32)| {
        let result = Result { to, length: input.len(), rows, summed: 1, adds: false };
        let (value, bound) = factor(of[i].map(|value| (value, input)));
        let mut pass = result.pass();
        (pass.values[0], pass.result_stride) = (value, output.len());
        pass.result = to.place.plus(start as usize);
        let bindings = [bound, bound, bound, to.bound];
        seat.spread(&SUM_ROWS, &[], &pass, &bindings, result.workgroups())
    };
    starts(seat).map(one).collect()
}

impl Lower for Concat {
    fn keeps(&self, _: bool) -> Kept {
        Kept::default()
    }

    fn forward(&self, seat: &Seat) -> Vec<Call> {
        seat.y.map_or_else(Vec::new, |y| put(seat, &seat.x, y))
    }

    fn backward(&self, seat: &Seat, dy: Operand, dx: &[Option<Below>], _: Take) -> Vec<Call> {
        let one = |(i, _, start): (usize, Extent, u32)| {
            let below = dx[i]?;
            let result = Result::below(seat, i, &below);
            let mut pass = result.pass();
            let (mut value, bound) = factor(Some((dy, seat.sizes.output)));
            value.place = value.place.plus(start as usize);
            pass.values[0] = value;
            let bindings = [bound, bound, bound, below.to.bound];
            Some(seat.spread(&SUM_ROWS, &[], &pass, &bindings, result.workgroups()))
        };
        starts(seat).filter_map(one).collect()
    }

    fn tangent(
        &self,
        seat: &Seat,
        x_dot: &[Option<Operand>],
        y_dot: Operand,
        _: Option<Operand>,
    ) -> Vec<Call> {
        put(seat, x_dot, y_dot)
    }
}
