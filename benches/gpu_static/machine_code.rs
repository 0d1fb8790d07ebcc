//! Product loops in AMD's machine code, as RADV prints it: an instruction a line, indented; `BB7:` begins a block.

use std::collections::HashMap;

/// The densest product of a kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Product {
    /// Multiply-adds of the block, instructions that make one or two.
    pub(crate) multiply_adds: usize,
    /// Instructions of the smallest loop around it; if that loads from memory, as the block is unrolled, those of the block from the
    /// first that loads an operand from workgroup memory to the last multiply-add.
    pub(crate) instructions: usize,
    /// Other instructions of the smallest loop around that loads from memory.
    pub(crate) around: usize,
    /// Numbers that this loop loads from memory.
    pub(crate) loads: usize,
}

/// The first word of a line that is an instruction.
fn instruction(line: &str) -> Option<&str> {
    line.strip_prefix('\t').and_then(|text| text.split_whitespace().next())
}

/// Whether an instruction multiplies and adds floats.
fn multiplies(line: &str) -> bool {
    [
        "v_fma_f32",
        "v_fmac_f32",
        "v_dual_fmac_f32",
        "v_pk_fma_f32",
        "v_mac_f32",
        "v_mad_f32",
        "v_fmamk_f32",
        "v_fmaak_f32",
    ]
    .iter()
    .any(|name| line.contains(name))
}

/// Numbers that a line loads from memory, but for those that all lanes share.
fn loads(line: &str) -> usize {
    let Some(name) = instruction(line) else { return 0 };
    let loads =
        name.starts_with("global_load") || name.starts_with("buffer_load") || name.starts_with("flat_load");
    match (loads, name) {
        (false, _) => 0,
        (true, name) if name.ends_with("x4") || name.ends_with("b128") => 4,
        (true, name) if name.ends_with("x2") || name.ends_with("b64") => 2,
        (true, _) => 1,
    }
}

/// Where blocks and loops begin and end, as ranges of lines; loops by their jumps backwards.
struct Shape<'a> {
    lines: Vec<&'a str>,
    blocks: Vec<[usize; 2]>,
    loops: Vec<[usize; 2]>,
}

fn shape(assembly: &str) -> Shape<'_> {
    let lines: Vec<&str> = assembly.lines().collect();
    let label = |line: &str| line.strip_suffix(':').filter(|name| name.starts_with("BB")).map(str::to_owned);
    let mut begins: Vec<usize> = Vec::new();
    let mut places = HashMap::new();
    let mut loops = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if let Some(name) = label(line) {
            places.insert(name, at);
            begins.push(at);
        }
        let Some(name) = instruction(line) else { continue };
        if name.starts_with("s_branch") || name.starts_with("s_cbranch") {
            begins.push(at + 1);
            let target = line.split_whitespace().nth(1).unwrap_or_default();
            if let Some(&to) = places.get(target) {
                loops.push([to, at + 1]);
            }
        }
    }
    begins.push(lines.len());
    let blocks = begins.windows(2).map(|pair| [pair[0], pair[1]]).collect();
    Shape { lines, blocks, loops }
}

/// The block inside a loop with the most multiply-adds.
pub(crate) fn product(assembly: &str) -> Option<Product> {
    let Shape { lines, blocks, loops } = shape(assembly);
    let within = |block: &[usize; 2], around: &[usize; 2]| around[0] <= block[0] && block[1] <= around[1];
    let count = |range: [usize; 2]| lines[range[0]..range[1]].iter().filter(|line| multiplies(line)).count();
    let block = (blocks.into_iter())
        .filter(|block| loops.iter().any(|around| within(block, around)))
        .max_by_key(|block| count(*block))
        .filter(|block| count(*block) >= 12)?;
    let text = &lines[block[0]..block[1]];
    let last = text.iter().rposition(|line| multiplies(line))?;
    let first = text.iter().position(|line| multiplies(line) || line.contains("\tds_"))?;
    let instructions_of =
        |[from, to]: [usize; 2]| lines[from..to].iter().filter(|line| instruction(line).is_some()).count();
    let loads_of = |[from, to]: [usize; 2]| lines[from..to].iter().map(|line| loads(line)).sum::<usize>();
    let mut around: Vec<_> = loops.into_iter().filter(|around| within(&block, around)).collect();
    around.sort_by_key(|[from, to]| to - from);
    let instructions = match around.first() {
        Some(&inner) if loads_of(inner) == 0 => instructions_of(inner),
        Some(_) | None => instructions_of([block[0] + first, block[0] + last + 1]),
    };
    let multiply_adds = count(block);
    let mut product = Product { multiply_adds, instructions, ..Product::default() };
    if let Some(&staging) = around.iter().find(|range| loads_of(**range) > 0) {
        product.around = instructions_of(staging).saturating_sub(instructions);
        product.loads = loads_of(staging);
    }
    Some(product)
}
