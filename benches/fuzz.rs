//! Readers of foreign files on as many changed inputs as one likes: none may panic, or take memory for what a header says.
//!
//!     cargo bench --bench fuzz -- --inputs 1000000                 each target
//!     cargo bench --bench fuzz -- --target csv --seed 7            one, with other inputs
//!
//! An input that a reader panics at is kept in `fuzz/found/`, and so is the slowest one of a target if it takes more than a tenth of a
//! second.

#![allow(clippy::print_stdout, reason = "it reports")]

#[path = "../tests/fuzz/driver.rs"]
mod driver;
#[path = "../tests/fuzz/targets.rs"]
mod targets;

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Most bytes that a reader may have allocated at a time, for inputs of 64 KiB.
const MOST: usize = 512 << 20;

/// An input that takes longer is worth a look.
const SLOW: Duration = Duration::from_millis(100);

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, counted.
struct Counted;

// SAFETY: every call goes to the system's allocator as it came; the counters change nothing of it.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `GlobalAlloc::dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

/// The value behind a flag.
fn flag(name: &str) -> Option<String> {
    let arguments: Vec<String> = std::env::args().collect();
    let at = arguments.iter().position(|argument| argument == name)?;
    arguments.get(at + 1).cloned()
}

/// Writes an input to where it is found again.
fn keep(name: &str, input: &[u8]) -> PathBuf {
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/found");
    std::fs::create_dir_all(&found).expect("a folder");
    let path = found.join(name);
    std::fs::write(&path, input).expect("a file");
    path
}

fn main() {
    let inputs: u64 = flag("--inputs").map_or(10_000, |n| n.parse().expect("--inputs N"));
    let seed: u64 = flag("--seed").map_or(0, |n| n.parse().expect("--seed N"));
    let only = flag("--target");
    // Files that are gone at once need no disk.
    let memory = Path::new("/dev/shm");
    let dir =
        if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.expect("a folder");
    let mut bad = 0;
    for target in targets::TARGETS {
        if only.as_deref().is_some_and(|name| name != target.name) {
            continue;
        }
        let start = Instant::now();
        let (mut before, mut peak) = (usize::MAX, 0);
        let outcome = driver::run(target, seed, inputs, dir.path(), &mut |_| {
            // What the input before took; the driver's own corpus is not counted.
            peak = peak.max(PEAK.load(Ordering::Relaxed).saturating_sub(before));
            before = NOW.load(Ordering::Relaxed);
            PEAK.store(before, Ordering::Relaxed);
        });
        println!(
            "{}: {} inputs in {:.1} s, {} kinds of outcome, {:.3} s at most, {} MiB at most, {} panics",
            target.name,
            outcome.inputs,
            start.elapsed().as_secs_f64(),
            outcome.kinds,
            outcome.slowest.0.as_secs_f64(),
            peak >> 20,
            outcome.panics.len()
        );
        bad += outcome.panics.len() + usize::from(peak > MOST);
        for (n, (input, said)) in outcome.panics.iter().take(10).enumerate() {
            println!("  {}: {said}", keep(&format!("{}-{seed}-{n}", target.name), input).display());
        }
        let (took, input) = &outcome.slowest;
        if *took > SLOW {
            println!("  {}: the slowest", keep(&format!("{}-{seed}-slowest", target.name), input).display());
        }
    }
    assert_eq!(bad, 0, "readers that panic, or take more than {} MiB", MOST >> 20);
}
