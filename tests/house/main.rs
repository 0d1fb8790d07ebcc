//! The order of the house: which room may look into which, and how large its pieces are. Reads the sources, runs nothing.
//!
//! Imports run downward: a file may use files of its own room and of rooms above it in [`ORDER`], where the lowest stands
//! first. Inside a room no two files import each other, however long the way round.

mod imports;
mod sources;

use imports::*;
use sources::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The rooms, from the ground up.
const ORDER: &[&str] = &[
    "error",     // what may go wrong
    "exchange",  // what members of one piece of work tell each other
    "philox",    // random words
    "clock",     // how long something took
    "file",      // files, whole or not at all
    "kept",      // what passes of an op read of one another
    "simd",      // vectors, and what needs nothing else
    "wgsl",      // shaders, and what the host says to them
    "ops",       // what a node of a model computes
    "losses",    // what outputs are compared by
    "model",     // graphs of ops, their parameters
    "tensors",   // parameters as files
    "data",      // images, series and tables
    "task",      // tasks, and where they come from
    "meta",      // the inner and outer loop as settings, what a device must do
    "program",   // the inner loop as instructions
    "case",      // meta-gradients with their answers
    "backend",   // devices
    "learner",   // learners as a library
    "adapted",   // models adapted to one task, as files
    "export",    // models in the formats of other programs
    "recipe",    // experiments as data
    "workloads", // what speed is measured on
    "run",       // what an experiment leaves behind
    "lib",
    "cli",
    "main",
];

/// Circles that still stand, by the folder that they lie in. To be emptied.
const KNOWN_CIRCLES: &[&str] = &[];

/// Imports that still go upward: the file and the room. To be emptied.
const KNOWN_UPWARD: &[(&str, &str)] = &[];

/// Files above 400 lines. To be emptied.
const KNOWN_LONG_FILES: &[&str] = &[];

/// Functions above 60 lines. To be emptied.
const KNOWN_LONG_FUNCTIONS: &[(&str, &str)] = &[
    ("backend/cpu/lanes/layout.rs", "new"),
    ("backend/cpu/lanes/product.rs", "tile"),
    ("run/plot/steps.rs", "chart"),
];

/// Files with such a match that still stands. To be emptied.
const KNOWN_OPEN: &[&str] = &["backend/", "model/layer.rs"];

/// Where a `_ =>` in a match over one of these enums would let a forgotten variant compile.
const CLOSED: &[&str] = &[
    "Op",
    "Function",
    "Loss",
    "ElementLoss",
    "Truth",
    "InnerRule",
    "OuterKind",
    "Family",
    "TaskSource",
    "Targets",
    "RateShape",
    "Adapt",
    "Name",
    "Signature",
];

const FILE_LINES: usize = 400;
const FUNCTION_LINES: usize = 60;

#[test]
fn no_two_files_import_each_other() {
    let sources = sources();
    let imports = House::of(&sources).imports();
    assert!(imports.iter().map(BTreeSet::len).sum::<usize>() > 400, "imports are not found");
    for circle in circles(&imports) {
        let names: Vec<_> = circle.iter().map(|&i| sources[i].name()).collect();
        let known = |folder: &&str| names.iter().all(|name| name.starts_with(*folder));
        assert!(KNOWN_CIRCLES.iter().any(known), "import each other: {}", names.join(", "));
    }
}

#[test]
fn imports_run_downward() {
    let sources = sources();
    let height = |room: &str| {
        ORDER
            .iter()
            .position(|known| *known == room)
            .unwrap_or_else(|| panic!("`{room}` has no place in ORDER"))
    };
    let imports = House::of(&sources).imports();
    let mut upward = Vec::new();
    for (source, targets) in sources.iter().zip(&imports) {
        let from = height(source.room());
        for &to in targets {
            let room = sources[to].room();
            if height(room) > from && !KNOWN_UPWARD.contains(&(source.name().as_str(), room)) {
                upward.push(format!("{} -> {}", source.name(), sources[to].name()));
            }
        }
    }
    assert!(upward.is_empty(), "imports that go upward:\n{}", upward.join("\n"));
}

#[test]
fn files_are_short() {
    let sources = sources();
    let long = sources.iter().filter(|source| source.raw.lines().count() > FILE_LINES);
    let unknown: Vec<_> = long
        .filter(|source| !KNOWN_LONG_FILES.contains(&source.name().as_str()))
        .map(|source| format!("{} ({})", source.name(), source.raw.lines().count()))
        .collect();
    assert!(unknown.is_empty(), "files above {FILE_LINES} lines:\n{}", unknown.join("\n"));
    for known in KNOWN_LONG_FILES {
        let still = sources.iter().any(|s| s.name() == *known && s.raw.lines().count() > FILE_LINES);
        assert!(still, "{known} is short now: take it off the list");
    }
}

#[test]
fn functions_are_short() {
    let (mut unknown, mut still, mut count) = (Vec::new(), BTreeSet::new(), 0);
    for source in sources() {
        for (name, lines) in functions(&source.code) {
            count += 1;
            if lines > FUNCTION_LINES {
                let file = source.name();
                match KNOWN_LONG_FUNCTIONS.iter().find(|known| **known == (file.as_str(), name.as_str())) {
                    Some(known) => drop(still.insert(*known)),
                    None => unknown.push(format!("(\"{file}\", \"{name}\"), // {lines}")),
                }
            }
        }
    }
    assert!(count > 1000, "only {count} functions found");
    assert!(unknown.is_empty(), "functions above {FUNCTION_LINES} lines:\n{}", unknown.join("\n"));
    for known in KNOWN_LONG_FUNCTIONS {
        assert!(still.contains(known), "{known:?} is short now: take it off the list");
    }
}

#[test]
fn no_variant_can_be_forgotten() {
    let (mut open, mut seen) = (Vec::new(), 0);
    for source in sources() {
        let defined = definitions(&source.code);
        for arms in matches_of(&source.code) {
            let has = |path: &str| {
                arms.iter().any(|arm| arm.starts_with(path) || arm.contains(&format!(" {path}")))
            };
            // In a method of the enum its variants go by `Self`.
            let own = |name: &str| defined.contains(name) && has("Self::");
            let closed = CLOSED.iter().find(|name| has(&format!("{name}::")) || own(name));
            let Some(name) = closed else { continue };
            seen += 1;
            if arms.iter().any(|arm| arm == "_")
                && !KNOWN_OPEN.iter().any(|known| source.name().starts_with(known))
            {
                open.push(format!("{}: `_ =>` in a match over {name}: {}", source.name(), arms.join(" | ")));
            }
        }
    }
    assert!(seen > 20, "only {seen} matches over closed enums found");
    assert!(open.is_empty(), "{}", open.join("\n"));
}

#[test]
fn the_reader_of_sources_reads() {
    let text = "use a::{b::{self, C}, d as e};\n// use no::no;\nlet s = \"use x; {\"; let c = '{';\n#[cfg(test)]\nmod tests { use q; }\nfn f() {}\n";
    let code = without_tests(&bare(text));
    assert_eq!(code.matches('\n').count(), text.matches('\n').count());
    assert!(!code.contains("no::no") && !code.contains("use x") && !code.contains("use q"));
    let names: Vec<_> =
        uses(&code).into_iter().map(|(_, path, name)| format!("{} {name}", path.join("::"))).collect();
    assert_eq!(names, ["a::b b", "a::b::C C", "a::d e"]);
    assert_eq!(functions(&code), [("f".to_owned(), 1)]);
    let arms = matches_of("match x { A::B { c } => { y, z } _ => (1, 2), }");
    assert_eq!(arms, [["A::B { c }", "_"]]);
    let graph = [BTreeSet::from([1]), BTreeSet::from([2]), BTreeSet::from([0]), BTreeSet::from([0])];
    assert_eq!(circles(&graph), [[0, 1, 2]]);
}
