//! Line charts as SVG that takes its colours from the page.

use super::html::{escape, number};
use std::fmt::Write as _;

/// Width and height of a chart: small, so that its text can be read on a phone.
const SIZE: [f64; 2] = [460.0, 290.0];

/// Left, top, right and bottom of what curves lie in.
const ROOM: [f64; 4] = [58.0, 10.0, 448.0, 246.0];

/// Points of a curve that are drawn; of more, neighbours become their mean.
const POINTS: usize = 300;

/// Points of which each has a dot, with its value where a mouse rests.
const DOTS: usize = 40;

/// How a line is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stroke {
    Solid,
    Dashed,
    Dotted,
}

impl Stroke {
    /// Its class in the page's style.
    fn class(self) -> &'static str {
        match self {
            Self::Solid => "solid",
            Self::Dashed => "dashed",
            Self::Dotted => "dotted",
        }
    }
}

/// A curve.
pub(super) struct Series {
    pub(super) name: String,
    /// Which of the page's six colours.
    pub(super) colour: usize,
    pub(super) stroke: Stroke,
    /// `x`, `y` and half the width of an interval around it, 0 for none.
    pub(super) points: Vec<[f64; 3]>,
}

/// Curves over one axis.
pub(super) struct Chart {
    pub(super) title: String,
    pub(super) x: &'static str,
    /// Whether values are shares of 1, shown in percent.
    pub(super) shares: bool,
    pub(super) series: Vec<Series>,
}

/// Where values lie on the page.
struct Scale {
    x: [f64; 2],
    y: [f64; 2],
    log: bool,
}

impl Scale {
    fn of(chart: &Chart) -> Option<Self> {
        let all =
            || chart.series.iter().flat_map(|s| &s.points).filter(|p| p[0].is_finite() && p[1].is_finite());
        let span = |of: fn(&[f64; 3]) -> f64| {
            let (low, high) =
                all().map(of).fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
            [low, high]
        };
        let (x, [mut low, mut high]) = (span(|p| p[0]), span(|p| p[1]));
        if low > high {
            return None;
        }
        // Losses fall by orders of magnitude.
        let log = !chart.shares && low > 0.0 && high > 30.0 * low;
        if log {
            (low, high) = (low * 0.8, high * 1.25);
        } else {
            (low, high) = (span(|p| p[1] - p[2])[0], span(|p| p[1] + p[2])[1]);
            let room = ((high - low) * 0.05).max(1e-12 + 1e-3 * high.abs());
            (low, high) = (if low >= 0.0 { (low - room).max(0.0) } else { low - room }, high + room);
        }
        let x = if x[0] < x[1] { x } else { [x[0] - 0.5, x[1] + 0.5] };
        Some(Self { x, y: [low, high], log })
    }

    fn x(&self, x: f64) -> f64 {
        ROOM[0] + (x - self.x[0]) / (self.x[1] - self.x[0]) * (ROOM[2] - ROOM[0])
    }

    fn y(&self, y: f64) -> f64 {
        let [low, high] = self.y;
        let y = y.clamp(low, high);
        let share = if self.log { (y / low).ln() / (high / low).ln() } else { (y - low) / (high - low) };
        ROOM[3] - share * (ROOM[3] - ROOM[1])
    }

    /// Where lines of the grid stand.
    fn ticks(&self) -> Vec<f64> {
        let [low, high] = self.y;
        if !self.log {
            return steps(low, high, 5);
        }
        let factors: &[f64] = if high / low > 1e3 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
        let every = (decades.clone().count() / 8 + 1) as i32;
        let all = decades
            .filter(|decade| decade % every == 0)
            .flat_map(|decade| factors.iter().map(move |factor| factor * 10_f64.powi(decade)));
        all.filter(|tick| (low..=high).contains(tick)).collect()
    }
}

/// Round values between two.
fn steps(low: f64, high: f64, about: usize) -> Vec<f64> {
    let raw = (high - low) / about as f64;
    let unit = 10_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|f| f * unit).find(|step| *step >= raw).unwrap_or(raw);
    let first = (low / step).ceil() as i64;
    (first..).map(|n| n as f64 * step).take_while(|tick| *tick <= high + 1e-9 * step).take(20).collect()
}

/// At most [`POINTS`] points, each the mean of as many neighbours.
fn thin(points: &[[f64; 3]]) -> Vec<[f64; 3]> {
    let each = points.len().div_ceil(POINTS).max(1);
    let mean = |some: &[[f64; 3]], k: usize| some.iter().map(|p| p[k]).sum::<f64>() / some.len() as f64;
    points.chunks(each).map(|some| [mean(some, 0), mean(some, 1), mean(some, 2)]).collect()
}

/// The chart with its legend, or nothing where there is no finite value.
pub(super) fn figure(chart: &Chart) -> String {
    let Some(scale) = Scale::of(chart) else { return String::new() };
    let label = |value: f64| match chart.shares {
        true => format!("{} %", number(100.0 * value)),
        // What has more digits than there is room for.
        false if value != 0.0 && !(1e-3..1e5).contains(&value.abs()) => format!("{value:.0e}"),
        false => number(value),
    };
    let mut svg = format!(
        "<figure><figcaption>{}</figcaption><svg class=\"chart\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">",
        escape(&chart.title),
        SIZE[0],
        SIZE[1],
        escape(&chart.title)
    );
    for tick in scale.ticks() {
        let y = scale.y(tick);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><text x=\"{}\" y=\"{:.1}\" \
             text-anchor=\"end\">{}</text>",
            ROOM[0],
            ROOM[2],
            ROOM[0] - 6.0,
            y + 4.0,
            label(tick)
        );
    }
    for tick in steps(scale.x[0], scale.x[1], 5).into_iter().filter(|tick| tick.fract() == 0.0) {
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            scale.x(tick),
            ROOM[3] + 18.0,
            number(tick)
        );
    }
    let middle = f64::midpoint(ROOM[0], ROOM[2]);
    let _ =
        write!(svg, "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>", SIZE[1] - 6.0, chart.x);
    for series in &chart.series {
        svg += &curve(series, &scale, &label);
    }
    svg += "</svg><div class=\"legend\">";
    for series in &chart.series {
        let _ = write!(
            svg,
            "<span class=\"k{}\"><i class=\"{}\"></i>{}</span>",
            series.colour % 6,
            series.stroke.class(),
            escape(&series.name)
        );
    }
    svg + "</div></figure>\n"
}

/// A curve with its band; it is broken where values are not finite.
fn curve(series: &Series, scale: &Scale, label: &dyn Fn(f64) -> String) -> String {
    let mut svg = format!("<g class=\"k{}\">", series.colour % 6);
    for part in series.points.split(|point| !point[1].is_finite()).filter(|part| !part.is_empty()) {
        let points = thin(part);
        let at =
            |p: &[f64; 3], sign: f64| format!("{:.1},{:.1} ", scale.x(p[0]), scale.y(p[1] + sign * p[2]));
        if points.iter().any(|point| point[2] > 0.0) {
            let edge: String =
                points.iter().map(|p| at(p, 1.0)).chain(points.iter().rev().map(|p| at(p, -1.0))).collect();
            let _ = write!(svg, "<polygon class=\"band\" points=\"{}\"/>", edge.trim_end());
        }
        let line: String = points.iter().map(|p| at(p, 0.0)).collect();
        let stroke = series.stroke.class();
        let _ = write!(svg, "<polyline class=\"curve {stroke}\" points=\"{}\"/>", line.trim_end());
        if points.len() <= DOTS {
            for point in &points {
                let _ = write!(
                    svg,
                    "<circle class=\"dot\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"><title>{}: {}</title></circle>",
                    scale.x(point[0]),
                    scale.y(point[1]),
                    number(point[0]),
                    label(point[1])
                );
            }
        }
    }
    svg + "</g>"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<[f64; 3]>) -> String {
        let series = vec![Series { name: "a < b".into(), colour: 7, stroke: Stroke::Dashed, points }];
        figure(&Chart { title: "loss".into(), x: "step", shares: false, series })
    }

    #[test]
    fn curves_stay_inside_and_break_where_nothing_is_finite() {
        let text = chart(vec![[0.0, 1.0, 0.5], [1.0, f64::NAN, 0.0], [2.0, 3.0, 0.0], [3.0, 2.0, 9.0]]);
        assert_eq!((text.matches("<polyline").count(), text.matches("<circle").count()), (2, 3));
        assert!(text.contains("a &lt; b") && text.contains("class=\"k1\"") && !text.contains("NaN"));
        for number in
            text.split("points=\"").skip(1).flat_map(|rest| rest[..rest.find('"').unwrap()].split([' ', ',']))
        {
            assert!((0.0..=460.0).contains(&number.parse::<f64>().unwrap()), "{number}");
        }
        assert_eq!(chart(vec![]), "");
        assert_eq!(chart(vec![[0.0, f64::NAN, 0.0]]), "");
        assert!(chart(vec![[5.0, 0.0, 0.0]]).contains("<circle"), "a single point");
    }

    #[test]
    fn long_curves_are_thinned_and_ticks_are_round() {
        let text = chart((1..100_000).map(|i| [f64::from(i), 1.0 / f64::from(i), 0.0]).collect());
        assert!(text.len() < 10_000, "{}", text.len());
        assert_eq!(steps(0.0, 1.0, 5), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        assert_eq!(steps(3.0, 3000.0, 5), [1000.0, 2000.0, 3000.0]);
        let scale = Scale { x: [0.0, 1.0], y: [0.3, 40.0], log: true };
        assert_eq!(scale.ticks(), [0.5, 1.0, 2.0, 5.0, 10.0, 20.0]);
        let far = Scale { y: [0.3, 1e22], ..scale };
        assert!((4..=9).contains(&far.ticks().len()), "{:?}", far.ticks());
    }
}
