//! Which adapters there are, what they can do, and which one a choice means.

use super::wait::wait;
use crate::error::{Error, Result};
use crate::wgsl::Declaration;
use std::fmt;
use std::str::FromStr;

/// Whether an adapter is hardware, in the order in which they are preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AdapterKind {
    /// A card with its own memory.
    Discrete,
    /// A GPU that shares the CPU's memory.
    Integrated,
    /// A GPU handed into a virtual machine.
    Virtual,
    /// The driver does not say.
    Other,
    /// A program on the CPU that speaks a GPU's language: for tests, not for speed.
    Software,
}

impl fmt::Display for AdapterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Discrete => "discrete GPU",
            Self::Integrated => "integrated GPU",
            Self::Virtual => "virtual GPU",
            Self::Other => "unknown",
            Self::Software => "software",
        })
    }
}

/// The limits that a plan depends on, all in bytes or counts.
///
/// Pure data, so that plans are made and tested without a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Capacity {
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
    /// Invocations in one workgroup.
    pub invocations: u32,
    /// Workgroups in one dimension of a dispatch.
    pub workgroups: u32,
    /// Storage buffers that one kernel may bind.
    pub storage_buffers: u32,
    /// Bytes of one storage buffer binding.
    pub storage_binding_bytes: u64,
    /// Bytes of one uniform buffer binding.
    pub uniform_binding_bytes: u64,
    /// Bytes of one buffer.
    pub buffer_bytes: u64,
    /// Alignment of slices in a buffer, bytes.
    pub alignment: u64,
}

impl Capacity {
    /// What every WebGPU implementation has: the portable floor.
    #[must_use]
    pub fn portable() -> Self {
        Self::from(&wgpu::Limits::default())
    }

    /// What current cards have.
    pub(crate) fn card() -> Self {
        Self {
            workgroup_bytes: 48 << 10,
            invocations: 1024,
            storage_binding_bytes: (4 << 30) - 4,
            buffer_bytes: 64 << 30,
            ..Self::portable()
        }
    }

    /// Fails with the limit's name unless a kernel of this size runs here.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit) with what is needed and available.
    pub fn require(&self, storage_buffers: u32, invocations: u32, workgroup_bytes: u32) -> Result<()> {
        for (limit, needed, available) in [
            ("storage buffers of a kernel", storage_buffers, self.storage_buffers),
            ("invocations of a workgroup", invocations, self.invocations),
            ("bytes of workgroup memory", workgroup_bytes, self.workgroup_bytes),
        ] {
            if needed > available {
                let hint = "choose another adapter or --device cpu";
                return Err(Error::limit(limit, needed.into(), available.into(), hint));
            }
        }
        Ok(())
    }
}

impl Capacity {
    /// Fails with the limit's name unless a kernel runs here with its default constants.
    ///
    /// # Errors
    /// As [`Capacity::require`].
    pub fn takes(&self, kernel: &Declaration) -> Result<()> {
        self.require(kernel.storage_buffers(), kernel.invocations(), kernel.workgroup_bytes)
    }
}

impl From<&wgpu::Limits> for Capacity {
    fn from(limits: &wgpu::Limits) -> Self {
        let alignment =
            limits.min_storage_buffer_offset_alignment.max(limits.min_uniform_buffer_offset_alignment);
        Self {
            workgroup_bytes: limits.max_compute_workgroup_storage_size,
            invocations: limits
                .max_compute_invocations_per_workgroup
                .min(limits.max_compute_workgroup_size_x),
            workgroups: limits.max_compute_workgroups_per_dimension,
            storage_buffers: limits.max_storage_buffers_per_shader_stage,
            storage_binding_bytes: limits.max_storage_buffer_binding_size,
            uniform_binding_bytes: limits.max_uniform_buffer_binding_size,
            buffer_bytes: limits.max_buffer_size,
            alignment: u64::from(alignment.max(256)),
        }
    }
}

/// One adapter as a person should see it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct AdapterReport {
    /// Place in the list, stable while the machine's drivers are.
    pub index: usize,
    /// The adapter's name.
    pub name: String,
    /// The API that reaches it: `vulkan`, `metal`, `dx12`, `gl`.
    pub backend: String,
    /// Hardware or not.
    pub kind: AdapterKind,
    /// The driver and its version, as it says them.
    pub driver: String,
    /// The limits that matter here.
    pub capacity: Capacity,
    /// Smallest and largest subgroup, where the adapter has subgroup operations.
    pub subgroups: Option<(u32, u32)>,
    /// Whether kernels can be timed on the device.
    pub timestamps: bool,
}

impl AdapterReport {
    fn new(index: usize, adapter: &wgpu::Adapter) -> Self {
        let info = adapter.get_info();
        let features = adapter.features();
        let kind = match info.device_type {
            wgpu::DeviceType::DiscreteGpu => AdapterKind::Discrete,
            wgpu::DeviceType::IntegratedGpu => AdapterKind::Integrated,
            wgpu::DeviceType::VirtualGpu => AdapterKind::Virtual,
            wgpu::DeviceType::Cpu => AdapterKind::Software,
            wgpu::DeviceType::Other => AdapterKind::Other,
        };
        Self {
            index,
            name: info.name,
            backend: info.backend.to_str().to_owned(),
            kind,
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
            capacity: Capacity::from(&adapter.limits()),
            subgroups: features
                .contains(wgpu::Features::SUBGROUP)
                .then_some((info.subgroup_min_size, info.subgroup_max_size)),
            timestamps: features.contains(wgpu::Features::TIMESTAMP_QUERY),
        }
    }

    /// Of the APIs that reach one adapter: GL is the last resort, and DX12 comes before it, as its older compiler may
    /// refuse kernels that Vulkan's take.
    fn rank(&self) -> (AdapterKind, usize, usize) {
        let api = ["dx12", "gl"].iter().position(|&api| api == self.backend);
        (self.kind, api.map_or(0, |at| at + 1), self.index)
    }
}

impl fmt::Display for AdapterReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({}, {}, {})", self.index, self.name, self.kind, self.backend, self.driver)
    }
}

/// Which adapter to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// A real GPU or none: software adapters are never taken unasked.
    Auto,
    /// The best real GPU; an error where there is none.
    Gpu,
    /// The best adapter there is, hardware preferred, software too: for tests.
    Any,
    /// The adapter at this place of the list.
    Index(usize),
    /// The best adapter whose name contains this, whatever the case.
    Name(String),
}

impl FromStr for Choice {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "auto" => Self::Auto,
            "gpu" => Self::Gpu,
            "any" => Self::Any,
            _ => text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Index),
        })
    }
}

impl Choice {
    /// The chosen one of a list of reports, as an index into it.
    ///
    /// # Errors
    /// [`Device`](crate::ErrorKind::Device) saying what there is instead.
    pub fn pick(&self, reports: &[AdapterReport]) -> Result<usize> {
        let lower = |text: &str| text.to_lowercase();
        let fits = |report: &AdapterReport| match self {
            Self::Auto | Self::Gpu => report.kind <= AdapterKind::Virtual,
            Self::Any => true,
            Self::Index(index) => report.index == *index,
            Self::Name(name) => lower(&report.name).contains(&lower(name)),
        };
        let best = (reports.iter().enumerate()).filter(|(_, r)| fits(r)).min_by_key(|(_, r)| r.rank());
        best.map(|(at, _)| at).ok_or_else(|| {
            let wanted = match self {
                Self::Auto | Self::Gpu => "no real GPU was found".to_owned(),
                Self::Any => "no GPU adapter was found".to_owned(),
                Self::Index(index) => format!("there is no adapter {index}"),
                Self::Name(name) => format!("no adapter's name contains `{name}`"),
            };
            let list = reports.iter().map(|r| format!("\n  {r}")).collect::<String>();
            Error::device(if list.is_empty() {
                format!("{wanted}: no graphics driver answers; install one or use --device cpu")
            } else {
                let software = match self {
                    Self::Auto | Self::Gpu => ", which --device takes by number or name, or --device cpu",
                    Self::Any | Self::Index(_) | Self::Name(_) => "",
                };
                format!("{wanted}; there is{software}:{list}")
            })
        })
    }
}

async fn adapters() -> Vec<wgpu::Adapter> {
    // WGPU_BACKEND and its like are honoured, so that a broken driver can be stepped around.
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let mut adapters = instance.enumerate_adapters(wgpu::Backends::all()).await;
    adapters.retain(|adapter| {
        let capable = adapter.get_downlevel_capabilities().flags;
        capable.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS)
    });
    adapters
}

/// Every adapter with compute shaders.
#[must_use]
pub fn list() -> Vec<AdapterReport> {
    let found = wait(async { Ok(adapters().await) }).unwrap_or_default();
    found.iter().enumerate().map(|(index, adapter)| AdapterReport::new(index, adapter)).collect()
}

/// The chosen adapter and its report.
///
/// # Errors
/// As [`Choice::pick`].
pub(crate) async fn choose(choice: &Choice) -> Result<(wgpu::Adapter, AdapterReport)> {
    let mut adapters = adapters().await;
    let mut reports: Vec<_> = adapters.iter().enumerate().map(|(i, a)| AdapterReport::new(i, a)).collect();
    let at = choice.pick(&reports)?;
    Ok((adapters.swap_remove(at), reports.swap_remove(at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(index: usize, name: &str, backend: &str, kind: AdapterKind) -> AdapterReport {
        AdapterReport {
            index,
            name: name.into(),
            backend: backend.into(),
            kind,
            driver: String::new(),
            capacity: Capacity::portable(),
            subgroups: None,
            timestamps: false,
        }
    }

    fn machine() -> Vec<AdapterReport> {
        vec![
            report(0, "llvmpipe", "vulkan", AdapterKind::Software),
            report(1, "Radeon Graphics", "vulkan", AdapterKind::Integrated),
            report(2, "GeForce", "gl", AdapterKind::Discrete),
            report(3, "GeForce", "vulkan", AdapterKind::Discrete),
        ]
    }

    #[test]
    fn hardware_comes_first_and_gl_last() {
        for (text, at) in [("auto", 3), ("gpu", 3), ("1", 1), ("geforce", 3), ("LLVM", 0)] {
            let choice: Choice = text.parse().unwrap();
            assert_eq!(choice.pick(&machine()).unwrap(), at, "{text}");
        }
    }

    #[test]
    fn software_is_never_taken_silently_and_errors_list_what_there_is() {
        let only_software = &machine()[..1];
        let error = Choice::Auto.pick(only_software).unwrap_err().to_string();
        assert!(error.contains("no real GPU") && error.contains("llvmpipe"), "{error}");
        let error = Choice::Gpu.pick(only_software).unwrap_err().to_string();
        assert!(error.contains("no real GPU") && error.contains("llvmpipe"), "{error}");
        assert_eq!(Choice::Any.pick(only_software).unwrap(), 0);
        let error = Choice::Name("arc".into()).pick(&machine()).unwrap_err().to_string();
        assert!(error.contains("`arc`") && error.contains("Radeon"), "{error}");
        let error = Choice::Gpu.pick(&[]).unwrap_err().to_string();
        assert!(error.contains("--device cpu"), "{error}");
    }

    #[test]
    fn a_short_limit_is_named_with_both_numbers() {
        let error = Capacity::portable().require(4, 64, 40_000).unwrap_err().to_string();
        assert!(error.contains("workgroup memory: 40000 needed, 16384 available"), "{error}");
    }
}
