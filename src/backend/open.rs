//! A device by what a person calls it.

use super::cpu::CpuBackend;
#[cfg(feature = "gpu")]
use super::gpu::adapter::{self, AdapterKind, AdapterReport, Choice};
#[cfg(feature = "gpu")]
use super::gpu::{Device, GpuBackend};
use super::together::{Devices, Sharing};
use crate::error::{Error, Result};
use crate::meta::{Backend, Exchange};
use std::fmt;
use std::sync::Arc;

/// An opened device.
pub struct Opened {
    /// Where to compute.
    pub backend: Box<dyn Backend>,
    /// Why this one.
    pub why: String,
    /// Whether it is the CPU.
    pub is_cpu: bool,
}

/// What rounding depends on: devices of one kind compute the same bits.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// A CPU.
    Cpu {
        /// The widest vectors that it uses.
        instructions: String,
    },
    /// A GPU.
    Gpu {
        /// What its driver calls it.
        name: String,
        /// What it is spoken to through.
        api: String,
        /// Name and version of the driver.
        driver: String,
    },
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu { instructions } => write!(f, "cpu with {instructions}"),
            Self::Gpu { name, api, driver } => write!(f, "{name} through {api}, driver {driver}"),
        }
    }
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
    let (found, why) = Found::by_name(device, &open_cpu(threads, memory), memory)?;
    Ok(Opened { is_cpu: found.is_cpu(), backend: found.alone(), why })
}

/// The same for a member of an exchange, which shares meta-batches and evaluations with the others. Returns besides what must be
/// the same of all members for the same bits.
///
/// # Errors
/// As [`open`].
pub fn open_shared(
    device: &str,
    cpu: &CpuBackend,
    memory: Option<u64>,
    exchange: &Arc<dyn Exchange>,
) -> Result<(Opened, DeviceKind)> {
    let (found, why) = Found::by_name(device, cpu, memory)?;
    let (is_cpu, kind) = (found.is_cpu(), found.kind());
    Ok((Opened { backend: found.sharing(exchange), why, is_cpu }, kind))
}

/// Opens several devices of this machine that share meta-batches and evaluations. Devices of several kinds give bits that
/// depend on who computes what, so they must be allowed to be `mixed`.
///
/// # Errors
/// As [`open`], and [`Device`](crate::ErrorKind::Device) naming two devices of which one may not be with the other.
pub fn open_devices(names: &str, cpu: &CpuBackend, memory: Option<u64>, mixed: bool) -> Result<Opened> {
    let names = device_names(names)?;
    let mut found = Vec::new();
    for name in &names {
        found.push(Found::by_name(name, cpu, memory)?.0);
    }
    let other = found.iter().find(|other| other.kind() != found[0].kind()).map(Found::kind);
    if let Some(other) = other.as_ref().filter(|_| !mixed) {
        return Err(Error::device(format!(
            "--devices {}: `{}` and `{other}` round differently, so that bits would depend on which of them computes what; \
             name devices of one kind, or allow it with --mixed",
            names.join(","),
            found[0].kind()
        )));
    }
    let is_cpu = found.iter().all(Found::is_cpu);
    let mut found = found.into_iter();
    let why = match other {
        Some(_) => "as asked; of several kinds, so that bits depend on which computes what",
        None => "as asked",
    };
    let devices = Devices::new(names.len(), &mut |_, exchange| {
        let found = found.next().ok_or_else(|| Error::device("no device is left"))?;
        Ok(if other.is_some() { found.by_tasks(exchange) } else { found.shared(exchange) })
    })?;
    Ok(Opened { backend: Box::new(devices), why: why.to_owned(), is_cpu })
}

/// The devices of a list such as `0,1`; `all` are the real GPUs.
///
/// # Errors
/// [`Device`](crate::ErrorKind::Device) if a name is empty, or there is no real GPU.
pub fn device_names(names: &str) -> Result<Vec<String>> {
    if names == "all" {
        return all();
    }
    let names: Vec<String> = names.split(',').map(|name| name.trim().to_owned()).collect();
    match names.iter().any(String::is_empty) {
        true => {
            Err(Error::device("--devices takes names or numbers with commas between them, e.g. 0,1, or all"))
        }
        false => Ok(names),
    }
}

#[cfg(feature = "gpu")]
fn all() -> Result<Vec<String>> {
    let real: Vec<_> = adapter::list().into_iter().filter(|a| a.kind <= AdapterKind::Virtual).collect();
    // One GPU may be reached through several APIs.
    let names = real.iter().filter(|a| a.backend == real[0].backend).map(|a| a.index.to_string()).collect();
    match real.is_empty() {
        true => Err(Error::device("--devices all: no real GPU was found; name devices, e.g. 0,1 or cpu")),
        false => Ok(names),
    }
}

#[cfg(not(feature = "gpu"))]
fn all() -> Result<Vec<String>> {
    Err(Error::device("--devices all: this build has no GPU backend"))
}

/// A device that was found.
enum Found {
    Cpu(CpuBackend),
    #[cfg(feature = "gpu")]
    Gpu(Box<GpuBackend>),
}

impl Found {
    /// The device, and why it is this one.
    fn by_name(device: &str, cpu: &CpuBackend, memory: Option<u64>) -> Result<(Self, String)> {
        if device == "cpu" {
            return Ok((Self::Cpu(cpu.clone()), "as asked".to_owned()));
        }
        other(device, memory, |why| (Self::Cpu(cpu.clone()), why))
    }

    fn is_cpu(&self) -> bool {
        matches!(self, Self::Cpu(_))
    }

    fn kind(&self) -> DeviceKind {
        match self {
            Self::Cpu(cpu) => DeviceKind::Cpu { instructions: cpu.instructions().name().to_owned() },
            #[cfg(feature = "gpu")]
            Self::Gpu(gpu) => {
                let report = gpu.device().report();
                let api = report.backend.to_string();
                DeviceKind::Gpu { name: report.name.clone(), api, driver: report.driver.clone() }
            }
        }
    }

    fn alone(self) -> Box<dyn Backend> {
        match self {
            Self::Cpu(cpu) => Box::new(cpu),
            #[cfg(feature = "gpu")]
            Self::Gpu(gpu) => gpu,
        }
    }

    /// Shares the meta-batches of trainings.
    fn shared(self, exchange: Arc<dyn Exchange>) -> Box<dyn Backend> {
        match self {
            Self::Cpu(cpu) => Box::new(cpu.shared(exchange)),
            #[cfg(feature = "gpu")]
            Self::Gpu(gpu) => Box::new(gpu.shared(exchange)),
        }
    }

    /// The same, task by task.
    fn by_tasks(self, exchange: Arc<dyn Exchange>) -> Box<dyn Backend> {
        match self {
            Self::Cpu(cpu) => Box::new(cpu.shared(exchange).by_tasks()),
            #[cfg(feature = "gpu")]
            Self::Gpu(gpu) => Box::new(gpu.shared(exchange)),
        }
    }

    /// Shares evaluations as well.
    fn sharing(self, exchange: &Arc<dyn Exchange>) -> Box<dyn Backend> {
        let exchange = Arc::clone(exchange);
        match self {
            Self::Cpu(cpu) => Box::new(Sharing::new(cpu.clone().shared(exchange.clone()), cpu, exchange)),
            #[cfg(feature = "gpu")]
            Self::Gpu(gpu) => Box::new(Sharing::new((*gpu).clone().shared(exchange.clone()), *gpu, exchange)),
        }
    }
}

#[cfg(feature = "gpu")]
fn other(
    device: &str,
    memory: Option<u64>,
    cpu: impl FnOnce(String) -> (Found, String),
) -> Result<(Found, String)> {
    let gpu = |choice: &Choice, why: &str| {
        let gpu = GpuBackend::new(Device::open(choice)?);
        let gpu = match memory {
            Some(memory) => gpu.with_memory(memory),
            None => gpu,
        };
        Ok((Found::Gpu(Box::new(gpu)), why.to_owned()))
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
fn other(
    device: &str,
    _: Option<u64>,
    cpu: impl FnOnce(String) -> (Found, String),
) -> Result<(Found, String)> {
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
