//! What threads of one process that share meta-batches tell each other.

use crate::error::{Error, Result};
use crate::meta::Exchange;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// What the members of one round said.
#[derive(Debug, Default)]
struct Round {
    said: Vec<Option<Arc<Vec<u8>>>>,
    /// What all said in the round before, once all have.
    whole: Vec<Arc<Vec<u8>>>,
    number: u64,
    /// Whether a member failed and will say nothing more.
    broken: bool,
}

#[derive(Debug)]
struct Room {
    round: Mutex<Round>,
    changed: Condvar,
}

/// One of the threads.
#[derive(Debug)]
pub(super) struct Member {
    room: Arc<Room>,
    members: usize,
    member: usize,
}

/// The members of an exchange between so many threads.
#[must_use]
pub fn local_exchange(members: usize) -> Vec<Arc<dyn Exchange>> {
    members_of(members).into_iter().map(|member| member as Arc<dyn Exchange>).collect()
}

pub(super) fn members_of(members: usize) -> Vec<Arc<Member>> {
    let round = Mutex::new(Round { said: vec![None; members], ..Round::default() });
    let room = Arc::new(Room { round, changed: Condvar::new() });
    (0..members).map(|member| Arc::new(Member { room: Arc::clone(&room), members, member })).collect()
}

impl Member {
    /// The others are not waited for any more, and do not wait.
    pub(super) fn leave(&self) {
        self.room.round.lock().unwrap_or_else(PoisonError::into_inner).broken = true;
        self.room.changed.notify_all();
    }

    /// All members begin anew, when none of them is at work.
    pub(super) fn meet_anew(&self) {
        let mut round = self.room.round.lock().unwrap_or_else(PoisonError::into_inner);
        round.broken = false;
        round.said.fill(None);
    }

    fn round(&self, said: Vec<u8>) -> Result<Vec<Arc<Vec<u8>>>> {
        let gone = || Error::device("another device that shares the meta-batches failed");
        let mut round = self.room.round.lock().unwrap_or_else(PoisonError::into_inner);
        let number = round.number;
        round.said[self.member] = Some(Arc::new(said));
        if round.said.iter().all(Option::is_some) {
            round.whole = round.said.iter_mut().filter_map(Option::take).collect();
            round.number += 1;
            self.room.changed.notify_all();
            return Ok(round.whole.clone());
        }
        while round.number == number {
            if round.broken {
                return Err(gone());
            }
            round = self.room.changed.wait(round).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(round.whole.clone())
    }
}

impl Exchange for Member {
    fn members(&self) -> usize {
        self.members
    }

    fn member(&self) -> usize {
        self.member
    }

    fn tell(&self, said: &[u8]) -> Result<Vec<Vec<u8>>> {
        Ok(self.round(said.to_vec())?.iter().map(|said| said.to_vec()).collect())
    }

    fn gather(&self, own: &[f32], lens: &[usize], all: &mut [f32]) -> Result<()> {
        let said = self.round(bytemuck::cast_slice(own).to_vec())?;
        let mut at = 0;
        for (said, &len) in said.iter().zip(lens) {
            bytemuck::cast_slice_mut(&mut all[at..at + len]).copy_from_slice(said);
            at += len;
        }
        Ok(())
    }

    fn scatter(&self, own: &[f32], to: &[usize], from: &[usize], all: &mut [f32]) -> Result<()> {
        // Each part behind its length in bytes, since members need not know what others are given.
        let (mut said, mut at) = (Vec::new(), 0);
        for &len in to {
            let part: &[u8] = bytemuck::cast_slice(&own[at..at + len]);
            said.extend((part.len() as u64).to_le_bytes());
            said.extend(part);
            at += len;
        }
        let mut at = 0;
        for (said, &len) in self.round(said)?.iter().zip(from) {
            let mut rest = &said[..];
            for member in 0..=self.member {
                let (size, behind) = rest.split_at(8);
                let size = size.iter().rev().fold(0, |size, &byte| size << 8 | usize::from(byte));
                let (part, behind) = behind.split_at(size);
                rest = behind;
                if member == self.member {
                    bytemuck::cast_slice_mut(&mut all[at..at + len]).copy_from_slice(part);
                }
            }
            at += len;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_hear_each_other_in_their_order_round_after_round() {
        let members = members_of(3);
        std::thread::scope(|scope| {
            for member in members {
                scope.spawn(move || {
                    let own = member.member();
                    for round in 0..200_u8 {
                        let told = member.tell(&vec![round; own]).unwrap();
                        assert_eq!(told, [vec![], vec![round], vec![round; 2]]);
                        let mut all = [0.0; 3];
                        let value = f32::from(round) + 0.5;
                        member.gather(&vec![value; own], &[0, 1, 2], &mut all).unwrap();
                        assert_eq!(all, [value; 3]);
                        // Each gives number `10 · own + to`, `to` times.
                        let given = [10 * own + 1, 10 * own + 2, 10 * own + 2];
                        let given: Vec<f32> = given.into_iter().map(|v| v as f32).collect();
                        let mut taken = vec![0.0; 3 * own];
                        member.scatter(&given, &[0, 1, 2], &[own; 3], &mut taken).unwrap();
                        let expected = (0..3).flat_map(|i| [10.0 * i as f32 + own as f32].repeat(own));
                        assert_eq!(taken, expected.collect::<Vec<_>>());
                    }
                });
            }
        });
    }

    #[test]
    fn who_waits_for_one_that_failed_is_told() {
        let members = members_of(2);
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| members[0].tell(b"there?"));
            members[1].leave();
            assert!(waits.join().unwrap().unwrap_err().to_string().contains("another device"));
        });
    }
}
