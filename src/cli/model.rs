//! `model`: a recipe's network, node by node.

use super::failure::Outcome;
use super::out::Out;
use fastweights::model::{Model, Node, Value};
use fastweights::recipe::{Recipe, parse_setting};
use fastweights::run::draw_model;
use serde_json::json;
use std::path::PathBuf;

/// Print the graph of a recipe's network.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Multiply-adds and memory are of one point's forward pass; memory is that of the node's output in \
    float32."
)]
pub(super) struct Arguments {
    /// The recipe: a built-in one's name, or a file
    recipe: String,
    /// Change a setting of the recipe, e.g. --set 'model.layers=[{ type = "linear", outputs = 40 }]'
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Draw the graph to this file as well
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Print the graph as one JSON object: every node with its settings, inputs, shape and parameters
    #[arg(long)]
    json: bool,
}

/// The columns of the table.
const HEADER: [&str; 7] = ["node", "op", "inputs", "shape", "parameters", "multiply-adds", "bytes"];

pub(super) fn run(arguments: &Arguments, out: &mut Out) -> Outcome {
    let settings =
        arguments.settings.iter().map(|text| parse_setting(text)).collect::<Result<Vec<_>, _>>()?;
    let mut recipe = Recipe::load(&arguments.recipe, &settings)?;
    // How wide a table is follows from its rows.
    if recipe.model().is_err() {
        recipe.load_data(None)?;
    }
    let model = recipe.plan()?.model;
    match arguments.json {
        true => out.line(&as_json(&recipe.name, &model).to_string())?,
        false => list(&model, out)?,
    }
    if let Some(path) = &arguments.svg {
        draw_model(&model, path)?;
        if !arguments.json {
            out.line(&format!("drawn to {}", path.display()))?;
        }
    }
    Ok(())
}

/// Multiply-adds of a node's forward pass, for a point.
fn multiply_adds(model: &Model, node: &Node) -> u64 {
    let shapes: Vec<_> = node.inputs.iter().map(|&input| model.value(input).0).collect();
    node.op.multiply_adds(&shapes, node.shape)
}

/// The graph as programs read it.
fn as_json(recipe: &str, model: &Model) -> serde_json::Value {
    let nodes = model.nodes().iter().map(|node| {
        let parameters = |fixed: bool| -> serde_json::Map<_, _> {
            let all = model.params()[node.params.clone()].iter().filter(|param| param.is_fixed() == fixed);
            all.map(|param| (param.name.clone(), json!(param.shape))).collect()
        };
        json!({
            "name": node.name,
            "op": node.op,
            "inputs": node.inputs.iter().map(|&input| name(model, input)).collect::<Vec<_>>(),
            "shape": node.shape.axes(),
            "parameters": parameters(false),
            "fixed": parameters(true),
            "multiply_adds": multiply_adds(model, node),
        })
    });
    json!({
        "recipe": recipe,
        "input": model.input().axes(),
        "nodes": nodes.collect::<Vec<_>>(),
        "parameters": model.param_count() - model.fixed_count(),
        "fixed": model.fixed_count(),
    })
}

/// The graph as people read it.
fn list(model: &Model, out: &mut Out) -> Outcome {
    let mut table = vec![HEADER.map(str::to_owned)];
    table.push(row("input", "", "", model.input().to_string(), 0, 0, model.inputs()));
    let (mut parameters, mut products, mut floats) = (0, 0, model.inputs());
    for node in model.nodes() {
        let count = model.learned_count(node);
        let macs = multiply_adds(model, node);
        let inputs = node.inputs.iter().map(|&input| name(model, input)).collect::<Vec<_>>().join(", ");
        let op = node.op.to_string();
        table.push(row(&node.name, &op, &inputs, node.shape.to_string(), count, macs, node.shape.len()));
        (parameters, products, floats) = (parameters + count, products + macs, floats + node.shape.len());
    }
    let fixed = model.fixed_count();
    // Scales and shifts of later steps are no node's.
    let parameters = parameters.max(model.param_count() - fixed);
    table.push(row("total", "", "", String::new(), parameters, products, floats));
    print(&table, out)?;
    if fixed > 0 {
        out.line(&format!("and {fixed} fixed numbers, which are drawn and never learned"))?;
    }
    Ok(())
}

fn name(model: &Model, value: Value) -> String {
    value.node().map_or_else(|| "input".to_owned(), |node| model.nodes()[node].name.clone())
}

fn row(
    name: &str,
    op: &str,
    inputs: &str,
    shape: String,
    parameters: usize,
    multiply_adds: u64,
    floats: usize,
) -> [String; 7] {
    let [name, op, inputs] = [name, op, inputs].map(str::to_owned);
    [name, op, inputs, shape, parameters.to_string(), multiply_adds.to_string(), (4 * floats).to_string()]
}

/// Words to the left, numbers to the right.
fn print(table: &[[String; 7]], out: &mut Out) -> Outcome {
    let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEADER.len()).map(width).collect();
    for row in table {
        let cells = row.iter().zip(&widths).enumerate().map(|(i, (cell, &width))| match i < 4 {
            true => format!("{cell:<width$}"),
            false => format!("{cell:>width$}"),
        });
        out.line(cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}
