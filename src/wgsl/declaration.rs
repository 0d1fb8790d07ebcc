//! What the host knows of a kernel.

use crate::error::{Error, Result};

/// What one binding of a kernel is. Binding `i` of group 0 is the `i`-th of its declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// `var<uniform>`.
    Uniform,
    /// `var<uniform>` whose offset is given with each dispatch.
    DynamicUniform,
    /// `var<storage, read>`.
    Read,
    /// `var<storage, read_write>`.
    Write,
}

/// One entry point, as the host sees it: checked against the shader by `tests/shaders.rs`.
#[derive(Clone, Copy, Debug)]
pub struct Declaration {
    /// Stem of its file; its entry point is `main`.
    pub shader: &'static str,
    /// Bindings 0, 1, … of group 0.
    pub bindings: &'static [Binding],
    /// Every `override` with its default; `WORKGROUP` is the number of invocations, where there is one.
    pub constants: &'static [(&'static str, f64)],
    /// Bytes of workgroup memory with the default constants.
    pub workgroup_bytes: u32,
}

impl Declaration {
    /// Every constant with its value, where those of `other` replace the declared defaults.
    ///
    /// # Errors
    /// [`Device`](crate::ErrorKind::Device) naming a constant that the shader does not have.
    pub fn specialised(&self, other: &[(&'static str, f64)]) -> Result<Vec<(&'static str, f64)>> {
        let mut values = self.constants.to_vec();
        for &(constant, value) in other {
            match values.iter_mut().find(|(known, _)| *known == constant) {
                Some(known) => known.1 = value,
                None => {
                    let shader = self.shader;
                    return Err(Error::device(format!("shader `{shader}` has no constant `{constant}`")));
                }
            }
        }
        Ok(values)
    }

    /// Storage buffers it binds.
    #[must_use]
    pub fn storage_buffers(&self) -> u32 {
        self.bindings.iter().filter(|b| matches!(b, Binding::Read | Binding::Write)).count() as u32
    }

    /// Invocations of a workgroup with the default constants.
    #[must_use]
    pub fn invocations(&self) -> u32 {
        self.constants.iter().find(|(name, _)| *name == "WORKGROUP").map_or(1, |workgroup| workgroup.1 as u32)
    }
}
