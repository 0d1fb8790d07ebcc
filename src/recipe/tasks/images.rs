//! n-way k-shot classification of images.

use super::kind::{Draw, Kind, Loading, Targets, Usual, check_classes, classes};
use super::loaded::{Loaded, Summed};
use crate::data::{self, ImageSet, PictureReading, Split, check_name, counted, glyphs};
use crate::error::{Error, Result};
use crate::model::Shape;
use crate::recipe::evaluation::EvaluationSettings;
use crate::recipe::limits::within;
use crate::recipe::section::section;
use crate::task::{ImageTasks, Philox, Purpose, TaskBatch, TaskSource, UnevenImages};
use serde::Serialize;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Characters of the drawn set, and of drawers of each: near those of Omniglot.
const CHARACTERS: usize = 1600;
const DRAWERS: usize = 20;

/// n-way k-shot classification of images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ImageSettings {
    /// Name of an imported image set, or `glyphs` (the default): characters that the program draws itself.
    pub data: String,
    /// SHA-256 of its classes and pixels, noted when it is loaded; later another set of the name is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_sha256: Option<String>,
    /// Classes a task (default 5).
    pub ways: usize,
    /// Support images a class (default 1).
    pub shots: usize,
    /// Query images a class (default 1).
    pub queries: usize,
    /// Whether a class turned by 90°, 180° or 270° is another class (default no).
    pub rotations: bool,
    /// Channels of the images (default: as the set has them). Grey ones fill three alike.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<usize>,
    /// Their height and width, pixels (default: as the set has them).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub side: Option<usize>,
    /// How the set's pictures were read, noted when it is loaded and that is not usual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reading: Option<PictureReading>,
    #[serde(skip)]
    pub(in crate::recipe) set: Loaded<ImageSet>,
}

impl Summed for ImageSet {
    fn sum(&self) -> &str {
        self.checksum()
    }
}

section!(Typed {
    data: String,
    data_sha256: String,
    ways: usize,
    shots: usize,
    queries: usize,
    rotations: bool,
    channels: usize,
    side: usize,
    reading: PictureReading,
});

impl Typed {
    /// The settings, and support and query points.
    pub(super) fn resolve(self) -> Result<(ImageSettings, usize, usize)> {
        let data = self.data.unwrap_or_else(|| glyphs::NAME.to_owned());
        check_name(&data).map_err(|e| Error::recipe("task.data", e.to_string()))?;
        let [ways, shots, queries] = classes(self.ways.unwrap_or(5), self.shots, self.queries)?;
        let settings = ImageSettings {
            data,
            data_sha256: self.data_sha256,
            ways,
            shots,
            queries,
            rotations: self.rotations.unwrap_or(false),
            channels: self.channels.map(|n| within("task.channels", n, 1..=16)).transpose()?,
            side: self.side.map(|n| within("task.side", n, 1..=1024)).transpose()?,
            reading: self.reading,
            set: Loaded::default(),
        };
        Ok((settings, ways * shots, ways * queries))
    }
}

impl ImageSettings {
    /// The images, once loaded.
    pub(in crate::recipe) fn set(&self) -> Option<&Arc<ImageSet>> {
        self.set.0.as_ref()
    }

    /// Channels, and height and width in pixels, once they are known: of characters that are drawn, where nothing is said,
    /// those of Omniglot.
    #[must_use]
    pub fn form(&self) -> Option<(usize, usize)> {
        let usual = |n| [glyphs::NAME, "omniglot"].contains(&self.data.as_str()).then_some(n);
        Some((self.channels.or_else(|| usual(1))?, self.side.or_else(|| usual(28))?))
    }

    /// Takes images, if they are those that the settings speak of.
    pub(in crate::recipe) fn take(&mut self, set: Arc<ImageSet>) -> Result<()> {
        let set = match self.channels {
            Some(channels @ 3) if set.channels() == 1 => {
                Arc::new(ImageSet::clone(&set).in_channels(channels)?)
            }
            _ => set,
        };
        for (key, asked, found) in
            [("channels", &mut self.channels, set.channels()), ("side", &mut self.side, set.side())]
        {
            let asked = *asked.get_or_insert(found);
            if asked != found {
                let name = set.name();
                let reason = format!(
                    "is {asked}, but the images of `{name}` have {found}; --set task.{key}={found} takes them as they are"
                );
                return Err(Error::recipe(format!("task.{key}"), reason));
            }
        }
        if let Some(known) = self.data_sha256.as_deref().filter(|known| *known != set.checksum()) {
            let reason = format!(
                "is {known}, but the images of `{}` have {}: they are not those that it was noted from; import \
                 those again, or leave the key out of a recipe that is to learn from others",
                set.name(),
                set.checksum()
            );
            return Err(Error::recipe("task.data_sha256", reason));
        }
        self.data_sha256 = Some(set.checksum().to_owned());
        let reading = Some(set.reading()).filter(|&reading| reading != PictureReading::usual(&self.data));
        if self.reading.is_some() && self.reading != reading {
            let reason = format!(
                "is noted of the set by itself, and `{}` was read otherwise; leave it out",
                self.data
            );
            return Err(Error::recipe("task.reading", reason));
        }
        self.reading = reading;
        self.set = Loaded(Some(set));
        Ok(())
    }

    /// Takes another set.
    pub(in crate::recipe) fn judge_on(&mut self, set: &str, dir: Option<&Path>) -> Result<()> {
        check_name(set).map_err(|e| Error::recipe("--images", e.to_string()))?;
        (self.data, self.data_sha256, self.reading) = (set.to_owned(), None, None);
        self.read(dir)
    }

    /// Loads the set, or draws it.
    fn read(&mut self, dir: Option<&Path>) -> Result<()> {
        let set = match self.data.as_str() {
            // The same characters for every seed, as if they came from a file.
            glyphs::NAME => {
                let (channels, side) = self.form().unwrap_or((1, 28));
                glyphs::generate(0, CHARACTERS, DRAWERS, side).in_channels(channels)?
            }
            name => data::load(name, dir)?,
        };
        self.take(Arc::new(set))
    }

    fn tasks(&self, split: Split) -> Result<ImageTasks> {
        let set = self
            .set()
            .ok_or_else(|| Error::failed("the recipe's images are not loaded: call load_data first"))?;
        ImageTasks::new(Arc::clone(set), split, self.ways, self.rotations)
    }

    fn batch(&self, draw: Draw, split: Split, sequence: u32, range: Range<usize>) -> Result<TaskBatch> {
        let tasks = self.tasks(split)?;
        let sampler = draw.sampler(TaskSource::Images(tasks.clone()));
        if tasks.check(draw.support + draw.query).is_ok() {
            return Ok(sampler.image_evaluation(&tasks, sequence, range));
        }
        let uneven = UnevenImages::new(tasks, self.shots)?;
        Ok(sampler.family_evaluation(&uneven, sequence, range))
    }

    /// How pictures are read that are to be compared with those of the set.
    #[must_use]
    pub fn reading(&self) -> PictureReading {
        self.reading.unwrap_or_else(|| PictureReading::usual(&self.data))
    }

    /// Whether grey pictures are ink, 255 on 0: characters, drawn by people or by the program.
    #[must_use]
    pub fn is_ink(&self) -> bool {
        self.reading().invert
    }

    /// Names of the classes of task `task` of an evaluation with `queries` queries.
    pub(in crate::recipe) fn evaluation_classes(
        &self,
        (seed, task): (u64, usize),
        queries: usize,
    ) -> Result<Vec<String>> {
        let tasks = self.tasks(Split::Test)?;
        let mut words = Philox::stream(seed, Purpose::Evaluate, 0, task as u32);
        match tasks.check(self.ways * (self.shots + queries)) {
            Ok(()) => Ok(tasks.names(&mut words)),
            Err(_) => Ok(UnevenImages::new(tasks, self.shots)?.names(&mut words)),
        }
    }

    /// What a person should know of classes that are too small for tasks of so many queries, a line each.
    pub(in crate::recipe) fn notes(&self, queries: usize) -> Vec<String> {
        let Some(set) = self.set() else { return Vec::new() };
        let mut notes = Vec::new();
        for split in Split::ALL {
            let queries = if split == Split::Train { self.queries } else { queries };
            let (shots, each) = (self.shots, self.shots + queries);
            let classes = &set.classes()[set.split(split)];
            let fewer = |least: usize| classes.iter().filter(|class| class.count < least).count();
            let (without, short) = (fewer(shots + 1), fewer(each) - fewer(shots + 1));
            if without > 0 {
                notes.push(format!(
                    "left out: {without} of {}, with no more images than the {shots} of task.shots",
                    counted(classes.len(), &format!("{split} class"))
                ));
            }
            if short > 0 {
                notes.push(format!(
                    "{short} of {} {} fewer than {each} images: of these a task has as many queries as there are",
                    counted(classes.len(), &format!("{split} class")),
                    if short == 1 { "has" } else { "have" }
                ));
            }
        }
        notes
    }
}

impl Kind for ImageSettings {
    fn targets(&self) -> Targets {
        Targets::ClassesOfTask
    }

    fn shape(&self) -> Result<(Shape, usize)> {
        let (channels, side) =
            self.form().ok_or_else(|| Error::failed("the images are not loaded: call load_data first"))?;
        Ok((Shape::Image { channels, height: side, width: side }, self.ways))
    }

    fn source(&self, _: u64) -> Result<TaskSource> {
        let tasks = self.tasks(Split::Train)?;
        match tasks.check(self.ways * (self.shots + self.queries)) {
            Ok(()) => Ok(TaskSource::Images(tasks)),
            Err(_) => Ok(TaskSource::Custom(Arc::new(UnevenImages::new(tasks, self.shots)?))),
        }
    }

    fn counts_points(&self) -> bool {
        false
    }

    fn usual(&self, support: usize) -> Usual {
        Usual { tasks: 600, points: support, queries: Some(self.queries), protocol: None }
    }

    fn check_evaluation(&self, (support, _): (usize, usize), settings: &EvaluationSettings) -> Result<()> {
        check_classes(settings, support, self.ways)
    }

    fn evaluation_query(&self, _: usize, settings: &EvaluationSettings) -> usize {
        self.ways * settings.queries.unwrap_or(1)
    }

    fn evaluation_tasks(
        &self,
        draw: Draw,
        settings: &EvaluationSettings,
        range: Range<usize>,
    ) -> Result<TaskBatch> {
        let query = self.evaluation_query(draw.query, settings);
        self.batch(Draw { query, ..draw }, Split::Test, 0, range)
    }

    fn validation_tasks(
        &self,
        draw: Draw,
        settings: &EvaluationSettings,
        split: Split,
        range: Range<usize>,
    ) -> Result<TaskBatch> {
        let query = self.evaluation_query(draw.query, settings);
        self.batch(Draw { query, ..draw }, split, 1, range)
    }

    fn needs_data(&self) -> bool {
        true
    }

    fn load(&mut self, loading: &mut Loading<'_>) -> Result<()> {
        self.read(loading.dir)
    }
}
