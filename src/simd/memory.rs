//! Places in a task's memory, and calls that compute between them: resolved once, run for every task.

use super::{Isa, Kernel, Vector};
use std::ops::Range;

/// The place of an array in a task's memory, in floats; or of none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(usize);

impl Place {
    /// No array.
    pub(crate) const NOWHERE: Self = Self(usize::MAX);

    pub(crate) fn at(offset: usize) -> Self {
        Self(offset)
    }

    /// Its offset.
    pub(crate) fn offset(self) -> usize {
        self.0
    }

    pub(crate) fn is_somewhere(self) -> bool {
        self != Self::NOWHERE
    }

    /// So many floats on; nowhere stays nowhere.
    pub(crate) fn after(self, floats: usize) -> Self {
        if self.is_somewhere() { Self(self.0 + floats) } else { self }
    }

    /// The address in a memory; null for nowhere.
    #[inline(always)]
    pub(crate) fn of(self, memory: *mut f32) -> *mut f32 {
        if self.0 == usize::MAX { std::ptr::null_mut() } else { memory.wrapping_add(self.0) }
    }
}

/// A factor, times an inner rate that lies in memory if there is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    pub(crate) factor: f32,
    pub(crate) rate: Place,
}

impl Scale {
    pub(crate) const ONE: Self = Self { factor: 1.0, rate: Place::NOWHERE };

    /// # Safety
    /// The rate must lie within the memory.
    #[inline(always)]
    pub(crate) unsafe fn of(self, memory: *mut f32) -> f32 {
        let rate = self.rate.of(memory);
        // SAFETY: promised by the caller.
        if rate.is_null() { self.factor } else { unsafe { self.factor * *rate } }
    }
}

/// Where a gradient goes: `to = base + scale · gradient`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Gradient {
    pub(crate) to: Place,
    /// May be nowhere, or `to`.
    pub(crate) base: Place,
    pub(crate) scale: Scale,
}

impl Gradient {
    /// That of what lies so many floats on.
    pub(crate) fn after(self, floats: usize) -> Self {
        Self { to: self.to.after(floats), base: self.base.after(floats), ..self }
    }
}

/// A computation between places.
pub(crate) trait Call: Sized {
    /// # Safety
    /// As [`Kernel::run`]; every place must lie within `memory`.
    unsafe fn run<V: Vector>(&self, memory: *mut f32);

    /// The same in at most so many shares, which may run at the same time: none touches what another one writes. Every
    /// element is computed as it is by the whole, so no bit depends on how many there are.
    fn shares(self, _most: usize) -> Vec<Self> {
        vec![self]
    }
}

/// `0..len` in at most so many ranges of whole units, as even as they can be.
pub(crate) fn ranges(len: usize, unit: usize, most: usize) -> Vec<Range<usize>> {
    let units = len.div_ceil(unit);
    let most = most.clamp(1, units.max(1));
    let at = |n: usize| len.min(units * n / most * unit);
    (0..most).map(|n| at(n)..at(n + 1)).collect()
}

/// Whole cache lines, so that no two threads write to one.
pub(crate) const LINE: usize = 16;

/// A call's struct, and its twin with addresses for places, which lives in registers while the call runs.
macro_rules! call {
    (
        $(#[$doc:meta])*
        $vis:vis $name:ident as $at:ident, $sweep:path {
            places: $($(#[$place_doc:meta])* $place:ident),*;
            values: $($(#[$value_doc:meta])* $value:ident: $ty:ty),*
            $(; shares: $shares:path)?
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        $vis struct $name {
            $($(#[$place_doc])* $vis $place: $crate::simd::memory::Place,)*
            $($(#[$value_doc])* $vis $value: $ty,)*
        }

        /// The same in a task's memory.
        #[derive(Clone, Copy)]
        struct $at {
            $($place: *mut f32,)*
            $($value: $ty,)*
        }

        impl $crate::simd::memory::Call for $name {
            #[inline(always)]
            unsafe fn run<V: $crate::simd::Vector>(&self, memory: *mut f32) {
                let at = $at { $($place: self.$place.of(memory),)* $($value: self.$value,)* };
                // SAFETY: promised by the caller.
                unsafe { $sweep(V::splat(0.0), at) }
            }

            $(fn shares(self, most: usize) -> Vec<Self> {
                $shares(self, most)
            })?
        }
    };
}
pub(crate) use call;

/// A call and the memory it is run in.
struct In<'a, C>(&'a C, *mut f32);

impl<C: Call> Kernel for In<'_, C> {
    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: promised by the caller.
        unsafe { self.0.run::<V>(self.1) }
    }
}

/// A call, compiled for an instruction set.
pub(crate) trait Compiled<I>: Send + Sync {
    /// # Safety
    /// As [`Call::run`].
    unsafe fn run(&self, memory: *mut f32);
}

impl<I: Isa, C: Call + Send + Sync> Compiled<I> for C {
    unsafe fn run(&self, memory: *mut f32) {
        // SAFETY: promised by the caller.
        unsafe { I::run(In(self, memory)) }
    }
}

/// Calls in order, each in shares for so many threads.
pub(crate) struct Calls<I> {
    /// For each thread, its share of each call; of a call that is not cut, the first thread has all.
    lists: Vec<Vec<Option<Box<dyn Compiled<I>>>>>,
}

impl<I: Isa> Calls<I> {
    pub(crate) fn new(threads: usize) -> Self {
        Self { lists: (0..threads.max(1)).map(|_| Vec::new()).collect() }
    }

    pub(crate) fn threads(&self) -> usize {
        self.lists.len()
    }

    pub(crate) fn push(&mut self, call: impl Call + Send + Sync + 'static) {
        let mut shares = call.shares(self.lists.len()).into_iter();
        for list in &mut self.lists {
            list.push(shares.next().map(|share| Box::new(share) as Box<dyn Compiled<I>>));
        }
    }

    /// Runs all that a thread has; `wait` returns when every thread has called it as often.
    ///
    /// # Safety
    /// As [`Call::run`]; all threads must run, in the same memory.
    pub(crate) unsafe fn run(&self, thread: usize, memory: *mut f32, wait: impl Fn()) {
        let is_cut = |n: usize| self.lists.get(1).is_some_and(|list| list[n].is_some());
        for (n, call) in self.lists[thread].iter().enumerate() {
            if let Some(call) = call {
                // SAFETY: promised by the caller.
                unsafe { call.run(memory) };
            }
            // What the first thread does alone, one after another, needs no others.
            if is_cut(n) || n + 1 < self.lists[thread].len() && is_cut(n + 1) {
                wait();
            }
        }
    }
}
