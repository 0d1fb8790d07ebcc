//! What must be the same of all processes that compute one thing, for the same bytes.

use fastweights::backend::DeviceKind;
use fastweights::recipe::Recipe;
use fastweights::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a process shows the others.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Passport {
    /// That of the program.
    version: String,
    /// Checksum of what is learned from or imported, if that is a file.
    data: Option<String>,
    /// All settings, as TOML.
    recipe: String,
    /// Where it computes; nothing where any device will do.
    device: Option<DeviceKind>,
}

/// The first thing in which two processes differ: what the one has, and the other.
#[derive(Debug, PartialEq)]
pub(super) enum Difference<'a> {
    Version(&'a str, &'a str),
    Data(&'a str, &'a str),
    /// Lines of both recipes.
    Recipe(&'a str, &'a str),
    /// Of two CPUs.
    Instructions(&'a str, &'a str),
    Device(String, String),
}

impl Passport {
    /// Of a process that imports.
    pub(super) fn of_import(source: String) -> Self {
        Self { data: Some(source), ..Self::of_program() }
    }

    /// Of a process that trains or evaluates. `device` is nothing where devices may be mixed.
    pub(super) fn of_run(recipe: &Recipe, device: Option<DeviceKind>) -> Result<Self> {
        let data = recipe.data_checksum().map(str::to_owned);
        Ok(Self { data, recipe: recipe.to_toml()?, device, ..Self::of_program() })
    }

    /// The same with another setting, which stands in no recipe.
    pub(super) fn with(mut self, setting: &str, value: impl fmt::Debug) -> Self {
        self.recipe += &format!("\n{setting} = {value:?}");
        self
    }

    fn of_program() -> Self {
        Self { version: env!("CARGO_PKG_VERSION").to_owned(), ..Self::default() }
    }

    /// As it is told to others: the version stands first, in words that every version understands.
    pub(super) fn said(&self) -> Result<Vec<u8>> {
        let rest = serde_json::to_string(self).map_err(|e| Error::failed(e.to_string()))?;
        Ok(format!("{}\n{rest}", self.version).into_bytes())
    }

    /// What another process has said; of another version the version alone.
    pub(super) fn heard(said: &[u8]) -> Self {
        let said = String::from_utf8_lossy(said);
        let (version, rest) = said.split_once('\n').unwrap_or((&said, ""));
        let same = version == env!("CARGO_PKG_VERSION");
        let known = same.then(|| serde_json::from_str(rest).ok()).flatten();
        known.unwrap_or_else(|| Self { version: version.to_owned(), ..Self::default() })
    }

    /// In what another differs from this one, if it does.
    pub(super) fn differs<'a>(&'a self, other: &'a Self) -> Option<Difference<'a>> {
        if self.version != other.version {
            return Some(Difference::Version(&self.version, &other.version));
        }
        if self.data != other.data {
            let sum = |data: &'a Option<String>| data.as_deref().unwrap_or("none");
            return Some(Difference::Data(sum(&self.data), sum(&other.data)));
        }
        if self.recipe != other.recipe {
            let (ours, theirs) = differing(&self.recipe, &other.recipe);
            return Some(Difference::Recipe(ours, theirs));
        }
        match (&self.device, &other.device) {
            (ours, theirs) if ours == theirs => None,
            (
                Some(DeviceKind::Cpu { instructions: ours }),
                Some(DeviceKind::Cpu { instructions: theirs }),
            ) => Some(Difference::Instructions(ours, theirs)),
            (ours, theirs) => {
                let name = |kind: &Option<DeviceKind>| {
                    kind.as_ref().map_or_else(|| "any, by --mixed".to_owned(), DeviceKind::to_string)
                };
                Some(Difference::Device(name(ours), name(theirs)))
            }
        }
    }
}

impl Difference<'_> {
    /// What is wrong with the other process, called `other`; `one` is the first.
    pub(super) fn told(&self, one: &str, other: &str) -> String {
        let (what, ours, theirs, way_out): (_, &str, &str, _) = match self {
            Self::Version(ours, theirs) => {
                ("another version", ours, theirs, "; install one version everywhere")
            }
            Self::Data(ours, theirs) => {
                ("other data", ours, theirs, "; copy the file of one machine to the others")
            }
            Self::Recipe(ours, theirs) => ("another recipe", ours, theirs, ""),
            Self::Instructions(ours, theirs) => (
                "another instruction set",
                ours,
                theirs,
                "; --instructions avx2 or portable is what older processors have too, and --mixed allows it",
            ),
            Self::Device(ours, theirs) => ("another device", ours, theirs, "; --mixed allows it"),
        };
        format!(
            "{other} has {what} than {one}: `{theirs}`, not `{ours}`; all must have the same, for the same \
             bytes{way_out}"
        )
    }
}

/// The first lines that differ.
fn differing<'a>(ours: &'a str, theirs: &'a str) -> (&'a str, &'a str) {
    let mut lines = ours.lines().zip(theirs.lines());
    lines.find(|(ours, theirs)| ours != theirs).unwrap_or((ours, theirs))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(instructions: &str) -> Option<DeviceKind> {
        Some(DeviceKind::Cpu { instructions: instructions.to_owned() })
    }

    fn passport() -> Passport {
        let recipe = "seed = 1\nsteps = 2\nrate = 3".to_owned();
        Passport { data: Some("ab".to_owned()), recipe, device: cpu("avx2"), ..Passport::of_program() }
    }

    /// What one process says of another.
    fn told(other: &Passport) -> Option<String> {
        let (first, heard) = (passport(), Passport::heard(&other.said().unwrap()));
        first.differs(&heard).map(|difference| difference.told("rank 0 on a", "rank 1 on b"))
    }

    #[test]
    fn what_differs_is_named_with_both_values() {
        assert_eq!(told(&passport()), None);
        let gpu = DeviceKind::Gpu { name: "Navi".into(), api: "vulkan".into(), driver: "25".into() };
        for (other, words) in [
            (
                Passport { version: "0.0.9".into(), ..passport() },
                ["another version", "`0.0.9`", "one version"],
            ),
            (Passport { data: Some("cd".into()), ..passport() }, ["other data", "`cd`, not `ab`", "copy"]),
            (Passport { data: None, ..passport() }, ["other data", "`none`, not `ab`", "copy"]),
            (
                Passport { recipe: "seed = 1\nsteps = 5\nrate = 3".into(), ..passport() },
                ["another recipe", "`steps = 5`, not `steps = 2`", "same bytes"],
            ),
            (passport().with("--inner-lr", 0.5), ["another recipe", "--inner-lr = 0.5", "same bytes"]),
            (
                Passport { device: cpu("portable"), ..passport() },
                ["another instruction set", "`portable`, not `avx2`", "--instructions"],
            ),
            (
                Passport { device: Some(gpu), ..passport() },
                ["another device", "`Navi through vulkan, driver 25`, not `cpu with avx2`", "--mixed"],
            ),
            (Passport { device: None, ..passport() }, ["another device", "any, by --mixed", "--mixed"]),
        ] {
            let told = told(&other).unwrap();
            assert!(told.starts_with("rank 1 on b has ") && told.contains(" than rank 0 on a: "), "{told}");
            assert!(words.iter().all(|word| told.contains(word)), "{told}: {words:?}");
        }
    }

    #[test]
    fn a_version_that_says_something_else_is_another_version() {
        let heard = Passport::heard(b"0.9.0\n[7]");
        assert_eq!(passport().differs(&heard), Some(Difference::Version(env!("CARGO_PKG_VERSION"), "0.9.0")));
    }
}
