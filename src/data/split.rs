//! Which classes are for what.

#[cfg(any(test, feature = "import"))]
use crate::philox::{Philox, Purpose};
#[cfg(any(test, feature = "import"))]
use rand::seq::SliceRandom as _;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a class is for. Classes are split, not images: a task of one split shows no class of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Split {
    /// Meta-training.
    Train,
    /// Meta-validation.
    Validation,
    /// Meta-testing.
    Test,
}

impl Split {
    /// All of them, in the order in which a set holds them.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        })
    }
}

/// The split that a name stands for, as folders of image sets are called.
#[cfg(feature = "import")]
pub(super) fn named(name: &str) -> Option<Split> {
    let plain = name.to_lowercase().replace(['-', '_', ' '], "");
    let of = |names: &[&str]| names.contains(&plain.as_str());
    if of(&["train", "training", "trn", "base", "seen", "metatrain", "metatraining"]) {
        Some(Split::Train)
    } else if of(&["val", "valid", "validation", "dev", "metaval", "metavalidation"]) {
        Some(Split::Validation)
    } else if of(&[
        "test",
        "testing",
        "tst",
        "novel",
        "unseen",
        "eval",
        "evaluation",
        "metatest",
        "metatesting",
    ]) {
        Some(Split::Test)
    } else {
        None
    }
}

/// The split that a folder's name holds as a word among others: `train_images`, `01_test`, `mini-imagenet-val`.
#[cfg(feature = "import")]
pub(super) fn named_within(name: &str) -> Option<Split> {
    let of = |word: &str| {
        let ends = ["set", "images", "imgs", "data"];
        let bare = ends.iter().find_map(|end| word.strip_suffix(end));
        // Omniglot's own word.
        if word == "background" { Some(Split::Train) } else { named(word).or_else(|| named(bare?)) }
    };
    let lower = name.to_lowercase();
    let mut found = lower.split(|c: char| !c.is_alphabetic()).filter_map(of);
    named(name).or_else(|| found.next().filter(|split| found.all(|other| other == *split)))
}

/// The split that a file's name ends with, e.g. `mini-imagenet-cache-train`.
#[cfg(feature = "import")]
pub(super) fn named_last(stem: &str) -> Option<Split> {
    named(stem).or_else(|| named(stem.rsplit(['-', '_', '.', ' ']).next().unwrap_or_default()))
}

/// Cuts `n` classes into train, validation and test by shares, which need not add up to anything.
///
/// Validation and test are rounded to the nearest, train is the rest. A share above zero gets a class as long as
/// there are enough.
#[must_use]
pub fn split_counts(n: usize, shares: [usize; 3]) -> [usize; 3] {
    let sum = shares.iter().map(|&s| s as u128).sum::<u128>().max(1);
    let part = |share: usize| match share {
        0 => 0,
        _ => (((n as u128 * share as u128 * 2 + sum) / (2 * sum)) as usize).max(1),
    };
    let (mut validation, mut test) = (part(shares[1]), part(shares[2]));
    let train = usize::from(shares[0] > 0);
    while validation + test + train > n && validation + test > 0 {
        if test >= validation { test -= 1 } else { validation -= 1 }
    }
    let rest = n - validation - test;
    match (shares[0], shares[1]) {
        (0, 0) => [0, 0, n],
        (0, _) => [0, validation + rest, test],
        _ => [rest, validation, test],
    }
}

/// Deals classes, given in the order of their names, to the splits: shuffled by the seed, then cut by the shares.
/// Entry `i` is the split of class `i`.
///
/// The draws are those of [`Purpose::Data`] with `iteration` and `task` 0.
#[cfg(any(test, feature = "import"))]
pub(super) fn deal(n: usize, shares: [usize; 3], seed: u64) -> Vec<Split> {
    let mut order = (0..n).collect::<Vec<_>>();
    order.shuffle(&mut Philox::stream(seed, Purpose::Data, 0, 0));
    let [train, validation, _] = split_counts(n, shares);
    let mut splits = vec![Split::Test; n];
    for (place, &class) in order.iter().enumerate().take(train + validation) {
        splits[class] = if place < train { Split::Train } else { Split::Validation };
    }
    splits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "import")]
    #[test]
    fn names_of_splits_stand_among_other_words() {
        for (name, split) in [
            ("train_images", Some(Split::Train)),
            ("images_background", Some(Split::Train)),
            ("01_Val", Some(Split::Validation)),
            ("meta-valid", Some(Split::Validation)),
            ("mini--test", Some(Split::Test)),
            ("testset", Some(Split::Test)),
            ("images_evaluation", Some(Split::Test)),
            ("train_test", None),
            ("images", None),
            ("latest", None),
        ] {
            assert_eq!(named_within(name), split, "{name}");
        }
    }

    #[test]
    fn shares_are_kept_and_every_class_is_used() {
        assert_eq!(split_counts(1623, [1100, 100, 423]), [1100, 100, 423]);
        assert_eq!(split_counts(100, [64, 16, 20]), [64, 16, 20]);
        assert_eq!(split_counts(10, [1100, 100, 423]), [6, 1, 3]);
        assert_eq!(split_counts(3, [98, 1, 1]), [1, 1, 1]);
        assert_eq!(split_counts(10, [8, 0, 2]), [8, 0, 2]);
        assert_eq!(split_counts(10, [0, 0, 2]), [0, 0, 10]);
        assert_eq!(split_counts(7, [usize::MAX; 3]), [3, 2, 2]);
        for n in 0..40 {
            for shares in [[1, 50, 50], [0, 1, 1], [5, 5, 0], [1, 1, 1], [0, 1, 0], [64, 16, 20]] {
                let counts = split_counts(n, shares);
                assert_eq!(counts.iter().sum::<usize>(), n, "{n} {shares:?}");
                let wanted = shares.iter().filter(|&&s| s > 0).count();
                for (share, count) in shares.iter().zip(counts) {
                    assert!(*share > 0 || count == 0, "{n} {shares:?} {counts:?}");
                    assert!(*share == 0 || n < wanted || count > 0, "{n} {shares:?} {counts:?}");
                }
            }
        }
    }

    #[test]
    fn the_deal_of_a_seed_is_pinned() {
        let deal =
            |seed| deal(12, [6, 2, 4], seed).iter().map(|s| s.to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!(deal(0), "validation test test train train test train train validation train train test");
        assert_eq!(deal(1), "validation train train train test test train train validation test train test");
    }
}
