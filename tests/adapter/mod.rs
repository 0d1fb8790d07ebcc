//! Shared by the tests that need an adapter.
#![allow(clippy::print_stdout, reason = "a skipped test is printed as skipped")]

use fastweights::backend::gpu::{Choice, Device, adapter};

/// Opens the adapter that `FASTWEIGHTS_ADAPTER` names, else the best one, software included.
///
/// Without any adapter the test is skipped aloud, or fails where `FASTWEIGHTS_REQUIRE_ADAPTER=1` is set.
pub(crate) fn device(test: &str) -> Option<Device> {
    let choice = std::env::var("FASTWEIGHTS_ADAPTER").map_or(Choice::Any, |name| name.parse().unwrap());
    if adapter::list().is_empty() {
        let required = std::env::var("FASTWEIGHTS_REQUIRE_ADAPTER").is_ok_and(|v| v == "1");
        assert!(!required, "{test}: no adapter, and FASTWEIGHTS_REQUIRE_ADAPTER=1 is set");
        println!("{test}: skipped: no adapter");
        return None;
    }
    Some(Device::open(&choice).unwrap_or_else(|e| panic!("{test}: {e}")))
}
