//! What stands before and behind a model in ONNX: from the units of people's files to what the model sees, and back.

use super::writer::{Element, Setting, Writer};
use crate::adapted::{SeriesScale, Signature};
use crate::data::{Coding, Columns, Feature, Target};
use crate::model::Model;

/// Adds what goes in; the name of what the model sees.
pub(super) fn before(to: &mut Writer, signature: &Signature, model: &Model) -> String {
    match signature {
        Signature::Points(columns) => {
            to.input("x", Element::Float, &model.input().axes(), &columns.inputs.join(", "))
        }
        Signature::Series(form) => {
            let doc = format!("the last {} values", form.window);
            let x = match form.scale {
                SeriesScale::None => to.input("window", Element::Float, &[form.window], &doc),
                SeriesScale::Own => {
                    let doc = format!("{doc}, less the mean of the series and over its deviation");
                    to.input("window", Element::Float, &[form.window], &doc)
                }
                SeriesScale::Of { mean, deviation } => {
                    let x = to.input("window", Element::Double, &[form.window], &doc);
                    let line = vec![(mean, deviation); 1];
                    scaled(to, &x, &line)
                }
            };
            laid_out(to, &x, model)
        }
        Signature::Images(form) => {
            let sides = model.input().axes();
            let doc = match form.pictures.channels {
                1 => "gray, 0 to 255",
                _ => "red, green and blue planes, 0 to 255",
            };
            let pixels = to.input("pixels", Element::Uint8, &sides, doc);
            let mut x = to.cast("float_pixels", &pixels, Element::Float);
            if form.pictures.invert {
                let white = to.scalar("white", 255.0);
                x = to.node("Sub", "ink", &[&white, &x], &[]);
            }
            let share = to.scalar("share", f64::from(1.0_f32 / 255.0));
            to.node("Mul", "image", &[&x, &share], &[])
        }
        Signature::Field(form) => {
            let doc = form.coordinates.join(", ");
            let x = to.input("coordinates", Element::Double, &[form.coordinates.len()], &doc);
            let lines: Vec<_> = (form.coordinate_ranges.0.iter())
                .map(|[low, high]| (0.5 * (low + high), 0.5 * (high - low)))
                .collect();
            let x = scaled(to, &x, &lines);
            if form.samples == 1 {
                return laid_out(to, &x, model);
            }
            // A ray of no length: every place along it is the same.
            let count = lines.len() as i64;
            let axes = to.wholes("place_axes", &[0, count, 1, 1]);
            let place = to.node("Reshape", "place", &[&x, &axes], &[]);
            let all = to.wholes("ray_axes", &[1, count, 1, form.samples as i64]);
            to.node("Expand", "ray", &[&place, &all], &[])
        }
        Signature::Table(columns) => {
            let x = rows(to, columns);
            laid_out(to, &x, model)
        }
    }
}

/// Vectors as the images that a model may take them for.
fn laid_out(to: &mut Writer, x: &str, model: &Model) -> String {
    let axes = model.input().axes();
    if axes.len() == 1 {
        return x.to_owned();
    }
    let axes: Vec<i64> = [0].into_iter().chain(axes.iter().map(|&side| side as i64)).collect();
    let axes = to.wholes("input_axes", &axes);
    to.node("Reshape", "input_image", &[x, &axes], &[])
}

/// `(x − mean) / deviation` in float64, then in float32.
fn scaled(to: &mut Writer, x: &str, lines: &[(f64, f64)]) -> String {
    let (means, deviations): (Vec<_>, Vec<_>) = lines.iter().copied().unzip();
    let means = to.doubles("means", &[lines.len()], &means);
    let deviations = to.doubles("deviations", &[lines.len()], &deviations);
    let centred = to.node("Sub", "centred", &[x, &means], &[]);
    let scaled = to.node("Div", "scaled", &[&centred, &deviations], &[]);
    to.cast("input", &scaled, Element::Float)
}

/// The columns of an exported table, in order: a number each, and one for each value of a category, 1 where a row has it.
pub(super) fn raw_columns(columns: &Columns) -> Vec<String> {
    let of = |feature: &Feature| match &feature.coding {
        Coding::Number { .. } => vec![feature.name.clone()],
        Coding::Category { values } => {
            values.iter().map(|value| format!("{}={value}", feature.name)).collect()
        }
    };
    columns.features.iter().flat_map(of).collect()
}

fn rows(to: &mut Writer, columns: &Columns) -> String {
    let names = raw_columns(columns);
    let (mut lines, mut medians, mut order, mut flags) = (vec![], vec![], vec![], vec![]);
    for feature in &columns.features {
        match &feature.coding {
            Coding::Number { mean, deviation, median, flagged } => {
                order.push(lines.len());
                if *flagged {
                    flags.push((order.len(), lines.len()));
                    order.push(0);
                }
                // What is constant is always 0 to the model.
                lines.push(if *deviation > 0.0 { (*mean, *deviation) } else { (*mean, f64::INFINITY) });
                medians.push(median.unwrap_or(f64::NAN));
            }
            Coding::Category { values } => {
                for _ in values {
                    order.push(lines.len());
                    lines.push((0.0, 1.0));
                    medians.push(f64::NAN);
                }
            }
        }
    }
    let doc = format!("{}; NaN where there is no value", names.join(", "));
    let mut x = to.input("rows", Element::Double, &[names.len()], &doc);
    let missing = medians.iter().any(|median| !median.is_nan()).then(|| {
        let missing = to.node("IsNaN", "missing", &[&x], &[]);
        let medians = to.doubles("medians", &[names.len()], &medians);
        x = to.node("Where", "filled", &[&missing, &medians, &x], &[]);
        missing
    });
    let x = scaled(to, &x, &lines);
    let Some(missing) = missing.filter(|_| !flags.is_empty()) else { return x };
    // Behind each number that may be missing stands whether it is.
    for (place, column) in flags {
        order[place] = names.len() + column;
    }
    let marks = to.cast("marks", &missing, Element::Float);
    let both = to.node("Concat", "numbers_and_marks", &[&x, &marks], &[Setting::Int("axis", 1)]);
    let order: Vec<i64> = order.into_iter().map(|place| place as i64).collect();
    let order = to.wholes("order", &order);
    to.node("Gather", "coded", &[&both, &order], &[Setting::Int("axis", 1)])
}

/// Adds what comes out.
pub(super) fn after(to: &mut Writer, signature: &Signature, model: &Model, y: &str) {
    let outputs = model.outputs();
    match signature {
        Signature::Points(columns) => {
            to.output("y", y, Element::Float, &[outputs], &columns.outputs.join(", "));
        }
        Signature::Series(form) => match form.scale {
            SeriesScale::None => to.output("value", y, Element::Float, &[1], "the value that follows"),
            SeriesScale::Own => {
                let doc = "the value that follows, less the mean of the series and over its deviation";
                to.output("value", y, Element::Float, &[1], doc);
            }
            SeriesScale::Of { mean, deviation } => {
                let value = unscaled(to, y, &[mean], &[deviation]);
                to.output("value", &value, Element::Double, &[1], "the value that follows");
            }
        },
        Signature::Images(form) => classes(to, &form.classes, outputs, y),
        Signature::Field(form) => {
            let (lows, spans): (Vec<_>, Vec<_>) =
                form.value_ranges.0.iter().map(|[low, high]| (*low, high - low)).unzip();
            let values = unscaled(to, y, &lows, &spans);
            to.output("values", &values, Element::Double, &[outputs], &form.values.join(", "));
        }
        Signature::Table(columns) => match &columns.target {
            Target::Classes { classes: names } => classes(to, names, outputs, y),
            Target::Number { mean, deviation } => {
                let value = unscaled(to, y, &[*mean], &[*deviation]);
                to.output("value", &value, Element::Double, &[1], &columns.label);
            }
        },
    }
}

fn unscaled(to: &mut Writer, y: &str, mean: &[f64], deviation: &[f64]) -> String {
    let wide = to.cast("wide", y, Element::Double);
    let deviation = to.doubles("deviation_out", &[deviation.len()], deviation);
    let mean = to.doubles("mean_out", &[mean.len()], mean);
    let spread = to.node("Mul", "spread", &[&wide, &deviation], &[]);
    to.node("Add", "unscaled", &[&spread, &mean], &[])
}

/// Scores and probabilities of classes; a model may have outputs that no class belongs to.
fn classes(to: &mut Writer, names: &[String], outputs: usize, y: &str) {
    let count = if names.is_empty() { outputs } else { names.len() };
    let scores = match count == outputs {
        true => y.to_owned(),
        false => {
            let places: Vec<i64> = (0..count as i64).collect();
            let places = to.wholes("classes_taken", &places);
            to.node("Gather", "scores", &[y, &places], &[Setting::Int("axis", 1)])
        }
    };
    let doc = names.join(", ");
    let probabilities = to.node("Softmax", "shares", &[&scores], &[Setting::Int("axis", 1)]);
    to.output("logits", &scores, Element::Float, &[count], &doc);
    to.output("probabilities", &probabilities, Element::Float, &[count], &doc);
}
