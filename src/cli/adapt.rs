//! `adapt`: a run's model, adapted to a few examples of one's own, as one file.

use super::device::DeviceArguments;
use super::failure::{Outcome, note};
use super::flags::inner_rate;
use super::numbers::number;
use super::out::{Out, check_writable};
use super::source::Source;
use fastweights::adapted::{Adaptation, Adapted, Choice, Examples, Score, Signature, Start};
use fastweights::data::listed;
use fastweights::meta::Backend;
use fastweights::{Error, Result};
use std::path::PathBuf;

/// Adapt a run to a few examples of one's own, and keep the adapted model as one file.
///
/// The file needs nothing of the run: `predict` takes it. Batch norms are frozen on the support set, so that a single example can be
/// predicted.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The run's directory
    run: PathBuf,
    /// Examples to adapt to. Points and rows of a table: a file of text with the columns of training and what is predicted. A
    /// series: such a file. Pictures: a folder in which each class is a folder of pictures. A field: a picture, or a file of points
    #[arg(long, value_name = "INPUT")]
    support: PathBuf,
    /// Examples to judge the adapted model by, in the same form
    #[arg(long, value_name = "INPUT")]
    query: Option<PathBuf>,
    /// Hold this share of the support set out, of each class, and judge the adapted model by it; of a series the last windows
    #[arg(long, value_name = "SHARE", conflicts_with = "query")]
    hold_out: Option<f64>,
    /// Inner steps [default: the recipe's evaluation.steps]
    #[arg(long, value_name = "K")]
    steps: Option<usize>,
    /// Inner rate [default: the trained one]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    inner_lr: Option<f64>,
    /// Windows of a series to adapt on, the last ones [default: the recipe's evaluation.points]
    #[arg(long, value_name = "N")]
    points: Option<usize>,
    /// The series to adapt to, where the file holds several
    #[arg(long, value_name = "NAME")]
    series: Option<String>,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    device: DeviceArguments,
}

pub(super) fn run(arguments: &Arguments, out: &mut Out) -> Outcome {
    let read = [&arguments.run, &arguments.support].into_iter().chain(&arguments.query);
    check_writable(&arguments.out, &read.map(PathBuf::as_path).collect::<Vec<_>>())?;
    let rate = inner_rate(arguments.inner_lr)?;
    let source = Source::open(&arguments.run)?;
    let memory = source.memory();
    let Source::Run(_, recipe, mut start) = source else {
        let reason = "is an adapted model; a run's directory is needed to adapt from";
        return Err(Error::file(&arguments.run, reason).into());
    };
    let steps = arguments.steps.unwrap_or(recipe.evaluation.steps);
    if steps > 1000 {
        return Err(Error::recipe("--steps", format!("is {steps}; allowed are 0 to 1000")).into());
    }
    let of_series = matches!(start.signature, Signature::Series(_));
    for (flag, given) in [("--points", arguments.points.is_some()), ("--series", arguments.series.is_some())]
    {
        if given && !of_series {
            return Err(
                Error::recipe(flag, format!("is for series, not for {}", start.signature.kind())).into()
            );
        }
    }
    let windows = arguments.points.unwrap_or(recipe.evaluation.points);
    if of_series && windows == 0 {
        return Err(Error::recipe("--points", "is 0; at least one window is needed").into());
    }
    let outputs = start.plan.model.outputs();
    let choice = Choice { outputs, windows, series: arguments.series.as_deref() };
    let support = start.signature.support(&arguments.support, choice)?;
    let (support, query) = match (arguments.hold_out, &arguments.query) {
        (Some(share), _) => {
            if !(share > 0.0 && share < 1.0) {
                return Err(Error::recipe(
                    "--hold-out",
                    format!("is {share}; a share between 0 and 1 is needed"),
                )
                .into());
            }
            let classes = !start.signature.classes().is_empty();
            let (kept, held) = support.held_out(share, classes, recipe.seed)?;
            (kept, Some(Examples { notes: Vec::new(), ..held }))
        }
        (None, Some(path)) => (support, Some(start.signature.query(path)?)),
        (None, None) => (support, None),
    };
    for examples in [Some(&support), query.as_ref()].into_iter().flatten() {
        for line in &examples.notes {
            note(&format!("{}: {line}", examples.path.display()));
        }
    }
    let device = arguments.device.open(memory)?;
    let adapted = start.adapt(&*device.backend, &support, Adaptation { steps, rate })?;
    adapted.save(&arguments.out)?;
    arguments.tell(&adapted, &support, out)?;
    let role = if arguments.hold_out.is_some() { Role::HeldOut } else { Role::Query };
    let other = query.as_ref().map(|query| (role, query));
    let lines = judged((&start, &adapted), (&support, other), &*device.backend)?;
    lines.iter().try_for_each(|line| out.line(line))
}

impl Arguments {
    /// What was adapted, from what and how.
    fn tell(&self, adapted: &Adapted, support: &Examples, out: &mut Out) -> Outcome {
        let about = adapted.about();
        let classes = adapted.signature().classes();
        let of = match classes.len() {
            0 => String::new(),
            count => format!(" of {count} classes: {}", listed(classes)),
        };
        out.line(&format!(
            "{}: {} ({}), adapted on {} {}{of}",
            self.out.display(),
            about.origin.run,
            about.origin.checkpoint,
            support.points,
            support.what
        ))?;
        let rates: Vec<f64> = about.inner_lr.iter().map(|rate| rate.rate).collect();
        let rate = match &rates[..] {
            [] => String::new(),
            [rate] => format!(", inner rate {}", number(*rate)),
            rates => {
                let low = rates.iter().copied().fold(f64::INFINITY, f64::min);
                let high = rates.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                format!(", learned inner rates from {} to {}", number(low), number(high))
            }
        };
        out.line(&format!("{} inner steps of {}{rate}", about.steps, about.optimizer))
    }
}

/// What examples are there for.
#[derive(Clone, Copy, Debug)]
enum Role {
    /// To adapt to.
    Support,
    /// To judge by.
    Query,
    /// To judge by, taken out of what was given to adapt to.
    HeldOut,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Support => "support set",
            Self::Query => "query set",
            Self::HeldOut => "held out",
        }
    }

    /// Whether nothing was adapted or frozen on them.
    fn judges(self) -> bool {
        match self {
            Self::Support => false,
            Self::Query | Self::HeldOut => true,
        }
    }
}

/// How well the model does on its support set and on others, before and after, and what freezing its batch norms costs.
fn judged(
    (start, adapted): (&Start, &Adapted),
    (support, other): (&Examples, Option<(Role, &Examples)>),
    device: &dyn Backend,
) -> Result<Vec<String>> {
    let before = start.adapt(device, support, Adaptation { steps: 0, rate: None })?;
    let mut lines = Vec::new();
    for (role, examples) in [(Role::Support, support)].into_iter().chain(other) {
        let (first, last) = (before.judge(device, examples)?, adapted.judge(device, examples)?);
        lines.push(format!(
            "{}, {} {}: {} (before adaptation {})",
            role.name(),
            examples.points,
            examples.what,
            said(last),
            said(first)
        ));
        let together = if role.judges() { adapted.judge_together(device, examples)? } else { None };
        if let Some(together) = together {
            lines.push(format!("  {}", cost(last, together)));
        }
    }
    if other.is_none() && !adapted.norms().is_empty() {
        lines.push(
            "batch norms are frozen on the support set; --query INPUT measures what that costs".to_owned(),
        );
    }
    Ok(lines)
}

fn said(score: Score) -> String {
    match score.accuracy {
        Some(accuracy) => format!("accuracy {:.2} %, loss {}", 100.0 * accuracy, number(score.loss)),
        None => format!("loss {}", number(score.loss)),
    }
}

/// What freezing batch norms costs, in words.
fn cost(frozen: Score, together: Score) -> String {
    let cost = match (frozen.accuracy, together.accuracy) {
        (Some(frozen), Some(together)) if together >= frozen => {
            format!("freezing costs {:.2} points of accuracy", 100.0 * (together - frozen))
        }
        (Some(frozen), Some(together)) => {
            format!("freezing gains {:.2} points of accuracy", 100.0 * (frozen - together))
        }
        _ if together.loss <= frozen.loss => {
            format!("freezing costs {} of loss", number(frozen.loss - together.loss))
        }
        _ => format!("freezing gains {} of loss", number(together.loss - frozen.loss)),
    };
    format!(
        "with batch norms frozen on the support set, each by itself; by the statistics of the whole query set (transductive): {}; {cost}",
        said(together)
    )
}
