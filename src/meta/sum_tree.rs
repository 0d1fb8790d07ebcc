//! Sums over a meta-batch in one order, whoever computes which part of it.

use std::ops::Range;

/// A tree of sums over leaves, whose shape follows from their number alone: leaves are added in pairs, the sums of pairs in
/// pairs, and so on; what has no partner goes up as it is. A leaf is a chunk of neighbouring tasks.
///
/// A node over the leaves `first..first + 2ᵏ` lies in the row `first`, so sums need no room of their own. A share of
/// contiguous leaves is the sum of the nodes that lie wholly in it: its roots. Whatever the shares are, adding up what they
/// have and then their roots makes every addition of the tree once, so that the sum is the same to the bit.
///
/// ```
/// # use fastweights::meta::SumTree;
/// let leaves: Vec<f32> = (0..13).map(|i| 0.1 * i as f32).collect();
/// let tree = SumTree::new(13);
/// let mut whole = leaves.clone();
/// tree.fold(&(0..13), |to, from| whole[to] += whole[from]);
/// let (shares, mut parts) = ([0..5, 5..6, 6..13], leaves);
/// for share in &shares {
///     tree.fold(share, |to, from| parts[to] += parts[from]);
/// }
/// tree.join(&shares, |to, from| parts[to] += parts[from]);
/// assert_eq!(parts[0], whole[0]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SumTree {
    leaves: usize,
}

impl SumTree {
    /// Over so many leaves.
    #[must_use]
    pub fn new(leaves: usize) -> Self {
        Self { leaves }
    }

    /// The leaves of each of `count` shares, as evenly as can be.
    #[must_use]
    pub fn shares(self, count: usize) -> Vec<Range<usize>> {
        let at = |i: usize| self.leaves * i / count.max(1);
        (0..count).map(|i| at(i)..at(i + 1)).collect()
    }

    /// Every addition of the tree, in an order in which each has what it needs: row `to`, row `from`, and the end of the
    /// leaves below their sum.
    fn additions(self) -> impl Iterator<Item = (usize, usize, usize)> {
        let leaves = self.leaves;
        let steps =
            std::iter::successors(Some(1), |step| Some(2 * step)).take_while(move |&step| step < leaves);
        steps.flat_map(move |step| {
            let pairs = (0..leaves - step).step_by(2 * step);
            pairs.map(move |to| (to, to + step, leaves.min(to + 2 * step)))
        })
    }

    /// Makes the additions that lie wholly within a share, as `add(to, from)`: its roots are in their rows afterwards.
    pub fn fold(self, share: &Range<usize>, mut add: impl FnMut(usize, usize)) {
        let within = |to: usize, end: usize| share.start <= to && end <= share.end;
        self.additions().filter(|&(to, _, end)| within(to, end)).for_each(|(to, from, _)| add(to, from));
    }

    /// Makes the additions that no share makes by itself: the sum of all leaves is in row 0 afterwards. Shares lie one behind
    /// the other.
    pub fn join(self, shares: &[Range<usize>], mut add: impl FnMut(usize, usize)) {
        for (to, from, end) in self.additions() {
            let share = shares.partition_point(|share| share.end <= to);
            if shares.get(share).is_none_or(|share| end > share.end) {
                add(to, from);
            }
        }
    }

    /// The rows of a share's roots, ascending.
    #[must_use]
    pub fn roots(self, share: &Range<usize>) -> Vec<usize> {
        let mut rows: Vec<usize> = share.clone().collect();
        self.fold(share, |_, from| rows.retain(|&row| row != from));
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Leaves whose sum depends on the order.
    fn leaves(count: usize) -> Vec<f32> {
        (0..count).map(|i| (i as f32 * 12.9898).sin() * 10_f32.powi(i as i32 % 9)).collect()
    }

    fn whole(count: usize) -> f32 {
        let mut rows = leaves(count);
        SumTree::new(count).fold(&(0..count), |to, from| rows[to] += rows[from]);
        rows[0]
    }

    #[test]
    fn any_shares_give_the_same_bits() {
        assert_ne!(whole(40).to_bits(), leaves(40).iter().sum::<f32>().to_bits(), "the order shows");
        for count in (1..=40).chain([63, 64, 65, 1000]) {
            let tree = SumTree::new(count);
            for members in [1, 2, 3, 4, 5, 7, 8, 16, 33, 1024] {
                let shares = tree.shares(members);
                assert_eq!(shares.iter().map(Range::len).sum::<usize>(), count);
                // Rows that nobody has sent are never looked at.
                let mut rows = vec![f32::NAN; count];
                for share in &shares {
                    let mut own = leaves(count);
                    tree.fold(share, |to, from| own[to] += own[from]);
                    let roots = tree.roots(share);
                    assert!(roots.len() <= 2 * 11 && roots.is_empty() == share.is_empty());
                    roots.iter().for_each(|&row| rows[row] = own[row]);
                }
                tree.join(&shares, |to, from| rows[to] += rows[from]);
                assert_eq!(rows[0].to_bits(), whole(count).to_bits(), "{count} leaves, {members} shares");
            }
        }
    }

    #[test]
    fn equal_shares_of_a_power_of_two_are_one_row_each() {
        let tree = SumTree::new(64);
        assert!(tree.shares(8).iter().all(|share| tree.roots(share) == [share.start]));
        assert_eq!(tree.roots(&(5..31)), [5, 6, 8, 16, 24, 28, 30]);
    }

    #[test]
    fn nothing_is_added_of_one_leaf_or_none() {
        for count in [0, 1] {
            SumTree::new(count).fold(&(0..count), |_, _| panic!("nothing to add"));
        }
        assert_eq!(SumTree::new(3).shares(5), [0..0, 0..1, 1..1, 1..2, 2..3]);
    }
}
