//! Dates of digits alone, which look like numbers.

use super::dates::{Form, is_digits};

/// Share of the steps between times that are alike from which on a column is regular, and below which it is not.
const REGULAR: [f64; 2] = [0.8, 0.5];

/// Forms of dates that look like numbers, if all of these are such. Months and days alone, and what can be read in two ways, are
/// refused by what is said of the first.
pub(super) fn compact(texts: &[&str]) -> Result<Option<Vec<Form>>, String> {
    let all = |fits: &dyn Fn(&str) -> bool| texts.iter().all(|text| fits(text));
    if all(&|text| is_digits(text, 8)) {
        return Ok(Some(fitting(texts, &["%Y%m%d", "%d%m%Y", "%m%d%Y"])).filter(|forms| !forms.is_empty()));
    }
    if all(&|text| is_digits(text, 6)) {
        return match fitting(texts, &["%Y%m"]) {
            forms if !forms.is_empty() => Ok(Some(forms)),
            _ => six(texts),
        };
    }
    let two = |text: &str| -> Option<[u32; 2]> {
        let (first, second) = text.split_once('.')?;
        (is_digits(first, 2) && is_digits(second, 2))
            .then(|| Some([first.parse().ok()?, second.parse().ok()?]))?
    };
    let date = |a: usize, b: usize| {
        all(&|text| {
            two(text).is_some_and(|parts| (1..=31).contains(&parts[a]) && (1..=12).contains(&parts[b]))
        })
    };
    let orders = [date(0, 1), date(1, 0)];
    if orders.contains(&true) && texts.len() > 2 {
        let pattern = if orders[0] { "%d.%m" } else { "%m.%d" };
        return Err(format!(
            "is `{}`, by the look of it day and month without a year: --set 'task.dates=\"{pattern}\"' takes it so, all of one \
             year; --set task.dates=number takes it for a number",
            texts[0]
        ));
    }
    Ok(None)
}

fn fitting(texts: &[&str], patterns: &[&'static str]) -> Vec<Form> {
    let forms = patterns.iter().map(|&pattern| Form::Pattern(pattern));
    forms.filter(|form| texts.iter().all(|text| form.date(text).is_some())).collect()
}

/// Days of a short year: told from numbers, and from one another, by which of them are evenly spaced.
fn six(texts: &[&str]) -> Result<Option<Vec<Form>>, String> {
    let patterns = ["%y%m%d", "%d%m%y", "%m%d%y"];
    let forms = fitting(texts, &patterns);
    let numbers: Vec<i64> = texts.iter().filter_map(|text| text.parse().ok()).collect();
    let plain = evenness(numbers);
    if forms.is_empty() || texts.len() < 3 || plain == 1.0 {
        return Ok(None);
    }
    let days = |form: &Form| texts.iter().filter_map(|text| form.date(text)).collect();
    let even: Vec<f64> = forms.iter().map(|form| evenness(days(form))).collect();
    let better = |even: f64| even > REGULAR[0] && even > plain;
    let regular: Vec<Form> =
        forms.iter().zip(&even).filter(|(_, even)| better(**even)).map(|(form, _)| *form).collect();
    if regular.len() == 1 && even.iter().filter(|even| **even > REGULAR[1]).count() == 1 {
        return Ok(Some(regular));
    }
    if plain > REGULAR[0] {
        return Ok(None);
    }
    Err(format!(
        "is `{}`, which may be a day written in six digits or a number; say which: --set 'task.dates=\"%y%m%d\"' (or %d%m%y, \
         %m%d%y) or --set task.dates=number",
        texts[0]
    ))
}

/// The share of steps between different values that are as the most frequent one.
fn evenness(mut values: Vec<i64>) -> f64 {
    values.sort_unstable();
    values.dedup();
    let mut steps: Vec<i64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
    steps.sort_unstable();
    let most = steps.chunk_by(|a, b| a == b).map(<[_]>::len).max().unwrap_or(0);
    most as f64 / steps.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_digits_are_days_where_those_are_evenly_spaced() {
        let column = |pattern: &str| -> Vec<String> {
            let day =
                |at: i16| jiff::civil::date(2024, 1, 1).checked_add(jiff::Span::new().days(at)).unwrap();
            (0..70).map(|at| day(at).strftime(pattern).to_string()).collect()
        };
        let read = |texts: &[String]| compact(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        for pattern in ["%y%m%d", "%d%m%y", "%m%d%y"] {
            assert_eq!(read(&column(pattern)), Ok(Some(vec![Form::Pattern(pattern)])), "{pattern}");
        }
        let counted: Vec<String> = (0..28).map(|n| format!("{}", 100_101 + n)).collect();
        assert_eq!(read(&counted), Ok(None));
        assert_eq!(read(&["999999".to_owned(), "100000".to_owned(), "5".to_owned()]), Ok(None));
        // Neither days nor numbers are evenly spaced.
        let odd = ["240103", "240511", "241220", "240108"].map(str::to_owned);
        assert!(read(&odd).unwrap_err().contains("%y%m%d"));
    }
}
