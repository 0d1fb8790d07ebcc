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
    /// Series to be judged on.
    pub held_out: SeriesTable,
    /// Their numbers in the set.
    pub held_out_numbers: Vec<usize>,
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
    pub(super) standard: bool,
    pub(super) seed: u64,
}

impl Cut {
    /// Splits the series that are long enough.
    pub(super) fn split(&self, set: Arc<SeriesSet>, train: Option<usize>) -> Result<SeriesData> {
        let (mut usable, short) = self.usable(&set)?;
        let train = train_count(&set, usable.len(), train)?;
        shuffle(&mut usable, self.seed);
        let held_out = usable.split_off(train);
        Ok(SeriesData {
            train: self.table(&set, &usable)?,
            held_out: self.table(&set, &held_out)?,
            held_out_numbers: held_out,
            short,
            set,
        })
    }

    /// Numbers of the series that are long enough for one task, and how many are not.
    fn usable(&self, set: &SeriesSet) -> Result<(Vec<usize>, usize)> {
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
        if usable.len() < 2 {
            let reason = format!(
                "{} has 1 series of at least {least} values (task.window with task.support and task.query), besides {short} shorter; \
                 one to learn from and one to be judged on are needed",
                set.path.display()
            );
            return Err(Error::recipe("task.csv", reason));
        }
        Ok((usable, short))
    }

    fn table(&self, set: &SeriesSet, numbers: &[usize]) -> Result<SeriesTable> {
        let chosen = numbers.iter().map(|&i| &set.series[i].1);
        let lengths: Vec<_> = chosen.clone().map(Vec::len).collect();
        let values: Vec<f32> = chosen.flatten().copied().collect();
        let table = SeriesTable::ragged(values, &lengths, self.window)?;
        Ok(if self.standard { table.standardised() } else { table })
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

/// Fisher and Yates, from a stream of the seed's.
fn shuffle(numbers: &mut [usize], seed: u64) {
    let mut words = Philox::stream(seed, Purpose::Data, 1, 0);
    for last in (1..numbers.len()).rev() {
        numbers.swap(last, below(words.word(), last as u32 + 1) as usize);
    }
}
