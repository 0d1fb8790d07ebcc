//! Arguments → recipe → calls; printing. No mathematics here.

mod adapt;
mod bench;
mod bench_report;
mod check;
mod columns;
mod data;
mod device;
mod eval;
mod examples;
mod export;
mod failing;
mod failure;
mod fields;
mod flags;
mod importing;
mod memory;
mod model;
mod numbers;
mod out;
mod passport;
mod predict;
mod progress;
mod rates;
mod recipes;
mod report;
mod sample;
mod seeds;
mod series;
mod sharing;
mod signals;
mod source;
mod steps;
mod table;
mod tabular;
mod team;
mod train;
mod training;
mod way_on;
mod width;

use clap::{Parser, Subcommand};
use failure::{Outcome, note};
use out::Out;
use std::process::ExitCode;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// Gradient-based meta-learning (MAML and its family) on any GPU and on CPUs with wide SIMD.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 110)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Meta-train a recipe and its control, compare both on new tasks, draw pictures
    #[command(after_help = examples::TRAIN)]
    Train(Box<train::Arguments>),
    /// Evaluate a run anew, with other tasks, steps, points or rate
    #[command(after_help = examples::EVAL)]
    Eval(eval::Arguments),
    /// Write one page of HTML about runs, side by side
    #[command(after_help = examples::REPORT)]
    Report(report::Arguments),
    /// Adapt a run to a few examples of one's own, and keep the adapted model as one file
    #[command(after_help = examples::ADAPT)]
    Adapt(adapt::Arguments),
    /// Predict new points, rows, pictures or series with a run or an adapted model
    #[command(after_help = examples::PREDICT)]
    Predict(predict::Arguments),
    /// Write a model as ONNX, or its weights as safetensors or npz
    #[command(after_help = examples::EXPORT)]
    Export(export::Arguments),
    /// Draw a field that a run of fields has learned, at any resolution, or evaluate it at given places
    #[command(after_help = examples::SAMPLE)]
    Sample(sample::Arguments),
    /// Fetch, import and list image data sets
    Data(data::Arguments),
    /// List the recipes, or print one
    Recipes(recipes::Arguments),
    /// Print a recipe's network, node by node, or draw it
    Model(model::Arguments),
    /// List the devices, their limits, and what they can run
    Devices,
    /// Compute known meta-gradients on a device and compare: a check of hardware and driver
    #[command(after_help = "--device also takes cpu-f64, the float64 oracle that the others are judged by")]
    Gradcheck(check::Arguments),
    /// Measure meta-iterations a second
    Bench(bench::Arguments),
}

/// Runs the program as its arguments say.
pub(crate) fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help goes to standard output, which may be closed like any other.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    log();
    let mut out = Out::stdout();
    let outcome = run(arguments.command, &mut out).and_then(|()| out.finish());
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(command: Command, out: &mut Out) -> Outcome {
    match command {
        Command::Train(arguments) => seeds::run(&arguments, out),
        Command::Eval(arguments) => eval::run(&arguments, out),
        Command::Report(arguments) => report::run(&arguments, out),
        Command::Adapt(arguments) => adapt::run(&arguments, out),
        Command::Predict(arguments) => predict::run(&arguments, out),
        Command::Export(arguments) => export::run(&arguments, out),
        Command::Sample(arguments) => sample::run(&arguments, out),
        Command::Data(arguments) => data::run(&arguments, out),
        Command::Recipes(arguments) => recipes::run(&arguments, out),
        Command::Model(arguments) => model::run(&arguments, out),
        Command::Devices => device::list(out),
        Command::Gradcheck(arguments) => check::run(&arguments, out),
        Command::Bench(arguments) => bench::run(&arguments, out),
    }
}

/// Diagnostics on standard error, if `FASTWEIGHTS_LOG` asks for them, e.g. `FASTWEIGHTS_LOG=debug`.
fn log() {
    let Ok(asked) = std::env::var("FASTWEIGHTS_LOG") else { return };
    let targets = asked.parse::<Targets>();
    if let Err(error) = &targets {
        note(&format!(
            "FASTWEIGHTS_LOG is `{asked}` and shows nothing: {error}; try debug, or wgpu_core=info"
        ));
    }
    if let Ok(targets) = targets {
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
        tracing_subscriber::registry().with(lines.with_filter(targets)).init();
    }
}
