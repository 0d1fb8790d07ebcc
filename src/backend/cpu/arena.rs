//! One allocation that a group's arrays live in.

use std::cell::UnsafeCell;

/// A cache line of floats.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// Zeroed memory, aligned to a cache line, whose parts are reached by offset.
pub(super) struct Arena {
    lines: Box<[UnsafeCell<Line>]>,
}

impl Arena {
    /// `len` floats.
    pub(super) fn zeros(len: usize) -> Self {
        Self { lines: (0..len.div_ceil(16)).map(|_| UnsafeCell::new(Line([0.0; 16]))).collect() }
    }

    /// The address of the float at `offset`. Reading and writing through it is the caller's duty: the group's
    /// layout keeps arrays apart.
    pub(super) fn ptr(&self, offset: usize) -> *mut f32 {
        debug_assert!(offset <= self.lines.len() * 16);
        UnsafeCell::raw_get(self.lines.as_ptr()).cast::<f32>().wrapping_add(offset)
    }

    /// Writes `value` to `len` floats from `offset` on.
    pub(super) fn fill(&self, offset: usize, len: usize, value: f32) {
        assert!(offset + len <= self.lines.len() * 16);
        // SAFETY: inside the allocation; one thread owns an arena and no reference into it is alive.
        unsafe { std::slice::from_raw_parts_mut(self.ptr(offset), len) }.fill(value);
    }

    /// The `len` floats from `offset` on.
    pub(super) fn slice(&self, offset: usize, len: usize) -> &[f32] {
        assert!(offset + len <= self.lines.len() * 16);
        // SAFETY: inside the allocation; no write happens while the slice is alive, as callers take it between kernels.
        unsafe { std::slice::from_raw_parts(self.ptr(offset), len) }
    }

    /// The `len` floats from `offset` on, to be written.
    #[expect(clippy::mut_from_ref, reason = "an arena is one thread's, and callers hold one part at a time")]
    pub(super) fn slice_mut(&self, offset: usize, len: usize) -> &mut [f32] {
        assert!(offset + len <= self.lines.len() * 16);
        // SAFETY: inside the allocation; no other reference is alive, as callers take it between kernels.
        unsafe { std::slice::from_raw_parts_mut(self.ptr(offset), len) }
    }
}
