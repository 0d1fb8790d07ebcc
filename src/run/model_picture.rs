//! A model's graph as a picture: nodes in rows by their distance from the inputs, lines from each value to its users.

use crate::error::Result;
use crate::file::write_atomic;
use crate::model::{Model, Value};
use std::fmt::Write as _;
use std::path::Path;

/// Pixels of a box, and between boxes.
const BOX: [usize; 2] = [250, 44];
const GAP: [usize; 2] = [30, 34];
const MARGIN: usize = 20;

/// Draws a model to an SVG file.
///
/// # Errors
/// [`File`](crate::ErrorKind::File) if it cannot be written.
pub fn draw_model(model: &Model, path: &Path) -> Result<()> {
    write_atomic(path, svg(model).as_bytes())
}

/// Row of each value: 0 for what has no inputs, else one below the lowest of them.
fn ranks(model: &Model) -> Vec<usize> {
    let mut ranks = vec![0];
    for node in model.nodes() {
        let above = node.inputs.iter().map(|input| ranks[input.index()] + 1).max();
        ranks.push(above.unwrap_or(0));
    }
    ranks
}

fn svg(model: &Model) -> String {
    let ranks = ranks(model);
    let rows = ranks.iter().max().map_or(1, |most| most + 1);
    // Column of each value: how many of its row stand before it.
    let column = |value: usize| (0..value).filter(|&other| ranks[other] == ranks[value]).count();
    let widest = (0..rows).map(|row| ranks.iter().filter(|&&rank| rank == row).count()).max().unwrap_or(1);
    let (width, height) =
        (2 * MARGIN + widest * (BOX[0] + GAP[0]) + GAP[0], 2 * MARGIN + rows * (BOX[1] + GAP[1]) - GAP[1]);
    let place = |value: usize| {
        let of_row = ranks.iter().filter(|&&rank| rank == ranks[value]).count();
        let indent = (widest - of_row) * (BOX[0] + GAP[0]) / 2;
        [MARGIN + indent + column(value) * (BOX[0] + GAP[0]), MARGIN + ranks[value] * (BOX[1] + GAP[1])]
    };
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    for (n, node) in model.nodes().iter().enumerate() {
        let [x, y] = place(Value::of(n).index());
        for input in &node.inputs {
            let [from_x, from_y] = place(input.index());
            let near = ranks[Value::of(n).index()] == ranks[input.index()] + 1;
            let _ = match near {
                true => {
                    let (from_x, from_y, x) = (from_x + BOX[0] / 2, from_y + BOX[1], x + BOX[0] / 2);
                    let middle = usize::midpoint(from_y, y);
                    writeln!(
                        text,
                        "<path d=\"M {from_x} {from_y} C {from_x} {middle} {x} {middle} {x} {y}\" fill=\"none\" \
                         stroke=\"#777\"/>"
                    )
                }
                // Around the boxes between, from side to side.
                false => {
                    let (from_x, from_y, x, y) =
                        (from_x + BOX[0], from_y + BOX[1] / 2, x + BOX[0], y + BOX[1] / 2);
                    let side = from_x.max(x) + 2 * GAP[0];
                    writeln!(
                        text,
                        "<path d=\"M {from_x} {from_y} C {side} {from_y} {side} {y} {x} {y}\" fill=\"none\" \
                         stroke=\"#777\"/>"
                    )
                }
            };
        }
    }
    boxed(&mut text, place(0), "input", &model.input().to_string(), "#eef3fb");
    for (n, node) in model.nodes().iter().enumerate() {
        let count: usize = model.params()[node.params.clone()].iter().map(|param| param.len()).sum();
        let detail = match count {
            0 => format!("{}", node.shape),
            count => format!("{}, {count} parameters", node.shape),
        };
        let fill = if count > 0 { "#e3f2e1" } else { "#f4f4f4" };
        boxed(&mut text, place(Value::of(n).index()), &format!("{}: {}", node.name, node.op), &detail, fill);
    }
    text.push_str("</svg>\n");
    text
}

/// A box with two lines.
fn boxed(text: &mut String, [x, y]: [usize; 2], first: &str, second: &str, fill: &str) {
    let escaped = |line: &str| line.replace('&', "&amp;").replace('<', "&lt;");
    // What does not fit is cut; the table has it whole.
    let short: String = first.chars().take(40).collect();
    let middle = x + BOX[0] / 2;
    let _ = writeln!(
        text,
        "<rect x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\" rx=\"6\" fill=\"{fill}\" stroke=\"#999\"/>\n\
         <text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n\
         <text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\" fill=\"#666\">{}</text>",
        BOX[0],
        BOX[1],
        y + 19,
        escaped(&short),
        y + 36,
        escaped(second)
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Graph;
    use crate::ops::{Shape, add::Add, linear::Linear};

    #[test]
    fn every_node_has_a_box_and_every_input_a_line() {
        let mut graph = Graph::new(Shape::Vector(3)).unwrap();
        let a = graph.add("a", Linear::to(3), &[Value::INPUT]).unwrap();
        let b = graph.add("b", Linear::to(3), &[a]).unwrap();
        graph.add("c", Add {}, &[a, b]).unwrap();
        let text = svg(&graph.finish().unwrap());
        assert_eq!((text.matches("<rect x").count(), text.matches("<path").count()), (4, 4));
        assert!(text.contains("c: add") && text.contains("12 parameters") && text.ends_with("</svg>\n"));
    }
}
