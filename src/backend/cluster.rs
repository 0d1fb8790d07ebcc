//! Processes on one or many machines that share meta-batches, through MPI.

use crate::error::{Error, Result};
use crate::meta::Exchange;
use mpi::Threading;
use mpi::collective::CommunicatorCollectives as _;
use mpi::datatype::{Partition, PartitionMut};
use mpi::environment::Universe;
use mpi::topology::{Communicator as _, SimpleCommunicator};
use std::sync::Arc;

/// This process among those that `mpirun` has started. MPI ends when it is dropped.
pub struct Cluster {
    universe: Universe,
    hosts: Vec<String>,
}

impl Cluster {
    /// Joins the others. Of all threads only the one that calls this may use the exchange.
    ///
    /// # Errors
    /// [`Device`](crate::ErrorKind::Device) if MPI cannot be begun, or was before.
    pub fn join() -> Result<Self> {
        let Some((universe, provided)) = mpi::initialize_with_threading(Threading::Funneled) else {
            return Err(Error::device("MPI was begun before by this process"));
        };
        if provided < Threading::Funneled {
            return Err(Error::device("this MPI allows no threads; install one that was built with them"));
        }
        let own = mpi::environment::processor_name().unwrap_or_else(|_| "a host without a name".to_owned());
        let hosts = World.tell(own.as_bytes())?;
        let hosts = hosts.iter().map(|host| String::from_utf8_lossy(host).into_owned()).collect();
        Ok(Self { universe, hosts })
    }

    /// The way to the others.
    #[must_use]
    pub fn exchange(&self) -> Arc<dyn Exchange> {
        Arc::new(World)
    }

    /// Number of this process, from 0.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.universe.world().rank() as usize
    }

    /// The machine of each process.
    #[must_use]
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// Ends all processes at once.
    pub fn abort(code: u8) -> ! {
        SimpleCommunicator::world().abort(code.into())
    }
}

/// All processes.
#[derive(Clone, Copy, Debug)]
struct World;

/// Where each of some lengths begins.
fn starts(lens: &[i32]) -> Vec<i32> {
    lens.iter().scan(0, |at, len| Some(std::mem::replace(at, *at + len))).collect()
}

/// Lengths as MPI counts them, which together must be below 2³¹.
fn counts(lens: &[usize]) -> Result<Vec<i32>> {
    let total: usize = lens.iter().sum();
    match i32::try_from(total) {
        Ok(_) => Ok(lens.iter().map(|&len| len as i32).collect()),
        Err(_) => Err(Error::limit(
            "numbers of one message",
            total as u64,
            i32::MAX as u64,
            "use fewer processes or a smaller model",
        )),
    }
}

impl Exchange for World {
    fn members(&self) -> usize {
        SimpleCommunicator::world().size() as usize
    }

    fn member(&self) -> usize {
        SimpleCommunicator::world().rank() as usize
    }

    fn tell(&self, said: &[u8]) -> Result<Vec<Vec<u8>>> {
        let world = SimpleCommunicator::world();
        let mut lens = vec![0_u64; self.members()];
        world.all_gather_into(&(said.len() as u64), &mut lens[..]);
        let lens: Vec<usize> = lens.into_iter().map(|len| len as usize).collect();
        let counts = counts(&lens)?;
        // An empty slice of bytes may stand at address 1, which some libraries take for MPI_IN_PLACE.
        let said = if said.is_empty() { &b"-"[..0] } else { said };
        let total: usize = lens.iter().sum();
        let mut all = vec![0_u8; total + 1];
        all.truncate(total);
        world.all_gather_varcount_into(
            said,
            &mut PartitionMut::new(&mut all[..], &counts[..], starts(&counts)),
        );
        let mut rest = &all[..];
        Ok(lens
            .into_iter()
            .map(|len| {
                let (own, behind) = rest.split_at(len);
                rest = behind;
                own.to_vec()
            })
            .collect())
    }

    fn gather(&self, own: &[f32], lens: &[usize], all: &mut [f32]) -> Result<()> {
        let counts = counts(lens)?;
        let mut all = PartitionMut::new(all, &counts[..], starts(&counts));
        SimpleCommunicator::world().all_gather_varcount_into(own, &mut all);
        Ok(())
    }

    fn scatter(&self, own: &[f32], to: &[usize], from: &[usize], all: &mut [f32]) -> Result<()> {
        let (to, from) = (counts(to)?, counts(from)?);
        let own = Partition::new(own, &to[..], starts(&to));
        let mut all = PartitionMut::new(all, &from[..], starts(&from));
        SimpleCommunicator::world().all_to_all_varcount_into(&own, &mut all);
        Ok(())
    }
}
