//! Who shares a training, as arguments: devices of one machine, processes, seeds.

use super::device::DeviceArguments;
use super::team::Team;
use fastweights::backend::cpu::{CpuBackend, Instructions};
use fastweights::backend::{DeviceKind, Opened, device_names, open_cpu, open_devices, open_shared};
use fastweights::data::counted;
use fastweights::recipe::Recipe;
use fastweights::{Error, Result};

/// More than one device, process or seed.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct SharingArguments {
    /// Devices that share the tasks, e.g. 0,1 or cpu,0; all takes the real GPUs. With --mpi one for each process of a machine
    #[arg(long, value_name = "LIST", conflicts_with = "device")]
    devices: Option<String>,
    /// Allow devices of several kinds: bits then depend on which of them computes what
    #[arg(long)]
    mixed: bool,
    /// Share the tasks with the other processes that mpirun or srun has started
    #[arg(long)]
    pub(super) mpi: bool,
    /// Widest vectors of the CPU to use [default: the widest there are]
    #[arg(long, value_name = "SET", value_parser = ["portable", "avx2", "avx512"])]
    instructions: Option<String>,
}

impl SharingArguments {
    /// The CPU with threads and instruction set as asked, for one process of a team.
    pub(super) fn cpu(
        &self,
        device: &DeviceArguments,
        memory: Option<u64>,
        team: &Team,
    ) -> Result<CpuBackend> {
        let cpu = open_cpu(device.threads.map(usize::from).or_else(|| team.threads()), memory);
        let cpu = if self.mixed && team.members() > 1 { cpu.by_tasks() } else { cpu };
        match self.instructions.as_deref() {
            Some("portable") => cpu.with_instructions(Instructions::Portable),
            Some("avx2") => cpu.with_instructions(Instructions::Avx2),
            Some("avx512") => cpu.with_instructions(Instructions::Avx512),
            Some(_) | None => Ok(cpu),
        }
    }

    /// Opens what was asked for. Returns besides what must be of one kind among all processes, if it must.
    pub(super) fn open(
        &self,
        device: &DeviceArguments,
        cpu: &CpuBackend,
        memory: Option<u64>,
        team: &Team,
    ) -> Result<(Opened, Option<DeviceKind>)> {
        let Some(exchange) = team.exchange() else {
            if let Some(names) = &self.devices {
                return Ok((open_devices(names, cpu, memory, self.mixed)?, None));
            }
            let name = device.name()?;
            if self.instructions.is_some() && name == "cpu" {
                let backend = Box::new(cpu.clone());
                let opened = Opened { backend, why: "as asked".to_owned(), is_cpu: true };
                return Ok((opened, None));
            }
            return Ok((device.open(memory)?, None));
        };
        let name = match &self.devices {
            Some(names) => of_process(device_names(names)?, team)?,
            None => device.name()?.to_owned(),
        };
        let (opened, kind) = open_shared(&name, cpu, memory, &exchange)?;
        Ok((opened, (!self.mixed).then_some(kind)))
    }

    /// Has a process of a team train by itself, on its own device of the list if there is one.
    pub(super) fn by_itself(&mut self, device: &mut DeviceArguments, team: &Team) -> Result<()> {
        if self.mpi
            && let Some(names) = self.devices.take()
        {
            device.device = of_process(device_names(&names)?, team)?;
        }
        self.mpi = false;
        Ok(())
    }

    /// Refuses processes that would have nothing to do.
    pub(super) fn check(&self, recipe: &Recipe, team: &Team) -> Result<()> {
        let (tasks, ranks) = (recipe.outer.meta_batch, team.members());
        if ranks > tasks {
            return Err(Error::recipe(
                "--mpi",
                format!(
                    "has {ranks} processes for a meta-batch of {tasks} tasks; start at most {tasks}, raise \
                     outer.meta_batch, or train several --seeds side by side"
                ),
            ));
        }
        Ok(())
    }
}

/// The device of this process, of those that are named for the processes of a machine.
fn of_process(mut names: Vec<String>, team: &Team) -> Result<String> {
    let (at, here) = team.place();
    if names.len() == here {
        return Ok(names.swap_remove(at));
    }
    let (devices, processes) = (counted(names.len(), "device"), counted(here, "process"));
    Err(Error::recipe(
        "--devices",
        format!(
            "names {devices} for {processes} of this machine; with --mpi start a process for each device"
        ),
    ))
}
