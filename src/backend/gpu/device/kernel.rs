//! One compute entry point on a device: its bindings and its pipeline.

use super::handle::Device;
use crate::error::Result;
use crate::wgsl::{Binding, Declaration, Library};
use std::sync::{Arc, Mutex, PoisonError};

/// A binding of a layout.
fn entry(at: usize, binding: Binding) -> wgpu::BindGroupLayoutEntry {
    let ty = match binding {
        Binding::Uniform | Binding::DynamicUniform => wgpu::BufferBindingType::Uniform,
        Binding::Read => wgpu::BufferBindingType::Storage { read_only: true },
        Binding::Write => wgpu::BufferBindingType::Storage { read_only: false },
    };
    wgpu::BindGroupLayoutEntry {
        binding: at as u32,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty,
            has_dynamic_offset: binding == Binding::DynamicUniform,
            min_binding_size: None,
        },
        count: None,
    }
}

fn pipeline(
    raw: &wgpu::Device,
    name: &'static str,
    text: String,
    layout: &wgpu::BindGroupLayout,
    constants: &[(&str, f64)],
) -> wgpu::ComputePipeline {
    let descriptor =
        wgpu::ShaderModuleDescriptor { label: Some(name), source: wgpu::ShaderSource::Wgsl(text.into()) };
    let module = if cfg!(debug_assertions) {
        raw.create_shader_module(descriptor)
    } else {
        // SAFETY: every index of these shaders is bounded by the sizes that the host's plan derives the
        // buffers from, and every loop by a uniform; debug builds and the tests run with the checks on.
        unsafe { raw.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
    };
    let pipeline_layout = raw.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(name),
        bind_group_layouts: &[Some(layout)],
        immediate_size: 0,
    });
    raw.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(name),
        layout: Some(&pipeline_layout),
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions {
            constants,
            // Kernels write what they read; clearing costs a pass over workgroup memory.
            zero_initialize_workgroup_memory: false,
        },
        cache: None,
    })
}

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
        let values = declaration.specialised(constants)?;
        let text = library.resolve(name)?;
        let entries: Vec<_> =
            declaration.bindings.iter().enumerate().map(|(at, &binding)| entry(at, binding)).collect();
        device.scoped(&format!("shader `{name}`"), || {
            let raw = device.raw();
            let layout = raw.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some(name),
                entries: &entries,
            });
            let pipeline = pipeline(raw, name, text, &layout, &values);
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
    pub(crate) fn name(&self) -> &'static str {
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
