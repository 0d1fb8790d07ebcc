//! Answers of a device that come later, and the one way to wait for them.
//!
//! The backend's core is async, for a browser lets nobody wait. Elsewhere [`wait`] runs it to its end, where a poll of the device has
//! given every answer before it is awaited.

use crate::error::{Error, Result};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// Runs a future to its end.
///
/// # Errors
/// Those of the future, and [`Unsupported`](crate::ErrorKind::Unsupported) in a browser.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn wait<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    pollster::block_on(future)
}

/// Refuses to wait.
#[cfg(target_arch = "wasm32")]
pub(crate) fn wait<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    drop(future);
    Err(Error::unsupported(
        "a browser lets nobody wait for its GPU; await the call of this name that ends in _async",
    ))
}

/// What is known of an answer.
struct Known<T> {
    answer: Option<T>,
    waker: Option<Waker>,
    /// Whether nobody is left who could give it.
    given_up: bool,
}

/// Gives the answer.
pub(super) struct Teller<T>(Arc<Mutex<Known<T>>>);

/// Awaits it.
pub(super) struct Told<T>(Arc<Mutex<Known<T>>>);

/// One answer: who gives it, and who awaits it.
pub(super) fn answer<T>() -> (Teller<T>, Told<T>) {
    let known = Arc::new(Mutex::new(Known { answer: None, waker: None, given_up: false }));
    (Teller(Arc::clone(&known)), Told(known))
}

impl<T> Teller<T> {
    pub(super) fn tell(self, answer: T) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).answer = Some(answer);
    }
}

impl<T> Drop for Teller<T> {
    fn drop(&mut self) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.given_up = true;
        let waker = known.waker.take();
        drop(known);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Future for Told<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match known.answer.take() {
            Some(answer) => Poll::Ready(Ok(answer)),
            None if known.given_up => Poll::Ready(Err(Error::device("the device did not answer"))),
            None => {
                known.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_awaited_and_one_that_never_comes_is_an_error() {
        let (teller, told) = answer();
        let asked = std::thread::spawn(move || wait(told));
        teller.tell(7);
        assert_eq!(asked.join().unwrap().unwrap(), 7);
        let (teller, told) = answer::<u8>();
        let asked = std::thread::spawn(move || wait(told));
        drop(teller);
        assert!(asked.join().unwrap().unwrap_err().to_string().contains("did not answer"));
    }
}
