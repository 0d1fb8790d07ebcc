//! Its dispatches: the mean of one window, as large as the image (`shaders/avg_pool2d`).

use super::GlobalAvgPool2d;
use crate::ops::avg_pool2d::gpu::{means, spread};
use crate::ops::window::Window;
use crate::wgsl::lower::{Below, Call, Kept, Lower, Operand, Seat, Take};

fn window(seat: &Seat) -> Window {
    let [_, height, width] = seat.sizes.inputs[0].sides;
    Window::whole([height as usize, width as usize])
}

impl Lower for GlobalAvgPool2d {
    fn keeps(&self, _: bool) -> Kept {
        Kept::default()
    }

    fn gates(&self) -> bool {
        true
    }

    fn forward(&self, seat: &Seat) -> Vec<Call> {
        let (Some(x), Some(y)) = (seat.x[0], seat.y) else { return Vec::new() };
        vec![means(seat, window(seat), x, y)]
    }

    fn backward(&self, seat: &Seat, dy: Operand, dx: &[Option<Below>], _: Take) -> Vec<Call> {
        dx.iter().flatten().map(|below| spread(seat, window(seat), dy, below)).collect()
    }

    fn tangent(
        &self,
        seat: &Seat,
        x_dot: &[Option<Operand>],
        y_dot: Operand,
        _: Option<Operand>,
    ) -> Vec<Call> {
        x_dot.iter().flatten().map(|&x_dot| means(seat, window(seat), x_dot, y_dot)).collect()
    }
}
