//! Which series of a file are learned from and which are held out.

use super::loaded::Summed;
use crate::data::SeriesSet;
use crate::error::{Error, Result};
use crate::philox::{Philox, Purpose, below};
use crate::task::SeriesTable;
use std::sync::Arc;

/// The series of a file, split.
#[derive(Clone, Debug)]
pub struct SeriesData {
    /// What the file held.
    pub set: Arc<SeriesSet>,
    /// Series to learn from.
    pub train: SeriesTable,
    /// How many they are; none where all series are there to be judged on.
    pub learned: usize,
    /// Series that trials are made on, where there are trials.
    pub tried: Option<SeriesTable>,
    /// Series to be judged on.
    pub held_out: SeriesTable,
    /// Their numbers in the set.
    pub held_out_numbers: Vec<usize>,
    /// What was taken off each of them before it was rounded to float32: its first value, where values are scaled.
    pub held_out_origins: Vec<f64>,
    /// The median deviation of the series to learn from, which stands in for that of a series that has been flat.
    pub typical: f64,
    /// Held-out series that were as good as flat before what is judged.
    pub flat: usize,
    /// Series left out since they are too short for one task.
    pub short: usize,
}

impl Summed for SeriesData {
    fn sum(&self) -> &str {
        &self.set.sha256
    }
}

/// Most series to learn from, unless asked for: those of the original.
const TRAIN_SERIES: usize = 3000;

/// How series are cut into tasks and split.
pub(super) struct Cut {
    pub(super) window: usize,
    /// Support and query points of a task.
    pub(super) points: usize,
    /// Query points of them.
    pub(super) query: usize,
    pub(super) standard: bool,
    pub(super) seed: u64,
}

impl Cut {
    /// Splits the series that are long enough.
    ///
    /// Of the `train` ones, or three quarters, a fifth is for trials if there are any.
    pub(super) fn split(
        &self,
        set: Arc<SeriesSet>,
        train: Option<usize>,
        trials: bool,
    ) -> Result<SeriesData> {
        let (mut usable, short) = self.usable(&set, 2)?;
        let train = train_count(&set, usable.len(), train)?;
        shuffle(&mut usable, self.seed);
        let held_out = usable.split_off(train);
        let tried = if trials { usable.split_off(learned_count(&set, train)?) } else { Vec::new() };
        let train = self.table(&set, &usable)?;
        let typical = train.spread();
        if self.standard
            && (0..train.count()).all(|i| train.series(i).iter().all(|value| *value == train.series(i)[0]))
        {
            let reason = format!(
                "is {}, whose series to learn from all stay as they are: there is nothing to forecast (moves below 1e-38 are none)",
                set.path.display()
            );
            return Err(Error::recipe("task.csv", reason));
        }
        let scaled = |table: SeriesTable| if self.standard { table.standardised(typical) } else { table };
        let judged = self.table(&set, &held_out)?;
        let tried = (!tried.is_empty()).then(|| self.table(&set, &tried)).transpose()?;
        Ok(SeriesData {
            flat: if self.standard { judged.flat(self.query, typical) } else { 0 },
            learned: train.count(),
            train: scaled(train),
            tried: tried.map(scaled),
            held_out: scaled(judged),
            held_out_origins: held_out.iter().map(|&i| self.origin(&set.series[i].1)).collect(),
            held_out_numbers: held_out,
            typical,
            short,
            set,
        })
    }

    /// All series that are long enough, to be judged on; nothing is learned from them.
    pub(super) fn all(&self, set: Arc<SeriesSet>) -> Result<SeriesData> {
        let (usable, short) = self.usable(&set, 1)?;
        let table = self.table(&set, &usable)?;
        let typical = table.spread();
        let flat = if self.standard { table.flat(self.query, typical) } else { 0 };
        let scaled = if self.standard { table.standardised(typical) } else { table };
        Ok(SeriesData {
            learned: 0,
            train: scaled.clone(),
            tried: Some(scaled.clone()),
            held_out: scaled,
            held_out_origins: usable.iter().map(|&i| self.origin(&set.series[i].1)).collect(),
            held_out_numbers: usable,
            typical,
            flat,
            short,
            set,
        })
    }

    /// Numbers of the series that are long enough for one task, and how many are not.
    fn usable(&self, set: &SeriesSet, needed: usize) -> Result<(Vec<usize>, usize)> {
        let Self { window, points, .. } = self;
        let least = window + points;
        let usable: Vec<_> = (0..set.series.len()).filter(|&i| set.series[i].1.len() >= least).collect();
        let short = set.series.len() - usable.len();
        if usable.is_empty() {
            let longest = set.series.iter().map(|(_, values)| values.len()).max().unwrap_or(0);
            let reason = format!(
                "is {window}; a task of {points} windows needs {least} values, but the longest of the {short} series of {} has {longest}",
                set.path.display()
            );
            return Err(Error::recipe("task.window", reason));
        }
        if usable.len() < needed {
            let reason = format!(
                "{} has 1 series of at least {least} values (task.window with task.support and task.query), besides {short} shorter; \
                 one to learn from and one to be judged on are needed. --set task.pieces=N cuts a series into N pieces; a run that \
                 was trained on other series forecasts this one: predict RUN --csv FILE",
                set.path.display()
            );
            return Err(Error::recipe("task.csv", reason));
        }
        Ok((usable, short))
    }

    /// What is taken off a series before it is rounded: a level of a billion would leave no digits to its moves.
    fn origin(&self, values: &[f64]) -> f64 {
        if self.standard { values.first().copied().unwrap_or(0.0) } else { 0.0 }
    }

    fn table(&self, set: &SeriesSet, numbers: &[usize]) -> Result<SeriesTable> {
        let chosen = numbers.iter().map(|&i| &set.series[i].1);
        let lengths: Vec<_> = chosen.clone().map(Vec::len).collect();
        let moves = |values: &Vec<f64>| {
            let origin = self.origin(values);
            values.iter().map(|value| (value - origin) as f32).collect::<Vec<_>>()
        };
        SeriesTable::ragged(chosen.flat_map(moves).collect::<Vec<_>>(), &lengths, self.window)
    }
}

/// Series to learn from, of `usable` ones.
fn train_count(set: &SeriesSet, usable: usize, asked: Option<usize>) -> Result<usize> {
    let quarters = (3 * usable / 4).clamp(1, TRAIN_SERIES);
    let most = usable - 1;
    let train = asked.unwrap_or(quarters);
    if train > most {
        let reason = format!(
            "is {train}, but {} has {usable} series long enough; at most {most} leave one to be judged on",
            set.path.display()
        );
        return Err(Error::recipe("task.train_series", reason));
    }
    Ok(train)
}

/// Series to learn from, of `train` that are not held out, where a fifth of them, or one, is for trials.
fn learned_count(set: &SeriesSet, train: usize) -> Result<usize> {
    if train < 2 {
        let reason = format!(
            "needs a series of {} for trials besides those to learn from and to be judged on, but only {train} is left to learn from; \
             --set validation.every=0 does without trials, and --set task.pieces=N cuts a series into N pieces",
            set.path.display()
        );
        return Err(Error::recipe("validation.every", reason));
    }
    Ok(train - (train / 5).max(1))
}

/// Fisher and Yates, from a stream of the seed's.
fn shuffle(numbers: &mut [usize], seed: u64) {
    let mut words = Philox::stream(seed, Purpose::Data, 1, 0);
    for last in (1..numbers.len()).rev() {
        numbers.swap(last, below(words.word(), last as u32 + 1) as usize);
    }
}
