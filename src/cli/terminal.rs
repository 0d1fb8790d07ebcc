//! What fits a terminal.

use console::{Term, measure_text_width};

/// Columns of a terminal; nothing where it is none.
pub(super) fn columns(term: &Term) -> Option<usize> {
    let (_, columns) = term.is_term().then(|| term.size_checked()).flatten()?;
    Some(usize::from(columns)).filter(|&columns| columns >= 20)
}

/// A text whose lines are broken between words where a terminal would break them within one. Rows of tables, which have wide gaps, are left
/// as they are.
pub(super) fn wrapped(text: &str, columns: Option<usize>) -> String {
    let Some(columns) = columns else { return text.to_owned() };
    let lines = text.split('\n').map(|line| {
        if measure_text_width(line) <= columns || line.trim_start().contains("   ") {
            return line.to_owned();
        }
        let indent = line.len() - line.trim_start().len();
        let (mut broken, mut at) = (line[..indent].to_owned(), indent);
        for (n, word) in line[indent..].split(' ').enumerate() {
            let width = measure_text_width(word);
            if n > 0 && at + 1 + width > columns {
                broken += &format!("\n{}", " ".repeat(indent + 2));
                at = indent + 2;
            } else if n > 0 {
                broken.push(' ');
                at += 1;
            }
            broken += word;
            at += width;
        }
        broken
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_broken_between_words_and_tables_are_not() {
        let text = "error: the loss is not finite at meta-iteration 8\n  with inner.lr = 0.4";
        assert_eq!(
            wrapped(text, Some(24)),
            "error: the loss is not\n  finite at\n  meta-iteration 8\n  with inner.lr = 0.4"
        );
        assert_eq!(wrapped(text, None), text);
        assert_eq!(wrapped(text, Some(80)), text);
        let row = "steps     MAML, mean ± 95 %    median";
        assert_eq!(wrapped(row, Some(20)), row);
        let long = "runs/a-name-that-is-longer-than-any-terminal: a page";
        assert_eq!(wrapped(long, Some(20)), "runs/a-name-that-is-longer-than-any-terminal:\n  a page");
    }
}
