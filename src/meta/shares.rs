//! A sum over tasks that members of an exchange make together.

use super::SumTree;
use crate::error::Result;
use crate::exchange::Exchange;
use std::ops::Range;
use std::sync::Arc;

/// Floats of a root up to which every member is sent all roots; of longer ones each member adds up a stretch, which is then
/// sent to all. That takes one more message and, however many members there are, two rows of bytes.
const SHORT: usize = 16 << 10;

/// A reduction whose leaves are shared out: what this member computes, and how the sum of all comes about.
#[derive(Clone, Debug)]
pub struct Shares {
    tree: SumTree,
    shares: Vec<Range<usize>>,
    exchange: Option<Arc<dyn Exchange>>,
    member: usize,
}

impl Shares {
    /// So many leaves, shared by the members of an exchange. A single leaf is computed by everyone, as that takes no longer
    /// than to wait for it.
    #[must_use]
    pub fn new(leaves: usize, exchange: Option<&Arc<dyn Exchange>>) -> Self {
        let (tree, exchange) = (SumTree::new(leaves), exchange.filter(|e| e.members() > 1 && leaves > 1));
        let (members, member) = exchange.map_or((1, 0), |e| (e.members(), e.member()));
        Self { tree, shares: tree.shares(members), exchange: exchange.cloned(), member }
    }

    /// The tree.
    #[must_use]
    pub fn tree(&self) -> SumTree {
        self.tree
    }

    /// The leaves that this member computes.
    #[must_use]
    pub fn own(&self) -> Range<usize> {
        self.shares[self.member].clone()
    }

    /// Whether others compute some.
    #[must_use]
    pub fn are_shared(&self) -> bool {
        self.exchange.is_some()
    }

    /// Shares anew by how long each member took for its leaves, if that saves a tenth of the time or more; no result depends
    /// on it. Returns whether shares changed. Every member must call it.
    ///
    /// # Errors
    /// As [`Exchange::tell`].
    pub fn balance(&mut self, seconds: f64) -> Result<bool> {
        let Some(exchange) = &self.exchange else { return Ok(false) };
        let told = exchange.tell(&seconds.to_le_bytes())?;
        let seconds: Vec<f64> = told
            .iter()
            .filter_map(|told| Some(f64::from_le_bytes(told.get(..8)?.try_into().ok()?)))
            .collect();
        match balanced(&self.shares, &seconds) {
            Some(shares) => {
                tracing::debug!(?shares, ?seconds, "shares by what each member took");
                self.shares = shares;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// From the roots of this member, in their rows of `[leaves, columns]`, the sum of all members' in row 0.
    ///
    /// # Errors
    /// As [`Exchange::tell`].
    pub fn join(&self, rows: &mut [f32], columns: usize) -> Result<()> {
        let Some(exchange) = &self.exchange else { return Ok(()) };
        let roots: Vec<Vec<usize>> = self.shares.iter().map(|share| self.tree.roots(share)).collect();
        let all = 0..columns;
        if columns <= SHORT {
            let given = copied(rows, columns, &roots[self.member], &all);
            let lens: Vec<usize> = roots.iter().map(|roots| roots.len() * columns).collect();
            let mut taken = vec![0.0; lens.iter().sum()];
            exchange.gather(&given, &lens, &mut taken)?;
            self.add_up(rows, columns, &roots, (&all, &taken));
            return Ok(());
        }
        let cut = SumTree::new(columns).shares(roots.len());
        let own = &cut[self.member];
        let given: Vec<f32> =
            cut.iter().flat_map(|part| copied(rows, columns, &roots[self.member], part)).collect();
        let to: Vec<usize> = cut.iter().map(|part| roots[self.member].len() * part.len()).collect();
        let from: Vec<usize> = roots.iter().map(|roots| roots.len() * own.len()).collect();
        let mut taken = vec![0.0; from.iter().sum()];
        exchange.scatter(&given, &to, &from, &mut taken)?;
        self.add_up(rows, columns, &roots, (own, &taken));
        let sum = rows[own.clone()].to_vec();
        let lens: Vec<usize> = cut.iter().map(Range::len).collect();
        exchange.gather(&sum, &lens, &mut rows[all])
    }

    /// Puts some columns of the roots of all members into their rows, and adds them up.
    fn add_up(
        &self,
        rows: &mut [f32],
        columns: usize,
        roots: &[Vec<usize>],
        (part, values): (&Range<usize>, &[f32]),
    ) {
        for (&row, values) in roots.iter().flatten().zip(values.chunks_exact(part.len().max(1))) {
            rows[row * columns..][part.clone()].copy_from_slice(values);
        }
        self.tree.join(&self.shares, |to, from| {
            // A sum stands before what is added to it.
            let (before, behind) = rows.split_at_mut(from * columns);
            for (sum, value) in before[to * columns..][part.clone()].iter_mut().zip(&behind[part.clone()]) {
                *sum += value;
            }
        });
    }

    /// Bytes that this member sends in one reduction.
    #[must_use]
    pub fn bytes_sent(&self, columns: usize) -> u64 {
        if self.exchange.is_none() {
            return 0;
        }
        let (own, members) = (self.tree.roots(&self.own()).len(), self.shares.len());
        let floats = match columns <= SHORT {
            true => own * columns * (members - 1),
            false => (own * columns + columns) * (members - 1) / members,
        };
        4 * floats as u64
    }
}

/// Shares by speed; nothing where times are not known, where a member would be left without a leaf, or little is won.
fn balanced(shares: &[Range<usize>], seconds: &[f64]) -> Option<Vec<Range<usize>>> {
    let known = seconds.len() == shares.len() && seconds.iter().all(|s| s.is_finite() && *s > 0.0);
    if !known || shares.iter().any(Range::is_empty) {
        return None;
    }
    let speeds: Vec<f64> = shares.iter().zip(seconds).map(|(share, s)| share.len() as f64 / s).collect();
    let (leaves, total) = (shares.last()?.end, speeds.iter().sum::<f64>());
    let (mut new, mut sum, mut at) = (Vec::new(), 0.0, 0);
    for (i, speed) in speeds.iter().enumerate() {
        sum += speed;
        let end = (leaves as f64 * sum / total).round() as usize;
        let end = end.clamp(at + 1, leaves - (shares.len() - 1 - i));
        new.push(at..end);
        at = end;
    }
    let slowest = |shares: &[Range<usize>]| {
        shares.iter().zip(&speeds).map(|(share, speed)| share.len() as f64 / speed).fold(0.0, f64::max)
    };
    (slowest(&new) < 0.9 * slowest(shares)).then_some(new)
}

/// Some columns of rows, one behind the other.
fn copied(rows: &[f32], columns: usize, of: &[usize], part: &Range<usize>) -> Vec<f32> {
    of.iter().flat_map(|&row| &rows[row * columns..][part.clone()]).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quicker_member_takes_more_and_none_is_left_without() {
        assert_eq!(balanced(&[0..8, 8..16], &[3.0, 1.0]), Some(vec![0..4, 4..16]));
        assert_eq!(balanced(&[0..8, 8..16], &[1.0, 1.05]), None);
        assert_eq!(balanced(&[0..8, 8..16], &[f64::NAN, 1.0]), None);
        assert_eq!(balanced(&[0..0, 0..1], &[0.1, 1.0]), None);
        assert_eq!(balanced(&[0..1, 1..2, 2..4], &[100.0, 1.0, 2.0]), None);
        assert_eq!(balanced(&[0..2, 2..4, 4..6], &[100.0, 1.0, 1.0]), Some(vec![0..1, 1..3, 3..6]));
    }
}
