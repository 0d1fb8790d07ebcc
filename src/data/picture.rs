//! From an encoded picture to pixels of a set.

use crate::error::{Error, Result};
use image::imageops::{self, FilterType};
use image::{
    DynamicImage, GrayImage, ImageDecoder as _, ImageError, ImageFormat, ImageReader, Limits, RgbImage,
    RgbaImage,
};
use std::io::{BufRead, BufReader, Cursor, Read as _, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An encoded picture.
#[derive(Debug)]
pub(super) enum Picture {
    /// An entry of an archive, unpacked.
    Entry { archive: Arc<Path>, name: String, bytes: Vec<u8> },
    /// A file.
    File(PathBuf),
    /// One of an array.
    Array { path: Arc<Path>, pixels: Arc<Pixels>, at: usize },
}

/// Pictures of one size as they stand in an array.
#[derive(Debug)]
pub(super) struct Pixels {
    pub(super) count: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    /// 1, 3 or, with transparency, 4.
    pub(super) channels: usize,
    /// Whether channels stand apart, `[n, channels, height, width]`, not pixel by pixel.
    pub(super) planes: bool,
    pub(super) bytes: Vec<u8>,
}

impl Pixels {
    /// Picture `at`, as decoded.
    fn image(&self, at: usize) -> Option<DynamicImage> {
        let (plane, channels) = (self.height * self.width, self.channels);
        let bytes = &self.bytes[at * plane * channels..][..plane * channels];
        let bytes: Vec<u8> = match self.planes {
            true => (0..plane * channels).map(|i| bytes[i % channels * plane + i / channels]).collect(),
            false => bytes.to_vec(),
        };
        let (width, height) = (u32::try_from(self.width).ok()?, u32::try_from(self.height).ok()?);
        match channels {
            1 => GrayImage::from_raw(width, height, bytes).map(DynamicImage::ImageLuma8),
            3 => RgbImage::from_raw(width, height, bytes).map(DynamicImage::ImageRgb8),
            _ => RgbaImage::from_raw(width, height, bytes).map(DynamicImage::ImageRgba8),
        }
    }
}

impl Picture {
    /// A failure that names the picture.
    pub(super) fn error(&self, reason: impl std::fmt::Display) -> Error {
        match self {
            Self::Entry { archive, name, .. } => Error::file(archive, format!("entry `{name}` {reason}")),
            Self::File(path) => Error::file(path, reason.to_string()),
            Self::Array { path, at, .. } => Error::file(path, format!("image {at} {reason}")),
        }
    }

    /// Where it is, for people.
    pub(super) fn place(&self) -> String {
        match self {
            Self::Entry { archive, name, .. } => format!("`{name}` in {}", archive.display()),
            Self::File(path) => path.display().to_string(),
            Self::Array { path, at, .. } => format!("image {at} in {}", path.display()),
        }
    }
}

/// How pictures become images of a set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    /// 1 or 3.
    pub(super) channels: usize,
    /// Width and height of the images, in pixels.
    pub(super) side: usize,
    /// The largest width or height of a picture; its header is asked before anything is decoded.
    pub(super) max_side: u32,
    /// The most bytes of its decoded pixels; so much again may be what stands beside them in the file.
    pub(super) max_bytes: u64,
    /// Dark becomes light.
    pub(super) invert: bool,
    /// What transparent pictures are laid on.
    pub(super) background: [u8; 3],
}

/// Formats that are read, and endings of names that files of them have.
const FORMATS: [(ImageFormat, &[&str]); 7] = [
    (ImageFormat::Png, &["png"]),
    (ImageFormat::Jpeg, &["jpg", "jpeg", "jfif", "jpe"]),
    (ImageFormat::WebP, &["webp"]),
    (ImageFormat::Bmp, &["bmp"]),
    (ImageFormat::Gif, &["gif"]),
    (ImageFormat::Tiff, &["tif", "tiff"]),
    (ImageFormat::Pnm, &["pgm", "ppm", "pbm", "pnm"]),
];
/// Them in words.
pub(super) const READ: &str = "PNG, JPEG, WebP, BMP, GIF, TIFF, PNM";
/// Endings of names of pictures in formats that are not read: such files are bad pictures, not strays.
const UNREAD: [&str; 7] = ["heic", "heif", "hif", "avif", "jxl", "jp2", "j2k"];
/// Those of raw pictures of cameras, some of which look like TIFF, of a thumbnail.
const RAW: [&str; 6] = ["cr2", "cr3", "nef", "arw", "dng", "raf"];

/// Whether a file is a picture by its name.
pub(super) fn is_picture(path: &Path) -> bool {
    let endings = FORMATS.iter().flat_map(|(_, endings)| endings.iter()).chain(&UNREAD).chain(&RAW);
    ends_as(path, endings.copied())
}

fn ends_as(path: &Path, mut endings: impl Iterator<Item = &'static str>) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    endings.any(|known| extension.eq_ignore_ascii_case(known))
}

/// Whether a file whose name has no ending is a picture by how it begins.
pub(super) fn begins_as_picture(path: &Path) -> bool {
    let head = || {
        let mut head = Vec::new();
        std::fs::File::open(path)?.take(16).read_to_end(&mut head)?;
        std::io::Result::Ok(head)
    };
    let read = |format| FORMATS.iter().any(|(known, _)| *known == format);
    path.extension().is_none() && head().is_ok_and(|head| image::guess_format(&head).is_ok_and(read))
}

impl Rule {
    /// Bytes of an image.
    pub(super) fn len(&self) -> usize {
        self.channels * self.side * self.side
    }

    /// Decodes a picture, cuts out its middle square and resizes that into `out`, `[channels, side, side]`. Gives back its width
    /// and height.
    pub(super) fn decode(&self, picture: &Picture, out: &mut [u8]) -> Result<(u32, u32)> {
        let path = match picture {
            Picture::Entry { name, .. } => Path::new(name),
            Picture::File(path) => path,
            Picture::Array { path, .. } => path,
        };
        if ends_as(path, RAW.into_iter()) {
            return Err(
                picture.error("is a raw picture of a camera, which is not read; save it as JPEG or PNG")
            );
        }
        let decoded = match picture {
            Picture::Entry { bytes, .. } => self.read(Cursor::new(bytes)),
            Picture::File(path) => (std::fs::File::open(path))
                .map_err(|e| format!("cannot be read: {e}"))
                .and_then(|file| self.read(BufReader::new(file))),
            Picture::Array { pixels, at, .. } => {
                let (width, height) = (pixels.width as u64, pixels.height as u64);
                pixels.image(*at).filter(|_| width.max(height) <= self.max_side.into()).ok_or_else(|| {
                    format!("has {width} × {height} pixels; at most {0} × {0} are read", self.max_side)
                })
            }
        };
        let image = decoded.map_err(|reason| picture.error(reason))?;
        let image =
            if image.color().has_alpha() { DynamicImage::ImageRgb8(self.opaque(&image)) } else { image };
        self.resize(&image, out);
        Ok((image.width(), image.height()))
    }

    fn read(&self, mut source: impl BufRead + Seek) -> Result<DynamicImage, String> {
        let ends = ends_as_jpeg(&mut source).map_err(|e| format!("cannot be read: {e}"))?;
        if let Some(format) = unread(&mut source).map_err(|e| format!("cannot be read: {e}"))? {
            return Err(format!("is a picture in {format}, which is not read; save it as JPEG or PNG"));
        }
        let mut reader =
            ImageReader::new(source).with_guessed_format().map_err(|e| format!("cannot be read: {e}"))?;
        let format = reader.format().filter(|found| FORMATS.iter().any(|(known, _)| known == found));
        let Some(format) = format else {
            return Err(format!("is no picture that is read ({READ})"));
        };
        // Decoders fill up what is missing of a JPEG.
        if format == ImageFormat::Jpeg && !ends {
            return Err("is a damaged picture: it was cut, its end is missing".into());
        }
        let mut limits = Limits::default();
        limits.max_alloc = Some(self.max_bytes);
        reader.limits(limits);
        let damaged = |e: ImageError| match e {
            ImageError::Unsupported(_) => {
                format!("is a picture of a kind that is not read ({e}); save it as PNG or JPEG")
            }
            e => format!("is a damaged picture: {e}"),
        };
        let mut decoder = reader.into_decoder().map_err(damaged)?;
        let (width, height) = decoder.dimensions();
        if width == 0 || height == 0 || width.max(height) > self.max_side {
            let most = self.max_side;
            return Err(format!(
                "is a picture of {width} × {height} pixels; at most {most} × {most} are read"
            ));
        }
        if decoder.total_bytes() > self.max_bytes {
            let (bytes, most) = (decoder.total_bytes(), self.max_bytes);
            return Err(format!("is a picture of {bytes} bytes when decoded; at most {most} are"));
        }
        // Cameras turn the picture in its header only.
        let orientation = decoder.orientation().map_err(damaged)?;
        let mut image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
        image.apply_orientation(orientation);
        Ok(image)
    }

    /// The picture laid on the background.
    fn opaque(&self, image: &DynamicImage) -> RgbImage {
        let from = image.to_rgba8();
        RgbImage::from_fn(from.width(), from.height(), |x, y| {
            let [r, g, b, alpha] = from.get_pixel(x, y).0.map(u32::from);
            let over =
                |ink: u32, ground: u8| ((alpha * ink + (255 - alpha) * u32::from(ground) + 127) / 255) as u8;
            let [ground_r, ground_g, ground_b] = self.background;
            image::Rgb([over(r, ground_r), over(g, ground_g), over(b, ground_b)])
        })
    }

    /// Catmull-Rom, widened when shrinking so that thin strokes do not break up: nearly as sharp as Lanczos, and
    /// free of sines, so that the same picture gives the same bytes on every platform.
    fn resize(&self, image: &DynamicImage, out: &mut [u8]) {
        let (width, height) = (image.width(), image.height());
        let (square, side) = (width.min(height), self.side as u32);
        let (x, y) = ((width - square) / 2, (height - square) / 2);
        if self.channels == 1 {
            let gray = image.to_luma8();
            let small = imageops::resize(
                &*imageops::crop_imm(&gray, x, y, square, square),
                side,
                side,
                FilterType::CatmullRom,
            );
            for (to, from) in out.iter_mut().zip(small.as_raw()) {
                *to = if self.invert { 255 - from } else { *from };
            }
        } else {
            let color = image.to_rgb8();
            let small = imageops::resize(
                &*imageops::crop_imm(&color, x, y, square, square),
                side,
                side,
                FilterType::CatmullRom,
            );
            // Planes instead of pixels of three.
            for (c, plane) in out.chunks_exact_mut(self.side * self.side).enumerate() {
                for (to, from) in plane.iter_mut().zip(small.as_raw().chunks_exact(3)) {
                    *to = if self.invert { 255 - from[c] } else { from[c] };
                }
            }
        }
    }
}

/// A format of pictures that is not read, by the first bytes.
fn unread(source: &mut (impl BufRead + Seek)) -> std::io::Result<Option<&'static str>> {
    let mut head = Vec::new();
    source.by_ref().take(12).read_to_end(&mut head)?;
    source.rewind()?;
    let brand = head.get(8..12).filter(|_| head.get(4..8) == Some(b"ftyp"));
    Ok(match (&*head, brand) {
        (_, Some(b"avif" | b"avis")) => Some("AVIF"),
        (_, Some(_)) => Some("HEIC"),
        ([0, 0, 0, 12, b'j', b'P', ..] | [0xff, 0x4f, 0xff, 0x51, ..], _) => Some("JPEG 2000"),
        ([0xff, 0x0a, ..] | [0, 0, 0, 12, b'J', b'X', ..], _) => Some("JPEG XL"),
        _ => None,
    })
}

/// Whether the last bytes hold the mark that a JPEG ends with, which its pixels never do.
fn ends_as_jpeg(source: &mut (impl BufRead + Seek)) -> std::io::Result<bool> {
    let size = source.seek(SeekFrom::End(0))?;
    source.seek(SeekFrom::Start(size.saturating_sub(1 << 16)))?;
    let mut last = Vec::new();
    source.read_to_end(&mut last)?;
    source.rewind()?;
    Ok(last.windows(2).any(|pair| pair == [0xff, 0xd9]))
}
