//! Pictures in arrays, as NumPy keeps them: an array of images, and their labels or the places of each class.

use super::npy::{Array, Kind};
use super::picture::{Picture, Pixels};
use super::sheet::{listed, shown};
use super::split::{self, Split};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const IMAGES: [&str; 9] = ["images", "image", "imagedata", "imgs", "img", "x", "data", "pixels", "arr0"];
const LABELS: [&str; 8] = ["labels", "label", "y", "targets", "target", "classes", "class", "arr1"];
const NAMES: [&str; 5] = ["classnames", "labelnames", "catname2label", "names", "categories"];

/// What arrays hold.
#[derive(Default)]
pub(super) struct Arrays {
    /// Pictures by paths that say what they are of: `train/cat/0000012`.
    pub(super) pictures: Vec<(String, Picture)>,
    /// What was told, a line each.
    pub(super) told: Vec<String>,
}

/// The arrays of one split, or of all.
#[derive(Default)]
struct Part {
    images: Option<(String, Array)>,
    labels: Option<(String, Array)>,
    /// Arrays by names that say nothing: the places of a class, or its images.
    others: Vec<(String, Array)>,
}

/// Reads the pictures of arrays: `images` (`[n, h, w, 3]`, `[n, 3, h, w]` or `[n, h, w]`) with `labels` (`[n]`, numbers or
/// text), or with an array of places for each class, by its name; `[classes, n, h, w, 3]` alone; or an array of images for
/// each class. Words for a split in
/// the names (`x_train`, `test_labels`) split the set.
///
/// # Errors
/// [`File`](crate::ErrorKind::File) naming the file and the array that does not fit, with how to save it.
pub(super) fn read(path: &Path, files: Vec<(String, Vec<u8>)>) -> Result<Arrays> {
    let mut found = Arrays::default();
    let (mut parts, mut names) = (BTreeMap::<Option<Split>, Part>::new(), None);
    for (name, bytes) in files {
        let array = Array::parse(bytes)
            .map_err(|reason| Error::file(path, format!("array `{}` {reason}", shown(&name))))?;
        let (split, what) = read_name(&name);
        let part = parts.entry(split).or_default();
        if NAMES.contains(&what.as_str()) {
            names = array.words();
        } else if IMAGES.contains(&what.as_str()) && part.images.is_none() {
            part.images = Some((name, array));
        } else if LABELS.contains(&what.as_str()) && part.labels.is_none() {
            part.labels = Some((name, array));
        } else {
            part.others.push((name, array));
        }
    }
    for (split, part) in parts {
        let below = split.map_or_else(String::new, |split| format!("{split}/"));
        part.take(path, &below, names.as_deref(), &mut found)?;
    }
    Ok(found)
}

/// The split that a name speaks of, and the rest of it, plain.
fn read_name(name: &str) -> (Option<Split>, String) {
    let words: Vec<&str> = name.split(['_', '-', '.', '/', ' ']).filter(|word| !word.is_empty()).collect();
    let at = words.iter().position(|word| split::named(word).is_some());
    let split = at.and_then(|at| split::named(words[at]));
    let rest: Vec<_> =
        words.iter().enumerate().filter(|(i, _)| Some(*i) != at).map(|(_, word)| *word).collect();
    let rest = if rest.is_empty() { "images".to_owned() } else { rest.concat().to_lowercase() };
    (split, rest)
}

impl Part {
    fn take(self, path: &Path, below: &str, names: Option<&[String]>, found: &mut Arrays) -> Result<()> {
        let wrong = |array: &str, reason: String| {
            Err(Error::file(path, format!("array `{}` {reason}", shown(array))))
        };
        let Some((name, array)) = self.images else {
            return self.of_classes(path, below, found);
        };
        // Classes times images of each.
        let grouped = (array.shape.len() == 5).then(|| array.shape[1]);
        let pixels = Arc::new(pixels(path, &name, array, found)?);
        let count = pixels.count;
        let classes = match self.labels {
            None if grouped.is_some() => {
                (0..count).map(|i| Some(format!("{:04}", i / grouped.unwrap_or(1)))).collect()
            }
            Some((label, labels)) => {
                let Some(words) = labels.words().filter(|words| words.len() == count) else {
                    let shape = labels.shape;
                    return wrong(
                        &label,
                        format!(
                            "has the shape {shape:?}; a whole number or a text for each of {count} images is needed"
                        ),
                    );
                };
                let known = |word: String| {
                    let place = word.parse::<usize>().ok();
                    place.and_then(|place| names?.get(place).cloned()).unwrap_or(word)
                };
                words.into_iter().map(known).map(Some).collect()
            }
            None => places(path, &name, count, &self.others)?,
        };
        for (i, class) in classes.into_iter().enumerate() {
            let Some(class) = class.map(|class| class.replace('/', "_")).filter(|class| !class.is_empty())
            else {
                continue;
            };
            let picture = Picture::Array { path: path.into(), pixels: Arc::clone(&pixels), at: i };
            found.pictures.push((format!("{below}{class}/{i:07}"), picture));
        }
        Ok(())
    }

    /// An array of images for each class.
    fn of_classes(self, path: &Path, below: &str, found: &mut Arrays) -> Result<()> {
        if self.labels.is_some() || self.others.iter().any(|(_, array)| array.shape.len() < 3) {
            let names: Vec<_> = self.labels.iter().chain(&self.others).map(|(name, _)| name).collect();
            let reason = format!(
                "holds the arrays {}; `images` with `labels` is needed, or an array of images for each class",
                listed(&names)
            );
            return Err(Error::file(path, reason));
        }
        for (name, array) in self.others {
            let pixels = Arc::new(pixels(path, &name, array, found)?);
            let class = name.replace('/', "_");
            for at in 0..pixels.count {
                let picture = Picture::Array { path: path.into(), pixels: Arc::clone(&pixels), at };
                found.pictures.push((format!("{below}{class}/{at:07}"), picture));
            }
        }
        Ok(())
    }
}

/// The class of each image by arrays of places, one for each class.
fn places(
    path: &Path,
    images: &str,
    count: usize,
    others: &[(String, Array)],
) -> Result<Vec<Option<String>>> {
    let mut classes = vec![None; count];
    if others.is_empty() {
        let reason = format!(
            "has images (`{}`) and no labels; save both: numpy.savez(FILE, images=images, labels=labels)",
            shown(images)
        );
        return Err(Error::file(path, reason));
    }
    for (class, array) in others {
        let wrong = |reason: String| Error::file(path, format!("array `{}` {reason}", shown(class)));
        let places = array.integers().filter(|_| array.shape.len() == 1);
        let places = places.ok_or_else(|| {
            wrong("is neither images, labels nor the places of a class's images, whole numbers".into())
        })?;
        for place in places {
            let at = usize::try_from(place).ok().filter(|&at| at < count);
            let at = at.ok_or_else(|| {
                wrong(format!("names image {place}; there are 0 to {}", count.saturating_sub(1)))
            })?;
            if let Some(first) = classes[at].replace(class.clone()) {
                return Err(wrong(format!("and `{}` both name image {place}", shown(&first))));
            }
        }
    }
    Ok(classes)
}

/// An array as pictures.
fn pixels(path: &Path, name: &str, array: Array, found: &mut Arrays) -> Result<Pixels> {
    let wrong = |reason: String| Error::file(path, format!("array `{}` {reason}", shown(name)));
    let dims = |shape: &[usize]| match *shape {
        [n, h, w] => Some((n, h, w, 1, false)),
        [n, h, w, c @ (1 | 3 | 4)] => Some((n, h, w, c, false)),
        [n, c @ (1 | 3), h, w] => Some((n, h, w, c, true)),
        [classes, n, h, w, c @ (1 | 3 | 4)] => Some((classes * n, h, w, c, false)),
        _ => None,
    };
    let Some((count, height, width, channels, planes)) = dims(&array.shape) else {
        let reason =
            format!("has the shape {:?}; images are [n, h, w, 3], [n, 3, h, w] or [n, h, w]", array.shape);
        return Err(wrong(reason));
    };
    if height == 0 || width == 0 {
        return Err(wrong(format!("has the shape {:?}: images without a pixel", array.shape)));
    }
    let bytes = match array.kind {
        Kind::Unsigned(1) => array.bytes,
        Kind::Float(_) => {
            let values = array.floats().unwrap_or_default();
            let (low, high) =
                values.iter().fold((0.0_f64, 0.0_f64), |(low, high), &v| (low.min(v), high.max(v)));
            let finite = values.iter().all(|v| v.is_finite());
            let scale = match high {
                _ if !finite || low < 0.0 || high > 255.0 => {
                    return Err(wrong(format!(
                        "has values from {low} to {high}; 0 to 1, or 0 to 255, are shades"
                    )));
                }
                high if high <= 1.0 => 255.0,
                _ => 1.0,
            };
            found.told.push(format!("`{}` holds shades from 0 to {}", shown(name), 255.0 / scale));
            values.iter().map(|v| (v * scale).round() as u8).collect()
        }
        Kind::Unsigned(_) | Kind::Signed(_) => {
            let values = array.integers().unwrap_or_default();
            let shades =
                values.iter().map(|&v| u8::try_from(v).map_err(|_| v)).collect::<Result<Vec<_>, _>>();
            shades.map_err(|v| wrong(format!("has the value {v}; shades are 0 to 255")))?
        }
        Kind::Text(_) | Kind::Bytes(_) => return Err(wrong("is text, not images".into())),
    };
    Ok(Pixels { count, height, width, channels, planes, bytes })
}
