//! What members of one piece of work tell each other: devices of one process, or processes of many machines.

use crate::error::Result;
use std::fmt::Debug;

/// A member's way to all others. Every member makes the same calls in the same order.
pub trait Exchange: Debug + Send + Sync {
    /// Members.
    fn members(&self) -> usize;

    /// Which one this is, from 0.
    fn member(&self) -> usize;

    /// Whatever each member says, by their numbers.
    ///
    /// # Errors
    /// If a member is gone.
    fn tell(&self, said: &[u8]) -> Result<Vec<Vec<u8>>>;

    /// Puts the numbers of all members one behind the other into `all`; member `i` gives `lens[i]` of them.
    ///
    /// # Errors
    /// As [`Exchange::tell`].
    fn gather(&self, own: &[f32], lens: &[usize], all: &mut [f32]) -> Result<()>;

    /// Member `i` is given the `to[i]` numbers of `own` that are its, behind those of the members before it; what this
    /// member is given by `i` are `from[i]` numbers.
    ///
    /// # Errors
    /// As [`Exchange::tell`].
    fn scatter(&self, own: &[f32], to: &[usize], from: &[usize], all: &mut [f32]) -> Result<()>;
}
