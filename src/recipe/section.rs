//! Sections of a recipe as they are typed: everything may be absent, unknown keys are errors.

use super::edit;
use crate::error::{Error, Result};
use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// Declares a section whose keys may all be absent.
macro_rules! section {
    ($name:ident { $($field:ident: $type:ty),+ $(,)? }) => {
        #[derive(Clone, Debug, Default, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub(super) struct $name {
            $(pub(super) $field: Option<$type>,)+
        }

        impl $name {
            /// Its keys.
            #[allow(dead_code, reason = "asked of sections that stand in for one another")]
            pub(super) const KEYS: &[&str] = &[$(stringify!($field)),+];
        }
    };
}
pub(super) use section;

/// Types a table, the section `name` or, without one, the whole recipe; an error names the key, the value and what is
/// allowed.
pub(super) fn read<T: DeserializeOwned>(name: Option<&str>, table: Table) -> Result<T> {
    let shown = match name {
        Some(name) => Table::from_iter([(name.to_owned(), Value::Table(table.clone()))]),
        None => table.clone(),
    };
    serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
        let inner = error.path().to_string();
        let path: Vec<_> =
            name.into_iter().chain([inner.trim_matches('.')]).filter(|p| !p.is_empty()).collect();
        let (key, reason) = edit::explain(&shown, &path.join("."), error.inner().message());
        Error::recipe(key, reason)
    })
}
