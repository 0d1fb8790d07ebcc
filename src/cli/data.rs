//! `data`: image sets, from an archive or a folder to one packed file.

use super::failure::{Outcome, note};
use super::out::Out;
use super::steps::Steps;
use clap::Subcommand;
use fastweights::data::{
    FolderImport, ImageSet, Imported, OMNIGLOT_ADDRESS, OMNIGLOT_FILES, Split, check_name, data_dir, fetch,
    import_omniglot, stored,
};
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
    /// Download a published set and import it
    Fetch {
        #[command(subcommand)]
        what: Fetch,
    },
    /// Make a set of pictures that are here already
    Import {
        #[command(subcommand)]
        what: Import,
    },
    /// Say what a folder of pictures holds and would be imported as, without writing anything
    Check {
        /// The folder
        dir: PathBuf,
        /// Width and height that images would be cut and resized to, in pixels
        #[arg(long, value_name = "S", default_value_t = 28)]
        size: usize,
        /// No progress
        #[arg(long, short)]
        quiet: bool,
    },
    /// List the sets that are here
    List {
        /// Print them as a JSON array
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Subcommand)]
enum Fetch {
    /// Omniglot, 1,623 characters by 20 people (14 MB)
    Omniglot {
        /// Another server: the address below which the two archives lie
        #[arg(long, value_name = "URL", default_value = OMNIGLOT_ADDRESS)]
        from: String,
        /// Accept archives with other check sums, e.g. packed anew by a mirror
        #[arg(long, requires = "from")]
        any_checksum: bool,
        #[command(flatten)]
        common: Common,
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
    /// A folder of class folders, or of train, val and test with class folders in them (PNG, JPEG, WebP, BMP, GIF, TIFF)
    Images {
        /// The set's name: a-z, 0-9, _ and -
        name: String,
        /// The folder
        dir: PathBuf,
        /// Width and height that images are cut and resized to, in pixels
        #[arg(long, value_name = "S")]
        size: usize,
        /// One channel instead of three
        #[arg(long)]
        gray: bool,
        /// Shares of the classes for training, validation and testing, e.g. 64,16,20 [default: 64,16,20]; `classes` puts folders
        /// of train, val and test together and deals their classes
        #[arg(long, value_name = "A,B,C", value_parser = parse_split)]
        split: Option<ShareOf>,
        /// What transparent pictures are laid on, as RRGGBB
        #[arg(long, value_name = "COLOR", default_value = "ffffff", value_parser = parse_color)]
        background: [u8; 3],
        /// Leave out pictures that cannot be read, and classes of fewer than two
        #[arg(long)]
        skip_bad: bool,
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
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, out: &mut Out) -> Outcome {
    match &arguments.command {
        Command::Fetch { what: Fetch::Omniglot { from, any_checksum, common } } => {
            let target = common.path("omniglot")?;
            if target.exists() && !common.force {
                ImageSet::read(&target)?;
                return out.line(&format!("{} is there already; --force fetches it again", target.display()));
            }
            let cache = data_dir(common.place.data.as_deref())?.join("cache");
            common.import(&target, out, |steps| {
                let watch = |step| steps.show(step);
                let archives = fetch(from, &OMNIGLOT_FILES, *any_checksum, &cache, &watch)?;
                import_omniglot(&archives, common.seed, &watch)
            })
        }
        Command::Import { what: Import::Omniglot { paths, common } } => {
            let target = common.free("omniglot")?;
            common.import(&target, out, |steps| import_omniglot(paths, common.seed, &|step| steps.show(step)))
        }
        Command::Import {
            what: Import::Images { name, dir, size, gray, split, background, skip_bad, common },
        } => {
            check_name(name)?;
            let target = common.free(name)?;
            let import = FolderImport {
                name: name.clone(),
                side: *size,
                gray: *gray,
                shares: match split {
                    Some(ShareOf::Shares(shares)) => Some(*shares),
                    Some(ShareOf::Classes) | None => None,
                },
                pool: *split == Some(ShareOf::Classes),
                seed: common.seed,
                background: *background,
                skip_bad: *skip_bad,
            };
            common.import(&target, out, |steps| import.run(dir, &|step| steps.show(step)))
        }
        Command::Check { dir, size, quiet } => check(dir, *size, *quiet, out),
        Command::List { json, place } => list(&data_dir(place.data.as_deref())?, *json, out),
    }
}

/// Says what a folder would be imported as; what is bad is left out, and named.
fn check(dir: &Path, size: usize, quiet: bool, out: &mut Out) -> Outcome {
    let import = FolderImport {
        name: "checked".to_owned(),
        side: size,
        gray: false,
        shares: None,
        pool: false,
        seed: 0,
        background: [255; 3],
        skip_bad: true,
    };
    let steps = Steps::new(quiet);
    let imported = import.run(dir, &|step| steps.show(step));
    steps.finish();
    let Imported { set, skipped, notes, .. } = imported?;
    for line in notes {
        out.line(&format!("note: {line}"))?;
    }
    if skipped > 0 {
        out.line(&format!("{skipped} files that are no pictures would be passed over"))?;
    }
    let counts = set.classes().iter().map(|class| class.count);
    let (least, most) = (counts.clone().min().unwrap_or(0), counts.max().unwrap_or(0));
    out.line(&format!("{}: {}; {least} to {most} a class", dir.display(), describe(&set)))
}

/// How classes are dealt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ShareOf {
    /// By these shares.
    Shares([usize; 3]),
    /// Those of all folders together, by the usual shares.
    Classes,
}

fn parse_split(text: &str) -> std::result::Result<ShareOf, String> {
    if text == "classes" {
        return Ok(ShareOf::Classes);
    }
    let parts: std::result::Result<Vec<usize>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    let needed = "three whole numbers are needed: training, validation, testing; or the word classes";
    let parts = parts.map_err(|_| needed.to_owned())?;
    <[usize; 3]>::try_from(parts)
        .map(ShareOf::Shares)
        .map_err(|given| format!("{} given; {needed}", given.len()))
}

fn parse_color(text: &str) -> std::result::Result<[u8; 3], String> {
    let digits = text.strip_prefix('#').unwrap_or(text);
    let number = u32::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 6);
    let [_, r, g, b] =
        number.ok_or("six hexadecimal digits are needed, e.g. ffffff for white")?.to_be_bytes();
    Ok([r, g, b])
}

impl Common {
    /// The file of a set.
    fn path(&self, name: &str) -> Result<PathBuf> {
        Ok(data_dir(self.place.data.as_deref())?.join(format!("{name}.safetensors")))
    }

    /// The file of a set, which must not be there, unless it may be replaced.
    fn free(&self, name: &str) -> Result<PathBuf> {
        let path = self.path(name)?;
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

/// All sets of a directory; a damaged one is listed with its fault.
fn list(dir: &Path, json: bool, out: &mut Out) -> Outcome {
    let stored = stored(dir)?;
    if json {
        let rows = stored.iter().map(|file| {
            let mut row = serde_json::json!({ "name": file.name, "path": file.path, "bytes": file.bytes });
            match ImageSet::read(&file.path) {
                Ok(set) => {
                    row["images"] = set.images().into();
                    row["channels"] = set.channels().into();
                    row["side"] = set.side().into();
                    row["classes"] = Split::ALL
                        .iter()
                        .map(|&split| (split.to_string(), set.split(split).len().into()))
                        .collect::<serde_json::Map<_, _>>()
                        .into();
                    row["sha256"] = set.checksum().into();
                    row["source"] = set.source().into();
                }
                Err(error) => row["error"] = error.to_string().into(),
            }
            row
        });
        return out.line(&serde_json::Value::from_iter(rows).to_string());
    }
    if stored.is_empty() {
        note("get a set with `fastweights data fetch omniglot` or `fastweights data import`");
        return out.line(&format!("no sets in {}", dir.display()));
    }
    for file in stored {
        let megabytes = file.bytes as f64 / 1e6;
        match ImageSet::read(&file.path) {
            Ok(set) => {
                out.line(&format!("{} ({megabytes:.1} MB): {}", file.path.display(), describe(&set)))?
            }
            Err(error) => out.line(&error.to_string())?,
        }
    }
    Ok(())
}
