//! Tables within a terminal's width.

use super::failure::Outcome;
use super::out::Out;
use super::width::of_output;

/// A table whose columns, cells of equal width with what divides them from those before, stand beside one another as far as they
/// fit, else beneath: the lead is repeated.
pub(super) fn table(lead: &[String], columns: &[Vec<String>], out: &mut Out) -> Outcome {
    let wide = |cells: &[String]| cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
    let room = of_output().unwrap_or(usize::MAX).saturating_sub(wide(lead));
    let mut left = columns;
    while !left.is_empty() {
        let mut taken = 0;
        let fit = left.iter().take_while(|cells| {
            taken += wide(cells);
            taken <= room
        });
        let (now, then) = left.split_at(fit.count().max(1));
        for (row, lead) in lead.iter().enumerate() {
            let cells = now.iter().filter_map(|cells| cells.get(row)).map(String::as_str);
            out.row((lead.clone() + &cells.collect::<String>()).trim_end())?;
        }
        left = then;
    }
    Ok(())
}
