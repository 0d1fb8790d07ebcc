//! Opening an adapter, and errors in place of panics.

use crate::adapter;
use fastweights::backend::gpu::device::kernel::Kernel;
use fastweights::backend::gpu::{Choice, Device, adapter as adapters};
use fastweights::wgsl::{Binding, Declaration, Library};

#[test]
fn adapters_are_listed_with_what_matters() {
    let Some(device) = adapter::device("adapters_are_listed_with_what_matters") else { return };
    let reports = adapters::list();
    assert!(!reports.is_empty());
    for report in &reports {
        println!("{report}: {:?}", report.capacity);
        assert!(report.capacity.workgroup_bytes >= 16384 && report.capacity.storage_buffers >= 4);
    }
    assert!(device.capacity().storage_binding_bytes >= 128 << 20);
}

#[test]
fn a_wrong_choice_lists_what_there_is() {
    let error = Device::open(&Choice::Name("no such thing".into())).unwrap_err().to_string();
    assert!(error.contains("`no such thing`"), "{error}");
}

#[test]
fn a_broken_shader_is_an_error_that_names_it() {
    static BROKEN: Declaration =
        Declaration { shader: "broken", bindings: &[Binding::Write], constants: &[], workgroup_bytes: 0 };
    let Some(device) = adapter::device("a_broken_shader_is_an_error_that_names_it") else { return };
    let library = Library::default().with("broken", "@compute @workgroup_size(1) fn main() { nonsense(); }");
    let error = Kernel::new(&device, &library, &BROKEN, &[]).unwrap_err().to_string();
    assert!(error.contains("shader `broken`") && error.contains("nonsense"), "{error}");
    // The device is still of use.
    device.wait().unwrap();
}

#[test]
fn a_buffer_beyond_the_limit_is_refused_with_both_numbers() {
    let Some(device) = adapter::device("a_buffer_beyond_the_limit_is_refused_with_both_numbers") else {
        return;
    };
    let error = device.buffer("huge", u64::MAX / 2, wgpu::BufferUsages::STORAGE).unwrap_err().to_string();
    assert!(error.contains("available"), "{error}");
}
