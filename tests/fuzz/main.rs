//! The targets on their corpora and on a few thousand changed inputs, the same ones each time. `cargo bench --bench fuzz` runs more.

mod driver;
mod targets;

use targets::TARGETS;

#[test]
fn no_reader_panics() {
    let dir = tempfile::tempdir().unwrap();
    for target in TARGETS {
        let outcome = driver::run(target, 1, 400, dir.path(), &mut |_| {});
        let said: Vec<_> = outcome.panics.iter().map(|(_, said)| said).collect();
        assert!(said.is_empty(), "{}: {said:?}", target.name);
        assert!(outcome.inputs > 400 && outcome.kinds > 2, "{}: {} kinds", target.name, outcome.kinds);
        eprintln!(
            "{}: {} inputs, {} kinds, {:?} at most",
            target.name, outcome.inputs, outcome.kinds, outcome.slowest.0
        );
    }
}

#[test]
fn a_reader_that_panics_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let target = targets::Target {
        name: "recipe",
        run: |bytes, _| {
            assert!(bytes.len() < 200 || bytes[0] != b'[', "planted");
            String::new()
        },
    };
    let outcome = driver::run(target, 1, 3000, dir.path(), &mut |_| {});
    assert!(outcome.panics.iter().any(|(_, said)| said.contains("planted")));
}
