//! Opening an adapter. A software driver must show that it computes long loops at all (`shaders/shared/probe_loop.wgsl`).

use super::adapter::{AdapterKind, Choice};
use super::handle::Device;
use super::kernel::Kernel;
use super::wait::wait;
use crate::error::{Error, Result};
use crate::wgsl::{Binding, Declaration, Library};

impl Device {
    /// Opens the chosen adapter with all the limits it has, and probes it if it is software.
    ///
    /// # Errors
    /// [`Device`](crate::ErrorKind::Device) if there is no such adapter, it cannot be opened, or it computes
    /// long loops wrongly.
    pub fn open(choice: &Choice) -> Result<Self> {
        wait(Self::open_async(choice))
    }

    /// The same where waiting is not allowed: in a browser, which gives no more than the limits that every one has.
    ///
    /// # Errors
    /// As [`Device::open`].
    pub async fn open_async(choice: &Choice) -> Result<Self> {
        let device = Self::request(choice).await?;
        if device.report().kind == AdapterKind::Software {
            long_loops(&device).await?;
        }
        Ok(device)
    }
}

/// The kernel's bindings.
pub(crate) const DECLARATION: Declaration = Declaration {
    shader: "probe_loop",
    bindings: &[Binding::Uniform, Binding::Write],
    constants: &[],
    workgroup_bytes: 0,
};

/// Refuses a driver that ends loops early: its numbers would be wrong without a word.
async fn long_loops(device: &Device) -> Result<()> {
    // More than 65,535 trips a loop, and in total; two nested loops, since either may be cut short.
    let (outer, inner) = (300_u32, 300_u32);
    let kernel = Kernel::new(device, &Library::default(), &DECLARATION, &[])?;
    let uniform = device.buffer("probe", 16, wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST)?;
    device.queue().write_buffer(&uniform, 0, bytemuck::cast_slice(&[outer, inner, 0, 0]));
    let result = device.buffer("probe", 32, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC)?;
    let bindings =
        kernel.bind(device, &[uniform.as_entire_buffer_binding(), result.as_entire_buffer_binding()])?;
    let mut encoder = device.raw().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(kernel.pipeline());
        pass.set_bind_group(0, &bindings, &[]);
        pass.dispatch_workgroups(1, 1, 1);
    }
    device.queue().submit([encoder.finish()]);
    let states: Vec<u32> = device.read_async(&result, 0, 8).await?;
    for (start, &state) in states.iter().enumerate() {
        let step = |state: u32, _| state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if (0..outer * inner).fold(start as u32, step) != state {
            return Err(Error::device(format!(
                "{}: this software driver ends loops early, so its results would be wrong (Mesa before 25 does); \
                 install a newer Mesa, choose another adapter, or use --device cpu",
                device.report()
            )));
        }
    }
    Ok(())
}
