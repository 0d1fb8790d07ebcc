//! What is done to pictures on their way to a model.

use serde::{Deserialize, Serialize};

/// What is done to pictures besides cutting and resizing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureReading {
    /// Whether dark becomes light.
    pub invert: bool,
    /// What transparent pictures are laid on, red, green, blue.
    pub background: [u8; 3],
}

impl PictureReading {
    /// That of a set of this name where it says nothing else: on white; inverted where it was on its way from ink on paper.
    #[must_use]
    pub fn usual(name: &str) -> Self {
        Self { invert: ["omniglot", "glyphs"].contains(&name), background: [255; 3] }
    }
}
