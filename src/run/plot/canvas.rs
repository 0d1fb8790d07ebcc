//! What the pictures share: fonts, colours, a legend beside the data, and both file formats.

use crate::error::{Error, Result};
use crate::file::write_atomic;
use plotters::coord::Shift;
use plotters::coord::ranged1d::ValueFormatter;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Of Okabe and Ito's palette, which the colour-blind can tell apart.
pub(super) const MAML: RGBColor = RGBColor(0, 114, 178);
pub(super) const CONTROL: RGBColor = RGBColor(213, 94, 0);
pub(super) const STANDARD: RGBColor = RGBColor(0, 158, 115);
pub(super) const TRUTH: RGBColor = RGBColor(90, 90, 90);
pub(super) const INK: RGBColor = RGBColor(40, 40, 40);
pub(super) const GRID: RGBColor = RGBColor(228, 228, 228);

/// A picture, drawn the same way into any format; lengths are multiplied by `scale`.
pub(super) trait Draw {
    /// Width and height at scale 1.
    fn size(&self) -> (u32, u32);

    fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        scale: f64,
    ) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>>;
}

/// Saves a picture as `<stem>.svg` and `<stem>.png`.
pub(super) fn save(dir: &Path, stem: &str, picture: &impl Draw) -> Result<[PathBuf; 2]> {
    register_font()?;
    let svg = dir.join(format!("{stem}.svg"));
    let (width, height) = picture.size();
    let failed = |path: &Path, e: String| Error::file(path, format!("cannot be drawn: {e}"));
    let fine = SHRINK * SCALE;
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (fine * width, fine * height)).into_drawing_area();
        picture.draw(&area, f64::from(fine)).map_err(|e| failed(&svg, e.to_string()))?;
        area.present().map_err(|e| failed(&svg, e.to_string()))?;
    }
    // Coordinates are whole numbers, so the picture is drawn larger than it is shown.
    let large = format!("width=\"{}\" height=\"{}\"", fine * width, fine * height);
    let text = text.replacen(&large, &format!("width=\"{width}\" height=\"{height}\""), 1);
    write_atomic(&svg, text.as_bytes())?;
    Ok([svg, save_png(dir, stem, picture)?])
}

/// Saves a picture as `<stem>.png`.
pub(super) fn save_png(dir: &Path, stem: &str, picture: &impl Draw) -> Result<PathBuf> {
    register_font()?;
    let png = dir.join(format!("{stem}.png"));
    let ((width, height), fine) = (picture.size(), SHRINK * SCALE);
    let failed = |path: &Path, e: String| Error::file(path, format!("cannot be drawn: {e}"));
    let mut pixels = vec![0_u8; (fine * width * fine * height * 3) as usize];
    {
        let size = (fine * width, fine * height);
        let area = BitMapBackend::with_buffer(&mut pixels, size).into_drawing_area();
        picture.draw(&area, f64::from(fine)).map_err(|e| failed(&png, e.to_string()))?;
        area.present().map_err(|e| failed(&png, e.to_string()))?;
    }
    let pixels = shrink(&pixels, (SCALE * width) as usize, (SCALE * height) as usize);
    let bytes = encode(&pixels, SCALE * width, SCALE * height).map_err(|e| failed(&png, e.to_string()))?;
    write_atomic(&png, &bytes)?;
    Ok(png)
}

/// Pixels of a PNG for each unit of length.
const SCALE: u32 = 2;

/// Pixels drawn for each pixel of a PNG, in both directions: lines are drawn without smoothing, so
/// they are drawn larger and averaged.
const SHRINK: u32 = 2;

/// Averages squares of `SHRINK × SHRINK` pixels of three bytes; `width` and `height` are those of the result.
fn shrink(pixels: &[u8], width: usize, height: usize) -> Vec<u8> {
    let n = SHRINK as usize;
    let mut small = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for at in 0..width * 3 {
            let (x, channel) = (at / 3, at % 3);
            let square = (0..n * n).map(|i| (n * y + i / n) * n * width + n * x + i % n);
            let sum: usize = square.map(|pixel| usize::from(pixels[3 * pixel + channel])).sum();
            small.push((sum / (n * n)) as u8);
        }
    }
    small
}

fn encode(pixels: &[u8], width: u32, height: u32) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(bytes)
}

/// No font of the system is used, so that pictures come out the same everywhere.
fn register_font() -> Result<()> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let done = *REGISTERED.get_or_init(|| {
        let font = include_bytes!("../../../assets/DejaVuSans-subset.ttf");
        plotters::style::register_font("sans-serif", FontStyle::Normal, font).is_ok()
    });
    if done { Ok(()) } else { Err(Error::failed("the program's own font is damaged")) }
}

/// Text of a size at scale 1.
pub(super) fn text(size: f64, scale: f64) -> TextStyle<'static> {
    ("sans-serif", size * scale).into_font().color(&INK)
}

/// A length in pixels.
pub(super) fn px(length: f64, scale: f64) -> u32 {
    (length * scale).round() as u32
}

/// How an entry of the legend looks.
pub(super) enum Mark {
    Line(RGBColor, f64),
    Dashes(RGBColor, f64),
    Dot(RGBColor),
    Cross(RGBColor),
    Band(RGBColor),
}

/// A row of entries across an area of its own, centred.
pub(super) fn legend<DB: DrawingBackend>(
    area: &DrawingArea<DB, Shift>,
    entries: &[(Mark, &str)],
    scale: f64,
) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>> {
    let style = text(13.0, scale);
    let (sample, gap, between) = (px(26.0, scale) as i32, px(7.0, scale) as i32, px(24.0, scale) as i32);
    let mut widths = Vec::new();
    for (_, label) in entries {
        widths.push(area.estimate_text_size(label, &style)?.0 as i32 + sample + gap);
    }
    let (width, height) = area.dim_in_pixel();
    let total = widths.iter().sum::<i32>() + between * (entries.len().saturating_sub(1)) as i32;
    let (mut x, y) = ((width as i32 - total) / 2, height as i32 / 2);
    for ((mark, label), width) in entries.iter().zip(widths) {
        match *mark {
            Mark::Line(colour, stroke) => {
                let style = colour.stroke_width(px(stroke, scale));
                area.draw(&PathElement::new([(x, y), (x + sample, y)], style))?;
            }
            Mark::Dashes(colour, stroke) => {
                let style = colour.stroke_width(px(stroke, scale));
                let (dash, period) = (px(5.0, scale) as i32, px(8.0, scale) as i32);
                for from in (x..x + sample).step_by(period as usize) {
                    area.draw(&PathElement::new([(from, y), ((from + dash).min(x + sample), y)], style))?;
                }
            }
            Mark::Dot(colour) => {
                area.draw(&Circle::new((x + sample / 2, y), px(4.5, scale) as i32, colour.filled()))?;
            }
            Mark::Cross(colour) => {
                let style = colour.stroke_width(px(2.0, scale));
                area.draw(&Cross::new((x + sample / 2, y), px(4.0, scale) as i32, style))?;
            }
            Mark::Band(colour) => {
                let half = px(6.0, scale) as i32;
                let corners = [(x, y - half), (x + sample, y + half)];
                area.draw(&Rectangle::new(corners, colour.mix(0.25).filled()))?;
            }
        }
        let left = style.pos(Pos::new(HPos::Left, VPos::Center));
        area.draw(&Text::new((*label).to_owned(), (x + sample + gap, y + px(1.5, scale) as i32), left))?;
        x += width + between;
    }
    Ok(())
}

/// What is written on a chart's axes.
pub(super) struct Axes<'a> {
    pub(super) x: &'a str,
    pub(super) y: &'a str,
    /// About how many labels each axis has.
    pub(super) labels: (usize, usize),
    pub(super) x_format: fn(f64) -> String,
    /// Whether lines cross the chart from bottom to top too.
    pub(super) vertical: bool,
}

/// Draws grid, ticks and labels.
pub(super) fn mesh<DB, X, Y>(
    chart: &mut ChartContext<'_, DB, Cartesian2d<X, Y>>,
    axes: &Axes<'_>,
    scale: f64,
) -> Result<(), DrawingAreaErrorKind<DB::ErrorType>>
where
    DB: DrawingBackend,
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let (x_format, y_format) = (|v: &f64| (axes.x_format)(*v), |v: &f64| short(*v));
    let mut mesh = chart.configure_mesh();
    if !axes.vertical {
        mesh.disable_x_mesh();
    }
    mesh.light_line_style(WHITE)
        .bold_line_style(GRID.stroke_width(px(0.8, scale)))
        .axis_style(INK.stroke_width(px(0.8, scale)))
        .set_all_tick_mark_size(px(5.0, scale))
        .label_style(text(12.0, scale))
        .axis_desc_style(text(13.0, scale))
        .x_labels(axes.labels.0)
        .y_labels(axes.labels.1)
        .x_label_formatter(&x_format)
        .y_label_formatter(&y_format)
        .x_desc(axes.x)
        .y_desc(axes.y)
        .draw()
}

/// A tick label without needless digits.
pub(super) fn short(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-3..1e6).contains(&size) {
        return format!("{value:.0e}");
    }
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// A count with commas between thousands, as on the terminal.
pub(super) fn count(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Round numbers from `low` to `high`, for a logarithmic axis.
pub(super) fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    let ticks = |digits: &[f64]| -> Vec<f64> {
        let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
        let all = decades.flat_map(|decade| digits.iter().map(move |digit| digit * 10_f64.powi(decade)));
        all.filter(|tick| (low..=high).contains(tick)).collect()
    };
    // As many as fit without touching.
    [&[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0][..], &[1.0, 2.0, 5.0], &[1.0]]
        .into_iter()
        .map(ticks)
        .find(|ticks| ticks.len() <= 9)
        .unwrap_or_else(|| ticks(&[1.0]))
}
