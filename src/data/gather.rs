//! From pictures found in archives and folders to a set.

use super::picture::{Picture, Rule};
use super::set::{ImageClass, ImageSet};
use super::split::Split;
use super::{Phase, Step, Watch};
use crate::error::{Error, Result};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// The most pictures of one import, so that no archive fills the memory with names.
pub(super) const MAX_PICTURES: usize = 2_000_000;

/// The most pixels of a set, in bytes: all of them are kept in memory.
const MAX_BYTES: u64 = 8 << 30;

/// Pictures by class and by their own names: the order in which they were found leaves no trace.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    pub(super) classes: BTreeMap<String, BTreeMap<String, Picture>>,
    /// Files that are no pictures.
    pub(super) skipped: usize,
    count: usize,
}

impl Pictures {
    pub(super) fn add(&mut self, class: &str, name: &str, picture: Picture) -> Result<()> {
        self.count += 1;
        if self.count > MAX_PICTURES {
            return Err(picture.error(format!("is one too many: at most {MAX_PICTURES} pictures are read")));
        }
        let class = self.classes.entry(class.to_owned()).or_default();
        match class.get(name) {
            Some(first) => Err(picture.error(format!("is there twice, first as {}", first.place()))),
            None => {
                class.insert(name.to_owned(), picture);
                Ok(())
            }
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Decodes everything on all cores and packs it: `splits` holds the split of each class, in order of the names.
    pub(super) fn assemble(
        self,
        name: &str,
        rule: &Rule,
        splits: &[Split],
        watch: Watch<'_>,
    ) -> Result<ImageSet> {
        for (class, pictures) in &self.classes {
            if let (1, Some(only)) = (pictures.len(), pictures.values().next()) {
                return Err(only.error(format!("is the only picture of the class `{class}`; two are needed")));
            }
        }
        let mut order = splits.iter().zip(self.classes).collect::<Vec<_>>();
        // Stable, so that names stay sorted within a split.
        order.sort_by_key(|(split, _)| **split);
        let (mut classes, mut pictures) = (Vec::new(), Vec::with_capacity(self.count));
        for (&split, (name, members)) in order {
            classes.push(ImageClass { name, split, first: pictures.len(), count: members.len() });
            pictures.extend(members.into_values());
        }
        let len = rule.len();
        let needed = (len as u64).saturating_mul(pictures.len() as u64);
        if needed > MAX_BYTES {
            let hint = "choose a smaller size or fewer pictures";
            return Err(Error::limit("bytes of an image set", needed, MAX_BYTES, hint));
        }
        let mut pixels = vec![0; len * pictures.len()];
        let (done, total) = (AtomicU64::new(0), pictures.len() as u64);
        pixels.par_chunks_mut(len).zip(&pictures).try_for_each(|(out, picture)| {
            rule.decode(picture, out)?;
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            watch(Step { phase: Phase::Decode, done, total });
            Ok::<_, Error>(())
        })?;
        ImageSet::new(name, rule.channels, rule.side, classes, pixels)
    }
}
