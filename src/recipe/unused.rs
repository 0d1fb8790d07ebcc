//! Settings that were typed and change nothing, as another one takes away what they are about.

use super::settings::Recipe;
use crate::error::{Error, Result};
use crate::meta::OuterKind;
use toml::Value;

/// Refuses a typed setting that this recipe does not use. What a recipe's own text says stays: it may be wanted again.
pub(super) fn refuse(recipe: &Recipe, settings: &[(String, Value)]) -> Result<()> {
    settings.iter().try_for_each(|(key, _)| match why(recipe, key) {
        Some(reason) => Err(Error::recipe(key, reason)),
        None => Ok(()),
    })
}

fn why(recipe: &Recipe, key: &str) -> Option<String> {
    let (section, name) = key.split_once('.')?;
    let adam = |kind: OuterKind| kind == OuterKind::Adam;
    match (section, name) {
        ("validation", "tasks" | "steps" | "patience") if recipe.validation.every == 0 => {
            Some("is not used without trials (validation.every = 0)".to_owned())
        }
        ("control", "visit" | "optimizer" | "meta_lr" | "lr") if !recipe.control.enabled => {
            Some("is not used without a control (control.enabled = false)".to_owned())
        }
        ("outer", "betas" | "eps")
            if !(adam(recipe.outer.optimizer)
                || recipe.control.enabled && adam(recipe.control.optimizer)) =>
        {
            Some("is a setting of Adam, and outer.optimizer is another".to_owned())
        }
        ("evaluation", "dense") if recipe.task.family.kind() != "sinusoid" => {
            Some(format!("is not a setting of task.kind = \"{}\"", recipe.task.family.kind()))
        }
        _ => None,
    }
}
