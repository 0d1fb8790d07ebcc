//! `export`: a model in the formats of other programs.

use super::device::DeviceArguments;
use super::failure::{Outcome, note};
use super::out::{Out, check_writable};
use super::source::{Source, model_of_run};
use fastweights::adapted::{Adaptation, Adapted, Examples, Signature};
use fastweights::export::{Format, export};
use fastweights::run::needs_points;
use fastweights::{Error, Result};
use std::path::{Path, PathBuf};

/// Write a run's model or an adapted one in a format of other programs.
///
/// ONNX holds the whole way from the units of one's files to answers, for any number of points at a time; safetensors and npz hold
/// weights alone, under the names that PyTorch gives them.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The run's directory, or the file of an adapted model
    model: PathBuf,
    /// The format: onnx, safetensors or npz [default: by the ending of --out]
    #[arg(long, value_name = "FORMAT", value_parser = Format::NAMES)]
    format: Option<String>,
    /// The file to write [default: the model's name with the format's ending, in this directory]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArguments,
}

pub(super) fn run(arguments: &Arguments, out: &mut Out) -> Outcome {
    let format = arguments.format()?;
    let path = arguments.out.clone().unwrap_or_else(|| arguments.usual(format));
    check_writable(&path, &[&arguments.model])?;
    let adapted = arguments.open(format)?;
    export(&adapted, format, &path)?;
    out.line(&format!("{}: {} parameters{}", path.display(), adapted.weights().len(), said(&adapted, format)))
}

/// What goes in and comes out, for people.
fn said(adapted: &Adapted, format: Format) -> String {
    match (format, adapted.signature()) {
        (Format::Safetensors | Format::Npz, _) => ", under the names that PyTorch gives them".to_owned(),
        (Format::Onnx, Signature::Points(_)) => "; x to y".to_owned(),
        (Format::Onnx, Signature::Series(_)) => "; window to value".to_owned(),
        (Format::Onnx, Signature::Field(_)) => "; coordinates to values".to_owned(),
        (Format::Onnx, Signature::Images(_)) => "; pixels to logits and probabilities".to_owned(),
        (Format::Onnx, Signature::Table(columns)) => match columns.classes() {
            [] => format!("; rows to value, which is `{}`", columns.label),
            _ => "; rows to logits and probabilities".to_owned(),
        },
    }
}

impl Arguments {
    /// As asked for, or as the file is called.
    fn format(&self) -> Result<Format> {
        let ending = self.out.as_ref().and_then(|path| path.extension()?.to_str());
        let name = self.format.as_deref().or(ending);
        let found = Format::NAMES.iter().zip(Format::ALL).find(|(known, _)| Some(**known) == name);
        found.map(|(_, format)| format).ok_or_else(|| {
            Error::recipe("--format", format!("is needed; allowed are {}", Format::NAMES.join(", ")))
        })
    }

    fn usual(&self, format: Format) -> PathBuf {
        let name = Format::NAMES.iter().zip(Format::ALL).find(|(_, known)| *known == format);
        let stem = self.model.file_stem().unwrap_or_else(|| "model".as_ref());
        Path::new(stem).with_extension(name.map_or("", |(name, _)| name))
    }

    /// The model; of a run as it was meta-trained.
    fn open(&self, format: Format) -> Result<Adapted> {
        let source = Source::open(&self.model)?;
        let memory = source.memory();
        let (dir, mut recipe, start) = match source {
            Source::Adapted(adapted) => return Ok(*adapted),
            Source::Run(dir, recipe, start) => (dir, recipe, start),
        };
        let device = self.device.open(memory)?;
        let table = matches!(start.signature, Signature::Table(_)) && !recipe.task.family.is_few_shot();
        if needs_points(&start) && !table {
            let reason = format!(
                "has batch norms, which take the statistics of all points at hand (transductive); no file can hold that: freeze \
                 them on a support set first, fastweights adapt {} --support INPUT --out adapted.safetensors, and export that",
                dir.path().display()
            );
            return Err(Error::file(dir.path(), reason));
        }
        if recipe.task.family.is_few_shot() && format == Format::Onnx {
            note(
                "a run of few-shot tasks as meta-trained: its classes mean nothing before it is adapted to a task",
            );
        }
        match table {
            true => model_of_run((&dir, &mut recipe, &start), &*device.backend, 0),
            false => start.adapt(&*device.backend, &Examples::default(), Adaptation { steps: 0, rate: None }),
        }
    }
}
