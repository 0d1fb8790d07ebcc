//! The processes of `--mpi`: they agree before they begin, one of them speaks, and none outlives another's failure.

use super::failure::{Failure, Outcome, silence};
use super::passport::Passport;
#[cfg(not(feature = "mpi"))]
use absent::Cluster;
#[cfg(feature = "mpi")]
use fastweights::backend::Cluster;
use fastweights::meta::Exchange;
use fastweights::{Error, ErrorKind, Result};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

/// How long a process other than the first waits with its own error: the first may have the same one, and says it.
const PATIENCE: Duration = Duration::from_secs(2);

/// This process and the others; alone without `--mpi`.
pub(super) struct Team {
    cluster: Option<Cluster>,
    /// Whether what failed was told to all, so that each ends by itself.
    all_know: Cell<bool>,
}

impl Team {
    /// A process by itself.
    pub(super) fn alone() -> Self {
        Self { cluster: None, all_know: Cell::new(false) }
    }

    /// Joins the others, if it was asked for. All but the first are silent from here on.
    pub(super) fn join(mpi: bool) -> Result<Self> {
        if !mpi {
            return Ok(Self::alone());
        }
        let cluster = Cluster::join()?;
        if cluster.rank() > 0 {
            silence();
        }
        let own = format!("rank {} on {}", cluster.rank(), cluster.hosts()[cluster.rank()]);
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr().lock(), "{own}:");
            usual(panic);
            Cluster::abort(1);
        }));
        Ok(Self { cluster: Some(cluster), all_know: Cell::new(false) })
    }

    pub(super) fn exchange(&self) -> Option<Arc<dyn Exchange>> {
        self.cluster.as_ref().map(Cluster::exchange)
    }

    /// Processes.
    pub(super) fn members(&self) -> usize {
        self.cluster.as_ref().map_or(1, |cluster| cluster.hosts().len())
    }

    /// Number of this process.
    pub(super) fn rank(&self) -> usize {
        self.cluster.as_ref().map_or(0, Cluster::rank)
    }

    /// Whether this process speaks and writes.
    pub(super) fn is_first(&self) -> bool {
        self.rank() == 0
    }

    /// Which of the processes of this machine this one is, and how many they are.
    pub(super) fn place(&self) -> (usize, usize) {
        let Some(cluster) = &self.cluster else { return (0, 1) };
        let (rank, hosts) = (cluster.rank(), cluster.hosts());
        let here = |hosts: &[String]| hosts.iter().filter(|host| **host == cluster.hosts()[rank]).count();
        (here(&hosts[..rank]), here(hosts))
    }

    /// Threads for each process of this machine, if they are to share its cores: those that the process is bound to, or its part
    /// of all.
    pub(super) fn threads(&self) -> Option<usize> {
        self.cluster.as_ref()?;
        let (_, here) = self.place();
        let bound = std::thread::available_parallelism().map_or(1, usize::from);
        let all = sysinfo::System::physical_core_count().map_or(bound, |cores| cores.max(bound));
        Some(bound.min(all / here).max(1))
    }

    /// What the first process says.
    pub(super) fn of_first(&self, said: &[u8]) -> Result<Vec<u8>> {
        let Some(exchange) = self.exchange() else { return Ok(said.to_vec()) };
        let told = exchange.tell(if self.is_first() { said } else { &[] })?;
        Ok(told.into_iter().next().unwrap_or_default())
    }

    /// What this process came to, if none of the others failed; else the first failure, with rank and host.
    pub(super) fn agree<T>(&self, own: Result<T>) -> Result<T> {
        let (Some(exchange), Some(cluster)) = (self.exchange(), &self.cluster) else { return own };
        let said = match &own {
            Ok(_) => Vec::new(),
            Err(error) => {
                let mut said = vec![u8::from(matches!(error.kind(), ErrorKind::Recipe { .. }))];
                said.extend(chain(error).as_bytes());
                said
            }
        };
        let told = exchange.tell(&said)?;
        let Some((rank, said)) = told.iter().enumerate().find(|(_, said)| !said.is_empty()) else {
            return own;
        };
        self.all_know.set(true);
        match own {
            Err(error) if rank == self.rank() => Err(error),
            Ok(_) | Err(_) => {
                let text = String::from_utf8_lossy(&said[1..]);
                Err(Error::failed(format!("rank {rank} on {}: {text}", cluster.hosts()[rank])))
            }
        }
    }

    /// Refuses processes of which one differs from the first in what must be the same.
    pub(super) fn meet(&self, passport: &Passport) -> Result<()> {
        let (Some(exchange), Some(cluster)) = (self.exchange(), &self.cluster) else { return Ok(()) };
        let told = exchange.tell(&passport.said()?)?;
        let all: Vec<_> = told.iter().map(|said| Passport::heard(said)).collect();
        let named = |rank: usize| format!("rank {rank} on {}", cluster.hosts()[rank]);
        for (rank, other) in all.iter().enumerate().skip(1) {
            if let Some(difference) = all[0].differs(other) {
                self.all_know.set(true);
                return Err(Error::failed(difference.told(&named(0), &named(rank))));
            }
        }
        Ok(())
    }

    /// Ends this process, and with it the others if it failed and they do not know.
    pub(super) fn end(self, outcome: Outcome) -> Outcome {
        let Some(cluster) = &self.cluster else { return outcome };
        let failure = match outcome {
            Ok(()) => return Ok(()),
            // All were interrupted; or all are through, and nobody reads the result.
            Err(failure @ (Failure::Interrupted | Failure::ClosedPipe)) => return Err(failure),
            Err(failure) => failure,
        };
        if self.all_know.get() {
            return Err(if self.is_first() { failure } else { Failure::Told });
        }
        if !self.is_first() {
            use std::io::Write as _;
            std::thread::sleep(PATIENCE);
            let own = format!("rank {} on {}:", cluster.rank(), cluster.hosts()[cluster.rank()]);
            let _ = writeln!(std::io::stderr().lock(), "{own}");
        }
        let _ = failure.report();
        Cluster::abort(1);
    }
}

/// An error with its causes, on one line.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

/// What there is of a cluster where the program was built without.
#[cfg(not(feature = "mpi"))]
mod absent {
    use fastweights::meta::Exchange;
    use fastweights::{Error, Result};
    use std::sync::Arc;

    /// Nobody.
    pub(super) enum Cluster {}

    impl Cluster {
        pub(super) fn join() -> Result<Self> {
            Err(Error::recipe(
                "--mpi",
                "needs a program that was built with MPI: cargo install fastweights --features mpi, where an MPI library and \
                 libclang are installed (docs/guide/machines.md)",
            ))
        }

        pub(super) fn exchange(&self) -> Arc<dyn Exchange> {
            match *self {}
        }

        pub(super) fn rank(&self) -> usize {
            match *self {}
        }

        pub(super) fn hosts(&self) -> &[String] {
            match *self {}
        }

        pub(super) fn abort(code: u8) -> ! {
            std::process::exit(code.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_alone_agrees_with_itself() {
        let team = Team::alone();
        assert_eq!((team.rank(), team.members(), team.threads()), (0, 1, None));
        assert_eq!(team.agree(Ok(7)).unwrap(), 7);
        assert_eq!(team.of_first(b"said").unwrap(), b"said");
        assert!(team.meet(&Passport::of_import("sum".to_owned())).is_ok());
    }
}
