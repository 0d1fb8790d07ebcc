//! Places for arrays: those whose lives do not meet share memory.

use std::ops::Range;

/// An array as storage sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Floats.
    pub len: usize,
    /// First and last instruction that touch it.
    pub life: Range<usize>,
    /// An array that it may take the place of, if that one dies where this one is born.
    pub in_place_of: Option<usize>,
}

/// Where arrays lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// First float of each; 0 for those without any.
    pub offsets: Vec<usize>,
    /// Floats in all.
    pub len: usize,
}

/// Free memory, `(offset, len)` ascending, and its end.
#[derive(Default)]
struct Free {
    holes: Vec<(usize, usize)>,
    end: usize,
}

impl Free {
    /// The first hole that is large enough, else memory at the end.
    fn take(&mut self, len: usize) -> usize {
        if let Some(at) = self.holes.iter().position(|hole| hole.1 >= len) {
            let (offset, room) = self.holes[at];
            match room == len {
                true => drop(self.holes.remove(at)),
                false => self.holes[at] = (offset + len, room - len),
            }
            return offset;
        }
        // A hole that reaches to the end grows.
        let start = match self.holes.last() {
            Some(&(offset, room)) if offset + room == self.end => {
                self.holes.pop();
                offset
            }
            _ => self.end,
        };
        self.end = start + len;
        start
    }

    fn give(&mut self, offset: usize, len: usize) {
        let at = self.holes.partition_point(|hole| hole.0 < offset);
        self.holes.insert(at, (offset, len));
        if at + 1 < self.holes.len() && offset + len == self.holes[at + 1].0 {
            self.holes[at].1 += self.holes.remove(at + 1).1;
        }
        if at > 0 && self.holes[at - 1].0 + self.holes[at - 1].1 == offset {
            self.holes[at - 1].1 += self.holes.remove(at).1;
        }
    }
}

/// Places arrays in the order in which they are born, each in the first hole that holds it; lengths are rounded up to
/// `align` floats.
#[must_use]
pub fn place(extents: &[Extent], align: usize) -> Placement {
    let round = |len: usize| len.next_multiple_of(align.max(1));
    let mut born: Vec<usize> = (0..extents.len()).filter(|&i| extents[i].len > 0).collect();
    let mut dying = born.clone();
    born.sort_by_key(|&i| extents[i].life.start);
    dying.sort_by_key(|&i| extents[i].life.end);
    let mut offsets = vec![0; extents.len()];
    let mut free = Free::default();
    // Whether an array's memory went to another one.
    let mut handed = vec![false; extents.len()];
    let mut dead = 0;
    for &i in &born {
        let this = &extents[i];
        while dead < dying.len() && extents[dying[dead]].life.end < this.life.start {
            let gone = dying[dead];
            if !handed[gone] {
                free.give(offsets[gone], round(extents[gone].len));
            }
            dead += 1;
        }
        let before = this.in_place_of.filter(|&other| {
            let other_extent = &extents[other];
            !handed[other]
                && other_extent.life.end == this.life.start
                && other_extent.life.start < this.life.start
                && round(other_extent.len) == round(this.len)
        });
        offsets[i] = match before {
            Some(other) => {
                handed[other] = true;
                offsets[other]
            }
            None => free.take(round(this.len)),
        };
    }
    Placement { offsets, len: free.end }
}

/// A colour for each of `count` arrays, so that no two of a pair have the same: arrays that one dispatch reads and writes
/// must lie in different buffers. Each takes the first colour that its pairs leave.
#[must_use]
pub fn colour(count: usize, pairs: &[(usize, usize)]) -> Vec<usize> {
    let mut others = vec![Vec::new(); count];
    for &(a, b) in pairs.iter().filter(|(a, b)| a != b) {
        others[a].push(b);
        others[b].push(a);
    }
    let mut colours: Vec<Option<usize>> = vec![None; count];
    for i in 0..count {
        let taken: Vec<usize> = others[i].iter().filter_map(|&other| colours[other]).collect();
        colours[i] = (0..=taken.len()).find(|colour| !taken.contains(colour));
    }
    colours.into_iter().map(|colour| colour.unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(len: usize, life: Range<usize>) -> Extent {
        Extent { len, life, in_place_of: None }
    }

    #[test]
    fn arrays_share_memory_only_where_their_lives_do_not_meet() {
        let extents: Vec<Extent> =
            (0..200_usize).map(|i| extent(1 + i * 7 % 13, i * 3 % 50..i * 3 % 50 + 1 + i * 11 % 9)).collect();
        let placed = place(&extents, 4);
        let total: usize = extents.iter().map(|e| e.len.next_multiple_of(4)).sum();
        assert!(placed.len < total / 3, "{} of {total}", placed.len);
        for (i, a) in extents.iter().enumerate() {
            for (j, b) in extents.iter().enumerate().skip(i + 1) {
                let alive = a.life.start <= b.life.end && b.life.start <= a.life.end;
                let apart = placed.offsets[i] + a.len <= placed.offsets[j]
                    || placed.offsets[j] + b.len <= placed.offsets[i];
                assert!(!alive || apart, "{i} and {j}");
            }
        }
    }

    #[test]
    fn an_array_takes_the_place_of_one_that_dies() {
        let mut extents = vec![extent(8, 0..3), extent(8, 3..5), extent(8, 3..4)];
        extents[1].in_place_of = Some(0);
        let placed = place(&extents, 1);
        assert_eq!((placed.offsets, placed.len), (vec![0, 0, 8], 16));
        extents[0].life = 0..4;
        assert_eq!(place(&extents, 1).offsets[1], 8);
    }

    #[test]
    fn pairs_have_different_colours() {
        assert_eq!(colour(4, &[(0, 1), (1, 2), (0, 2), (3, 3)]), [0, 1, 2, 0]);
    }
}
