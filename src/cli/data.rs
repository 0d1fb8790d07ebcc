//! `data`: image sets, from an archive or a folder to one packed file.

use super::failure::{Outcome, note};
use super::out::Out;
use super::steps::Steps;
use clap::Subcommand;
use fastweights::data::{ImageSet, Imported, Split, data_dir, import_omniglot};
use fastweights::{Error, Result};
use std::path::{Path, PathBuf};

/// Fetch, import and list image data sets.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a set of pictures that are here already
    Import {
        #[command(subcommand)]
        what: Import,
    },
}

#[derive(Debug, Subcommand)]
enum Import {
    /// Omniglot, 1,623 characters by 20 people, from its archives
    Omniglot {
        /// images_background.zip and images_evaluation.zip, or a folder that holds them or what is in them
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        #[command(flatten)]
        common: Common,
    },
}

/// What all ways to a set have in common.
#[derive(Debug, clap::Args)]
struct Common {
    /// The seed of the split into classes for training, validation and testing
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    place: Place,
    /// Replace a set of this name
    #[arg(long)]
    force: bool,
    /// No progress
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Debug, clap::Args)]
struct Place {
    /// The directory of sets [default: FASTWEIGHTS_DATA, or the platform's directory for data]
    #[arg(long = "data", value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, out: &mut Out) -> Outcome {
    match &arguments.command {
        Command::Import { what: Import::Omniglot { paths, common } } => {
            let target = common.target("omniglot")?;
            common.import(&target, out, |steps| import_omniglot(paths, common.seed, &|step| steps.show(step)))
        }
    }
}

impl Common {
    /// The file of a set, which must be free, unless it may be replaced.
    fn target(&self, name: &str) -> Result<PathBuf> {
        let path = data_dir(self.place.dir.as_deref())?.join(format!("{name}.safetensors"));
        if path.exists() && !self.force {
            return Err(Error::file(path, "is there already; --force replaces it"));
        }
        Ok(path)
    }

    fn import(
        &self,
        target: &Path,
        out: &mut Out,
        import: impl FnOnce(&Steps) -> Result<Imported>,
    ) -> Outcome {
        let steps = Steps::new(self.quiet);
        let imported = import(&steps);
        steps.finish();
        let Imported { set, skipped, notes, .. } = imported?;
        set.write(target)?;
        for line in notes {
            note(&format!("note: {line}"));
        }
        if skipped > 0 && !self.quiet {
            note(&format!("{skipped} files that are no pictures were passed over"));
        }
        out.line(&format!("{}: {}", target.display(), describe(&set)))
    }
}

/// A set in a line.
fn describe(set: &ImageSet) -> String {
    let counts = Split::ALL.map(|split| format!("{} {split}", set.split(split).len())).join(", ");
    let (images, side) = (set.images(), set.side());
    let color = if set.channels() == 1 { "gray" } else { "color" };
    format!("{images} images of {side} × {side}, {color}; classes: {counts}; sha256 {}", set.checksum())
}
