//! All kinds of tasks.

use super::field::FieldSettings;
use super::field_typed;
use super::images::{self, ImageSettings};
use super::kind::{Kind, Targets};
use super::series::{self, SeriesSettings};
use super::series_csv::SeriesCsv;
use super::sinusoid::{self, SinusoidSettings};
use super::table::TableSettings;
use super::table_typed;
use crate::error::{Error, Result};
use crate::recipe::evaluation::EvaluationSettings;
use crate::recipe::limits::{MANY, within};
use crate::recipe::section::{read, section};
use serde::{Deserialize, Serialize};
use toml::Table;

/// The tasks: counts of points, and the family.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(into = "WrittenTasks")]
pub struct Tasks {
    /// Support points a task (default 5; `ways × shots` of images).
    pub support: usize,
    /// Query points a task (default 5; `ways × queries` of images).
    pub query: usize,
    /// The family, by its `kind` (default `sinusoid`).
    pub family: Family,
}

/// Tasks as TOML: where there are classes, the points follow from other keys.
#[derive(Serialize)]
struct WrittenTasks {
    #[serde(skip_serializing_if = "Option::is_none")]
    support: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<usize>,
    #[serde(flatten)]
    family: Family,
}

impl From<Tasks> for WrittenTasks {
    fn from(Tasks { support, query, family }: Tasks) -> Self {
        let counted = family.as_kind().counts_points();
        Self { support: counted.then_some(support), query: counted.then_some(query), family }
    }
}

/// A family of tasks.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Family {
    /// `y = a · sin(x + b)`.
    Sinusoid(SinusoidSettings),
    /// Series; a task is one series, a point a window and the value that follows.
    Series(SeriesSettings),
    /// n-way k-shot classification of images.
    Images(ImageSettings),
    /// Rows of a table, a class or a number each: mini-batches of all of them, or n-way k-shot tasks.
    Table(Box<TableSettings>),
    /// Signals; a task is one of them, a point a place and the values there.
    Field(FieldSettings),
}

/// The kinds by their names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Name {
    #[default]
    Sinusoid,
    Series,
    Images,
    Table,
    Field,
}

impl Name {
    const ALL: [Self; 5] = [Self::Sinusoid, Self::Series, Self::Images, Self::Table, Self::Field];

    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Sinusoid => sinusoid::Typed::KEYS,
            Self::Series => series::Typed::KEYS,
            Self::Images => images::Typed::KEYS,
            Self::Table => table_typed::Typed::KEYS,
            Self::Field => field_typed::Typed::KEYS,
        }
    }

    /// What there is in place of `support` and `query`.
    fn instead_of_points(self) -> &'static str {
        match self {
            Self::Sinusoid | Self::Series => "",
            Self::Images => ", which has ways, shots and queries",
            Self::Table => ", which has rows, or ways, shots and queries",
            Self::Field => ", which has points",
        }
    }

    /// What to type in place of a setting of another kind.
    fn hint(self, key: &str) -> &'static str {
        match self {
            Self::Table if key == "csv" => {
                "; the file of a table is task.train, e.g. train table --train FILE"
            }
            Self::Series if key == "train" => {
                "; the file of series is task.csv, e.g. train series --csv FILE"
            }
            Self::Sinusoid | Self::Series | Self::Images | Self::Table | Self::Field => match key {
                "csv" => "; recipes of series and of fields read one, e.g. train series --csv FILE",
                "data" => "; recipes of images and of fields take them, e.g. train field --images SET",
                "support" | "query" => self.instead_of_points(),
                _ => "",
            },
        }
    }

    fn resolve(self, table: Table) -> Result<Tasks> {
        let section = Some("task");
        let (family, support, query) = match self {
            Self::Sinusoid => {
                let (settings, support, query) = read::<sinusoid::Typed>(section, table)?.resolve()?;
                (Family::Sinusoid(settings), support, query)
            }
            Self::Series => {
                let (settings, support, query) = read::<series::Typed>(section, table)?.resolve()?;
                (Family::Series(settings), support, query)
            }
            Self::Images => {
                let (settings, support, query) = read::<images::Typed>(section, table)?.resolve()?;
                (Family::Images(settings), support, query)
            }
            Self::Table => {
                let (settings, support, query) = read::<table_typed::Typed>(section, table)?.resolve()?;
                (Family::Table(Box::new(settings)), support, query)
            }
            Self::Field => {
                let (settings, support, query) = read::<field_typed::Typed>(section, table)?.resolve()?;
                (Family::Field(settings), support, query)
            }
        };
        Ok(Tasks { support, query, family })
    }
}

section!(Kinded { kind: Name });

impl Tasks {
    /// The section `[task]` as typed, resolved.
    pub(in crate::recipe) fn resolve(mut table: Table) -> Result<Self> {
        let kind = table.remove("kind").map(|kind| Table::from_iter([("kind".to_owned(), kind)]));
        let name = read::<Kinded>(Some("task"), kind.unwrap_or_default())?.kind.unwrap_or_default();
        let of_others = |key: &String| {
            !name.keys().contains(&key.as_str()) && Name::ALL.iter().any(|n| n.keys().contains(&key.as_str()))
        };
        let Some(key) = table.keys().find(|key| of_others(key)) else { return name.resolve(table) };
        let hint = name.hint(key);
        let kind = name.resolve(Table::new())?.family.kind();
        Err(Error::recipe(format!("task.{key}"), format!("is not a setting of task.kind = \"{kind}\"{hint}")))
    }

    /// Checks the settings of an evaluation on such tasks.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming the key.
    pub fn check_evaluation(&self, settings: &EvaluationSettings) -> Result<()> {
        within("evaluation.tasks", settings.tasks, 1..=MANY)?;
        within("evaluation.dense", settings.dense, 2..=100_000)?;
        within("evaluation.steps", settings.steps, 0..=1000)?;
        let kind = self.family.as_kind();
        let usual = kind.usual(self.support);
        for (key, given, known) in [
            ("protocol", settings.protocol.is_some(), usual.protocol.is_some()),
            ("queries", settings.queries.is_some(), usual.queries.is_some()),
        ] {
            if given && !known {
                let reason = format!("is not a setting of task.kind = \"{}\"", self.family.kind());
                return Err(Error::recipe(format!("evaluation.{key}"), reason));
            }
        }
        kind.check_evaluation((self.support, self.query), settings)
    }
}

impl Family {
    /// What `kind` says.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sinusoid(_) => "sinusoid",
            Self::Series(_) => "series",
            Self::Images(_) => "images",
            Self::Table(_) => "table",
            Self::Field(_) => "field",
        }
    }

    /// Whether targets are classes, and accuracy what counts.
    #[must_use]
    pub fn is_classification(&self) -> bool {
        self.as_kind().targets() != Targets::Numbers
    }

    /// Whether a label means another class in every task.
    #[must_use]
    pub fn is_few_shot(&self) -> bool {
        self.as_kind().targets() == Targets::ClassesOfTask
    }

    /// The long table that series are read from.
    #[must_use]
    pub fn csv(&self) -> Option<&SeriesCsv> {
        match self {
            Self::Series(series) => series.csv(),
            Self::Sinusoid(_) | Self::Images(_) | Self::Table(_) | Self::Field(_) => None,
        }
    }

    pub(in crate::recipe) fn as_kind(&self) -> &dyn Kind {
        match self {
            Self::Sinusoid(kind) => kind,
            Self::Series(kind) => kind,
            Self::Images(kind) => kind,
            Self::Table(kind) => kind.as_ref(),
            Self::Field(kind) => kind,
        }
    }

    pub(in crate::recipe) fn as_kind_mut(&mut self) -> &mut dyn Kind {
        match self {
            Self::Sinusoid(kind) => kind,
            Self::Series(kind) => kind,
            Self::Images(kind) => kind,
            Self::Table(kind) => kind.as_mut(),
            Self::Field(kind) => kind,
        }
    }
}
