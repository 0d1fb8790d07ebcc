//! A model's graph as a picture: a frame for each block, in it a box for each node, above them what comes from elsewhere.

use super::model_layout::{Item, Line, Placed, Section, sections};
use crate::error::Result;
use crate::file::write_atomic;
use crate::model::{Model, Value};
use std::fmt::Write as _;
use std::path::Path;

/// Pixels: width of a box, its height with one line and with two.
const WIDTH: usize = 290;
const HEIGHTS: [usize; 2] = [24, 40];
/// Between boxes side by side and below one another, around them in a frame, between frames, and of a title.
const BESIDE: usize = 28;
const BELOW: usize = 14;
const PADDING: usize = 14;
const APART: usize = 26;
const TITLE: usize = 22;
/// Characters in a line of a box.
const LINE: usize = 46;
/// Width of the note below.
const NOTE: usize = 520;
/// How much wider than high the picture should be.
const RATIO: f64 = 1.7;

/// Draws a model to an SVG file.
///
/// # Errors
/// [`File`](crate::ErrorKind::File) if it cannot be written.
pub fn draw_model(model: &Model, path: &Path) -> Result<()> {
    write_atomic(path, svg(model).as_bytes())
}

/// What a box says: name, op, and on the right shape and parameters.
struct Words {
    name: String,
    op: String,
    right: String,
    fill: &'static str,
}

impl Words {
    fn of(model: &Model, section: &Section, item: Item) -> Self {
        let n = match item {
            Item::From(value) => {
                let (name, right) = (source(model, value), model.value(value).0.to_string());
                return Self { name, op: String::new(), right, fill: "#eef3fb" };
            }
            Item::Node(n) => n,
        };
        let node = &model.nodes()[n];
        let name = match section.title.as_str() {
            "" => node.name.clone(),
            title => node.name[title.len() + 1..].to_owned(),
        };
        let count = model.learned_count(node);
        let same = node.inputs.first().is_some_and(|&input| model.value(input).0 == node.shape);
        let mut right = Vec::new();
        if !same || count == 0 && node.inputs.len() > 1 {
            right.push(node.shape.to_string());
        }
        if count > 0 {
            right.push(format!("{} p", thousands(count)));
        }
        let fill = if count > 0 { "#e3f2e1" } else { "#f4f4f4" };
        // A sum that is called `add` says it once.
        let op = Some(node.op.to_string()).filter(|op| *op != name).unwrap_or_default();
        Self { name, op, right: right.join(" · "), fill }
    }

    /// Whether all of it fits into one line.
    fn is_short(&self) -> bool {
        let used: usize =
            [&self.name, &self.op, &self.right].map(|text| text.chars().count() + 1).iter().sum();
        used <= LINE
    }

    fn height(&self) -> usize {
        HEIGHTS[usize::from(!self.is_short())]
    }
}

fn source(model: &Model, value: Value) -> String {
    value.node().map_or_else(|| "input".to_owned(), |node| format!("from {}", model.nodes()[node].name))
}

fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A section with the sizes of its boxes.
struct Frame {
    section: Section,
    words: Vec<Words>,
    /// Top of each row within the frame, and below the last.
    tops: Vec<usize>,
    width: usize,
    height: usize,
}

impl Frame {
    fn of(model: &Model, section: Section) -> Self {
        let words: Vec<Words> =
            section.items.iter().map(|placed| Words::of(model, &section, placed.item)).collect();
        let mut tops = vec![PADDING + if section.title.is_empty() { 0 } else { TITLE }];
        for row in 0..section.rows() {
            let of_row = section.items.iter().zip(&words).filter(|(placed, _)| placed.row == row);
            let tallest = of_row.map(|(_, words)| words.height()).max().unwrap_or(0);
            tops.push(tops[row] + tallest + BELOW);
        }
        let long = section.lines.iter().filter(|line| is_long(&section, **line)).count();
        let width = 2 * PADDING + section.lanes() * (WIDTH + BESIDE) - BESIDE + 10 * long;
        let height = tops.last().map_or(0, |bottom| bottom + PADDING - BELOW);
        Self { section, words, tops, width, height }
    }

    /// Left and top of a box within the frame.
    fn place(&self, Placed { row, lane, .. }: Placed) -> [usize; 2] {
        [PADDING + lane * (WIDTH + BESIDE), self.tops[row]]
    }

    fn draw(&self, text: &mut String, [left, top]: [usize; 2]) {
        let (width, height) = (self.width, self.height);
        let _ = writeln!(text, "<g transform=\"translate({left} {top})\">");
        let _ = writeln!(
            text,
            "<rect class=\"frame\" width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"none\" stroke=\"#ccc\"/>"
        );
        if !self.section.title.is_empty() {
            let title = escaped(&self.section.title);
            let _ = writeln!(
                text,
                "<text x=\"{PADDING}\" y=\"24\" font-weight=\"bold\" font-size=\"14\">{title}</text>"
            );
        }
        let mut track = 0;
        for &line in &self.section.lines {
            self.line(text, line, &mut track);
        }
        for (&placed, words) in self.section.items.iter().zip(&self.words) {
            boxed(text, self.place(placed), words);
        }
        text.push_str("</g>\n");
    }

    /// Straight down to the next row; else down its own lane, if nothing stands there, or beside all lanes.
    fn line(&self, text: &mut String, line: Line, track: &mut usize) {
        let (from, to) = (self.section.items[line.from], self.section.items[line.to]);
        let ([x, y], [to_x, to_y]) = (self.place(from), self.place(to));
        let (height, to_height) = (self.words[line.from].height(), self.words[line.to].height());
        let (middle, to_middle) = (x + WIDTH / 2, to_x + WIDTH / 2);
        let path = if !is_long(&self.section, line) {
            let half = to_y - BELOW / 2;
            format!("M {middle} {} V {half} H {to_middle} V {to_y}", y + height)
        } else if is_clear(&self.section, from, to) {
            format!("M {middle} {} V {} H {}", y + height, to_y + to_height / 2, to_x + WIDTH)
        } else {
            *track += 1;
            let side = self.width - PADDING - 10 * *track + 10;
            let (start, end) = (y + height / 2 + 4, to_y + to_height / 2 + 4 * (*track % 2));
            format!("M {} {start} H {side} V {end} H {}", x + WIDTH, to_x + WIDTH)
        };
        let _ =
            writeln!(text, "<path d=\"{path}\" fill=\"none\" stroke=\"#777\" marker-end=\"url(#head)\"/>");
    }
}

fn is_long(section: &Section, line: Line) -> bool {
    section.items[line.to].row > section.items[line.from].row + 1
}

/// Whether nothing stands in the lane below an item down to the row of another, to the left of it.
fn is_clear(section: &Section, from: Placed, to: Placed) -> bool {
    let between = |item: &Placed| item.lane == from.lane && item.row > from.row && item.row <= to.row;
    let beside = |item: &Placed| item.row == to.row && item.lane > to.lane && item.lane < from.lane;
    from.lane > to.lane && !section.items.iter().any(|item| between(item) || beside(item))
}

fn svg(model: &Model) -> String {
    let frames: Vec<Frame> = sections(model).into_iter().map(|section| Frame::of(model, section)).collect();
    // As wide as makes the picture's sides stand in the ratio, and no frame broken.
    let area: usize = frames.iter().map(|frame| (frame.width + APART) * (frame.height + APART)).sum();
    let widest = frames.iter().map(|frame| frame.width).max().unwrap_or(0);
    let room = ((area as f64 * RATIO).sqrt() as usize).max(widest + APART);
    let (mut body, mut right, mut at, mut tallest) = (String::new(), 0, [APART, APART], 0);
    for frame in &frames {
        if at[0] > APART && at[0] + frame.width > room + APART {
            at = [APART, at[1] + tallest + APART];
            tallest = 0;
        }
        frame.draw(&mut body, at);
        right = right.max(at[0] + frame.width);
        at[0] += frame.width + APART;
        tallest = tallest.max(frame.height);
    }
    let (width, bottom) = (right.max(NOTE) + APART, at[1] + tallest);
    let (height, note) = (bottom + APART + 14, bottom + 22);
    let count = thousands(model.param_count() - model.fixed_count());
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <defs><marker id=\"head\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
         orient=\"auto\"><path d=\"M 0 0 L 8 4 L 0 8 z\" fill=\"#777\"/></marker></defs>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n{body}\
         <text x=\"{APART}\" y=\"{note}\" fill=\"#666\">in brackets a value's shape where it changes \
         or several meet; p: parameters, {count} in all</text>\n</svg>\n"
    )
}

fn escaped(line: &str) -> String {
    line.replace('&', "&amp;").replace('<', "&lt;")
}

/// A box with what it says.
fn boxed(text: &mut String, [x, y]: [usize; 2], words: &Words) {
    let (height, fill) = (words.height(), words.fill);
    // What does not fit is cut; the table has it whole.
    let cut = |line: &str, most: usize| escaped(&line.chars().take(most).collect::<String>());
    let (name, op, right) = (cut(&words.name, LINE - 14), cut(&words.op, LINE + 4), escaped(&words.right));
    let (left, end, first) = (x + 8, x + WIDTH - 8, y + 16);
    let _ = writeln!(
        text,
        "<rect x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{height}\" rx=\"5\" fill=\"{fill}\" stroke=\"#999\"/>"
    );
    let _ = match words.is_short() {
        true => {
            writeln!(
                text,
                "<text x=\"{left}\" y=\"{first}\"><tspan font-weight=\"bold\">{name}</tspan> {op}</text>"
            )
        }
        false => {
            let second = first + 16;
            writeln!(
                text,
                "<text x=\"{left}\" y=\"{first}\" font-weight=\"bold\">{name}</text>\n\
                 <text x=\"{left}\" y=\"{second}\">{op}</text>"
            )
        }
    };
    let _ =
        writeln!(text, "<text x=\"{end}\" y=\"{first}\" text-anchor=\"end\" fill=\"#555\">{right}</text>");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Graph, Preset};
    use crate::ops::{Shape, add::Add, linear::Linear};

    #[test]
    fn every_node_has_a_box_and_every_input_a_line() {
        let mut graph = Graph::new(Shape::Vector(3)).unwrap();
        let a = graph.add("a", Linear::to(3), &[Value::INPUT]).unwrap();
        let b = graph.add("b", Linear::to(3), &[a]).unwrap();
        graph.add("c", Add {}, &[a, b]).unwrap();
        let text = svg(&graph.finish().unwrap());
        assert_eq!((text.matches("<rect x").count(), text.matches("marker-end").count()), (4, 4));
        assert!(text.contains(">c</tspan> add") && text.contains("12 p") && text.ends_with("</svg>\n"));
    }

    #[test]
    fn a_network_of_blocks_has_a_frame_for_each() {
        let input = Shape::Image { channels: 3, height: 84, width: 84 };
        let preset = Preset::named("resnet12").unwrap().unwrap();
        let text = svg(&preset.graph(input, 5).unwrap().finish().unwrap());
        assert_eq!(text.matches("class=\"frame\"").count(), 5);
        for words in [">layer4.0<", "from layer3.0.maxpool", "12,427,525 in all", ">downsample.1<"] {
            assert!(text.contains(words), "{words}");
        }
    }
}
