//! Event files that TensorBoard reads: a run's curves, its learned rates, its pictures.
//!
//! A file is a sequence of TFRecords: length (8 bytes), masked CRC-32C of the length, a message, masked CRC-32C of the message,
//! all little-endian. A message is an `Event` in protobuf's wire format, of which five fields are needed.

use super::dir::RunDir;
use super::experiment::Progress;
use super::metrics::{MetricsLine, read_metrics};
use super::process::seconds;
use super::report::Report;
use super::trial::{ValidationLine, read_validation};
use crate::error::{Error, Result};
use crate::file::write_atomic;
use crate::meta::LayerRate;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::SystemTime;

/// The file that grows with training.
const CURVES: &str = "events.out.tfevents.0.curves";

/// The file that is written at the end.
const RESULTS: &str = "events.out.tfevents.1.results";

/// Tags of what a line of metrics holds.
const LOSS: &str = "loss/";

/// The curves of a training, written as it goes on.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    file: std::fs::File,
    /// Meta-iterations at the newest trial that is in it.
    trial: u64,
}

impl EventFile {
    /// Goes on after meta-iteration `done`: what a process before wrote beyond it is dropped, so that no step is there twice.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) if it cannot be read or written.
    pub fn resume(dir: &RunDir, done: u64) -> Result<Self> {
        let path = dir.tensorboard().join(CURVES);
        let before = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(Error::file_caused(&path, "cannot be read", e)),
        };
        let mut bytes = record(&version());
        for event in records(&before) {
            if read(event).is_some_and(|step| step > 0 && step <= done) {
                bytes.extend(record(event));
            }
        }
        write_atomic(&path, &bytes)?;
        let file = std::fs::OpenOptions::new().append(true).open(&path);
        let file = file.map_err(|e| Error::file_caused(&path, "cannot be written", e))?;
        // A trial is written down before its event.
        let trials =
            if dir.validation().is_file() { read_validation(&dir.validation())? } else { Vec::new() };
        let known = trials.iter().map(|line| line.iteration).filter(|&iteration| iteration <= done);
        Ok(Self { path, file, trial: known.max().unwrap_or(0) })
    }

    /// Adds what a block of meta-iterations brought.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) if it cannot be written.
    pub fn add(&mut self, progress: &Progress) -> Result<()> {
        let now = now();
        let mut bytes = Vec::new();
        // One that a process before broke off was made up for before the block.
        if let Some(trial) = progress.validation.filter(|trial| trial.iteration > self.trial) {
            bytes.extend(record(&event(now, trial.iteration, &of_trial(&trial))));
            self.trial = trial.iteration;
        }
        for line in &progress.lines {
            bytes.extend(record(&event(now, line.iteration, &of_line(line))));
        }
        if !progress.rates.is_empty() {
            let rates: Vec<_> = progress.rates.iter().map(of_rate).collect();
            bytes.extend(record(&event(now, progress.iteration, &rates)));
        }
        self.file.write_all(&bytes).map_err(|e| Error::file_caused(&self.path, "cannot be written", e))
    }

    /// Adds the last trial, if no block came after it.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) if it cannot be written.
    pub fn close(mut self, dir: &RunDir) -> Result<()> {
        let trials =
            if dir.validation().is_file() { read_validation(&dir.validation())? } else { Vec::new() };
        let last = trials.last().filter(|last| last.iteration > self.trial);
        let bytes = last.map_or_else(Vec::new, |last| record(&event(now(), last.iteration, &of_trial(last))));
        self.file.write_all(&bytes).map_err(|e| Error::file_caused(&self.path, "cannot be written", e))
    }
}

/// Writes what is known at the end: the last, early line of metrics, the evaluation step by step, the pictures.
///
/// # Errors
/// [`File`](crate::ErrorKind::File) if a file cannot be read or written.
pub fn write_results(dir: &RunDir, report: &Report, every: u64) -> Result<()> {
    let (now, at) = (now(), report.iterations);
    let mut bytes = record(&version());
    let lines = read_metrics(&dir.metrics())?;
    if let Some(last) = lines.last().filter(|line| !line.iteration.is_multiple_of(every)) {
        bytes.extend(record(&event(now, last.iteration, &of_line(last))));
    }
    for step in &report.steps {
        let learners = &report.learners;
        let named = [
            ("meta-learned", Some(&learners.maml)),
            ("control", learners.control.as_ref()),
            ("standard initialisation", learners.standard.as_ref()),
        ];
        let values: Vec<_> = named
            .into_iter()
            .filter_map(|(name, curve)| {
                Some(scalar(&format!("evaluation/{} after steps, {name}", report.metric), curve?.mean[*step]))
            })
            .collect();
        bytes.extend(record(&event(now, *step as u64, &values)));
    }
    for path in pictures(dir)? {
        let png = std::fs::read(&path).map_err(|e| Error::file_caused(&path, "cannot be read", e))?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        bytes.extend(record(&event(now, at, &[image(&format!("pictures/{stem}"), &png)])));
    }
    write_atomic(&dir.tensorboard().join(RESULTS), &bytes)
}

/// The PNG files of a run, by name.
fn pictures(dir: &RunDir) -> Result<Vec<PathBuf>> {
    let Ok(entries) = std::fs::read_dir(dir.plots()) else { return Ok(Vec::new()) };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| Error::file_caused(dir.plots(), "cannot be read", e))?.path();
        if path.extension().is_some_and(|extension| extension == "png") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn of_line(line: &MetricsLine) -> Vec<Vec<u8>> {
    let scalars = [
        ("query", Some(line.query_loss)),
        ("support", Some(line.support_loss)),
        ("control", line.control_loss),
    ];
    let scalars =
        scalars.into_iter().filter_map(|(name, value)| Some(scalar(&format!("{LOSS}{name}"), value?)));
    scalars.chain([scalar("rate/outer", line.meta_lr)]).collect()
}

fn of_rate(rate: &LayerRate) -> Vec<u8> {
    let step = rate.step.map_or_else(String::new, |step| format!(", step {step}"));
    scalar(&format!("rate/inner {}{step}", rate.layer), rate.rate)
}

fn of_trial(trial: &ValidationLine) -> Vec<Vec<u8>> {
    let scalars = [
        ("trial/accuracy", trial.accuracy),
        ("trial/accuracy on training classes", trial.train_accuracy),
        ("trial/loss", Some(trial.loss)),
    ];
    scalars.into_iter().filter_map(|(name, value)| Some(scalar(name, value?))).collect()
}

/// Seconds since 1970, as TensorBoard has them; only its view by wall time looks at them.
fn now() -> f64 {
    seconds(SystemTime::now()) as f64
}

/// A varint: seven bits a byte, lowest first.
fn varint(mut value: u64, to: &mut Vec<u8>) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

/// A field of bytes, of text or of an inner message.
fn bytes(field: u64, value: &[u8], to: &mut Vec<u8>) {
    varint(field << 3 | 2, to);
    varint(value.len() as u64, to);
    to.extend(value);
}

/// A field of a whole number.
fn whole(field: u64, value: u64, to: &mut Vec<u8>) {
    varint(field << 3, to);
    varint(value, to);
}

/// The message that a file begins with: `Event { wall_time = 1, file_version = 3 }`.
fn version() -> Vec<u8> {
    let mut message = vec![1 << 3 | 1];
    message.extend(0_f64.to_le_bytes());
    bytes(3, b"brain.Event:2", &mut message);
    message
}

/// `Event { wall_time = 1, step = 2, summary = 5 { value = 1 … } }`.
fn event(time: f64, step: u64, values: &[Vec<u8>]) -> Vec<u8> {
    let mut message = vec![1 << 3 | 1];
    message.extend(time.to_le_bytes());
    whole(2, step, &mut message);
    let mut summary = Vec::new();
    values.iter().for_each(|value| bytes(1, value, &mut summary));
    bytes(5, &summary, &mut message);
    message
}

/// `Value { tag = 1, simple_value = 2 }`.
fn scalar(tag: &str, value: f64) -> Vec<u8> {
    let mut message = Vec::new();
    bytes(1, tag.as_bytes(), &mut message);
    message.push(2 << 3 | 5);
    message.extend((value as f32).to_le_bytes());
    message
}

/// `Value { tag = 1, image = 4 { height = 1, width = 2, colorspace = 3, encoded_image_string = 4 } }` of a PNG file.
fn image(tag: &str, png: &[u8]) -> Vec<u8> {
    let side = |at: usize| {
        png.get(at..at + 4).map_or(0, |b| u64::from(u32::from_be_bytes([b[0], b[1], b[2], b[3]])))
    };
    let mut picture = Vec::new();
    whole(1, side(20), &mut picture);
    whole(2, side(16), &mut picture);
    whole(3, 3, &mut picture);
    bytes(4, png, &mut picture);
    let mut message = Vec::new();
    bytes(1, tag.as_bytes(), &mut message);
    bytes(4, &picture, &mut message);
    message
}

/// The checksum of a record: CRC-32C, turned by 15 bits, so that a checksum of checksums is none.
fn masked(bytes: &[u8]) -> [u8; 4] {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

fn record(message: &[u8]) -> Vec<u8> {
    let len = (message.len() as u64).to_le_bytes();
    [&len[..], &masked(&len), message, &masked(message)].concat()
}

/// The messages of a file up to the first that is cut off or damaged.
fn records(mut file: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while let Some((len, rest)) = file.split_first_chunk::<8>() {
        let count = u64::from_le_bytes(*len);
        let whole =
            rest.len().checked_sub(8).filter(|&room| count <= room as u64 && rest[..4] == masked(len));
        if whole.is_none() {
            break;
        }
        let (message, rest) = rest[4..].split_at(count as usize);
        if rest[..4] != masked(message) {
            break;
        }
        found.push(message);
        file = &rest[4..];
    }
    found
}

/// The step of an event of ours; nothing of any other message.
fn read(message: &[u8]) -> Option<u64> {
    let (mut step, mut shift) = (0_u64, 0_u32);
    // Behind the wall time.
    let rest = message.get(9..).filter(|_| message[0] == 1 << 3 | 1)?;
    let (&tag, rest) = rest.split_first()?;
    if tag != 2 << 3 {
        return None;
    }
    for &byte in rest.iter().take(10) {
        step |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte < 0x80 {
            return Some(step);
        }
        shift += 7;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::Losses;

    fn progress(iteration: u64) -> Progress {
        let line =
            MetricsLine { iteration, support_loss: 2.0, query_loss: 1.0, control_loss: None, meta_lr: 0.5 };
        Progress {
            iteration,
            total: 100,
            losses: Losses::default(),
            control_loss: None,
            rate: 1.0,
            validation: None,
            skipped: Vec::new(),
            lines: vec![line],
            rates: vec![LayerRate { layer: "2".into(), step: Some(3), rate: 0.25 }],
        }
    }

    #[test]
    fn a_resumed_file_has_every_step_once() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create(dir.path().join("run")).unwrap();
        let steps = || {
            let bytes = std::fs::read(run.tensorboard().join(CURVES)).unwrap();
            records(&bytes).into_iter().filter_map(read).collect::<Vec<_>>()
        };
        let mut file = EventFile::resume(&run, 0).unwrap();
        for iteration in [100, 200, 300] {
            file.add(&progress(iteration)).unwrap();
        }
        assert_eq!(steps(), [100, 100, 200, 200, 300, 300]);
        // A process that dies may leave half a record.
        file.file.write_all(&record(b"cut off")[..9]).unwrap();
        let mut file = EventFile::resume(&run, 200).unwrap();
        file.add(&progress(300)).unwrap();
        assert_eq!(steps(), [100, 100, 200, 200, 300, 300]);
        let text = std::fs::read(run.tensorboard().join(CURVES)).unwrap();
        let has = |word: &str| text.windows(word.len()).any(|window| window == word.as_bytes());
        assert!(has("brain.Event:2") && has("loss/query") && has("rate/inner 2, step 3"));
    }

    #[test]
    fn records_have_the_checksums_of_the_format() {
        // The check value of CRC-32C, and a length as TensorFlow writes it.
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        let bytes = record(b"ab");
        assert_eq!(records(&bytes), [b"ab"]);
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(records(&flipped).is_empty(), "{bit}");
        }
        assert_eq!(
            (read(&version()), read(&event(1e9, 123_456, &[])), read(b"")),
            (None, Some(123_456), None)
        );
    }
}
