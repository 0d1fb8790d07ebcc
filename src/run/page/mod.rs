//! One page of HTML that says what runs have measured, with all that it needs inside.

mod chart;
mod found;
mod html;

use super::dir::RunDir;
use super::process::Process;
use super::trial::ValidationLine;
use crate::error::Result;
use crate::file::write_atomic;
use chart::{Chart, Series, Stroke, figure};
use found::{Found, Picture};
use html::{base64, escape, moment, number, table};
use std::fmt::Write as _;
use std::path::Path;

/// The page's looks: a phone's width, light and dark.
const STYLE: &str = include_str!("page.css");

/// Writes the page of runs, side by side in their order.
///
/// # Errors
/// [`File`](crate::ErrorKind::File) if a run cannot be read or the page not be written.
pub fn write_page(runs: &[RunDir], to: &Path) -> Result<()> {
    let last = |dir: &RunDir| dir.path().file_name().map(|name| name.to_string_lossy().into_owned());
    let mut found = Vec::new();
    for dir in runs {
        let alone = runs.iter().filter(|other| last(other) == last(dir)).count() == 1;
        let name = last(dir).filter(|_| alone).unwrap_or_else(|| dir.path().display().to_string());
        found.push(Found::read(dir, name)?);
    }
    write_atomic(to, page(&found).as_bytes())
}

fn page(runs: &[Found]) -> String {
    let title = match runs {
        [one] => one.name.clone(),
        _ => format!("{} runs", runs.len()),
    };
    let mut text = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n\
         <title>{0}</title>\n<style>\n{STYLE}</style></head>\n<body>\n<h1>{0}</h1>\n",
        escape(&title)
    );
    text += &summary(runs);
    text += &results(runs);
    text += &training(runs);
    text += &pictures(runs);
    text += &settings(runs);
    text += &processes(runs);
    text + "</body></html>\n"
}

/// A value of `evaluation.json` in words.
fn value(run: &Found, path: &str) -> String {
    match run.evaluation.pointer(path) {
        Some(serde_json::Value::String(text)) => escape(text),
        Some(value) => value.as_f64().map_or_else(|| "–".into(), number),
        None => "–".into(),
    }
}

/// A mean with its interval, in percent where it is a share.
fn measured(run: &Found, point: Option<&[f64; 3]>) -> String {
    match point {
        Some([_, mean, _]) if !mean.is_finite() => "no task finite".into(),
        Some(&[_, mean, ci95]) if run.has_accuracy() => {
            format!("{:.2} ± {:.2} %", 100.0 * mean, 100.0 * ci95)
        }
        Some(&[_, mean, ci95]) => format!("{} ± {}", number(mean), number(ci95)),
        None => "–".into(),
    }
}

fn summary(runs: &[Found]) -> String {
    let result = |run: &Found| match run.curve("maml").last() {
        Some(last) => format!("{} after {} steps", measured(run, Some(last)), last[0]),
        None => "not through yet".into(),
    };
    let done = |run: &Found| match run.evaluation.is_null() {
        true => run.metrics.last().map_or_else(|| "–".into(), |line| number(line.iteration as f64)),
        false => value(run, "/iterations"),
    };
    let seconds = |run: &Found| {
        let seconds = run.evaluation.pointer("/seconds/train").and_then(serde_json::Value::as_f64);
        seconds.map_or_else(|| "–".into(), |s| format!("{} s", number(s)))
    };
    let row = |name: &str, of: &dyn Fn(&Found) -> String| {
        [name.to_owned()].into_iter().chain(runs.iter().map(of)).collect()
    };
    let rows = [
        row("result", &result),
        row("recipe", &|run| escape(run.setting("name"))),
        row("seed", &|run| escape(run.setting("seed"))),
        row("meta-iterations", &done),
        row("trained in", &seconds),
        row("device", &|run| value(run, "/device")),
    ];
    let described = match runs {
        [one] => format!("<p class=\"soft\">{}</p>\n", escape(one.setting("description"))),
        _ => String::new(),
    };
    described + &table(&heads("run", runs), &rows, false)
}

/// The head of a table with a column for each run.
fn heads(first: &str, runs: &[Found]) -> Vec<String> {
    [first.to_owned()].into_iter().chain(runs.iter().map(|run| escape(&run.name))).collect()
}

/// Names of learners as `evaluation.json` and as people have them.
const LEARNERS: [(&str, &str); 4] = [
    ("maml", "meta-learned"),
    ("control", "control"),
    ("standard", "standard initialisation"),
    ("naive", "last value"),
];

/// What runs are judged by, and how charts call it.
const METRICS: [(&str, &str); 3] = [("accuracy", "Accuracy"), ("mse", "Mean loss"), ("psnr", "PSNR, dB,")];

fn results(runs: &[Found]) -> String {
    let mut columns = Vec::new();
    for (n, run) in runs.iter().enumerate() {
        for (learner, named) in LEARNERS {
            let curve = run.curve(learner);
            if !curve.is_empty() {
                let name = if runs.len() == 1 { named.to_owned() } else { format!("{}, {named}", run.name) };
                columns.push((n, learner, name, curve));
            }
        }
    }
    if columns.is_empty() {
        return String::new();
    }
    let mut text = "<h2>New tasks, step by step</h2>\n".to_owned();
    for run in runs.iter().filter(|run| !run.evaluation.is_null()) {
        let _ = writeln!(text, "<p class=\"soft\">{}: {}</p>", escape(&run.name), judged_on(run));
    }
    text += "<div class=\"charts\">\n";
    for (metric, title) in METRICS {
        let series: Vec<_> = columns
            .iter()
            .filter(|(n, ..)| runs[*n].evaluation["metric"] == metric)
            .map(|(n, learner, name, curve)| Series {
                name: name.clone(),
                // A run alone has a colour for each learner.
                colour: match LEARNERS.iter().position(|(known, _)| known == learner) {
                    Some(place) if runs.len() == 1 => place,
                    _ => *n,
                },
                stroke: match *learner {
                    "maml" => Stroke::Solid,
                    "standard" | "naive" => Stroke::Dotted,
                    _ => Stroke::Dashed,
                },
                points: curve.clone(),
            })
            .collect();
        let (title, shares) = (format!("{title} against inner steps"), metric == "accuracy");
        text += &figure(&Chart { title, x: "inner steps", shares, series });
    }
    text += "</div>\n";
    let steps = columns.iter().map(|(.., curve)| curve.len()).max().unwrap_or(0);
    let head: Vec<_> =
        ["steps".to_owned()].into_iter().chain(columns.iter().map(|(.., name, _)| escape(name))).collect();
    let row = |step: usize| {
        let cells = columns.iter().map(|(n, .., curve)| measured(&runs[*n], curve.get(step)));
        [step.to_string()].into_iter().chain(cells).collect()
    };
    text + &table(&head, &(0..steps).map(row).collect::<Vec<_>>(), true)
}

/// What a run was judged on, in words.
fn judged_on(run: &Found) -> String {
    let support = value(run, "/points/support");
    match run.evaluation.pointer("/table/rows") {
        Some(rows) => {
            format!("{rows} rows, before and after adaptation on {support}; mean ± 95 % interval over rows")
        }
        None => format!(
            "{} new tasks, adapted on {support} points each; mean ± 95 % interval over tasks",
            value(run, "/tasks")
        ),
    }
}

fn training(runs: &[Found]) -> String {
    // Of trials, those with accuracies and those with losses alone.
    let (mut losses, mut trials) = (Vec::new(), [Vec::new(), Vec::new()]);
    for (colour, run) in runs.iter().enumerate() {
        let name =
            |what: &str| if runs.len() == 1 { what.to_owned() } else { format!("{}, {what}", run.name) };
        let mut add = |what: &str, colour: usize, stroke, points: Vec<[f64; 3]>| {
            if !points.is_empty() {
                losses.push(Series { name: name(what), colour, stroke, points });
            }
        };
        let at = |iteration: u64, y: f64| [iteration as f64, y, 0.0];
        let other = if runs.len() == 1 { 1 } else { colour };
        add(
            "query loss",
            colour,
            Stroke::Solid,
            run.metrics.iter().map(|l| at(l.iteration, l.query_loss)).collect(),
        );
        let control = run.metrics.iter().filter_map(|l| Some(at(l.iteration, l.control_loss?)));
        add("control", other, Stroke::Dashed, control.collect());
        if !run.trials.is_empty() {
            let [shares, plain] = &mut trials;
            let of = |t: &ValidationLine| t.accuracy.unwrap_or(t.loss);
            let ci95 = |t: &ValidationLine| if t.ci95.is_finite() { t.ci95 } else { 0.0 };
            let points = run.trials.iter().map(|t| [t.iteration as f64, of(t), ci95(t)]).collect();
            let has_accuracy = run.trials.iter().any(|trial| trial.accuracy.is_some());
            let series = Series { name: name("validation tasks"), colour, stroke: Stroke::Solid, points };
            if has_accuracy { &mut *shares } else { plain }.push(series);
            let train = run.trials.iter().filter_map(|t| Some(at(t.iteration, t.train_accuracy?)));
            let points: Vec<_> = train.collect();
            if !points.is_empty() {
                let name = name("tasks of training classes");
                shares.push(Series { name, colour: other, stroke: Stroke::Dashed, points });
            }
        }
    }
    let x = "meta-iterations";
    let losses = figure(&Chart { title: "Loss during training".into(), x, shares: false, series: losses });
    let [shares, plain] = trials;
    let trials = figure(&Chart { title: "Accuracy of trials".into(), x, shares: true, series: shares })
        + &figure(&Chart { title: "Loss of trials".into(), x, shares: false, series: plain });
    if losses.is_empty() && trials.is_empty() {
        return String::new();
    }
    format!("<h2>Training</h2>\n<div class=\"charts\">\n{losses}{trials}</div>\n")
}

fn pictures(runs: &[Found]) -> String {
    let mut text = String::new();
    for run in runs {
        for (stem, picture) in &run.pictures {
            let caption = if runs.len() == 1 { stem.clone() } else { format!("{}: {stem}", run.name) };
            let drawn = match picture {
                // What the drawing is sized by, the page decides; a view box is what it is scaled by.
                Picture::Svg(svg) => svg.find("<svg").map_or_else(String::new, |at| svg[at..].to_owned()),
                Picture::Png(png) => format!(
                    "<img alt=\"{}\" src=\"data:image/png;base64,{}\">",
                    escape(&caption),
                    base64(png)
                ),
            };
            let _ = writeln!(
                text,
                "<figure class=\"picture\"><figcaption>{}</figcaption>{drawn}</figure>",
                escape(&caption)
            );
        }
    }
    if text.is_empty() { text } else { format!("<h2>Pictures</h2>\n<div class=\"charts\">\n{text}</div>\n") }
}

/// Settings by key, those that differ first and marked.
fn settings(runs: &[Found]) -> String {
    let mut keys: Vec<&str> = Vec::new();
    for (key, _) in runs.iter().flat_map(|run| &run.settings) {
        if !keys.contains(&&**key) {
            keys.push(key);
        }
    }
    let of = |key: &str| runs.iter().map(|run| run.setting(key)).collect::<Vec<_>>();
    let differs = |key: &&str| of(key).windows(2).any(|pair| pair[0] != pair[1]);
    let head = heads("setting", runs);
    let rows = |keys: &[&str]| {
        let row = |key: &&str| {
            let values = of(key).into_iter().map(|value| format!("<code>{}</code>", escape(value)));
            [format!("<code>{}</code>", escape(key))].into_iter().chain(values).collect()
        };
        keys.iter().map(row).collect::<Vec<Vec<String>>>()
    };
    let other: Vec<_> = keys.iter().copied().filter(differs).collect();
    let mut text = "<h2>Settings</h2>\n".to_owned();
    if runs.len() > 1 {
        let differing =
            table(&head, &rows(&other), false).replace("<tr><th><code>", "<tr class=\"other\"><th><code>");
        text += &if other.is_empty() { "<p>All are alike.</p>\n".to_owned() } else { differing };
    }
    let all = table(&head, &rows(&keys), false);
    let _ = writeln!(text, "<details><summary>All {} settings</summary>\n{all}</details>", keys.len());
    text
}

fn processes(runs: &[Found]) -> String {
    let mut text = "<h2>Commands and environment</h2>\n".to_owned();
    for run in runs {
        for process in &run.processes {
            let rows = [
                (
                    "began",
                    format!(
                        "{}, from meta-iteration {}",
                        moment(process.started),
                        number(process.from as f64)
                    ),
                ),
                ("program", escape(&process.program)),
                ("system", escape(&process.system)),
                ("device", escape(&process.device)),
            ];
            let rows: Vec<_> = rows.into_iter().map(|(name, cell)| vec![name.to_owned(), cell]).collect();
            let head = [escape(&run.name), format!("<code>{}</code>", escape(&command(process)))];
            text += &table(&head, &rows, false);
        }
    }
    text
}

/// What was typed, as a shell takes it.
fn command(process: &Process) -> String {
    let quoted = |text: &String| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
        match !text.is_empty() && text.chars().all(plain) {
            true => text.clone(),
            false => format!("'{}'", text.replace('\'', "'\\''")),
        }
    };
    let arguments = process.arguments.iter().map(quoted);
    [env!("CARGO_PKG_NAME").to_owned()].into_iter().chain(arguments).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, seed: u64) -> Found {
        let evaluation = serde_json::json!({
            "metric": "accuracy", "tasks": 20, "points": { "support": 5 }, "iterations": 9, "device": "cpu <1>",
            "seconds": { "train": 1.5 },
            "learners": { "maml": { "mean": [0.2, 0.9, null], "ci95": [0.1, 0.05, null] } },
        });
        Found {
            name: name.into(),
            settings: vec![("name".into(), "\"r\"".into()), ("seed".into(), seed.to_string())],
            processes: vec![Process {
                arguments: vec!["train".into(), "a b<c>".into()],
                ..Process::default()
            }],
            metrics: Vec::new(),
            trials: Vec::new(),
            evaluation,
            pictures: vec![("task".into(), Picture::Svg("<?xml?><svg><text>x</text></svg>".into()))],
        }
    }

    #[test]
    fn a_page_needs_nothing_from_outside_and_shows_what_differs() {
        let text = page(&[run("a<b", 1), run("other", 2)]);
        for word in
            ["90.00 ± 5.00 %", "no task finite", "a&lt;b", "cpu &lt;1&gt;", "'a b&lt;c&gt;'", "viewport"]
        {
            assert!(text.contains(word), "{word}");
        }
        assert!(
            !text.contains("<?xml")
                && !text.contains("a<b")
                && !text.contains("http:")
                && !text.contains("https:")
        );
        assert!(!text.contains("<script") && !text.contains("url("));
        let other = text.split("<tr class=\"other\">").nth(1).expect("a setting that differs");
        assert!(
            other.starts_with("<th><code>seed</code></th><td><code>1</code></td><td><code>2</code></td>")
        );
        assert_eq!(text.matches("<tr class=\"other\">").count(), 1);
        for tag in ["table", "figure", "svg", "div", "details", "tr", "td", "th", "p", "span", "code"] {
            let open = text.matches(&format!("<{tag}>")).count() + text.matches(&format!("<{tag} ")).count();
            assert_eq!(open, text.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }

    #[test]
    fn a_run_that_is_not_through_has_its_page() {
        let unfinished = Found { evaluation: serde_json::Value::Null, pictures: Vec::new(), ..run("a", 1) };
        assert!(page(&[unfinished]).contains("not through yet"));
    }
}
