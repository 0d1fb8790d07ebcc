//! Which fields are learned from and which are held out.

use super::loaded::Summed;
use crate::data::{FieldColumns, FieldSet, ImageSet, Ranges, Split};
use crate::error::{Error, Result};
use crate::philox::{Philox, Purpose};
use crate::task::{MeasuredFields, Signals};
use rand::seq::SliceRandom as _;
use std::sync::Arc;

/// The fields of a file or an image set, split.
#[derive(Clone, Debug)]
pub struct FieldData {
    /// What they came from: a file's name, or the name of an image set.
    pub name: String,
    /// SHA-256 of it.
    pub sha256: String,
    /// What a person should know of how a file was read, a line each.
    pub notes: Vec<String>,
    /// Fields to learn from.
    pub train: Signals,
    /// How many they are.
    pub learned: usize,
    /// Fields to be judged on.
    pub held_out: Signals,
    /// What held-out fields are called, in their order; images go by their numbers.
    pub held_out_names: Vec<String>,
    /// Fields that rates are chosen by.
    pub other: Signals,
    /// Fields that trials are made on, if there are any.
    pub tried: Option<Signals>,
}

impl Summed for FieldData {
    fn sum(&self) -> &str {
        &self.sha256
    }
}

/// A stream of words by which the order of held-out fields is drawn; that of fields to learn from has another number.
const HELD_OUT: u32 = 3;
const OTHER: u32 = 4;

fn shuffled(numbers: impl Iterator<Item = usize>, seed: u64, stream: u32) -> Arc<[usize]> {
    let mut numbers: Vec<_> = numbers.collect();
    numbers.shuffle(&mut Philox::stream(seed, Purpose::Data, stream, 0));
    numbers.into()
}

impl FieldData {
    /// Images of the classes of meta-training and of meta-testing. Their order does not depend on a seed: a set is judged by the
    /// same images in every run.
    pub(super) fn of_images(set: Arc<ImageSet>) -> Result<Self> {
        let images = |split: Split| {
            let classes = &set.classes()[set.split(split)];
            let (first, last) = (classes.first(), classes.last());
            first.zip(last).map_or(0..0, |(first, last)| first.first..last.first + last.count)
        };
        let [train, validation, test] = Split::ALL.map(images);
        for (split, found) in [(Split::Train, &train), (Split::Test, &test)] {
            if found.is_empty() {
                let name = set.name();
                let reason = format!(
                    "is `{name}`, which has no {split} classes; import it again with shares for training and testing, e.g. \
                     data import images {name} DIR --size {} --split 80,0,20 --force",
                    set.side()
                );
                return Err(Error::recipe("task.data", reason));
            }
        }
        let has_validation = !validation.is_empty();
        let other = if has_validation { validation } else { train.clone() };
        let of = |chosen: Arc<[usize]>| Signals::Images { set: Arc::clone(&set), chosen };
        let held_out = shuffled(test, 0, HELD_OUT);
        Ok(Self {
            name: set.name().to_owned(),
            sha256: set.checksum().to_owned(),
            notes: Vec::new(),
            learned: train.len(),
            train: of(train.collect()),
            held_out_names: held_out.iter().map(ToString::to_string).collect(),
            held_out: of(held_out),
            tried: has_validation.then(|| of(shuffled(other.clone(), 0, OTHER))),
            other: of(shuffled(other, 0, OTHER)),
        })
    }

    /// Fields of a file, the first `train` of an order by the seed to learn from, and the ranges of coordinates and values.
    pub(super) fn of_file(
        set: &FieldSet,
        columns: &FieldColumns,
        train: Option<usize>,
        (seed, trials): (u64, bool),
    ) -> Result<(Self, [Ranges; 2])> {
        let count = set.fields.len();
        if count < 2 {
            let reason = format!(
                "{} holds one field by the column `{}`; one to learn from and one to be judged on are needed",
                set.path.display(),
                columns.id
            );
            return Err(Error::recipe("task.id_column", reason));
        }
        let learned = train.unwrap_or((3 * count / 4).max(1));
        if learned >= count {
            let reason = format!(
                "is {learned}, but there are {count} fields; at most {} leave one to be judged on",
                count - 1
            );
            return Err(Error::recipe("task.train_fields", reason));
        }
        let order = shuffled(0..count, seed, HELD_OUT);
        let (chosen, held_out) = order.split_at(learned);
        if trials && learned < 2 {
            let reason = format!(
                "needs a field for trials besides those to learn from and to be judged on; of {count} fields only {learned} is left to \
                 learn from, and --set validation.every=0 does without trials"
            );
            return Err(Error::recipe("validation.every", reason));
        }
        let (chosen, tried) = chosen.split_at(learned - if trials { (learned / 5).max(1) } else { 0 });
        let named = |key: &'static str| move |error: Error| Error::recipe(key, error.to_string());
        let coordinates = Ranges::of(&set.x, &columns.coordinates).map_err(named("task.coordinates"))?;
        let targets = columns.values.len();
        let mut seen = Vec::new();
        let mut at = 0;
        for (field, (_, points)) in set.fields.iter().enumerate() {
            if chosen.contains(&field) {
                seen.extend_from_slice(&set.y[at * targets..(at + points) * targets]);
            }
            at += points;
        }
        let values = Ranges::of(&seen, &columns.values).map_err(named("task.values"))?;
        let lengths: Vec<_> = set.fields.iter().map(|(_, points)| *points).collect();
        let fields = Arc::new(MeasuredFields::new(
            (columns.coordinates.len(), coordinates.to_coordinates(&set.x)),
            (targets, values.to_values(&set.y)),
            &lengths,
        )?);
        let of = |chosen: &[usize]| Signals::Measured { fields: Arc::clone(&fields), chosen: chosen.into() };
        let data = Self {
            name: set.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            sha256: set.sha256.clone(),
            notes: set.notes.clone(),
            learned: chosen.len(),
            train: of(chosen),
            held_out: of(held_out),
            held_out_names: held_out.iter().map(|&field| set.fields[field].0.clone()).collect(),
            other: of(chosen),
            tried: trials.then(|| of(tried)),
        };
        Ok((data, [coordinates, values]))
    }
}
