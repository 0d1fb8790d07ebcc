//! Image tasks drawn on the device, for a pass that reads them from buffers (`shaders/draw_images.wgsl`).

use crate::error::{Error, Result};
use crate::task::{ImageTasks, Sampler};
use crate::wgsl::{Binding, Declaration};
use bytemuck::{Pod, Zeroable};

/// The kernel.
pub(crate) const DECLARATION: Declaration = Declaration {
    shader: "draw_images",
    bindings: &[
        Binding::Uniform,
        Binding::DynamicUniform,
        Binding::Read,
        Binding::Write,
        Binding::Write,
        Binding::Write,
        Binding::Write,
    ],
    constants: &[("WORKGROUP", 64.0)],
    workgroup_bytes: 4 * MOST as u32 + 8,
};

/// `MOST` of the shader.
const MOST: usize = 1024;

/// `DrawImages` of the shader.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub(crate) struct DrawImages {
    pub(crate) first: u32,
    pub(crate) support: u32,
    pub(crate) query: u32,
    pub(crate) shots: u32,
    pub(crate) queries: u32,
    pub(crate) ways: u32,
    pub(crate) classes: u32,
    pub(crate) turns: u32,
    pub(crate) side: u32,
    pub(crate) inputs: u32,
    pub(crate) seed: [u32; 2],
    pub(crate) pixels: u32,
    pub(crate) unused: [u32; 3],
}

impl DrawImages {
    /// Whether the kernel has room for such tasks, and one binding of so many bytes for what it reads.
    pub(crate) fn fits(sampler: &Sampler, tasks: &ImageTasks, binding: u64) -> bool {
        let (set, ways) = (tasks.set(), tasks.ways());
        let bytes = set.pixels().len() as u64 + 4 + 8 * tasks.classes() as u64;
        ways.max((sampler.support + sampler.query) / ways) <= MOST && bytes <= binding.min(u32::MAX.into())
    }

    /// The settings of a sampler, without the pass's points, and the words that it reads: of each class the first image
    /// and their number, then the pixels.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit) if a task has more classes or images a class than the kernel has room for, or
    /// the set more pixels than 32 bits can count.
    pub(crate) fn of(sampler: &Sampler, tasks: &ImageTasks) -> Result<(Self, Vec<u32>)> {
        let (set, ways) = (tasks.set(), tasks.ways());
        let (shots, queries) = (sampler.support / ways, sampler.query / ways);
        for (what, needed) in [("classes of a task", ways), ("images of a class and task", shots + queries)] {
            if needed > MOST {
                return Err(Error::limit(
                    what,
                    needed as u64,
                    MOST as u64,
                    "use --device cpu, which has no such limit",
                ));
            }
        }
        if set.pixels().len() > u32::MAX as usize {
            let (needed, most) = (set.pixels().len() as u64, u64::from(u32::MAX));
            return Err(Error::limit(
                "bytes of an image set",
                needed,
                most,
                "use --device cpu or smaller images",
            ));
        }
        let classes = &set.classes()[set.split(tasks.split())];
        let mut words: Vec<u32> = classes.iter().flat_map(|c| [c.first as u32, c.count as u32]).collect();
        let pixels = words.len() as u32;
        words.extend(set.pixels().chunks(4).map(|bytes| {
            let mut word = [0; 4];
            word[..bytes.len()].copy_from_slice(bytes);
            u32::from_le_bytes(word)
        }));
        let draw = Self {
            shots: shots as u32,
            queries: queries as u32,
            ways: ways as u32,
            classes: tasks.classes() as u32,
            turns: tasks.turns() as u32,
            side: set.side() as u32,
            inputs: tasks.inputs() as u32,
            seed: [sampler.seed as u32, (sampler.seed >> 32) as u32],
            pixels,
            ..Self::default()
        };
        Ok((draw, words))
    }
}
