//! A driver for the targets: bytes of a corpus, changed at random from a seed. An input that comes to something that none before
//! it came to joins the corpus while it runs, so that the next ones begin where it got.

use crate::targets::Target;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Most bytes of an input.
const LONGEST: usize = 1 << 16;
/// Most inputs that are kept while it runs.
const MOST_KEPT: usize = 4096;
/// Words that formats are made of.
const WORDS: [&str; 28] = [
    ",",
    ";",
    "\t",
    "\n",
    "\r\n",
    "\"",
    "NaN",
    "-1",
    "1e400",
    "2001-02-30",
    "sep=;",
    "[task]",
    "kind = ",
    "[",
    "]",
    "{",
    "}",
    "\"dtype\":\"F32\"",
    "\"shape\":[",
    "\"data_offsets\":[",
    "9999999999999999999",
    "\u{feff}",
    "\0\0\0\0",
    "@data",
    "PK\u{1}\u{2}",
    "type",
    "inputs",
    "steps",
];

/// Random words: SplitMix64 (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `n`; 0 where there is nothing.
    fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { (self.word() % n as u64) as usize }
    }
}

/// What a run came to.
pub(crate) struct Outcome {
    /// Inputs that were read.
    pub(crate) inputs: u64,
    /// Different things that became of them.
    pub(crate) kinds: usize,
    /// The longest time that one took, and which.
    pub(crate) slowest: (Duration, Vec<u8>),
    /// Inputs that a reader panicked at, with what it said.
    pub(crate) panics: Vec<(Vec<u8>, String)>,
}

/// The corpus of a target, by the names of its files; of golden cases the small ones that there are.
pub(crate) fn corpus(target: Target) -> Vec<Vec<u8>> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let folder = match target.name {
        "case" => tests.join("golden"),
        name => tests.join("fuzz/corpus").join(name),
    };
    let files = std::fs::read_dir(&folder).expect("a corpus").map(|entry| entry.expect("a file"));
    let short = files.filter(|file| file.metadata().expect("a file").len() < LONGEST as u64 / 4);
    let mut files: Vec<PathBuf> = short.map(|file| file.path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} has no corpus", target.name);
    files.iter().map(|file| std::fs::read(file).expect("a file of the corpus")).collect()
}

/// What this thread has had of a processor, where the system says so: whatever else runs on the machine does not count. Elsewhere the time
/// since the start.
fn spent(begun: Instant) -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok());
    nanoseconds.map_or_else(|| begun.elapsed(), Duration::from_nanos)
}

/// Runs a target on its corpus and on `inputs` changed inputs.
pub(crate) fn run(
    target: Target,
    seed: u64,
    inputs: u64,
    folder: &Path,
    seen: &mut dyn FnMut(&[u8]),
) -> Outcome {
    let mut kept = corpus(target);
    let mut random = Random(seed);
    let mut kinds = HashSet::new();
    let mut outcome =
        Outcome { inputs: 0, kinds: 0, slowest: (Duration::ZERO, Vec::new()), panics: Vec::new() };
    let (first, begun) = (kept.clone(), Instant::now());
    for n in 0..first.len() as u64 + inputs {
        let input = match first.get(n as usize) {
            Some(input) => input.clone(),
            None => changed(&kept, &mut random),
        };
        seen(&input);
        let start = spent(begun);
        let result = catch_unwind(AssertUnwindSafe(|| (target.run)(&input, folder)));
        let took = spent(begun).saturating_sub(start);
        if took > outcome.slowest.0 {
            outcome.slowest = (took, input.clone());
        }
        outcome.inputs += 1;
        match result {
            Ok(kind) => {
                if kinds.insert(kind) && kept.len() < MOST_KEPT {
                    kept.push(input);
                }
            }
            Err(cause) => {
                let text = cause.downcast_ref::<String>().cloned();
                let text = text.or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                outcome.panics.push((input, text.unwrap_or_default()));
            }
        }
    }
    outcome.kinds = kinds.len();
    outcome
}

/// An input with a few changes.
fn changed(kept: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = kept[random.below(kept.len())].clone();
    for _ in 0..=random.below(4) {
        change(&mut bytes, kept, random);
    }
    bytes.truncate(LONGEST);
    bytes
}

fn change(bytes: &mut Vec<u8>, kept: &[Vec<u8>], random: &mut Random) {
    // Heads of files say what the rest is.
    let near = if random.below(2) == 0 { bytes.len() } else { bytes.len().min(256) };
    let at = random.below(near + 1).min(bytes.len());
    let len = random.below(1 + bytes.len() - at).min(1 + random.below(32));
    match random.below(9) {
        0 => flip(bytes, at, |byte, word| byte ^ (1 << (word % 8)), random),
        1 => flip(bytes, at, |_, word| word as u8, random),
        2 => flip(bytes, at, |_, word| [0, 1, 0x7f, 0x80, 0xff, b'0', b'9', b'-'][word as usize % 8], random),
        3 => drop(bytes.drain(at..at + len)),
        4 => {
            let part = bytes[at..at + len].to_vec();
            bytes.splice(at..at, part);
        }
        5 => {
            let word = WORDS[random.below(WORDS.len())];
            bytes.splice(at..at, word.bytes());
        }
        6 => bytes.truncate(at),
        7 => {
            // From here on another input.
            let other = &kept[random.below(kept.len())];
            let from = random.below(other.len() + 1);
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
        _ => {
            let fresh: Vec<u8> = (0..len).map(|_| random.word() as u8).collect();
            bytes.splice(at..at + len, fresh);
        }
    }
}

fn flip(bytes: &mut [u8], at: usize, f: impl Fn(u8, u64) -> u8, random: &mut Random) {
    let word = random.word();
    if let Some(byte) = bytes.get_mut(at) {
        *byte = f(*byte, word);
    }
}
