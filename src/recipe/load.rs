//! Recipes from names, files and text, and back.

use super::builtin::{builtin, builtins};
use super::section::read;
use super::settings::Recipe;
use super::{edit, typed, unused};
use crate::error::{Error, Result};
use std::path::Path;

impl Recipe {
    /// The recipe of this name or, failing that, of this file, with settings changed one after another:
    /// dotted keys and TOML values, see [`parse_setting`](super::parse_setting).
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming the key, its value and what is allowed;
    /// [`File`](crate::ErrorKind::File) if the file cannot be read.
    pub fn load(name_or_file: &str, settings: &[(String, toml::Value)]) -> Result<Self> {
        if let Some(known) = builtin(name_or_file) {
            return Self::parse(known.text, known.name, settings);
        }
        let path = Path::new(name_or_file);
        if path.is_file() {
            return Self::read(path, settings);
        }
        let names: Vec<_> = builtins().iter().map(|b| b.name).collect();
        let hint = edit::nearest(name_or_file, names.iter().copied())
            .map_or_else(String::new, |near| format!("did you mean `{near}`? "));
        Err(Error::recipe(
            "recipe",
            format!(
                "`{name_or_file}` is neither a recipe nor a file; {hint}the recipes are {}",
                names.join(", ")
            ),
        ))
    }

    /// The recipe in a file, with settings changed.
    ///
    /// # Errors
    /// As [`Recipe::load`].
    pub fn read(path: impl AsRef<Path>, settings: &[(String, toml::Value)]) -> Result<Self> {
        let path = path.as_ref();
        let text =
            std::fs::read_to_string(path).map_err(|e| Error::file_caused(path, "cannot be read", e))?;
        if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
            let reason =
                "is empty, which is no recipe; `fastweights recipes sinusoid` prints one to begin with";
            return Err(Error::file(path, reason));
        }
        let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or("recipe");
        Self::parse(&text, stem, settings).map_err(|error| match error.kind() {
            crate::ErrorKind::Recipe { .. } => error,
            _ => Error::file_caused(path, "is not a recipe", error),
        })
    }

    /// The recipe in a text, with settings changed; `name` is taken where the text gives none.
    ///
    /// # Errors
    /// As [`Recipe::load`].
    pub fn parse(text: &str, name: &str, settings: &[(String, toml::Value)]) -> Result<Self> {
        let mut table = edit::parse_table(text)?;
        for (key, value) in settings {
            edit::make_way(&mut table, key, settings);
            edit::set(&mut table, key, value.clone())?;
        }
        let recipe = read::<typed::Recipe>(None, table)?.resolve(name)?;
        unused::refuse(&recipe, settings)?;
        Ok(recipe)
    }

    /// The recipe as TOML, every setting spelled out; [`Recipe::parse`] reads it back unchanged.
    ///
    /// # Errors
    /// None that a checked recipe can cause.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| Error::failed(format!("a recipe that TOML cannot hold: {e}")))
    }
}
