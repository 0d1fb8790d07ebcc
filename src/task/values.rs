//! The numbers of a batch, wherever they lie.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// Numbers that are a batch's own, or another owner's, which are read where they lie: an array of another language, a file in
/// memory. Who changes them gets a copy first.
#[derive(Clone)]
pub struct Values<T>(Owner<T>);

#[derive(Clone)]
enum Owner<T> {
    Own(Vec<T>),
    Other(Arc<dyn AsRef<[T]> + Send + Sync>),
}

impl<T> Values<T> {
    /// Numbers of another owner, who is kept for as long as they are.
    pub fn of(owner: Arc<dyn AsRef<[T]> + Send + Sync>) -> Self {
        Self(Owner::Other(owner))
    }
}

impl<T: Clone> Values<T> {
    /// The numbers as a vector, copied if they are another's.
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        match self.0 {
            Owner::Own(values) => values,
            Owner::Other(owner) => (*owner).as_ref().to_vec(),
        }
    }

    fn own(&mut self) -> &mut Vec<T> {
        if let Owner::Other(owner) = &self.0 {
            self.0 = Owner::Own((**owner).as_ref().to_vec());
        }
        match &mut self.0 {
            Owner::Own(values) => values,
            Owner::Other(_) => unreachable!("they have just been copied"),
        }
    }
}

impl<T> From<Vec<T>> for Values<T> {
    fn from(values: Vec<T>) -> Self {
        Self(Owner::Own(values))
    }
}

impl<T> FromIterator<T> for Values<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Vec::from_iter(values).into()
    }
}

impl<T> Deref for Values<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.0 {
            Owner::Own(values) => values,
            Owner::Other(owner) => (**owner).as_ref(),
        }
    }
}

impl<T: Clone> DerefMut for Values<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        self.own()
    }
}

impl<'a, T> IntoIterator for &'a Values<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, T: Clone> IntoIterator for &'a mut Values<T> {
    type Item = &'a mut T;
    type IntoIter = std::slice::IterMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl<T: PartialEq, A: AsRef<[T]> + ?Sized> PartialEq<A> for Values<T> {
    fn eq(&self, other: &A) -> bool {
        **self == *other.as_ref()
    }
}

impl<T> AsRef<[T]> for Values<T> {
    fn as_ref(&self) -> &[T] {
        self
    }
}

impl<T: fmt::Debug> fmt::Debug for Values<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_owns_is_read_in_its_place_and_copied_before_a_change() {
        let owner: Arc<dyn AsRef<[f32]> + Send + Sync> = Arc::new(vec![1.0, 2.0]);
        let at = (*owner).as_ref().as_ptr();
        let mut values = Values::of(Arc::clone(&owner));
        let twin = values.clone();
        assert_eq!((values.as_ptr(), twin.as_ptr()), (at, at));
        values[1] = 3.0;
        assert_ne!(values.as_ptr(), at);
        assert_eq!(values, [1.0, 3.0]);
        assert_eq!((*owner).as_ref(), [1.0, 2.0]);
        assert_eq!(twin.into_vec(), [1.0, 2.0]);
    }
}
