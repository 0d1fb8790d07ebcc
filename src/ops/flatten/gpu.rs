//! A flattened image is the image itself: images lie channel by channel, so nothing is run.

use super::Flatten;
use crate::wgsl::lower::{Below, Call, Kept, Lower, Operand, Seat, Take};

impl Lower for Flatten {
    fn keeps(&self, _: bool) -> Kept {
        Kept::default()
    }

    fn aliases(&self) -> bool {
        true
    }

    fn forward(&self, _: &Seat) -> Vec<Call> {
        Vec::new()
    }

    fn backward(&self, _: &Seat, _: Operand, _: &[Option<Below>], _: Take) -> Vec<Call> {
        Vec::new()
    }

    fn tangent(&self, _: &Seat, _: &[Option<Operand>], _: Operand, _: Option<Operand>) -> Vec<Call> {
        Vec::new()
    }
}
