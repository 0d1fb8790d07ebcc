//! From pictures found in archives and folders to a set.

use super::Watch;
use super::decoding::decode;
use super::picture::{Picture, Rule};
use super::set::{ImageClass, ImageSet};
use super::sheet::counted;
use super::split::Split;
use crate::error::{Error, ErrorKind, Result};
use crate::exchange::Exchange;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// The most pixels of a set, in bytes: all of them are kept in memory.
pub(super) const MAX_BYTES: u64 = 8 << 30;

/// Pictures by class and by their own names: the order in which they were found leaves no trace.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    pub(super) classes: BTreeMap<String, BTreeMap<String, Picture>>,
    /// Files that are no pictures.
    pub(super) skipped: usize,
    /// Of Omniglot, the folders above each class.
    pub(super) above: BTreeMap<String, String>,
}

impl Pictures {
    pub(super) fn add(&mut self, class: &str, name: &str, picture: Picture) -> Result<()> {
        let class = self.classes.entry(class.to_owned()).or_default();
        match class.get(name) {
            Some(first) => Err(picture.error(format!("is there twice, first as {}", first.place()))),
            None => {
                class.insert(name.to_owned(), picture);
                Ok(())
            }
        }
    }

    /// SHA-256 of all names.
    pub(super) fn checksum(&self) -> String {
        let mut sum = Sha256::new();
        for (class, members) in &self.classes {
            for name in [class].into_iter().chain(members.keys()) {
                sum.update((name.len() as u64).to_le_bytes());
                sum.update(name);
            }
            // No name is as long.
            sum.update(u64::MAX.to_le_bytes());
        }
        sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Decodes everything on all cores, sharing it with the other members of an exchange, and packs it: `splits` holds the split of each class, in order of the names. With `skip`
    /// pictures that cannot be read are left out, and classes with fewer than two, where that can be chosen; a line for each is given back, and the least
    /// and the largest width and height.
    pub(super) fn assemble(
        self,
        name: &str,
        rule: &Rule,
        (splits, skip): (&[Split], Option<bool>),
        (exchange, watch): (Option<&dyn Exchange>, Watch<'_>),
    ) -> Result<Assembled> {
        let (way_on, skip) = match skip {
            Some(false) => ("; --skip-bad leaves it out", false),
            skip => ("", skip == Some(true)),
        };
        if !skip {
            self.check_classes(way_on)?;
        }
        let mut order = splits.iter().copied().zip(self.classes).collect::<Vec<_>>();
        // Stable, so that names stay sorted within a split.
        order.sort_by_key(|(split, _)| *split);
        let pictures: Vec<&Picture> = order.iter().flat_map(|(_, (_, members))| members.values()).collect();
        let len = rule.len();
        let needed = (len as u64).saturating_mul(pictures.len() as u64);
        if needed > MAX_BYTES {
            let hint = "choose a smaller size or fewer pictures";
            return Err(Error::limit("bytes of an image set", needed, MAX_BYTES, hint));
        }
        let (pixels, mut decoded) = decode(&pictures, rule, exchange, watch)?;
        // The first by name is told, whichever is found first.
        if !skip && let Some(at) = decoded.iter().position(Result::is_err) {
            let error = decoded.swap_remove(at).err().unwrap_or_else(|| Error::failed("a picture was lost"));
            return Err(match error.kind() {
                ErrorKind::File { path, reason, .. } => Error::file(path, format!("{reason}{way_on}")),
                _ => error,
            });
        }
        let good: Vec<_> = decoded.iter().map(Result::is_ok).collect();
        let sizes = decoded.iter().flatten();
        let all = |fold: fn(u32, u32) -> u32| {
            sizes.clone().copied().reduce(|a, b| (fold(a.0, b.0), fold(a.1, b.1))).unwrap_or_default()
        };
        let sizes = [all(u32::min), all(u32::max)];
        let mut left_out: Vec<_> =
            decoded.into_iter().filter_map(Result::err).map(|error| format!("left out: {error}")).collect();
        // Classes first: of a long list the end is cut.
        let mut small = Vec::new();
        let (classes, pixels) = pack(order, &good, &pixels, (len, &mut small));
        small.append(&mut left_out);
        let left_out = small;
        if classes.is_empty() {
            let first = left_out.first().map_or("", String::as_str);
            return Err(Error::failed(format!("no class of two good pictures is left; {first}")));
        }
        Ok(Assembled {
            set: ImageSet::new(name, rule.channels, rule.side, classes, pixels)?,
            left_out,
            sizes,
        })
    }

    /// Refuses a class of one picture: it cannot be both shown and asked for.
    fn check_classes(&self, way_on: &str) -> Result<()> {
        for (class, pictures) in &self.classes {
            if let (1, Some(only)) = (pictures.len(), pictures.values().next()) {
                let reason = format!("is the only picture of the class `{class}`; two are needed{way_on}");
                return Err(only.error(reason));
            }
        }
        Ok(())
    }
}

/// Pictures packed.
pub(super) struct Assembled {
    pub(super) set: ImageSet,
    /// What was left out, a line each.
    pub(super) left_out: Vec<String>,
    /// The least width and height of a picture, and the largest.
    pub(super) sizes: [(u32, u32); 2],
}

/// A class's name, and its pictures by their own names.
type Class = (String, BTreeMap<String, Picture>);

/// The classes of a set with the pixels of their good pictures; a class with fewer than two of those is left out.
fn pack(
    order: Vec<(Split, Class)>,
    good: &[bool],
    pixels: &[u8],
    (len, left_out): (usize, &mut Vec<String>),
) -> (Vec<ImageClass>, Vec<u8>) {
    let (mut classes, mut packed, mut at) = (Vec::new(), Vec::with_capacity(pixels.len()), 0);
    for (split, (name, members)) in order {
        let places: Vec<_> = (at..at + members.len()).filter(|&place| good[place]).collect();
        at += members.len();
        if places.len() < 2 {
            left_out.push(format!(
                "left out: the class `{name}`, which has {}; two are needed",
                counted(places.len(), "good picture")
            ));
            continue;
        }
        classes.push(ImageClass { name, split, first: packed.len() / len, count: places.len() });
        places.iter().for_each(|place| packed.extend_from_slice(&pixels[place * len..][..len]));
    }
    (classes, packed)
}
