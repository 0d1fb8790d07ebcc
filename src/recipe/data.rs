//! What a recipe's tasks are made of: images, rows or series, loaded.

use super::evaluation::EvaluationSettings;
use super::settings::Recipe;
use super::tasks::{Family, FieldData, FieldSettings, LoadedTable, Loading, SeriesData};
use crate::data::{ImageSet, SeriesSet, Split};
use crate::error::{Error, Result};
use crate::task::{FieldTasks, SeriesTable};
use std::path::Path;
use std::sync::Arc;

impl Recipe {
    /// Whether images, rows or series must be loaded before the recipe can be trained.
    #[must_use]
    pub fn needs_data(&self) -> bool {
        self.task.family.as_kind().needs_data()
    }

    /// Loads the images that the recipe's tasks are made of from the data directory `dir` (or the user's own), or
    /// draws them, and checks that tasks and model fit them; or reads the table or the series that they are made of, and
    /// writes into the recipe what follows from them. Does nothing for other tasks.
    ///
    /// # Errors
    /// As [`load`](crate::data::load) and [`SeriesSet::read`]; [`Recipe`](crate::ErrorKind::Recipe) naming the key that does
    /// not fit; [`File`](crate::ErrorKind::File) if the data are not those that the recipe was run with.
    pub fn load_data(&mut self, dir: Option<&Path>) -> Result<()> {
        if !self.needs_data() {
            return Ok(());
        }
        let mut loading = Loading {
            dir,
            seed: self.seed,
            meta_batch: self.outer.meta_batch,
            support: &mut self.task.support,
            query: &mut self.task.query,
            iterations: &mut self.outer.iterations,
            trials: self.validation.every > 0,
        };
        self.task.family.as_kind_mut().load(&mut loading)?;
        self.check_loaded()
    }

    /// Takes these images in place of those that `task.data` names, e.g. images that a program made itself.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming the key that does not fit the images.
    pub fn set_data(&mut self, set: Arc<ImageSet>) -> Result<()> {
        match &mut self.task.family {
            Family::Images(images) => images.take(set)?,
            Family::Field(field) => {
                field.take(set)?;
                field.settle(&mut self.task.support, &mut self.task.query)?;
            }
            Family::Sinusoid(_) | Family::Series(_) | Family::Table(_) => return Ok(()),
        }
        self.check_loaded()
    }

    /// Takes these series for those of `task.csv`.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming the key that does not fit them: all of them too short, too few;
    /// [`File`](crate::ErrorKind::File) if the file is not the one that the recipe was run with.
    pub fn set_series(&mut self, set: Arc<SeriesSet>) -> Result<()> {
        let Family::Series(series) = &mut self.task.family else { return Ok(()) };
        let trials = self.validation.every > 0;
        series.take(set, (self.task.support, self.task.query), (self.seed, trials))?;
        self.check_loaded()
    }

    /// Loads another file for those of `task.csv`, whose series are all judged on; unless it is the same file by its SHA-256,
    /// whose held-out series then are.
    ///
    /// # Errors
    /// As [`Recipe::load_data`].
    pub fn judge_series(&mut self, path: &Path) -> Result<()> {
        let Family::Series(series) = &mut self.task.family else { return Ok(()) };
        let trials = self.validation.every > 0;
        series.judge_on(path, (self.task.support, self.task.query), (self.seed, trials))?;
        self.check_loaded()
    }

    /// Loads another image set for that of `task.data`, on whose test classes is judged; its images must be as large.
    ///
    /// # Errors
    /// As [`Recipe::load_data`].
    pub fn judge_images(&mut self, set: &str, dir: Option<&Path>) -> Result<()> {
        let Family::Images(images) = &mut self.task.family else { return Ok(()) };
        images.judge_on(set, dir)?;
        self.evaluation_tasks(&self.evaluation, 0..1).map(drop)
    }

    /// Loads the table, with the rows of this file to be judged by.
    ///
    /// # Errors
    /// As [`Recipe::load_data`]; [`File`](crate::ErrorKind::File) if the rows have no labels.
    pub fn judge_rows(&mut self, path: &Path) -> Result<()> {
        let Family::Table(table) = &mut self.task.family else { return Ok(()) };
        table.judge_on(path)?;
        self.load_data(None)
    }

    /// Checks that tasks and model fit what was loaded.
    fn check_loaded(&self) -> Result<()> {
        self.train_plan()?;
        self.control_plan()?;
        if self.task.family.as_kind().holds_out_tasks() {
            self.evaluation_tasks(&self.evaluation, 0..1)?;
        }
        if self.validation.every > 0 && self.task.family.as_kind().holds_out_tasks() {
            self.validation_tasks(Split::Validation, 0..1)?;
        }
        Ok(())
    }

    /// The images, once loaded.
    #[must_use]
    pub fn data(&self) -> Option<&Arc<ImageSet>> {
        match &self.task.family {
            Family::Images(images) => images.set(),
            Family::Sinusoid(_) | Family::Series(_) | Family::Table(_) | Family::Field(_) => None,
        }
    }

    /// SHA-256 of what is learned from, once that is loaded; nothing of tasks that are made of no file.
    #[must_use]
    pub fn data_checksum(&self) -> Option<&str> {
        match &self.task.family {
            Family::Sinusoid(_) => None,
            Family::Series(series) => series.data.checksum(),
            Family::Images(images) => images.set.checksum(),
            Family::Table(table) => table.table.checksum(),
            Family::Field(field) => field.data.checksum(),
        }
    }

    /// The table, once read.
    #[must_use]
    pub fn table(&self) -> Option<&Arc<LoadedTable>> {
        match &self.task.family {
            Family::Table(table) => table.table(),
            Family::Sinusoid(_) | Family::Series(_) | Family::Images(_) | Family::Field(_) => None,
        }
    }

    /// What a person should know of how the data were read, a line each.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let of = |name: &str, notes: &[String]| notes.iter().map(|note| format!("{name}: {note}")).collect();
        if let Family::Images(images) = &self.task.family {
            return of(&images.data, &images.notes(self.evaluation.queries.unwrap_or(1)));
        }
        if let Some(table) = self.table() {
            return of(&table.name, &table.notes);
        }
        if let Some(data) = self.series() {
            return of(&data.set.name(), &data.set.notes);
        }
        self.fields().map_or_else(Vec::new, |data| of(&data.name, &data.notes))
    }

    /// The settings of fields, if tasks are fields.
    #[must_use]
    pub fn field(&self) -> Option<&FieldSettings> {
        match &self.task.family {
            Family::Field(field) => Some(field),
            Family::Sinusoid(_) | Family::Series(_) | Family::Images(_) | Family::Table(_) => None,
        }
    }

    /// Tasks of fields of which none is held out, by which rates are chosen.
    ///
    /// # Errors
    /// If they are not loaded, or tasks are no fields.
    pub fn other_fields(&self) -> Result<FieldTasks> {
        let field = self.field().ok_or_else(|| Error::failed("the recipe's tasks are no fields"))?;
        field.other_tasks()
    }

    /// The fields of a file or an image set, once loaded.
    #[must_use]
    pub fn fields(&self) -> Option<&Arc<FieldData>> {
        self.field().and_then(FieldSettings::data)
    }

    /// The series of a file, once loaded.
    #[must_use]
    pub fn series(&self) -> Option<&Arc<SeriesData>> {
        match &self.task.family {
            Family::Series(series) => series.data(),
            Family::Sinusoid(_) | Family::Images(_) | Family::Table(_) | Family::Field(_) => None,
        }
    }

    /// Names of the classes of a held-out task of images, in the order of their labels; of other tasks none.
    ///
    /// # Errors
    /// If the images are not loaded.
    pub fn evaluation_classes(&self, settings: &EvaluationSettings, task: usize) -> Result<Vec<String>> {
        match &self.task.family {
            Family::Images(images) => {
                images.evaluation_classes((self.seed, task), settings.queries.unwrap_or(1))
            }
            Family::Sinusoid(_) | Family::Series(_) | Family::Table(_) | Family::Field(_) => Ok(Vec::new()),
        }
    }

    /// The held-out series of an evaluation, in its order.
    ///
    /// # Errors
    /// If they are not loaded, or the recipe is not of series.
    pub fn held_out(&self, tasks: usize) -> Result<SeriesTable> {
        match &self.task.family {
            Family::Series(series) => series.held_out(self.seed, tasks),
            Family::Sinusoid(_) | Family::Images(_) | Family::Table(_) | Family::Field(_) => {
                Err(Error::failed("the recipe's tasks are not made of series"))
            }
        }
    }
}
