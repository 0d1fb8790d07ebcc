//! Pictures that are read for a model and not packed as a set: classes to adapt to, pictures to classify.

use super::archive::Bounds;
use super::found;
use super::gather::{MAX_BYTES, Pictures};
use super::picture::{Picture, READ, Rule};
use super::picture_form::{PictureClasses, PictureForm, ReadPictures};
use crate::error::{Error, Result};
use rayon::prelude::*;
use std::path::Path;

/// Bounds of a picture, as those of a folder that is imported.
const MAX_PICTURE_SIDE: u32 = 16_384;
const MAX_PICTURE_BYTES: u64 = 1 << 28;
const BOUNDS: Bounds = Bounds { entries: 1_000_000, entry_bytes: 1 << 30, total_bytes: 8 << 30 };

impl PictureForm {
    /// Reads a picture, or all pictures of a folder or an archive, at any depth.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) naming the picture that is none, damaged or too large, or a folder without any;
    /// [`Limit`](crate::ErrorKind::Limit) if they are too many.
    pub fn read(&self, path: &Path) -> Result<ReadPictures> {
        if !path.is_dir() && !found::is_packed(path) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let pixels = self.decode(&[Picture::File(path.to_owned())])?;
            return Ok(ReadPictures { pixels, names: vec![name], skipped: 0 });
        }
        let found = found::open(path, BOUNDS, &|_| {})?;
        if found.pictures.is_empty() {
            return Err(Error::file(path, format!("holds no picture ({READ})")));
        }
        let skipped = found.skipped;
        let (names, pictures): (Vec<_>, Vec<_>) = found.pictures.into_iter().unzip();
        Ok(ReadPictures { pixels: self.decode(&pictures)?, names, skipped })
    }

    /// Reads a folder of class folders, classes and pictures by their names.
    ///
    /// # Errors
    /// As [`PictureForm::read`]; [`File`](crate::ErrorKind::File) naming a class without pictures, or a folder without classes.
    pub fn read_classes(&self, dir: &Path) -> Result<PictureClasses> {
        if !dir.is_dir() {
            return Err(Error::file(
                dir,
                "is no folder; a folder is needed in which each class is a folder of pictures",
            ));
        }
        let source = found::open(dir, BOUNDS, &|_| {})?;
        let mut found = Pictures { skipped: source.skipped, ..Pictures::default() };
        for (path, picture) in source.pictures {
            match path.split_once('/') {
                Some((class, name)) => found.add(class, name, picture)?,
                None => found.skipped += 1,
            }
        }
        let empty = |class: &&String| !class.contains('/') && !found.classes.contains_key(*class);
        if let Some(class) = source.folders.iter().find(empty) {
            let reason = format!("the class `{class}` has no pictures ({READ})");
            return Err(Error::file(dir.join(class), reason));
        }
        if found.classes.is_empty() {
            let reason = "holds no folders of pictures; a folder is needed in which each class is a folder of pictures";
            return Err(Error::file(dir, reason));
        }
        let skipped = found.skipped;
        let (mut classes, mut labels, mut names, mut pictures) = (vec![], vec![], vec![], vec![]);
        for (label, (class, members)) in found.classes.into_iter().enumerate() {
            for (name, picture) in members {
                labels.push(label);
                names.push(format!("{class}/{name}"));
                pictures.push(picture);
            }
            classes.push(class);
        }
        let pictures = ReadPictures { pixels: self.decode(&pictures)?, names, skipped };
        Ok(PictureClasses { classes, labels, pictures })
    }

    /// Decodes on all cores.
    fn decode(&self, pictures: &[Picture]) -> Result<Vec<u8>> {
        let &Self { channels, side, invert, background } = self;
        let rule = Rule {
            channels,
            side,
            max_side: MAX_PICTURE_SIDE,
            max_bytes: MAX_PICTURE_BYTES,
            invert,
            background,
        };
        let needed = (rule.len() as u64).saturating_mul(pictures.len() as u64);
        if needed > MAX_BYTES {
            return Err(Error::limit(
                "bytes of pictures",
                needed,
                MAX_BYTES,
                "give fewer pictures at a time",
            ));
        }
        let mut pixels = vec![0; rule.len() * pictures.len()];
        let all = pixels.par_chunks_mut(rule.len()).zip(pictures);
        // The first by name is told, whichever is found first.
        let mut failed: Vec<_> = all.map(|(out, picture)| rule.decode(picture, out).err()).collect();
        failed.iter_mut().find_map(Option::take).map_or(Ok(pixels), Err)
    }
}
