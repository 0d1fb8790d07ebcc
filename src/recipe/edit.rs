//! Recipes as tables: reading text, changing a key, and saying what is wrong with one.

use crate::error::{Error, Result};
use toml::{Table, Value};

/// Splits `key=value` as typed on a command line. The value is TOML; a bare word is a string.
///
/// # Errors
/// [`Recipe`](crate::ErrorKind::Recipe) naming the setting.
pub fn parse_setting(text: &str) -> Result<(String, Value)> {
    let (key, value) = (text.split_once('='))
        .ok_or_else(|| Error::recipe(text, "is not a setting; write key=value, e.g. inner.steps=5"))?;
    let (key, value) = (key.trim(), value.trim());
    if key.is_empty() || key.split('.').any(|part| part.trim().is_empty()) {
        return Err(Error::recipe(text, "has no key; write key=value, e.g. inner.steps=5"));
    }
    let bare = value.starts_with(|c: char| c.is_ascii_alphabetic())
        && value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let value = match value.parse::<Value>() {
        Ok(value) => value,
        Err(_) if bare => Value::String(value.to_owned()),
        Err(error) => {
            let reason = format!("`{value}` is not a TOML value: {}", error.message().trim());
            return Err(Error::recipe(key, reason));
        }
    };
    Ok((key.to_owned(), value))
}

/// Reads TOML; an error names the line.
pub(super) fn parse_table(text: &str) -> Result<Table> {
    text.parse::<Table>().map_err(|error| {
        let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        Error::failed(format!("line {line}: {}", error.message().trim()))
    })
}

/// Puts a value at a dotted key, making sections on the way.
pub(super) fn set(table: &mut Table, key: &str, value: Value) -> Result<()> {
    let mut parts: Vec<_> = key.split('.').map(str::trim).collect();
    let last = parts.pop().unwrap_or(key);
    let mut place = table;
    for part in parts {
        let entry = place.entry(part).or_insert_with(|| Value::Table(Table::new()));
        place = entry.as_table_mut().ok_or_else(|| {
            Error::recipe(key, format!("cannot be set: `{part}` is a value, not a section"))
        })?;
    }
    place.insert(last.to_owned(), value);
    Ok(())
}

/// What is wrong at a path, with the value that stands there, from a message of `serde`.
pub(super) fn explain(table: &Table, path: &str, message: &str) -> (String, String) {
    let message = message.trim();
    let quoted: Vec<_> = message.split('`').skip(1).step_by(2).collect();
    if let (true, Some((unknown, allowed))) = (message.starts_with("unknown field"), quoted.split_first()) {
        // The path may or may not end in the unknown key itself.
        let section = path.strip_suffix(unknown).unwrap_or(path).trim_matches('.');
        let key = if section.is_empty() { (*unknown).to_owned() } else { format!("{section}.{unknown}") };
        let hint = nearest(unknown, allowed.iter().copied())
            .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        let place = if section.is_empty() { "a recipe".to_owned() } else { format!("[{section}]") };
        return (key, format!("unknown key{hint} {place} has {}", allowed.join(", ")));
    }
    if let (true, Some((unknown, allowed))) = (message.starts_with("unknown variant"), quoted.split_first()) {
        let hint = nearest(unknown, allowed.iter().copied())
            .map_or_else(String::new, |near| format!("did you mean `{near}`? "));
        return (path.to_owned(), format!("is `{unknown}`; {hint}allowed are {}", allowed.join(", ")));
    }
    let value = path.split('.').try_fold(Value::Table(table.clone()), |value, part| {
        let name = part.split('[').next().unwrap_or(part);
        value.get(name).cloned()
    });
    match value {
        Some(Value::Table(_)) | None => (path.to_owned(), message.to_owned()),
        Some(value) => (path.to_owned(), format!("is {value}: {message}")),
    }
}

/// The word that was probably meant.
pub(super) fn nearest<'a>(word: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    words
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
