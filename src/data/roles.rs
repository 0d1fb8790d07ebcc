//! What each column of a training table is: a number, a category, what is predicted, or nothing to learn from.

use super::columns::{
    Coding, Columns, Feature, MissingCells, Target, canonical, missing_cell, number, target_number,
};
use super::role::{Role, role};
use super::sentinel;
use super::sheet::{Sheet, counted, listed, shown, ten};
use crate::error::{Error, Result};
use std::collections::{BTreeSet, HashMap};

/// What is said of a table's columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choices<'a> {
    /// The column that is predicted.
    pub label: &'a str,
    /// Whether it is a number, not a class.
    pub regression: bool,
    /// Columns that are no features.
    pub ignore: &'a [String],
    /// Columns that are features although they look as if they were none.
    pub keep: &'a [String],
    /// Columns of numbers that are categories.
    pub categories: &'a [String],
    /// What becomes of cells without a value.
    pub missing: MissingCells,
}

/// Most classes of a label.
const CLASSES: usize = 1024;
/// Most values of a category with an input of their own: the most frequent.
const VALUES: usize = 64;
/// Numbers of more different values than this are no classes, unless they are counted through from 0 or 1.
const NUMBERS: usize = 20;

/// The columns of a training table by what they are.
#[derive(Clone, Debug)]
pub struct Roles {
    label: usize,
    /// The columns that are learned from, and whether each is a category.
    features: Vec<(usize, bool)>,
    /// The rows that can be learned from.
    pub rows: Vec<usize>,
    /// The label of each of these, one text for one number; empty where a number is predicted.
    pub labels: Vec<String>,
    /// What a person should know of it, a line each.
    pub notes: Vec<String>,
}

impl Roles {
    /// Tells what the columns of a sheet are.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming the setting of a column that is not there or cannot be predicted;
    /// [`File`](crate::ErrorKind::File) naming line and column of a cell that does not fit.
    pub fn of(sheet: &Sheet, choices: &Choices<'_>) -> Result<Self> {
        let key = if choices.regression { "task.target" } else { "task.label" };
        let label = sheet.find(key, choices.label)?;
        for (key, columns) in [
            ("task.ignore", choices.ignore),
            ("task.keep", choices.keep),
            ("task.categories", choices.categories),
        ] {
            for column in columns {
                sheet.find(key, column)?;
            }
        }
        let mut notes = Vec::new();
        let (mut features, mut left_out) = (Vec::new(), Vec::<(usize, &str)>::new());
        for column in
            (0..sheet.columns.len()).filter(|&c| c != label && !choices.ignore.contains(&sheet.columns[c]))
        {
            match role(sheet, column, choices.keep, choices.categories)? {
                Role::Number => features.push((column, false)),
                Role::Category => features.push((column, true)),
                Role::LeftOut(why) => left_out.push((column, why)),
            }
        }
        let numbers = features.iter().filter(|(_, category)| !category);
        notes.extend(numbers.filter_map(|(column, _)| sentinel::of_column(sheet, *column)));
        notes.extend(left_out_note(sheet, &left_out));
        if features.is_empty() {
            let why = notes.pop().map_or_else(String::new, |note| format!(": {note}"));
            return Err(Error::file(
                &sheet.path,
                format!("has no column to learn from besides `{}`{why}", shown(choices.label)),
            ));
        }
        let columns: Vec<_> = features.iter().map(|(column, _)| *column).collect();
        let rows = usable(sheet, (label, &columns), choices, &mut notes)?;
        let labels = if choices.regression { Vec::new() } else { labels(sheet, label, &rows, choices)? };
        notes.extend(alike(&labels));
        Ok(Self { label, features, rows, labels, notes })
    }

    /// How the columns are coded, by the statistics of the rows `training`, places in the sheet.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) naming line and column of a number that is none; [`Recipe`](crate::ErrorKind::Recipe)
    /// naming `task.target` if it is the same in all rows.
    pub fn fit(&mut self, sheet: &Sheet, choices: &Choices<'_>, training: &[usize]) -> Result<Columns> {
        let target = if choices.regression {
            let numbers = training
                .iter()
                .map(|&row| target_number(sheet, row, self.label))
                .collect::<Result<Vec<_>>>()?;
            let (mean, deviation) = spread(&numbers);
            if deviation == 0.0 {
                let reason = format!(
                    "is `{}`, which is {mean} in every training row of {}",
                    choices.label,
                    sheet.path.display()
                );
                return Err(Error::recipe("task.target", reason));
            }
            Target::Number { mean, deviation }
        } else {
            Target::Classes { classes: sorted(&self.labels) }
        };
        let (mut features, mut told, mut cut, mut filled) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for &(column, category) in &self.features {
            let name = sheet.columns[column].clone();
            let coding = if category {
                let (values, all) = frequent(sheet, column, training);
                told.push(format!("`{}` ({})", shown(&name), values.len()));
                if all > values.len() {
                    cut.push(format!("`{}` ({all})", shown(&name)));
                }
                Coding::Category { values }
            } else {
                let coding = numeric(sheet, column, choices.missing, training)?;
                if let Coding::Number { flagged: true, .. } = coding {
                    filled.push(name.clone());
                }
                coding
            };
            features.push(Feature { name, coding });
        }
        if !told.is_empty() {
            self.notes.push(format!("categories, an input for each value: {}", ten(&told)));
        }
        if !cut.is_empty() {
            self.notes.push(format!("only the {VALUES} most frequent values have an input: {}", ten(&cut)));
        }
        if !filled.is_empty() {
            self.notes
                .push(format!("missing values filled in with the median, and marked: {}", listed(&filled)));
        }
        Ok(Columns {
            label: choices.label.to_owned(),
            named: sheet.named,
            missing: choices.missing,
            missing_values: sheet.dialect.missing_values.clone(),
            ignore: choices.ignore.to_vec(),
            target,
            features,
        })
    }
}

fn left_out_note(sheet: &Sheet, left_out: &[(usize, &str)]) -> Option<String> {
    if left_out.is_empty() {
        return None;
    }
    let names: Vec<_> = left_out
        .iter()
        .map(|(column, why)| match sheet.columns[*column].as_str() {
            "" => format!("the column without a name ({why})"),
            name => format!("`{}` ({why})", shown(name)),
        })
        .collect();
    let first =
        left_out.iter().map(|(column, _)| sheet.columns[*column].as_str()).find(|name| !name.is_empty());
    let keep =
        first.map_or_else(String::new, |name| format!("; --set 'task.keep=[\"{}\"]' keeps one", shown(name)));
    Some(format!("left out: {}{keep}", ten(&names)))
}

/// The rows that can be learned from: those with a label and, where others are dropped, without a missing cell.
fn usable(
    sheet: &Sheet,
    (label, features): (usize, &[usize]),
    choices: &Choices<'_>,
    notes: &mut Vec<String>,
) -> Result<Vec<usize>> {
    let lacks = |row: usize| features.iter().find(|&&column| sheet.value(row, column).is_none());
    let unlabelled: Vec<_> = (0..sheet.len()).filter(|&row| sheet.value(row, label).is_none()).collect();
    if let Some(&row) = unlabelled.first() {
        if choices.missing == MissingCells::Refuse {
            let reason = format!(
                "is missing{}; --set task.missing=drop leaves such rows out, task.missing=median too, and \
                 fills missing features in",
                match unlabelled.len() {
                    1 => String::new(),
                    n => format!(", as in {n} of {} rows", sheet.len()),
                }
            );
            return Err(sheet.wrong(row, label, &reason));
        }
        notes.push(format!(
            "{} left out without `{}`",
            counted(unlabelled.len(), "row"),
            shown(choices.label)
        ));
    }
    let labelled = (0..sheet.len()).filter(|&row| sheet.value(row, label).is_some());
    let rows: Vec<_> = match choices.missing {
        MissingCells::Refuse => {
            if let Some((row, column)) =
                labelled.clone().find_map(|row| lacks(row).map(|&column| (row, column)))
            {
                return Err(missing_cell(sheet, row, column));
            }
            labelled.collect()
        }
        MissingCells::Median => labelled.collect(),
        MissingCells::Drop => {
            let all = labelled.clone().count();
            let whole: Vec<_> = labelled.filter(|&row| lacks(row).is_none()).collect();
            if whole.len() < all {
                notes.push(format!(
                    "{} of {} left out since a value is missing",
                    all - whole.len(),
                    counted(all, "row")
                ));
            }
            whole
        }
    };
    if rows.is_empty() {
        return Err(Error::file(
            &sheet.path,
            "has no row left without a missing value; --set task.missing=median fills them in",
        ));
    }
    Ok(rows)
}

/// Says which labels differ in upper and lower case alone.
fn alike(labels: &[String]) -> Option<String> {
    let all: BTreeSet<&String> = labels.iter().collect();
    let mut by_case = HashMap::<String, Vec<&String>>::new();
    all.into_iter().for_each(|label| by_case.entry(label.to_lowercase()).or_default().push(label));
    let twice = by_case.into_values().filter(|same| same.len() > 1).min()?;
    Some(format!(
        "labels that differ in upper and lower case alone are classes of their own: {}",
        listed(&twice)
    ))
}

/// The labels of rows, one text for one number.
fn labels(sheet: &Sheet, column: usize, rows: &[usize], choices: &Choices<'_>) -> Result<Vec<String>> {
    let numbers: Vec<_> = rows.iter().map_while(|&row| sheet.number(row, column).ok().flatten()).collect();
    let numeric = numbers.len() == rows.len();
    let labels: Vec<_> = match numeric {
        true => numbers.iter().map(|&number| canonical(number)).collect(),
        false => rows.iter().map(|&row| sheet.cell(row, column).to_owned()).collect(),
    };
    let (classes, file) = (sorted(&labels), sheet.path.display());
    let (found, label) = (classes.len(), shown(choices.label));
    let refused = |reason: String| Err(Error::recipe("task.label", reason));
    if found == 1 {
        return refused(format!(
            "is `{label}`, which is `{}` in every row of {file}; two classes are needed",
            shown(&classes[0])
        ));
    }
    if !numeric && found == rows.len() && found > 8 {
        return refused(format!(
            "is `{label}`, which has a text of its own in each of the {found} rows of {file}; a class has several rows"
        ));
    }
    let whole = numbers.iter().all(|n| n.fract() == 0.0);
    let counted = whole
        && classes.iter().enumerate().all(|(at, class)| {
            classes.first().is_some_and(|first| ["0", "1"].contains(&first.as_str()))
                && class.parse::<f64>().ok() == classes[0].parse::<f64>().ok().map(|first| first + at as f64)
        });
    let said = sheet.is_nominal(column) || choices.categories.iter().any(|name| name == choices.label);
    if numeric && !said && !(whole && found <= NUMBERS || counted) {
        let name = shown(choices.label);
        return refused(format!(
            "is `{label}`, which has {found} different numbers in the {} rows of {file}: a quantity, by the look of it; predict it \
             as a number with --target {name}, or say that they are classes: --set 'task.categories=[\"{name}\"]'",
            rows.len()
        ));
    }
    if found > CLASSES {
        return refused(format!(
            "is `{label}`, which has {found} different values in {file}; 2 to {CLASSES} classes are possible"
        ));
    }
    Ok(labels)
}

/// Different labels in order: of their numbers, if they are such.
fn sorted(labels: &[String]) -> Vec<String> {
    let mut classes: Vec<_> = labels.iter().collect::<BTreeSet<_>>().into_iter().cloned().collect();
    let number = |text: &String| text.parse::<f64>().ok();
    if classes.iter().all(|class| number(class).is_some()) {
        classes.sort_by(|a, b| number(a).unwrap_or(0.0).total_cmp(&number(b).unwrap_or(0.0)));
    }
    classes
}

/// Mean and standard deviation (n); what rounding leaves of a constant is no spread.
fn spread(numbers: &[f64]) -> (f64, f64) {
    let n = numbers.len().max(1) as f64;
    let mean = numbers.iter().sum::<f64>() / n;
    let deviation = (numbers.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
    (mean, if deviation > 1e-12 * mean.abs() { deviation } else { 0.0 })
}

/// The coding of a column of numbers.
fn numeric(sheet: &Sheet, column: usize, missing: MissingCells, training: &[usize]) -> Result<Coding> {
    let present = training.iter().filter(|&&row| sheet.value(row, column).is_some());
    let mut numbers = present.map(|&row| number(sheet, row, column)).collect::<Result<Vec<_>>>()?;
    let fills = missing == MissingCells::Median;
    let flagged = fills && numbers.len() < training.len();
    let median = fills.then(|| {
        let mut sorted = numbers.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
    });
    // Scaled as they are seen, filled in.
    numbers.resize(training.len(), median.unwrap_or(0.0));
    let (mean, deviation) = spread(&numbers);
    Ok(Coding::Number { mean, deviation, median, flagged })
}

/// The most frequent values of a category in training rows, sorted, and how many there are.
fn frequent(sheet: &Sheet, column: usize, training: &[usize]) -> (Vec<String>, usize) {
    let mut counts = HashMap::<&str, usize>::new();
    for value in training.iter().filter_map(|&row| sheet.value(row, column)) {
        *counts.entry(value).or_default() += 1;
    }
    let mut values: Vec<_> = counts.into_iter().collect();
    values.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let all = values.len();
    values.truncate(VALUES);
    let mut values: Vec<_> = values.into_iter().map(|(value, _)| value.to_owned()).collect();
    values.sort_unstable();
    (values, all)
}
