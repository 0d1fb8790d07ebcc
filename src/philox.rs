//! Draws: Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw,
//! "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), section 3.3.

use rand::TryRng;
use std::convert::Infallible;

/// What a stream of draws is for. Streams of different purposes never meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// Initial parameters; `task` is the index of the tensor.
    Init = 1,
    /// A fresh task of a meta-iteration.
    Task = 2,
    /// A task of a fixed pool; `task` is its index, `iteration` 0.
    Pool = 3,
    /// The shuffle of a pool task's points at one visit.
    Shuffle = 4,
    /// A task that a finished model is evaluated on; `iteration` is 0.
    Evaluate = 5,
    /// Synthetic data made once, before training.
    Data = 6,
}

/// One block: four words from a counter and a key.
#[inline(always)]
#[must_use]
pub fn philox4x32_10(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let ([mut c0, mut c1, mut c2, mut c3], [mut k0, mut k1]) = (counter, key);
    for _ in 0..10 {
        let (p0, p1) = (u64::from(c0) * 0xD251_1F53, u64::from(c2) * 0xCD9E_8D57);
        (c0, c1, c2, c3) = ((p1 >> 32) as u32 ^ c1 ^ k0, p1 as u32, (p0 >> 32) as u32 ^ c3 ^ k1, p0 as u32);
        (k0, k1) = (k0.wrapping_add(0x9E37_79B9), k1.wrapping_add(0xBB67_AE85));
    }
    [c0, c1, c2, c3]
}

/// A stream of words keyed by (seed, purpose, meta-iteration, task).
///
/// Word `i` is word `i % 4` of the block with counter `[i / 4, task, iteration, purpose]` and key
/// `[seed mod 2³², seed / 2³²]`. Implements `rand`'s generator traits, so that host code can use
/// `rand`'s distributions.
#[derive(Clone, Debug)]
pub struct Philox {
    counter: [u32; 4],
    key: [u32; 2],
    block: [u32; 4],
    used: usize,
}

impl Philox {
    /// The stream at its beginning.
    #[must_use]
    pub fn stream(seed: u64, purpose: Purpose, iteration: u32, task: u32) -> Self {
        Self {
            counter: [0, task, iteration, purpose as u32],
            key: [seed as u32, (seed >> 32) as u32],
            block: [0; 4],
            used: 4,
        }
    }

    /// The next word.
    #[inline]
    pub fn word(&mut self) -> u32 {
        if self.used == 4 {
            self.block = philox4x32_10(self.counter, self.key);
            self.counter[0] = self.counter[0].wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }
}

impl TryRng for Philox {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.word())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let low = u64::from(self.word());
        Ok(low | u64::from(self.word()) << 32)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(4) {
            chunk.copy_from_slice(&self.word().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

/// A number in `[0, 1)` from the upper 24 bits of a word: the same float on every device.
#[inline(always)]
#[must_use]
pub fn unit(word: u32) -> f32 {
    (word >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// An index in `0..n` from a word: the upper half of the 64-bit product `word · n`.
#[inline(always)]
#[must_use]
pub fn below(word: u32, n: u32) -> u32 {
    ((u64::from(word) * u64::from(n)) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The three known answers that the authors publish with Random123 (`kat_vectors`).
    #[test]
    fn the_published_known_answers() {
        let cases = [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ];
        for (counter, key, answer) in cases {
            assert_eq!(philox4x32_10(counter, key), answer);
        }
    }

    #[test]
    fn a_stream_is_its_blocks_in_order() {
        let mut stream = Philox::stream(0x0123_4567_89ab_cdef, Purpose::Task, 7, 9);
        for block in 0..3 {
            for word in philox4x32_10([block, 9, 7, 2], [0x89ab_cdef, 0x0123_4567]) {
                assert_eq!(stream.word(), word);
            }
        }
    }
}
