//! One compute entry point: what it binds, and its pipeline.

use super::adapter::Capacity;
use super::device::Device;
use super::fused_plan::Shape;
use super::fused_program::{Block, Op};
use super::shader::Library;
use super::{
    batch_norm, batch_norm_backward, batch_norm_backward_tangent, batch_norm_tangent, clipped_update, conv2d,
    conv2d_backward, conv2d_backward_tangent, conv2d_tangent, conv2d_update, conv2d_update_sums,
    conv2d_update_tangent, conv2d_update_tangent_sums, copy_rows, displacement, draw, draw_images, fused,
    global_avg_pool, global_avg_pool_backward, group_sums, inner, inner_adjoint, inner_step, inner_sum,
    inner_unclip, layer, linear, linear_backward, linear_backward_tangent, linear_tangent, linear_update,
    linear_update_tangent, loss, loss_tangent, max_pool, max_pool_backward, pass, probe, rate_sums, reduce,
    relu,
};
use crate::error::{Error, Result};
use std::sync::{Arc, Mutex, PoisonError};

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

/// What the host knows of a kernel: checked against the shader by `tests/shaders.rs`.
#[derive(Clone, Copy, Debug)]
pub struct Declaration {
    /// Stem of the file under `shaders/`; its entry point is `main`.
    pub shader: &'static str,
    /// Bindings 0, 1, … of group 0.
    pub bindings: &'static [Binding],
    /// Every `override` with its default; `WORKGROUP` is the number of invocations, where there is one.
    pub constants: &'static [(&'static str, f64)],
    /// Bytes of workgroup memory with the default constants.
    pub workgroup_bytes: u32,
}

/// Every kernel of the program.
pub const ALL: &[&Declaration] = &[
    &probe::DECLARATION,
    &fused::DECLARATION,
    &reduce::DECLARATION,
    &clipped_update::DECLARATION,
    &batch_norm::DECLARATION,
    &batch_norm_backward::DECLARATION,
    &batch_norm_backward_tangent::DECLARATION,
    &batch_norm_tangent::DECLARATION,
    &conv2d::DECLARATION,
    &conv2d_backward::DECLARATION,
    &conv2d_backward_tangent::DECLARATION,
    &conv2d_tangent::DECLARATION,
    &conv2d_update::DECLARATION,
    &conv2d_update_sums::DECLARATION,
    &conv2d_update_tangent::DECLARATION,
    &conv2d_update_tangent_sums::DECLARATION,
    &copy_rows::DECLARATION,
    &displacement::DECLARATION,
    &draw::DECLARATION,
    &draw_images::DECLARATION,
    &global_avg_pool::DECLARATION,
    &global_avg_pool_backward::DECLARATION,
    &group_sums::DECLARATION,
    &inner_adjoint::DECLARATION,
    &inner_step::DECLARATION,
    &inner_sum::DECLARATION,
    &inner_unclip::DECLARATION,
    &linear::DECLARATION,
    &linear_backward::DECLARATION,
    &linear_backward_tangent::DECLARATION,
    &linear_tangent::DECLARATION,
    &linear_update::DECLARATION,
    &linear_update_tangent::DECLARATION,
    &loss::DECLARATION,
    &loss_tangent::DECLARATION,
    &max_pool::DECLARATION,
    &max_pool_backward::DECLARATION,
    &rate_sums::DECLARATION,
    &relu::DECLARATION,
];

impl Declaration {
    /// Storage buffers it binds.
    #[must_use]
    pub fn storage_buffers(&self) -> u32 {
        self.bindings.iter().filter(|b| matches!(b, Binding::Read | Binding::Write)).count() as u32
    }

    /// Whether it runs at all, with its default constants, on an adapter.
    ///
    /// # Errors
    /// As [`Capacity::require`].
    pub fn check(&self, capacity: &Capacity) -> Result<()> {
        let workgroup = self.constants.iter().find(|(name, _)| *name == "WORKGROUP");
        capacity.require(self.storage_buffers(), workgroup.map_or(1, |w| w.1 as u32), self.workgroup_bytes)
    }
}

/// Structs that host and shader share: shader, name there, bytes here.
pub const STRUCTS: &[(&str, &str, usize)] = &[
    ("fused", "Shape", size_of::<Shape>()),
    ("fused", "Op", size_of::<Op>()),
    ("fused", "Block", size_of::<Block>()),
    ("fused", "Now", size_of::<pass::Now>()),
    ("reduce", "Now", size_of::<pass::Now>()),
    ("reduce", "Outer", size_of::<reduce::Outer>()),
    ("draw", "DrawPass", size_of::<draw::DrawPass>()),
    ("draw_images", "DrawImages", size_of::<draw_images::DrawImages>()),
    ("linear", "Layer", size_of::<layer::LayerPass>()),
    ("inner_step", "Inner", size_of::<inner::InnerPass>()),
    ("displacement", "Displacement", size_of::<displacement::Displacement>()),
    ("loss", "LossPass", size_of::<loss::LossPass>()),
    ("rate_sums", "RateSums", size_of::<rate_sums::RateSums>()),
    ("group_sums", "GroupSums", size_of::<group_sums::GroupSums>()),
    ("copy_rows", "CopyRows", size_of::<copy_rows::CopyRows>()),
];

/// A compiled kernel.
#[derive(Debug)]
pub struct Kernel {
    name: &'static str,
    declaration: &'static Declaration,
    layout: wgpu::BindGroupLayout,
    pipeline: wgpu::ComputePipeline,
}

impl Kernel {
    /// Resolves and compiles a kernel; `constants` replace the declared defaults.
    ///
    /// # Errors
    /// [`Device`](crate::ErrorKind::Device) naming the shader, with the compiler's words, or a constant
    /// that it does not have.
    pub fn new(
        device: &Device,
        library: &Library,
        declaration: &'static Declaration,
        constants: &[(&'static str, f64)],
    ) -> Result<Self> {
        let name = declaration.shader;
        let mut values = declaration.constants.to_vec();
        for &(constant, value) in constants {
            match values.iter_mut().find(|(known, _)| *known == constant) {
                Some(known) => known.1 = value,
                None => return Err(Error::device(format!("shader `{name}` has no constant `{constant}`"))),
            }
        }
        let text = library.resolve(name)?;
        let entries: Vec<_> = (declaration.bindings.iter().enumerate())
            .map(|(at, &binding)| wgpu::BindGroupLayoutEntry {
                binding: at as u32,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: match binding {
                        Binding::Uniform | Binding::DynamicUniform => wgpu::BufferBindingType::Uniform,
                        Binding::Read => wgpu::BufferBindingType::Storage { read_only: true },
                        Binding::Write => wgpu::BufferBindingType::Storage { read_only: false },
                    },
                    has_dynamic_offset: binding == Binding::DynamicUniform,
                    min_binding_size: None,
                },
                count: None,
            })
            .collect();
        device.scoped(&format!("shader `{name}`"), || {
            let raw = device.raw();
            let descriptor = wgpu::ShaderModuleDescriptor {
                label: Some(name),
                source: wgpu::ShaderSource::Wgsl(text.into()),
            };
            let module = if cfg!(debug_assertions) {
                raw.create_shader_module(descriptor)
            } else {
                // SAFETY: every index of these shaders is bounded by the sizes that the host's plan derives the
                // buffers from, and every loop by a uniform; debug builds and the tests run with the checks on.
                unsafe {
                    raw.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
                }
            };
            let layout = raw.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some(name),
                entries: &entries,
            });
            let pipeline_layout = raw.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(name),
                bind_group_layouts: &[Some(&layout)],
                immediate_size: 0,
            });
            let pipeline = raw.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(name),
                layout: Some(&pipeline_layout),
                module: &module,
                entry_point: Some("main"),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants: &values,
                    // Kernels write what they read; clearing costs a pass over workgroup memory.
                    zero_initialize_workgroup_memory: false,
                },
                cache: None,
            });
            Self { name, declaration, layout, pipeline }
        })
    }

    /// Binds buffers in the order of the declaration.
    ///
    /// # Errors
    /// [`Device`](crate::ErrorKind::Device) naming the shader if a binding is refused.
    pub fn bind(&self, device: &Device, buffers: &[wgpu::BufferBinding<'_>]) -> Result<wgpu::BindGroup> {
        let entries: Vec<_> = (buffers.iter().enumerate())
            .map(|(at, buffer)| wgpu::BindGroupEntry {
                binding: at as u32,
                resource: wgpu::BindingResource::Buffer(buffer.clone()),
            })
            .collect();
        device.scoped(&format!("bindings of shader `{}`", self.name), || {
            device.raw().create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(self.name),
                layout: &self.layout,
                entries: &entries,
            })
        })
    }

    /// Stem of its shader.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// The pipeline.
    #[must_use]
    pub fn pipeline(&self) -> &wgpu::ComputePipeline {
        &self.pipeline
    }

    /// Whether its bindings take an offset with each dispatch.
    #[must_use]
    pub fn has_dynamic_uniform(&self) -> bool {
        self.declaration.bindings.contains(&Binding::DynamicUniform)
    }
}

type Constants = Vec<(&'static str, f64)>;

/// Compiled kernels, each (shader, constants) once.
#[derive(Debug, Default)]
pub struct Kernels {
    library: Library,
    made: Mutex<Vec<(Constants, Arc<Kernel>)>>,
}

impl Kernels {
    /// Kernels of the given shader files.
    #[must_use]
    pub fn new(library: Library) -> Self {
        Self { library, made: Mutex::default() }
    }

    /// A kernel, compiled if it is the first time.
    ///
    /// # Errors
    /// As [`Kernel::new`].
    pub fn get(
        &self,
        device: &Device,
        declaration: &'static Declaration,
        constants: &[(&'static str, f64)],
    ) -> Result<Arc<Kernel>> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let known = made.iter().find(|(with, kernel)| kernel.name == declaration.shader && with == constants);
        if let Some((_, kernel)) = known {
            return Ok(Arc::clone(kernel));
        }
        let kernel = Arc::new(Kernel::new(device, &self.library, declaration, constants)?);
        made.push((constants.to_vec(), Arc::clone(&kernel)));
        Ok(kernel)
    }
}
