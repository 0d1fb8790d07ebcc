//! Tables: what is read and refused, scaling, mini-batches and few-shot tasks, training, judging, predicting.

mod columns;
mod files;
mod kinds;
mod learned;
mod parquet;

#[path = "../adapter/mod.rs"]
mod adapter;

use fastweights::adapted::{Answers, Inputs, Origin, Predicted, Signature, Start};
use fastweights::backend::cpu::CpuBackend;
use fastweights::backend::gpu::GpuBackend;
use fastweights::case::relative_error;
use fastweights::data::{Choices, Columns, Dialect, MissingCells, Roles, Sheet, Target};
use fastweights::meta::{Backend, Trainer};
use fastweights::recipe::{EvaluationSettings, LabelledRows, Recipe, TableRows, parse_setting};
use fastweights::run::{Found, Models, judge, ready, table_predictions};
use fastweights::task::{Visit, unit};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn file(dir: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// Rows of `classes` clouds of three features; the third is constant, the second a thousand times as wide.
fn clouds(classes: usize, rows: usize, from: u32, labels: bool) -> String {
    let mut text = format!("a,b,c{}\n", if labels { ",kind" } else { "" });
    for i in 0..(classes * rows) as u32 {
        let class = i as usize % classes;
        let mut words = fastweights::task::Philox::stream(7, fastweights::task::Purpose::Data, from, i);
        let mut noise = || 0.8 * (unit(words.word()) - 0.5);
        let angle = class as f32 * std::f32::consts::TAU / classes as f32;
        let (a, b) = (angle.cos() + noise(), 1e3 * (angle.sin() + noise()) + 5e4);
        let label = if labels { format!(",k{class:02}") } else { String::new() };
        writeln!(text, "{a},{b},4.5{label}").unwrap();
    }
    text
}

fn recipe(name: &str, train: &Path, more: &[&str]) -> fastweights::Result<Recipe> {
    let quoted =
        |key: &str, path: &Path| (key.to_owned(), toml::Value::String(path.to_str().unwrap().to_owned()));
    let mut settings = vec![quoted("task.train", train), ("task.label".to_owned(), "kind".into())];
    for text in more {
        settings.push(match text.strip_prefix("task.test=") {
            Some(path) => quoted("task.test", Path::new(path)),
            None => parse_setting(text)?,
        });
    }
    let mut recipe = Recipe::load(name, &settings)?;
    recipe.load_data(None)?;
    Ok(recipe)
}

fn trained(recipe: &Recipe) -> Models {
    let cpu = CpuBackend::new(Some(2));
    let run = |plan: &fastweights::meta::TrainPlan, state| {
        let mut trainer = Trainer::new(&cpu, plan, state).unwrap();
        trainer.advance(u64::MAX).unwrap();
        trainer.state().unwrap().params
    };
    let control = recipe.control_plan().unwrap().map(|plan| run(&plan, recipe.control_start().unwrap()));
    Models {
        maml: run(&recipe.train_plan().unwrap(), recipe.start().unwrap()),
        control,
        iterations: recipe.outer.iterations,
    }
}

fn sheet(path: &Path) -> fastweights::Result<Sheet> {
    Sheet::read(path, &Dialect::default(), &[], None)
}

const CHOICES: Choices<'_> = Choices {
    label: "label",
    regression: false,
    ignore: &[],
    keep: &[],
    categories: &[],
    missing: MissingCells::Refuse,
};

/// Reads, and codes all rows by the statistics of all.
fn coded(path: &Path, choices: &Choices<'_>) -> fastweights::Result<(Columns, Vec<f32>, Vec<String>)> {
    let sheet = sheet(path)?;
    let mut roles = Roles::of(&sheet, choices)?;
    let rows = roles.rows.clone();
    let columns = roles.fit(&sheet, choices, &rows)?;
    let x = columns.code(&sheet, rows.into_iter())?.x;
    Ok((columns, x, roles.notes))
}
