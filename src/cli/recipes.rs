//! `recipes`: what there is to train.

use super::failure::Outcome;
use super::out::Out;
use fastweights::recipe::{Recipe, builtin, builtins};

/// List the recipes, or print one.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print this recipe's TOML, ready to be edited and trained from a file
    name: Option<String>,
}

pub(super) fn run(arguments: &Arguments, out: &mut Out) -> Outcome {
    if let Some(name) = &arguments.name {
        return match builtin(name) {
            Some(known) => out.text(known.text),
            // Names a recipe that is near, or reads a file and spells out its defaults.
            None => out.text(&Recipe::load(name, &[])?.to_toml()?),
        };
    }
    let width = builtins().iter().map(|b| b.name.len()).max().unwrap_or(0);
    for known in builtins() {
        let recipe = Recipe::load(known.name, &[])?;
        out.line(&format!("{:width$}  {}", known.name, recipe.description))?;
    }
    Ok(())
}
