//! A device by what a person calls it.

use super::cpu::CpuBackend;
#[cfg(feature = "gpu")]
use super::gpu::adapter::{self, AdapterReport, Choice};
#[cfg(feature = "gpu")]
use super::gpu::{Device, GpuBackend};
#[cfg(not(feature = "gpu"))]
use crate::error::Error;
use crate::error::Result;
use crate::meta::Backend;

/// An opened device.
pub struct Opened {
    /// Where to compute.
    pub backend: Box<dyn Backend>,
    /// Why this one.
    pub why: String,
    /// Whether it is the CPU.
    pub is_cpu: bool,
}

/// The CPU with so many threads, or all, and at most so many bytes of memory.
#[must_use]
pub fn open_cpu(threads: Option<usize>, memory: Option<u64>) -> CpuBackend {
    let cpu = CpuBackend::new(threads);
    memory.map_or(cpu.clone(), |bytes| cpu.with_memory(bytes))
}

/// Opens `cpu`, `gpu`, an adapter by its index or a part of its name, or with `auto` a real GPU, else the CPU. `threads` are
/// those of a CPU.
///
/// # Errors
/// [`Device`](crate::ErrorKind::Device) if there is no such device, or it fails.
pub fn open(device: &str, threads: Option<usize>, memory: Option<u64>) -> Result<Opened> {
    let cpu = |why: String| Opened { backend: Box::new(open_cpu(threads, memory)), why, is_cpu: true };
    if device == "cpu" {
        return Ok(cpu("as asked".to_owned()));
    }
    other(device, memory, cpu)
}

#[cfg(feature = "gpu")]
fn other(device: &str, memory: Option<u64>, cpu: impl FnOnce(String) -> Opened) -> Result<Opened> {
    let gpu = |choice: &Choice, why: &str| {
        let gpu = GpuBackend::new(Device::open(choice)?);
        let backend: Box<dyn Backend> = Box::new(match memory {
            Some(memory) => gpu.with_memory(memory),
            None => gpu,
        });
        Ok(Opened { backend, why: why.to_owned(), is_cpu: false })
    };
    if device == "auto" {
        let adapters = adapter::list();
        return match Choice::Auto.pick(&adapters) {
            Ok(_) => gpu(&Choice::Auto, "a real GPU; --device cpu takes the CPU"),
            Err(_) => Ok(cpu(no_gpu(&adapters))),
        };
    }
    let Ok(choice) = device.parse::<Choice>();
    gpu(&choice, "as asked")
}

#[cfg(not(feature = "gpu"))]
fn other(device: &str, _: Option<u64>, cpu: impl FnOnce(String) -> Opened) -> Result<Opened> {
    match device {
        "auto" => Ok(cpu("this build has no GPU backend".to_owned())),
        _ => Err(Error::device(format!("there is no device `{device}`: this build has no GPU backend"))),
    }
}

/// Why `auto` takes the CPU.
#[cfg(feature = "gpu")]
fn no_gpu(adapters: &[AdapterReport]) -> String {
    match adapters {
        [] => "no GPU was found".to_owned(),
        _ => {
            // One adapter may be reached through several APIs.
            let mut names: Vec<_> = adapters.iter().map(|a| a.name.as_str()).collect();
            names.dedup();
            format!("no real GPU was found; software adapters ({}) are taken only by name", names.join(", "))
        }
    }
}
