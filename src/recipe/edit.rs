//! Recipes as tables: reading text, changing a key, and saying what is wrong with one.

use crate::data::glyphs;
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

/// Settings of what may be said by its name alone, in place of a table with it as `type`.
const NAMED: &str = "model.loss.";

/// Puts a value at a dotted key, making sections on the way.
pub(super) fn set(table: &mut Table, key: &str, value: Value) -> Result<()> {
    let mut parts: Vec<_> = key.split('.').map(str::trim).collect();
    let last = parts.pop().unwrap_or(key);
    let mut place = table;
    for part in parts {
        let entry = place.entry(part).or_insert_with(|| Value::Table(Table::new()));
        // What is said by its name alone has settings, too.
        if let (true, Value::String(name)) = (key.starts_with(NAMED), &*entry) {
            *entry = Value::Table(Table::from_iter([("type".to_owned(), Value::String(name.clone()))]));
        }
        place = entry.as_table_mut().ok_or_else(|| {
            Error::recipe(key, format!("cannot be set: `{part}` is a value, not a section"))
        })?;
    }
    place.insert(last.to_owned(), value);
    Ok(())
}

/// The keys of `[model]` that are no matter of which network it is.
const ANY_NETWORK: [&str; 2] = ["init", "loss"];

/// Who types another network takes away all that the recipe says of its own: `model.preset` and `model.layers` take the place
/// of one another, and of the settings of either. What is typed beside it stays.
///
/// So does who types `task.target`, a number that is predicted, with `task.label`, a class, and its loss; and the other way round; and who
/// says where fields come from, with how many pixels and points those of the recipe have; and who names an image set, with how
/// large the recipe's own pictures are.
pub(super) fn make_way(table: &mut Table, key: &str, settings: &[(String, Value)]) {
    for (one, other) in [("label", "target"), ("target", "label")] {
        if key.strip_prefix("task.") == Some(one)
            && settings.iter().all(|(key, _)| key.strip_prefix("task.") != Some(other))
            && let Some(Value::Table(task)) = table.get_mut("task")
        {
            task.remove(other);
        }
    }
    // What is learned of classes is not learned of numbers.
    if let ("task.target", Some(Value::Table(model))) = (key, table.get_mut("model")) {
        let typed = settings.iter().any(|(key, _)| key.starts_with("model.loss"));
        model.retain(|name, _| name != "loss" || typed);
    }
    if let (true, Some(Value::Table(task))) =
        (["task.csv", "task.data"].contains(&key), table.get_mut("task"))
    {
        let drawn =
            |(key, value): &(String, Value)| key == "task.data" && value.as_str() == Some(glyphs::NAME);
        let gone: &[&str] = match task.get("kind").and_then(Value::as_str) {
            Some("field") if !(task.contains_key("csv") || task.contains_key("data")) => &["side", "points"],
            Some("images") if !settings.iter().any(drawn) => &["channels", "side"],
            _ => &[],
        };
        let typed = |name: &str| settings.iter().any(|(key, _)| key.strip_prefix("task.") == Some(name));
        task.retain(|name, _| !gone.contains(&name) || typed(name));
    }
    if !["model.preset", "model.layers"].contains(&key) {
        return;
    }
    let Some(Value::Table(model)) = table.get_mut("model") else { return };
    let typed = |name: &str| settings.iter().any(|(key, _)| key.strip_prefix("model.") == Some(name));
    model.retain(|name, _| ANY_NETWORK.contains(&name) || typed(name));
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
        Some(Value::Table(_)) => (path.to_owned(), format!("is a section; {}", allowed(message))),
        None => (path.to_owned(), allowed(message)),
        Some(value) => (path.to_owned(), format!("is {value}; {}", allowed(message))),
    }
}

/// What may stand where something else was found, in a user's words rather than by names of types.
fn allowed(message: &str) -> String {
    let Some((_, expected)) = message.split_once(", expected ") else { return message.to_owned() };
    let bare = expected.strip_prefix("an ").or(expected.strip_prefix("a ")).unwrap_or(expected);
    let word = bare.split(' ').next().unwrap_or_default();
    let what = match word {
        "usize" | "u64" | "u32" => "a whole number of 0 or more",
        "f32" | "f64" => "a number",
        "boolean" => "true or false",
        "string" if expected.contains("table") => "a word in quotation marks, or a table",
        "string" | "str" => "text in quotation marks",
        "sequence" | "seq" => "a list, e.g. [40, 40],",
        "array" | "tuple" => "a list, e.g. [0.1, 5.0],",
        "parsable" => "a size, e.g. \"2GB\",",
        "struct" | "map" => "a section of settings, e.g. inner.steps = 5,",
        "internally" | "adjacently" => "a table with a type, e.g. { type = \"relu\" },",
        _ if expected.contains("enum") => "a word",
        _ => return format!("{expected} is needed"),
    };
    let count = bare.strip_prefix("array of length ").map(|n| format!("a list of {n} numbers"));
    format!("{} is needed", count.as_deref().unwrap_or(what))
}

/// The word that was probably meant.
pub(super) fn nearest<'a>(word: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    words
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
