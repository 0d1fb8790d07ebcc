//! Where image sets go, and imports into there, by one process or by many.

use super::failure::{Outcome, note};
use super::out::Out;
use super::passport::Passport;
use super::steps::Steps;
use super::team::Team;
use fastweights::data::{ImageSet, Imported, OpenedPictures, Split, Watch, counted, data_dir};
use fastweights::{Error, Result};
use std::path::{Path, PathBuf};

/// What all ways to a set have in common.
#[derive(Debug, clap::Args)]
pub(super) struct Common {
    /// The seed of the split into classes for training, validation and testing
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) seed: u64,
    #[command(flatten)]
    pub(super) place: Place,
    /// Replace a set of this name
    #[arg(long)]
    pub(super) force: bool,
    /// No progress
    #[arg(long, short)]
    pub(super) quiet: bool,
}

/// What imports have in common.
#[derive(Debug, clap::Args)]
pub(super) struct Imports {
    #[command(flatten)]
    pub(super) common: Common,
    /// Share the pictures with the other processes that mpirun or srun has started
    #[arg(long)]
    mpi: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// The directory of sets [default: FASTWEIGHTS_DATA, or the platform's directory for data]
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
}

impl Common {
    /// The file of a set.
    pub(super) fn path(&self, name: &str) -> Result<PathBuf> {
        Ok(data_dir(self.place.data.as_deref())?.join(format!("{name}.safetensors")))
    }

    /// The file of a set, which must not be there, unless it may be replaced.
    pub(super) fn free(&self, name: &str) -> Result<PathBuf> {
        let path = self.path(name)?;
        if path.exists() && !self.force {
            return Err(Error::file(path, "is there already; --force replaces it"));
        }
        Ok(path)
    }

    pub(super) fn import(
        &self,
        target: &Path,
        out: &mut Out,
        import: impl FnOnce(&Steps) -> Result<Imported>,
    ) -> Outcome {
        let steps = Steps::new(self.quiet);
        let imported = import(&steps);
        steps.finish();
        self.keep(target, imported?, out)
    }

    /// Writes a set, and says what it is.
    fn keep(&self, target: &Path, imported: Imported, out: &mut Out) -> Outcome {
        let Imported { set, skipped, told, notes, .. } = imported;
        set.write(target)?;
        told.iter().for_each(|line| note(line));
        for line in notes {
            note(&format!("note: {line}"));
        }
        if skipped > 0 {
            note(&format!("passed over, as no pictures: {}", counted(skipped, "file")));
        }
        out.line(&format!("{}: {}", target.display(), describe(&set)))
    }
}

impl Imports {
    /// Imports as one process, or as one of many, of which the first speaks and writes.
    pub(super) fn run(
        &self,
        name: &str,
        out: &mut Out,
        open: impl FnOnce(Watch<'_>) -> Result<OpenedPictures>,
    ) -> Outcome {
        let team = Team::join(self.mpi)?;
        let outcome = self.as_one_of(&team, name, out, open);
        team.end(outcome)
    }

    fn as_one_of(
        &self,
        team: &Team,
        name: &str,
        out: &mut Out,
        open: impl FnOnce(Watch<'_>) -> Result<OpenedPictures>,
    ) -> Outcome {
        if let Some(threads) = team.threads() {
            // Processes of one machine share its cores. A pool that is there already is as good.
            let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
        }
        let target = if team.is_first() { self.common.free(name) } else { self.common.path(name) };
        let target = team.agree(target)?;
        let steps = Steps::new(self.common.quiet || !team.is_first());
        let imported = shared(team, open, &|step| steps.show(step));
        steps.finish();
        let imported = imported?;
        if team.is_first() { self.common.keep(&target, imported, out) } else { Ok(()) }
    }
}

/// Imports with the others, who must have found the same.
fn shared(
    team: &Team,
    open: impl FnOnce(Watch<'_>) -> Result<OpenedPictures>,
    watch: Watch<'_>,
) -> Result<Imported> {
    let opened = team.agree(open(watch))?;
    team.meet(&Passport::of_import(opened.checksum()))?;
    team.agree(opened.import(team.exchange().as_deref(), watch))
}

/// A set in a line.
pub(super) fn describe(set: &ImageSet) -> String {
    let counts = Split::ALL.map(|split| format!("{} {split}", set.split(split).len())).join(", ");
    let (images, side) = (set.images(), set.side());
    let color = if set.channels() == 1 { "gray" } else { "color" };
    let images = counted(images, "image");
    format!("{images} of {side} × {side}, {color}; classes: {counts}; sha256 {}", set.checksum())
}
