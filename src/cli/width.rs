//! Text within a terminal's width.

use std::io::{IsTerminal as _, stderr, stdout};
use terminal_size::{Width, terminal_size_of};

/// Narrower terminals are written to as if they were so wide.
const LEAST: usize = 40;

/// Columns of standard output, if it is a terminal or `COLUMNS` says how many there are.
pub(super) fn of_output() -> Option<usize> {
    let terminal = stdout().is_terminal().then(|| terminal_size_of(stdout())).flatten();
    columns(terminal.map(|(Width(width), _)| width))
}

/// Those of standard error.
pub(super) fn of_notes() -> Option<usize> {
    let terminal = stderr().is_terminal().then(|| terminal_size_of(stderr())).flatten();
    columns(terminal.map(|(Width(width), _)| width))
}

fn columns(terminal: Option<u16>) -> Option<usize> {
    let said = || std::env::var("COLUMNS").ok()?.parse().ok();
    let width = terminal.map(usize::from).or_else(said).filter(|&width| width > 0)?;
    Some(width.max(LEAST))
}

/// Text whose lines are broken between words; what follows a break is indented by two more blanks than its line.
pub(super) fn wrapped(text: &str, width: Option<usize>) -> String {
    let Some(width) = width else { return text.to_owned() };
    text.split('\n').map(|line| broken(line, width)).collect::<Vec<_>>().join("\n")
}

fn broken(line: &str, width: usize) -> String {
    let own = line.chars().take_while(|c| *c == ' ').count();
    let indent = " ".repeat((own + 2).min(width / 2));
    let (mut text, mut rest, mut room) = (String::new(), line, width);
    loop {
        // Where a line may end: at a blank, the last that is within the room or else the first.
        let word = rest.len() - rest.trim_start().len();
        let mut blanks = rest.char_indices().enumerate().filter(|(_, (at, c))| *at > word && *c == ' ');
        let within = blanks.clone().take_while(|(column, _)| *column <= room).last();
        let fits = rest.chars().count() <= room;
        let Some((_, (at, _))) = within.or_else(|| blanks.next()).filter(|_| !fits) else {
            return text + rest;
        };
        text += rest[..at].trim_end();
        text += "\n";
        text += &indent;
        rest = rest[at..].trim_start();
        room = width - indent.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words_and_numbers_stay_whole() {
        let text = "  accuracy 97.35 ± 2.98 % as meta-trained, 12,345 rows\nnext";
        let narrow = wrapped(text, Some(40));
        assert_eq!(narrow, "  accuracy 97.35 ± 2.98 % as\n    meta-trained, 12,345 rows\nnext");
        assert_eq!(wrapped(text, None), text);
        assert_eq!(wrapped(text, Some(100)), text);
        // Exactly as wide, and a word that is wider.
        assert_eq!(wrapped(&"a".repeat(40), Some(40)), "a".repeat(40));
        let path = format!("{}: is not there", "é".repeat(50));
        assert_eq!(wrapped(&path, Some(40)), format!("{}:\n  is not there", "é".repeat(50)));
        for width in 40..70 {
            let long = wrapped(&"words and 1.5 ± 0.25 ".repeat(20), Some(width));
            assert!(long.lines().all(|line| line.chars().count() <= width), "{long}");
            assert!(!long.lines().any(|line| line.ends_with("0.") || line.ends_with("1.")), "{long}");
        }
    }
}
