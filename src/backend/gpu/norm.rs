//! How batch norms are cut into workgroups (`shaders/norm.wgsl`).

use super::layer::LayerPass;

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
