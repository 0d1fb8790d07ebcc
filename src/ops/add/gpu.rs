//! A sum of values is a sum of rows (`shaders/shared/sum_rows.wgsl`).

use super::Add;
use crate::wgsl::factors::{Result, Value, sums};
use crate::wgsl::lower::{Below, Call, Kept, Lower, Operand, Seat, Take};

/// The values that are there, with their rows.
fn values(seat: &Seat, of: &[Option<Operand>]) -> Vec<Value> {
    let all = of.iter().zip(&seat.sizes.inputs);
    all.filter_map(|(value, &extent)| value.map(|value| Some((value, extent)))).collect()
}

impl Lower for Add {
    fn keeps(&self, _: bool) -> Kept {
        Kept::default()
    }

    fn forward(&self, seat: &Seat) -> Vec<Call> {
        let Some(y) = seat.y else { return Vec::new() };
        sums(seat, Result::output(seat, y), &values(seat, &seat.x))
    }

    fn backward(&self, seat: &Seat, dy: Operand, dx: &[Option<Below>], _: Take) -> Vec<Call> {
        let dy = Some((dy, seat.sizes.output));
        let one = |(input, below): (usize, &Option<Below>)| {
            below.map(|below| sums(seat, Result::below(seat, input, &below), &[dy]))
        };
        dx.iter().enumerate().filter_map(one).flatten().collect()
    }

    fn tangent(
        &self,
        seat: &Seat,
        x_dot: &[Option<Operand>],
        y_dot: Operand,
        _: Option<Operand>,
    ) -> Vec<Call> {
        sums(seat, Result::output(seat, y_dot), &values(seat, x_dot))
    }
}
