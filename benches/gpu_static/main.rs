//! What a real GPU's compiler makes of the kernels of a training, without that GPU: registers, spills, waves, and how much of the product
//! loops is multiply-adds.
//!
//!     cargo bench --bench gpu_static                                      Conv4 on three generations
//!     cargo bench --bench gpu_static -- --workload sine --family navi31   one training, one generation
//!     cargo bench --bench gpu_static -- --assembly conv2d                 and the machine code of a kernel
//!     cargo bench --bench gpu_static -- --shaders shaders                 with the shaders as they are in a folder
//!
//! Needs Mesa's RADV (Linux), which compiles for a card that is not there. Nothing is run.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it reports")]

mod compiler;
mod machine_code;
mod translate;

use fastweights::backend::gpu::{Pipeline, pipelines};
use fastweights::wgsl::Library;
use fastweights::workloads::{WORKLOADS, Workload};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Generations of AMD cards: GCN 5, RDNA 2, RDNA 3.
const FAMILIES: [&str; 3] = ["vega10", "navi21", "navi31"];

/// Set for the process that has a driver for one generation.
const FAMILY: &str = "RADV_FORCE_FAMILY";

/// The value behind a flag.
fn flag(name: &str) -> Option<String> {
    let arguments: Vec<String> = std::env::args().collect();
    let at = arguments.iter().position(|argument| argument == name)?;
    arguments.get(at + 1).cloned()
}

/// RADV's manifest.
fn driver() -> Option<PathBuf> {
    if let Some(file) = std::env::var_os("VK_DRIVER_FILES") {
        return Some(file.into());
    }
    let folder = Path::new("/usr/share/vulkan/icd.d");
    let names = ["radeon_icd.json", "radeon_icd.x86_64.json", "radeon_icd.aarch64.json"];
    names.iter().map(|name| folder.join(name)).find(|file| file.exists())
}

fn main() -> ExitCode {
    // As `cargo test` calls benchmarks: what needs no driver.
    let report = if !std::env::args().any(|argument| argument == "--bench") {
        translated()
    } else if std::env::var_os(FAMILY).is_some() {
        one_family()
    } else {
        every_family()
    };
    match report {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("gpu_static: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// Every pipeline of a training of either path becomes SPIR-V.
fn translated() -> Result<(), String> {
    let library = translate::library(None)?;
    for workload in
        WORKLOADS.iter().filter(|workload| ["sine", "omniglot-5way-1shot"].contains(&workload.name))
    {
        let all = planned(workload, workload.meta_batches[0])?;
        if all.is_empty() {
            return Err(format!("{} has no pipelines", workload.name));
        }
        for pipeline in &all {
            translate::spirv(&library, pipeline)?;
        }
        println!("{}: {} pipelines translated", workload.name, all.len());
    }
    Ok(())
}

/// The pipelines of a workload.
fn planned(workload: &Workload, meta_batch: u32) -> Result<Vec<Pipeline>, String> {
    let recipe = workload.recipe(meta_batch).map_err(|problem| problem.to_string())?;
    let plan = recipe.train_plan().map_err(|problem| problem.to_string())?;
    pipelines(&plan).map_err(|problem| problem.to_string())
}

/// The same program for each generation, as a driver reads the variable once.
fn every_family() -> Result<(), String> {
    let driver = driver().ok_or("Mesa's RADV is not installed (Debian: mesa-vulkan-drivers)")?;
    let program = std::env::current_exe().map_err(|problem| problem.to_string())?;
    let asked = flag("--family");
    for family in FAMILIES.into_iter().filter(|&family| asked.as_deref().is_none_or(|asked| asked == family))
    {
        let status = Command::new(&program)
            .args(std::env::args().skip(1))
            .env(FAMILY, family)
            .env("VK_DRIVER_FILES", &driver)
            .env("RADV_DEBUG", "nocache")
            .status()
            .map_err(|problem| problem.to_string())?;
        if !status.success() {
            return Err(format!("the report for {family} failed"));
        }
    }
    Ok(())
}

fn one_family() -> Result<(), String> {
    let name = flag("--workload").unwrap_or_else(|| "omniglot-5way-1shot".into());
    let workload = WORKLOADS.iter().find(|workload| workload.name == name).ok_or_else(|| {
        let names: Vec<_> = WORKLOADS.iter().map(|workload| workload.name).collect();
        format!("there is no workload {name:?}; there are {}", names.join(", "))
    })?;
    let meta_batch = match flag("--meta-batch") {
        Some(typed) => typed.parse().map_err(|problem| format!("--meta-batch {typed}: {problem}"))?,
        None => workload.meta_batches[0],
    };
    let all = planned(workload, meta_batch)?;
    let compiler = compiler::Compiler::open()?;
    let library = translate::library(flag("--shaders").as_deref())?;
    println!("\n{name}, {meta_batch} tasks, {}\n", compiler.name);
    println!(
        "| kernel | cut | dispatches | workgroups | registers | spilled | memory | waves | instructions | latency | throughput⁻¹ | \
         product: multiply-adds, of instructions | loop around it, without: instructions, loads |"
    );
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for pipeline in &all {
        row(&compiler, &library, pipeline)?;
    }
    Ok(())
}

/// The constants that say how a product is cut.
fn cut(pipeline: &Pipeline) -> String {
    let value =
        |name: &str| pipeline.constants.iter().find(|(known, _)| *known == name).map(|(_, value)| value);
    match [value("ROWS"), value("COLUMNS"), value("SPLIT")] {
        [Some(rows), Some(columns), Some(split)] => format!("{rows} × {columns} / {split}"),
        [Some(rows), Some(columns), None] => format!("{rows} × {columns}"),
        [None, ..] | [_, None, _] => String::new(),
    }
}

fn row(compiler: &compiler::Compiler, library: &Library, pipeline: &Pipeline) -> Result<(), String> {
    let shader = pipeline.kernel.shader;
    let words = translate::spirv(library, pipeline)?;
    let compiled =
        compiler.compile(&words, pipeline.kernel).map_err(|problem| format!("{shader}: {problem}"))?;
    if flag("--assembly").as_deref() == Some(shader) {
        eprintln!("{}", compiled.assembly);
    }
    let of = |name: &str| compiled.statistics.get(name).copied().unwrap_or(0);
    let product = machine_code::product(&compiled.assembly);
    let [share, around] = product.map_or_else(Default::default, |found| {
        let percent = 100 * found.multiply_adds / found.instructions.max(1);
        let share = format!("{} of {}, {percent} %", found.multiply_adds, found.instructions);
        [share, format!("{}, {}", found.around, found.loads)]
    });
    println!(
        "| `{shader}` | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {share} | {around} |",
        cut(pipeline),
        pipeline.dispatches,
        pipeline.workgroups,
        of("VGPRs"),
        of("Spilled VGPRs") + of("Spilled SGPRs"),
        of("LDS size"),
        of("Subgroups per SIMD"),
        of("Instructions"),
        of("Latency"),
        of("Inverse Throughput"),
    );
    Ok(())
}
