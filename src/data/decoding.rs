//! Pictures decoded on all cores; where others read the same source, each decodes a part of them.

use super::picture::{Picture, Rule};
use super::{Phase, Step, Watch};
use crate::error::{Error, Result};
use crate::exchange::Exchange;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// Most bytes that all members say at a time.
const ROUND: usize = 256 << 20;

/// Width and height of a picture, or why it cannot be read.
pub(super) type Read = Result<(u32, u32)>;

/// Pixels of all pictures one behind the other, and what came of each; of an exchange every member has those of all.
///
/// # Errors
/// If a member is gone.
pub(super) fn decode(
    pictures: &[&Picture],
    rule: &Rule,
    exchange: Option<&dyn Exchange>,
    watch: Watch<'_>,
) -> Result<(Vec<u8>, Vec<Read>)> {
    let len = rule.len();
    let parts = parts(pictures.len(), exchange.map_or(1, |exchange| exchange.members()));
    let own = &parts[exchange.map_or(0, |exchange| exchange.member())];
    let mut pixels = vec![0; len * pictures.len()];
    let (done, total) = (AtomicU64::new(0), own.len() as u64);
    let decode = |(out, picture): (&mut [u8], &&Picture)| {
        let decoded = rule.decode(picture, out);
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        watch(Step { phase: Phase::Decode, done, total });
        decoded
    };
    let of_own = pixels[own.start * len..own.end * len].par_chunks_mut(len);
    let read: Vec<_> = of_own.zip(&pictures[own.clone()]).map(decode).collect();
    let Some(exchange) = exchange else { return Ok((pixels, read)) };
    tell_pixels(exchange, &parts, len, &mut pixels)?;
    let read = tell_sizes(exchange, pictures, rule, read)?;
    Ok((pixels, read))
}

/// The pictures of each member.
fn parts(pictures: usize, members: usize) -> Vec<Range<usize>> {
    let at = |member: usize| pictures * member / members;
    (0..members).map(|member| at(member)..at(member + 1)).collect()
}

/// Fills in the pixels of the others' pictures, some at a time.
fn tell_pixels(exchange: &dyn Exchange, parts: &[Range<usize>], len: usize, pixels: &mut [u8]) -> Result<()> {
    let (step, longest) = ((ROUND / parts.len()).max(1), parts.iter().map(Range::len).max());
    for at in (0..longest.unwrap_or(0) * len).step_by(step) {
        let now = |part: &Range<usize>| {
            let place = |at: usize| part.start * len + at.min(part.len() * len);
            place(at)..place(at + step)
        };
        let told = exchange.tell(&pixels[now(&parts[exchange.member()])])?;
        for (part, said) in parts.iter().zip(&told) {
            let place = &mut pixels[now(part)];
            if place.len() != said.len() {
                return Err(Error::shape("the pixels of a process", &[place.len()], &[said.len()]));
            }
            place.copy_from_slice(said);
        }
    }
    Ok(())
}

/// The sizes of all members' pictures. What one could not read each tries by itself, to have the same error.
fn tell_sizes(
    exchange: &dyn Exchange,
    pictures: &[&Picture],
    rule: &Rule,
    own: Vec<Read>,
) -> Result<Vec<Read>> {
    let sizes = own.iter().map(|read| read.as_ref().map_or((0, 0), |&size| size));
    let said: Vec<u8> = sizes.flat_map(|(w, h)| [w.to_le_bytes(), h.to_le_bytes()]).flatten().collect();
    let told = exchange.tell(&said)?.concat();
    let number = |four: &[u8]| four.iter().rev().fold(0, |number, &byte| number << 8 | u32::from(byte));
    let sizes = told.chunks_exact(8).map(|said| (number(&said[..4]), number(&said[4..])));
    let again = |picture: &Picture| match rule.decode(picture, &mut vec![0; rule.len()]) {
        Ok(_) => Err(picture.error("could be read by one process and not by another")),
        Err(error) => Err(error),
    };
    Ok(pictures
        .iter()
        .zip(sizes)
        .map(|(picture, size)| if size == (0, 0) { again(picture) } else { Ok(size) })
        .collect())
}
