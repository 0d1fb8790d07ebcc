//! Defaults and forms of settings that several ops share.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(super) fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
pub(super) fn is_yes(value: &bool) -> bool {
    *value
}

pub(super) fn one() -> usize {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
pub(super) fn is_one(value: &usize) -> bool {
    *value == 1
}

pub(super) fn default_eps() -> f64 {
    1e-5
}

/// Rows and columns: in recipes a number for both, or `[rows, columns]`.
pub(super) fn write_sides<S: Serializer>(sides: &[usize; 2], serializer: S) -> Result<S::Ok, S::Error> {
    if sides[0] == sides[1] { sides[0].serialize(serializer) } else { sides.serialize(serializer) }
}

pub(super) fn read_sides<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[usize; 2], D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a number, or [rows, columns]")]
    enum Sides {
        Both(usize),
        Each([usize; 2]),
    }
    Ok(match Sides::deserialize(deserializer)? {
        Sides::Both(side) => [side; 2],
        Sides::Each(sides) => sides,
    })
}
