//! `data`: image sets, from an archive or a folder to one packed file.

use super::failure::{Outcome, note};
use super::importing::{Common, Imports, Place, describe};
use super::out::Out;
use super::steps::Steps;
use clap::Subcommand;
use fastweights::data::{
    ImageImport, ImageSet, Imported, OMNIGLOT_ADDRESS, OMNIGLOT_FILES, Split, check_name, counted, data_dir,
    fetch, import_omniglot, listed, open_omniglot, stored,
};
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
    /// Say what `import images` would find in a folder, an archive or arrays, and what is missing, without writing anything
    Check {
        /// A folder, an archive (zip, tar, tar.gz) or NumPy arrays (npz)
        path: PathBuf,
        /// Width and height that images would be cut and resized to, in pixels
        #[arg(long, value_name = "S", default_value_t = 28)]
        size: usize,
        #[command(flatten)]
        pictures: Pictures,
        /// The seed of the split into classes for training, validation and testing
        #[arg(long, value_name = "N", default_value_t = 0)]
        seed: u64,
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
        /// images_background.zip and images_evaluation.zip, however packed (zip, tar, tar.gz), or a folder that holds them or what is in
        /// them
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        #[command(flatten)]
        imports: Imports,
    },
    /// A folder of class folders, or of train, val and test with class folders in them, or lists that say so; packed (zip, tar, tar.gz)
    /// or not; or NumPy arrays (npz)
    Images {
        /// The set's name: a-z, 0-9, _ and -
        name: String,
        /// The folder, archive or file of arrays
        path: PathBuf,
        /// Width and height that images are cut and resized to, in pixels
        #[arg(long, value_name = "S")]
        size: usize,
        #[command(flatten)]
        pictures: Pictures,
        #[command(flatten)]
        imports: Imports,
    },
}

/// How pictures are read and split.
#[derive(Debug, clap::Args)]
struct Pictures {
    /// One channel instead of three
    #[arg(long)]
    gray: bool,
    /// Make dark light, e.g. of ink on paper
    #[arg(long)]
    invert: bool,
    /// Shares of the classes for training, validation and testing, e.g. 64,16,20 [default: 64,16,20]; `classes` puts those of
    /// train, val and test together and deals them
    #[arg(long, value_name = "A,B,C", value_parser = parse_split)]
    split: Option<ShareOf>,
    /// Lists that say which classes or pictures are of which split (train.csv, base.json, val.txt), or a folder of them, here or in
    /// the source; may be repeated [default: those that the source brings along]
    #[arg(long, value_name = "PATH")]
    lists: Vec<PathBuf>,
    /// How many folders, one in the other, name a class [default: told from the source]
    #[arg(long, value_name = "N")]
    class_level: Option<usize>,
    /// What transparent pictures are laid on, as RRGGBB
    #[arg(long, value_name = "COLOR", default_value = "ffffff", value_parser = parse_color)]
    background: [u8; 3],
    /// Leave out pictures that cannot be read, classes of fewer than two, and lines of lists that name nothing
    #[arg(long)]
    skip_bad: bool,
}

impl Pictures {
    fn import(&self, name: &str, size: usize, seed: u64) -> ImageImport {
        ImageImport {
            gray: self.gray,
            invert: self.invert,
            shares: match self.split {
                Some(ShareOf::Shares(shares)) => Some(shares),
                Some(ShareOf::Classes) | None => None,
            },
            pool: self.split == Some(ShareOf::Classes),
            lists: self.lists.clone(),
            class_level: self.class_level,
            seed,
            background: self.background,
            skip_bad: self.skip_bad,
            ..ImageImport::new(name, size)
        }
    }
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
        Command::Import { what: Import::Omniglot { paths, imports } } => {
            imports.run("omniglot", out, |watch| open_omniglot(paths, imports.common.seed, watch))
        }
        Command::Import { what: Import::Images { name, path, size, pictures, imports } } => {
            check_name(name)?;
            let import = pictures.import(name, *size, imports.common.seed);
            imports.run(name, out, |watch| import.open(path, watch))
        }
        Command::Check { path, size, pictures, seed, quiet } => {
            // What is bad is named and left out, so that all of it is seen at once.
            let import = ImageImport { skip_bad: true, ..pictures.import("checked", *size, *seed) };
            check(path, &import, *quiet, out)
        }
        Command::List { json, place } => list(&data_dir(place.data.as_deref())?, *json, out),
    }
}

/// Says what a source holds, what it would be imported as, and what is missing.
fn check(path: &Path, import: &ImageImport, quiet: bool, out: &mut Out) -> Outcome {
    let steps = Steps::new(quiet);
    let imported = import.run(path, &|step| steps.show(step));
    steps.finish();
    let Imported { set, skipped, told, notes, .. } = imported?;
    for line in told {
        out.line(&line)?;
    }
    for line in notes {
        out.line(&format!("note: {line}"))?;
    }
    if skipped > 0 {
        out.line(&format!("{} would be passed over, as no pictures", counted(skipped, "file")))?;
    }
    for split in Split::ALL {
        let classes = &set.classes()[set.split(split)];
        let counts = || classes.iter().map(|class| class.count);
        let (Some(least), Some(most)) = (counts().min(), counts().max()) else { continue };
        let names: Vec<_> = classes.iter().map(|class| class.name.as_str()).collect();
        let range = if least == most { least.to_string() } else { format!("{least} to {most}") };
        out.line(&format!(
            "{split}: {} of {range} pictures: {}",
            counted(classes.len(), "class"),
            listed(&names)
        ))?;
    }
    out.line(&format!("{}: {}", path.display(), describe(&set)))
}

/// How classes are dealt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ShareOf {
    /// By these shares.
    Shares([usize; 3]),
    /// Those of all folders together, by the usual shares.
    Classes,
}

fn parse_split(text: &str) -> Result<ShareOf, String> {
    if text == "classes" {
        return Ok(ShareOf::Classes);
    }
    let parts: Result<Vec<usize>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    let needed = "three whole numbers are needed: training, validation, testing; or the word classes";
    let parts = parts.map_err(|_| needed.to_owned())?;
    <[usize; 3]>::try_from(parts)
        .map(ShareOf::Shares)
        .map_err(|given| format!("{} given; {needed}", given.len()))
}

fn parse_color(text: &str) -> Result<[u8; 3], String> {
    let digits = match text.to_lowercase().as_str() {
        "white" => "ffffff".to_owned(),
        "black" => "000000".to_owned(),
        other => other.trim_start_matches('#').to_owned(),
    };
    // `fff` doubles each digit.
    let digits = if digits.len() == 3 { digits.chars().flat_map(|c| [c, c]).collect() } else { digits };
    let number = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 6);
    let [_, r, g, b] =
        number.ok_or("white, black or six hexadecimal digits are needed, e.g. 808080")?.to_be_bytes();
    Ok([r, g, b])
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
