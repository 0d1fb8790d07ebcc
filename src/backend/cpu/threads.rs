//! Arrays that threads share by parts, and a barrier.

use std::cell::UnsafeCell;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// An array whose parts different threads write, by agreement.
pub(super) struct Parts<T> {
    elements: UnsafeCell<Vec<T>>,
    len: usize,
}

// SAFETY: access goes through `read` and `write`, whose callers keep parts apart.
unsafe impl<T: Send> Sync for Parts<T> {}

impl<T> Parts<T> {
    pub(super) fn new(elements: Vec<T>) -> Self {
        let len = elements.len();
        Self { elements: UnsafeCell::new(elements), len }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn into_inner(self) -> Vec<T> {
        self.elements.into_inner()
    }

    fn address(&self, range: &Range<usize>) -> *mut T {
        assert!(range.start <= range.end && range.end <= self.len, "{range:?} of {}", self.len);
        // SAFETY: the vector is never resized; only the address of its elements is taken.
        unsafe { (*self.elements.get()).as_mut_ptr().add(range.start) }
    }

    /// Reads a part.
    ///
    /// # Safety
    /// No thread may write to it meanwhile.
    pub(super) unsafe fn read(&self, range: Range<usize>) -> &[T] {
        // SAFETY: inside the array; promised by the caller.
        unsafe { std::slice::from_raw_parts(self.address(&range), range.len()) }
    }

    /// Writes a part.
    ///
    /// # Safety
    /// No other thread may touch it meanwhile.
    #[expect(clippy::mut_from_ref, reason = "threads hold parts that do not overlap")]
    pub(super) unsafe fn write(&self, range: Range<usize>) -> &mut [T] {
        // SAFETY: inside the array; promised by the caller.
        unsafe { std::slice::from_raw_parts_mut(self.address(&range), range.len()) }
    }
}

/// A barrier that threads come to every few microseconds: spins first, then gives the processor away.
pub(super) struct Barrier {
    threads: usize,
    arrived: AtomicUsize,
    round: AtomicUsize,
    broken: AtomicBool,
}

/// Held by a thread while others may wait for it: breaks the barrier if the thread panics.
pub(super) struct Guard<'a>(&'a Barrier);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.broken.store(true, Ordering::Release);
        }
    }
}

impl Barrier {
    pub(super) fn new(threads: usize) -> Self {
        Self {
            threads,
            arrived: AtomicUsize::new(0),
            round: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
        }
    }

    /// If the thread that holds this panics, those that wait for it do so too, instead of waiting for ever.
    pub(super) fn guard(&self) -> Guard<'_> {
        Guard(self)
    }

    /// Returns when every thread has come; what they wrote before is seen by all after.
    pub(super) fn wait(&self) {
        if self.threads == 1 {
            return;
        }
        let round = self.round.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.threads {
            self.arrived.store(0, Ordering::Relaxed);
            self.round.store(round.wrapping_add(1), Ordering::Release);
            return;
        }
        let mut turns = 0_u32;
        while self.round.load(Ordering::Acquire) == round {
            assert!(!self.broken.load(Ordering::Acquire), "another thread panicked");
            turns += 1;
            if turns < 5_000 {
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
    }
}
