//! Series from long tables: the same run from every form of the same table, nothing of the queries in what is adapted
//! on, and a forecast that is learned.

mod files;
mod learned;

use fastweights::backend::cpu::CpuBackend;
use fastweights::data::{Dialect, Duplicates, Gaps, Layout, SeriesColumns, SeriesSet};
use fastweights::meta::Trainer;
use fastweights::recipe::{Recipe, parse_setting};
use fastweights::run::{Judged, Models, judge};
use fastweights::task::{SeriesTable, TaskSource, Traits, Visit};
use std::collections::HashSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows `id,time,value` of generated series of different lengths.
fn rows(count: usize) -> Vec<String> {
    let mut rows = Vec::new();
    for i in 0..count {
        let mut values = Vec::new();
        Traits::draw(5, i, 60 + 7 * (i % 5)).series_into(&mut values);
        rows.extend(values.iter().enumerate().map(|(t, y)| format!("s{i},{t},{}", 1000.0 * y + 50.0)));
    }
    rows
}

fn table(rows: &[String]) -> String {
    format!("id,time,realValue\n{}\n", rows.join("\n"))
}

/// Another order of the same rows: every 7th, seven times over.
fn mixed(rows: &[String]) -> Vec<String> {
    (0..7).flat_map(|first| rows.iter().skip(first).step_by(7).rev().cloned()).collect()
}

fn write(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut file = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    file.write_all(bytes).unwrap();
    file.finish().unwrap()
}

fn columns(time: Option<&str>, drop_missing: bool) -> SeriesColumns {
    let time = time.map(str::to_owned);
    let names = |name: &str| vec![name.to_owned()];
    SeriesColumns {
        ids: names("id"),
        values: names("realValue"),
        time,
        drop_missing,
        ..SeriesColumns::default()
    }
}

fn read(path: &Path, columns: &SeriesColumns) -> fastweights::Result<SeriesSet> {
    SeriesSet::read(path, columns, &Dialect::default(), None)
}

fn load(path: &Path, more: &[&str]) -> fastweights::Result<Recipe> {
    let mut settings = vec![
        parse_setting("task.time_column=time")?,
        ("task.csv".to_owned(), toml::Value::String(path.display().to_string())),
    ];
    for text in
        ["task.window=12", "task.support=8", "task.query=4", "outer.iterations=300"].iter().chain(more)
    {
        settings.push(parse_setting(text)?);
    }
    let mut recipe = Recipe::load("series", &settings)?;
    recipe.load_data(None)?;
    Ok(recipe)
}

fn train(recipe: &Recipe, iterations: u64) -> Models {
    let cpu = CpuBackend::new(Some(1));
    let mut trainer = Trainer::new(&cpu, &recipe.train_plan().unwrap(), recipe.start().unwrap()).unwrap();
    trainer.advance(iterations).unwrap();
    let control = recipe.control_plan().unwrap().map(|plan| {
        let mut control = Trainer::new(&cpu, &plan, recipe.control_start().unwrap()).unwrap();
        control.advance(iterations).unwrap();
        control.state().unwrap().params
    });
    Models { maml: trainer.state().unwrap().params, control, iterations }
}

fn judged(recipe: &Recipe, models: &Models) -> Judged {
    judge(recipe, &recipe.evaluation, models, &CpuBackend::new(Some(1)), None).unwrap()
}
