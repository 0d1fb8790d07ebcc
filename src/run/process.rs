//! Which processes worked on a run, with what, and the recipe as each of them left it.

use super::dir::RunDir;
use super::metrics::read_lines;
use crate::error::{Error, Result};
use crate::file::write_atomic;
use crate::recipe::Recipe;
use serde::{Deserialize, Serialize};
use std::time::{SystemTime, UNIX_EPOCH};

/// A line of `processes.jsonl`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// The program and its version.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The device it trained on.
    pub device: String,
    /// Operating system and architecture.
    pub system: String,
    /// When it began, seconds since 1970 by the machine's clock.
    pub started: u64,
    /// Meta-iterations that were done then.
    pub from: u64,
    /// The recipe, as it wrote it into the run's directory.
    pub recipe: String,
}

impl Process {
    /// This process, on a device.
    #[must_use]
    pub fn this(device: String, from: u64, recipe: String) -> Self {
        Self {
            program: format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")),
            arguments: std::env::args_os().skip(1).map(|a| a.to_string_lossy().into_owned()).collect(),
            device,
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            started: seconds(SystemTime::now()),
            from,
            recipe,
        }
    }
}

/// Whole seconds since 1970; 0 for a clock that is set to before.
pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl RunDir {
    /// The recipe it was run with.
    ///
    /// # Errors
    /// As [`RunDir::recipe_with`].
    pub fn recipe(&self) -> Result<Recipe> {
        self.recipe_with(&[])
    }

    /// The recipe it was run with, with settings changed.
    ///
    /// # Errors
    /// As [`Recipe::read`]; [`File`](crate::ErrorKind::File) naming the keys if the file was edited since the run wrote it.
    pub fn recipe_with(&self, settings: &[(String, toml::Value)]) -> Result<Recipe> {
        let path = self.recipe_file();
        let text =
            std::fs::read_to_string(&path).map_err(|e| Error::file_caused(&path, "cannot be read", e))?;
        self.check_unedited(&text)?;
        Recipe::read(path, settings)
    }

    /// Writes the recipe, and what it knows of a table's columns; notes that this process goes on with it from a
    /// meta-iteration on a device.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) if it cannot be written.
    pub fn begin(&self, recipe: &Recipe, device: String, from: u64) -> Result<()> {
        if let Some(table) = recipe.table() {
            write_atomic(&self.columns(), table.columns.to_toml()?.as_bytes())?;
        }
        let text = recipe.to_toml()?;
        self.note_process(Process::this(device, from, text.clone()))?;
        write_atomic(&self.recipe_file(), text.as_bytes())
    }

    /// The processes that worked on the run, oldest first; none of runs by versions that did not note them.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) naming the line that cannot be read.
    pub fn processes(&self) -> Result<Vec<Process>> {
        if self.processes_file().is_file() { read_lines(&self.processes_file()) } else { Ok(Vec::new()) }
    }

    fn note_process(&self, process: Process) -> Result<()> {
        let mut lines = self.processes()?;
        lines.push(process);
        let mut text = String::new();
        for line in lines {
            text += &serde_json::to_string(&line).map_err(|e| Error::failed(e.to_string()))?;
            text.push('\n');
        }
        write_atomic(&self.processes_file(), text.as_bytes())
    }

    /// Refuses a recipe that is none of those which this program wrote into the directory.
    fn check_unedited(&self, text: &str) -> Result<()> {
        let processes = self.processes()?;
        // The one before the last stands where a process died between both writes.
        let Some(last) = processes.last().filter(|_| processes.iter().all(|p| p.recipe != text)) else {
            return Ok(());
        };
        let changed = changes(&last.recipe, text);
        let reason = format!(
            "was edited since the run wrote it ({changed}), so that its checkpoints are not of this recipe; put it back, \
             or train it as a new run: fastweights train {}",
            self.recipe_file().display()
        );
        Err(Error::file(self.recipe_file(), reason))
    }
}

/// Which keys are another's, in words.
fn changes(before: &str, after: &str) -> String {
    let (before, after) = (settings(before), settings(after));
    let value = |all: &[(String, String)], key: &str| {
        all.iter().find(|(k, _)| k == key).map_or_else(|| "nothing".to_owned(), |(_, value)| value.clone())
    };
    let mut keys: Vec<&String> = before.iter().chain(&after).map(|(key, _)| key).collect();
    keys.sort();
    keys.dedup();
    let changed: Vec<_> = keys
        .into_iter()
        .map(|key| (key, value(&before, key), value(&after, key)))
        .filter(|(_, before, after)| before != after)
        .map(|(key, before, after)| format!("{key} was {before}, is {after}"))
        .collect();
    match changed.len() {
        0 => "though no setting is another".to_owned(),
        1..=3 => changed.join("; "),
        n => format!("{}; and {} more", changed[..3].join("; "), n - 3),
    }
}

/// Keys with dots and values as TOML has them; nothing where the text is no TOML.
pub(super) fn settings(text: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    flatten("", &text.parse().unwrap_or_default(), &mut all);
    all
}

fn flatten(prefix: &str, table: &toml::Table, all: &mut Vec<(String, String)>) {
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) => flatten(&format!("{prefix}{key}."), inner, all),
            value => all.push((format!("{prefix}{key}"), value.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_edited_recipe_is_noticed_by_its_keys() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create(dir.path().join("run")).unwrap();
        let note = |recipe: &str| run.note_process(Process { recipe: recipe.into(), ..Process::default() });
        run.check_unedited("anything").unwrap();
        note("seed = 1\n[inner]\nlr = 0.1\n").unwrap();
        note("seed = 1\n[inner]\nlr = 0.2\n").unwrap();
        run.check_unedited("seed = 1\n[inner]\nlr = 0.1\n").unwrap();
        run.check_unedited("seed = 1\n[inner]\nlr = 0.2\n").unwrap();
        let error = run.check_unedited("seed = 1\n[inner]\nlr = 0.3\nsteps = 4").unwrap_err().to_string();
        assert!(error.contains("inner.lr was 0.2, is 0.3; inner.steps was nothing, is 4"), "{error}");
        assert!(error.contains("fastweights train "), "{error}");
        let error = run.check_unedited("seed = 1\n\n[inner]\nlr = 0.2\n").unwrap_err().to_string();
        assert!(error.contains("no setting is another"), "{error}");
    }

    #[test]
    fn a_clock_before_1970_is_no_trouble() {
        assert_eq!(seconds(UNIX_EPOCH - Duration::from_secs(5)), 0);
        assert_eq!(seconds(UNIX_EPOCH + Duration::from_millis(5_900)), 5);
    }
}
