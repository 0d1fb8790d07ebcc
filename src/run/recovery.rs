//! Whether a training goes on after its device failed.

use crate::error::{Error, ErrorKind};

/// Attempts without a newer checkpoint between them, after which a device is given up.
const ATTEMPTS: u32 = 3;

/// Counts the failures of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    left: u32,
    /// The newest checkpoint at the last failure.
    reached: Option<u64>,
}

impl Default for Recovery {
    fn default() -> Self {
        Self { left: ATTEMPTS, reached: None }
    }
}

impl Recovery {
    /// Whether it is worth another attempt from the checkpoint `newest`: the device failed, and not three times in a row
    /// without getting further.
    pub fn takes(&mut self, error: &Error, newest: Option<u64>) -> bool {
        if !matches!(error.kind(), ErrorKind::Device(_)) || newest.is_none() {
            return false;
        }
        if newest > self.reached {
            *self = Self { reached: newest, ..Self::default() };
        }
        let again = self.left > 0;
        self.left = self.left.saturating_sub(1);
        again
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_device_that_gets_further_is_tried_on_and_on() {
        let (lost, full) = (Error::device("lost"), Error::file("a", "cannot be written"));
        let mut recovery = Recovery::default();
        assert!(!recovery.takes(&full, Some(5)) && !recovery.takes(&lost, None));
        for newest in 0..10 {
            assert!(recovery.takes(&lost, Some(newest)));
        }
        assert!(recovery.takes(&lost, Some(9)) && recovery.takes(&lost, Some(9)));
        assert!(!recovery.takes(&lost, Some(9)) && !recovery.takes(&lost, Some(9)));
        assert!(recovery.takes(&lost, Some(10)));
    }
}
