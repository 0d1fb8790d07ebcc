//! The settings of fields as typed.

use super::field::FieldSettings;
use super::field_source::{FieldCsv, FieldSource};
use super::loaded::Loaded;
use super::series_csv::Names;
use crate::data::{Decimal, Dialect, PictureReading, Ranges, check_name};
use crate::error::{Error, Result};
use crate::recipe::limits::{MANY, within};
use crate::recipe::section::section;
use crate::task::QueryPoints;

section!(Typed {
    points: usize,
    query_points: QueryPoints,
    angles: usize,
    samples: usize,
    side: usize,
    channels: usize,
    data: String,
    data_sha256: String,
    reading: PictureReading,
    csv: String,
    sha256: String,
    id_column: String,
    coordinates: Names,
    values: Names,
    train_fields: usize,
    coordinate_ranges: Ranges,
    value_ranges: Ranges,
    separator: String,
    decimal: Decimal,
    encoding: String,
    header: bool,
    missing_values: Vec<String>,
});

/// Pixels of a phantom's row and column.
const SIDE: usize = 64;

/// Places along a ray.
const SAMPLES: usize = 64;

/// Names that stand in a list or, with commas between, in one text.
fn names(names: &Option<Names>) -> Vec<String> {
    let all = Names::list(names);
    let parts = all.iter().flat_map(|name| name.split(','));
    parts.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

impl Typed {
    /// The settings, and support and query points, which are none until data are loaded that they follow from.
    pub(super) fn resolve(self) -> Result<(FieldSettings, usize, usize)> {
        self.check_source()?;
        let query_points = self.query_points.unwrap_or_default();
        let least = if query_points == QueryPoints::Others { 2 } else { 1 };
        let points = self.points.map(|points| within("task.points", points, least..=MANY)).transpose()?;
        let angles = self.angles.map(|angles| within("task.angles", angles, 1..=1024)).transpose()?;
        if angles.is_none() && self.samples.is_some() {
            let reason = "is a setting of line integrals, which task.angles asks for";
            return Err(Error::recipe("task.samples", reason));
        }
        let samples = within("task.samples", self.samples.unwrap_or(SAMPLES), 2..=1024)?;
        let settings = FieldSettings {
            points,
            query_points,
            angles,
            samples: angles.map(|_| samples),
            source: self.source()?,
            data: Loaded::default(),
        };
        settings.train_tasks().map_or(Ok(()), |tasks| settings.check_points(&tasks))?;
        let (support, query) = settings.counts().unwrap_or((1, 1));
        Ok((settings, support, query))
    }

    fn source(self) -> Result<FieldSource> {
        if let Some(csv) = self.csv {
            if csv.is_empty() {
                return Err(Error::recipe("task.csv", "is empty; name a file"));
            }
            let dialect = Dialect {
                separator: self.separator,
                decimal: self.decimal,
                encoding: self.encoding,
                header: self.header,
                missing_values: self.missing_values.unwrap_or_default(),
            };
            dialect.check()?;
            let train_fields =
                self.train_fields.map(|count| within("task.train_fields", count, 1..=MANY)).transpose()?;
            return Ok(FieldSource::Csv(Box::new(FieldCsv {
                csv,
                sha256: self.sha256,
                id_column: self.id_column.unwrap_or_else(|| "id".to_owned()),
                coordinates: names(&self.coordinates),
                values: names(&self.values),
                train_fields,
                coordinate_ranges: self.coordinate_ranges,
                value_ranges: self.value_ranges,
                dialect,
            })));
        }
        let side = self.side.map(|side| within("task.side", side, 2..=1024)).transpose()?;
        let Some(data) = self.data else { return Ok(FieldSource::Phantoms { side: side.unwrap_or(SIDE) }) };
        check_name(&data).map_err(|e| Error::recipe("task.data", e.to_string()))?;
        let channels = self.channels.map(|n| within("task.channels", n, 1..=16)).transpose()?;
        Ok(FieldSource::Images { data, data_sha256: self.data_sha256, reading: self.reading, side, channels })
    }

    /// Refuses settings of other sources.
    fn check_source(&self) -> Result<()> {
        if self.csv.is_some() && self.data.is_some() {
            let reason = "and task.data are two places that fields come from; keep one";
            return Err(Error::recipe("task.csv", reason));
        }
        let of_file = [
            ("sha256", self.sha256.is_some()),
            ("id_column", self.id_column.is_some()),
            ("coordinates", self.coordinates.is_some()),
            ("values", self.values.is_some()),
            ("train_fields", self.train_fields.is_some()),
            ("coordinate_ranges", self.coordinate_ranges.is_some()),
            ("value_ranges", self.value_ranges.is_some()),
            ("separator", self.separator.is_some()),
            ("decimal", self.decimal.is_some()),
            ("encoding", self.encoding.is_some()),
            ("header", self.header.is_some()),
            ("missing_values", self.missing_values.is_some()),
        ];
        let of_images = [
            ("data_sha256", self.data_sha256.is_some()),
            ("reading", self.reading.is_some()),
            ("channels", self.channels.is_some()),
        ];
        let of_pixels = [
            ("side", self.side.is_some()),
            ("angles", self.angles.is_some()),
            ("samples", self.samples.is_some()),
        ];
        let mut foreign = Vec::new();
        if self.csv.is_none() {
            foreign.push((&of_file[..], "needs task.csv, the file that it is about"));
        } else {
            foreign
                .push((&of_pixels[..], "is a setting of phantoms and images; points of a file lie anywhere"));
        }
        if self.data.is_none() {
            foreign.push((&of_images[..], "needs task.data, the image set that it is about"));
        }
        for (keys, reason) in foreign {
            if let Some((key, _)) = keys.iter().find(|(_, given)| *given) {
                return Err(Error::recipe(format!("task.{key}"), reason));
            }
        }
        Ok(())
    }
}
