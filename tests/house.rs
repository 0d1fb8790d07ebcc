//! The order of the house: which room may look into which, and how large its pieces are. Reads the sources, runs nothing.
//!
//! Imports run downward: a file may use files of its own room and of rooms above it in [`ORDER`], where the lowest stands
//! first. Inside a room no two files import each other, however long the way round.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The rooms, from the ground up.
const ORDER: &[&str] = &[
    "error",     // what may go wrong
    "philox",    // random words
    "file",      // files, whole or not at all
    "kept",      // what passes of an op read of one another
    "simd",      // vectors, and what needs nothing else
    "wgsl",      // shaders, and what the host says to them
    "ops",       // what a node of a model computes
    "losses",    // what outputs are compared by
    "model",     // graphs of ops, their parameters
    "tensors",   // parameters as files
    "data",      // images, series and tables
    "task",      // tasks, and where they come from
    "meta",      // the inner and outer loop as settings, what a device must do
    "program",   // the inner loop as instructions
    "case",      // meta-gradients with their answers
    "backend",   // devices
    "learner",   // learners as a library
    "adapted",   // models adapted to one task, as files
    "export",    // models in the formats of other programs
    "recipe",    // experiments as data
    "workloads", // what speed is measured on
    "run",       // what an experiment leaves behind
    "lib",
    "cli",
    "main",
];

/// Circles that still stand, by the folder that they lie in. To be emptied.
const KNOWN_CIRCLES: &[&str] = &[];

/// Imports that still go upward: the file and the room. To be emptied.
const KNOWN_UPWARD: &[(&str, &str)] = &[];

/// Files above 400 lines. To be emptied.
const KNOWN_LONG_FILES: &[&str] = &[];

/// Functions above 60 lines. To be emptied.
const KNOWN_LONG_FUNCTIONS: &[(&str, &str)] = &[
    ("backend/cpu/lanes/layout.rs", "new"),
    ("backend/cpu/lanes/product.rs", "tile"),
    ("run/plot/steps.rs", "chart"),
];

/// Files with such a match that still stands. To be emptied.
const KNOWN_OPEN: &[&str] = &["backend/", "model/layer.rs"];

/// Where a `_ =>` in a match over one of these enums would let a forgotten variant compile.
const CLOSED: &[&str] = &[
    "Op",
    "Function",
    "Loss",
    "ElementLoss",
    "Truth",
    "InnerRule",
    "OuterKind",
    "Family",
    "TaskSource",
    "Targets",
    "RateShape",
    "Adapt",
    "Name",
    "Signature",
];

const FILE_LINES: usize = 400;
const FUNCTION_LINES: usize = 60;

/// A source file: its module's path, and its text without comments, strings and tests, with as many lines.
struct Source {
    path: PathBuf,
    module: Vec<String>,
    raw: String,
    code: String,
}

impl Source {
    fn name(&self) -> String {
        self.path.to_string_lossy().replace('\\', "/")
    }

    fn room(&self) -> &str {
        match self.module.first() {
            Some(room) => room,
            None if self.path.ends_with("main.rs") => "main",
            None => "lib",
        }
    }

    /// A file that hands on the names of those below it.
    fn is_face(&self) -> bool {
        self.path.ends_with("mod.rs") || self.path.ends_with("lib.rs")
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut found, mut folders) = (Vec::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let raw = std::fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(&root).unwrap().to_owned();
                let mut module: Vec<_> =
                    path.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
                if module.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
                    module.pop();
                }
                // Tests may look anywhere.
                if module.last().is_some_and(|last| last == "tests") {
                    continue;
                }
                let code = without_tests(&bare(&raw));
                found.push(Source { path, module, raw, code });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 150, "only {} files: the test looks at the wrong place", found.len());
    found
}

/// The text without comments and the contents of strings and characters, line by line as it was.
fn bare(text: &str) -> String {
    let (bytes, mut out, mut at) = (text.as_bytes(), String::with_capacity(text.len()), 0);
    let blank = |out: &mut String, part: &str| out.extend(part.chars().filter(|&c| c == '\n'));
    while at < bytes.len() {
        let rest = &text[at..];
        let len = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with('"') {
            quoted(rest)
        } else if raw_string(rest) && !out.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            let hashes = rest[1..].bytes().take_while(|&b| b == b'#').count();
            let end = format!("\"{}", "#".repeat(hashes));
            let start = 2 + hashes;
            start + rest[start..].find(&end).map_or(rest.len() - start, |found| found + end.len())
        } else if let Some(len) = character(rest) {
            len
        } else {
            let len = rest.chars().next().map_or(1, char::len_utf8);
            out.push_str(&rest[..len]);
            at += len;
            continue;
        };
        blank(&mut out, &rest[..len]);
        at += len;
    }
    out
}

/// Whether a raw string begins here.
fn raw_string(text: &str) -> bool {
    text.strip_prefix('r').is_some_and(|rest| rest.trim_start_matches('#').starts_with('"'))
}

/// Length of a string in quotation marks.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (i, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return i + 1,
            _ => {}
        }
    }
    text.len()
}

/// Length of a character in quotation marks, which a lifetime is not.
fn character(text: &str) -> Option<usize> {
    let rest = text.strip_prefix('\'')?;
    if let Some(escape) = rest.strip_prefix('\\') {
        let skip = escape.chars().next()?.len_utf8();
        return escape[skip..].find('\'').map(|end| 3 + skip + end);
    }
    let len = rest.chars().next()?.len_utf8();
    rest[len..].starts_with('\'').then_some(len + 2)
}

/// The text without items that are compiled for tests only.
fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    while let Some(start) = out.find("#[cfg(test)]") {
        let after = start + "#[cfg(test)]".len();
        // Up to the end of the item: a semicolon or the brace that closes it.
        let item = &out[after..];
        let end = match (item.find(';'), item.find('{')) {
            (Some(semicolon), brace) if brace.is_none_or(|brace| semicolon < brace) => semicolon + 1,
            (_, Some(brace)) => brace + closing(&item[brace..]),
            _ => item.len(),
        };
        let lines = "\n".repeat(out[start..after + end].matches('\n').count());
        out.replace_range(start..after + end, &lines);
    }
    out
}

/// Length of what the opening brace at the beginning holds, both braces included.
fn closing(text: &str) -> usize {
    let mut depth = 0_usize;
    for (i, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return i + 1;
        }
    }
    text.len()
}

/// The paths of a `use`, braces multiplied out: the path, and the name that it goes by.
fn flat(tree: &str) -> Vec<(Vec<String>, String)> {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let (path, name) = tree.split_once(" as ").unwrap_or((tree, ""));
        let mut path: Vec<_> = path.split("::").map(|part| part.trim().to_owned()).collect();
        if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
            path.pop();
        }
        let name =
            if name.is_empty() { path.last().cloned().unwrap_or_default() } else { name.trim().into() };
        return vec![(path, name)];
    };
    let (head, inner) = (&tree[..open], &tree[open + 1..open + closing(&tree[open..]) - 1]);
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (i, c) in inner.char_indices().chain([(inner.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let part = inner[start..i].trim();
                if !part.is_empty() {
                    found.extend(flat(&format!("{head}{part}")));
                }
                start = i + 1;
            }
            _ => {}
        }
    }
    found
}

/// The `use` items of a file: whether it hands the name on, its path, and the name.
fn uses(code: &str) -> Vec<(bool, Vec<String>, String)> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find("use ") {
        let before = rest[..at].rfind(['\n', ';', '}', '{']).map_or(&rest[..at], |i| &rest[i + 1..at]);
        let visible = before.trim();
        let end = rest[at..].find(';').map_or(rest.len(), |end| at + end);
        if visible.is_empty() || visible.starts_with("pub") || visible.ends_with(']') {
            let public = visible.contains("pub");
            let tree = rest[at + 4..end].split_whitespace().collect::<Vec<_>>().join(" ");
            found.extend(flat(&tree).into_iter().map(|(path, name)| (public, path, name)));
            rest = &rest[end..];
        } else {
            rest = &rest[at + 4..];
        }
    }
    found
}

/// Paths that stand in the code itself: from the crate, from above, or from a module of the file's own.
fn inline(code: &str) -> Vec<Vec<String>> {
    let mut modules: Vec<_> =
        code.lines().filter_map(|line| line.trim().strip_suffix(';')?.rsplit_once("mod ")).collect();
    modules.retain(|(visible, _)| visible.is_empty() || visible.starts_with("pub"));
    let starts = ["crate", "super"].into_iter().chain(modules.into_iter().map(|(_, name)| name));
    let mut found = Vec::new();
    for start in starts {
        for (at, _) in code.match_indices(&format!("{start}::")) {
            let before = &code[..at];
            let statement = before.rfind([';', '}']).map_or(before, |i| &before[i + 1..]);
            let inside = before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
            if inside || statement.contains("use ") || statement.trim_end().ends_with("(in") {
                continue;
            }
            let end = code[at..].find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
            let path = &code[at..end.map_or(code.len(), |end| at + end)];
            found.push(path.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect());
        }
    }
    found
}

/// Names that a file defines at any level.
fn definitions(code: &str) -> BTreeSet<String> {
    let keywords = ["struct", "enum", "trait", "fn", "const", "static", "type", "macro_rules!", "union"];
    let mut words =
        code.split(|c: char| c.is_whitespace() || "(){};,&".contains(c)).filter(|w| !w.is_empty());
    let mut names = BTreeSet::new();
    while let Some(word) = words.next() {
        if keywords.contains(&word)
            && let Some(next) = words.next()
        {
            let name = next.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default();
            names.insert(name.to_owned());
        }
    }
    names
}

/// Files by module, their definitions, and the names that they hand on.
struct House<'a> {
    modules: BTreeMap<&'a [String], usize>,
    defined: Vec<BTreeSet<String>>,
    uses: Vec<Vec<(bool, Vec<String>, String)>>,
    sources: &'a [Source],
}

impl<'a> House<'a> {
    fn of(sources: &'a [Source]) -> Self {
        let files = sources.iter().enumerate().filter(|(_, s)| s.room() != "main");
        Self {
            modules: files.map(|(i, source)| (source.module.as_slice(), i)).collect(),
            defined: sources.iter().map(|source| definitions(&source.code)).collect(),
            uses: sources.iter().map(|source| uses(&source.code)).collect(),
            sources,
        }
    }

    /// The file that a path of a `use` in `file` leads to: that which defines the name, where faces hand it on.
    fn target(&self, file: usize, path: &[String]) -> Option<usize> {
        let own = &self.sources[file].module;
        let (mut module, mut rest) = match path.first()?.as_str() {
            "crate" => (Vec::new(), &path[1..]),
            "self" => (own.clone(), &path[1..]),
            "super" => {
                let up = path.iter().take_while(|part| *part == "super").count();
                (own[..own.len().checked_sub(up)?].to_vec(), &path[up..])
            }
            first if self.modules.contains_key([own.as_slice(), &[first.to_owned()]].concat().as_slice()) => {
                (own.clone(), path)
            }
            // The program uses the library by its name.
            "fastweights" => return self.outside(file, &path[1..]),
            _ => return None,
        };
        while let Some(first) = rest.first() {
            module.push(first.clone());
            if !self.modules.contains_key(module.as_slice()) {
                module.pop();
                break;
            }
            rest = &rest[1..];
        }
        let at = *self.modules.get(module.as_slice())?;
        match rest.first() {
            Some(name) if !self.defined[at].contains(name) => {
                let handed = self.uses[at]
                    .iter()
                    .find(|(_, path, as_name)| as_name == name && *path != [name.clone()]);
                match handed {
                    Some((_, path, _)) if at != file => self.target(at, &path.clone()).or(Some(at)),
                    _ => Some(at),
                }
            }
            _ => Some(at),
        }
    }

    fn outside(&self, file: usize, path: &[String]) -> Option<usize> {
        let mut whole = vec!["crate".to_owned()];
        whole.extend_from_slice(path);
        self.target(file, &whole)
    }

    /// For each file those that it imports; what a face hands on is no import of its own.
    fn imports(&self) -> Vec<BTreeSet<usize>> {
        let of = |file: usize| {
            let own =
                self.uses[file].iter().filter(|(public, ..)| !(*public && self.sources[file].is_face()));
            let inline = inline(&self.sources[file].code);
            let paths = own.map(|(_, path, _)| path).chain(&inline);
            paths.filter_map(|path| self.target(file, path)).filter(|&to| to != file).collect()
        };
        (0..self.sources.len()).map(of).collect()
    }
}

/// Groups of files that reach each other.
fn circles(imports: &[BTreeSet<usize>]) -> Vec<Vec<usize>> {
    let reach = |from: usize| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(at) = open.pop() {
            open.extend(imports[at].iter().filter(|&&to| seen.insert(to)));
        }
        seen
    };
    let reached: Vec<_> = (0..imports.len()).map(reach).collect();
    let mut found: Vec<Vec<usize>> = Vec::new();
    for from in 0..imports.len() {
        if reached[from].contains(&from) && !found.iter().any(|group| group.contains(&from)) {
            found.push(reached[from].iter().copied().filter(|&to| reached[to].contains(&from)).collect());
        }
    }
    found
}

#[test]
fn no_two_files_import_each_other() {
    let sources = sources();
    let imports = House::of(&sources).imports();
    assert!(imports.iter().map(BTreeSet::len).sum::<usize>() > 400, "imports are not found");
    for circle in circles(&imports) {
        let names: Vec<_> = circle.iter().map(|&i| sources[i].name()).collect();
        let known = |folder: &&str| names.iter().all(|name| name.starts_with(*folder));
        assert!(KNOWN_CIRCLES.iter().any(known), "import each other: {}", names.join(", "));
    }
}

#[test]
fn imports_run_downward() {
    let sources = sources();
    let height = |room: &str| {
        ORDER
            .iter()
            .position(|known| *known == room)
            .unwrap_or_else(|| panic!("`{room}` has no place in ORDER"))
    };
    let imports = House::of(&sources).imports();
    let mut upward = Vec::new();
    for (source, targets) in sources.iter().zip(&imports) {
        let from = height(source.room());
        for &to in targets {
            let room = sources[to].room();
            if height(room) > from && !KNOWN_UPWARD.contains(&(source.name().as_str(), room)) {
                upward.push(format!("{} -> {}", source.name(), sources[to].name()));
            }
        }
    }
    assert!(upward.is_empty(), "imports that go upward:\n{}", upward.join("\n"));
}

#[test]
fn files_are_short() {
    let sources = sources();
    let long = sources.iter().filter(|source| source.raw.lines().count() > FILE_LINES);
    let unknown: Vec<_> = long
        .filter(|source| !KNOWN_LONG_FILES.contains(&source.name().as_str()))
        .map(|source| format!("{} ({})", source.name(), source.raw.lines().count()))
        .collect();
    assert!(unknown.is_empty(), "files above {FILE_LINES} lines:\n{}", unknown.join("\n"));
    for known in KNOWN_LONG_FILES {
        let still = sources.iter().any(|s| s.name() == *known && s.raw.lines().count() > FILE_LINES);
        assert!(still, "{known} is short now: take it off the list");
    }
}

/// Functions with their lines, nested ones included in those around them.
fn functions(code: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        if !code[..at].ends_with(|c: char| c.is_whitespace()) && at > 0 {
            continue;
        }
        let name: String = code[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let Some(open) = code[at..].find(['{', ';']) else { continue };
        if name.is_empty() || code[at + open..].starts_with(';') {
            continue;
        }
        let body = &code[at..at + open + closing(&code[at + open..])];
        found.push((name, body.lines().count()));
    }
    found
}

#[test]
fn functions_are_short() {
    let (mut unknown, mut still, mut count) = (Vec::new(), BTreeSet::new(), 0);
    for source in sources() {
        for (name, lines) in functions(&source.code) {
            count += 1;
            if lines > FUNCTION_LINES {
                let file = source.name();
                match KNOWN_LONG_FUNCTIONS.iter().find(|known| **known == (file.as_str(), name.as_str())) {
                    Some(known) => drop(still.insert(*known)),
                    None => unknown.push(format!("(\"{file}\", \"{name}\"), // {lines}")),
                }
            }
        }
    }
    assert!(count > 1000, "only {count} functions found");
    assert!(unknown.is_empty(), "functions above {FUNCTION_LINES} lines:\n{}", unknown.join("\n"));
    for known in KNOWN_LONG_FUNCTIONS {
        assert!(still.contains(known), "{known:?} is short now: take it off the list");
    }
}

/// Matches with their arms at the top level: what stands before each `=>`.
fn matches_of(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("match ") {
        let Some(open) = code[at..].find('{') else { continue };
        let inner = &code[at + open..at + open + closing(&code[at + open..])];
        let inner = &inner[1..inner.len().max(2) - 1];
        let (mut depth, mut start, mut arms, mut i) = (0_usize, 0, Vec::new(), 0);
        let bytes = inner.as_bytes();
        while i < bytes.len() {
            match bytes[i] {
                b'{' | b'(' | b'[' => depth += 1,
                b'}' | b')' | b']' => depth = depth.saturating_sub(1),
                b',' if depth == 0 => start = i + 1,
                b'=' if depth == 0 && bytes.get(i + 1) == Some(&b'>') => {
                    arms.push(inner[start..i].trim().to_owned());
                    let body = i + 2 + inner[i + 2..].len() - inner[i + 2..].trim_start().len();
                    // A block ends its arm, with or without a comma.
                    if inner[body..].starts_with('{') {
                        let end = body + closing(&inner[body..]);
                        i = end + inner[end..].len()
                            - inner[end..].trim_start().trim_start_matches(',').len();
                        start = i;
                        continue;
                    }
                    i = body;
                    continue;
                }
                _ => {}
            }
            i += 1;
        }
        found.push(arms);
    }
    found
}

#[test]
fn no_variant_can_be_forgotten() {
    let (mut open, mut seen) = (Vec::new(), 0);
    for source in sources() {
        let defined = definitions(&source.code);
        for arms in matches_of(&source.code) {
            let has = |path: &str| {
                arms.iter().any(|arm| arm.starts_with(path) || arm.contains(&format!(" {path}")))
            };
            // In a method of the enum its variants go by `Self`.
            let own = |name: &str| defined.contains(name) && has("Self::");
            let closed = CLOSED.iter().find(|name| has(&format!("{name}::")) || own(name));
            let Some(name) = closed else { continue };
            seen += 1;
            if arms.iter().any(|arm| arm == "_")
                && !KNOWN_OPEN.iter().any(|known| source.name().starts_with(known))
            {
                open.push(format!("{}: `_ =>` in a match over {name}: {}", source.name(), arms.join(" | ")));
            }
        }
    }
    assert!(seen > 20, "only {seen} matches over closed enums found");
    assert!(open.is_empty(), "{}", open.join("\n"));
}

#[test]
fn the_reader_of_sources_reads() {
    let text = "use a::{b::{self, C}, d as e};\n// use no::no;\nlet s = \"use x; {\"; let c = '{';\n#[cfg(test)]\nmod tests { use q; }\nfn f() {}\n";
    let code = without_tests(&bare(text));
    assert_eq!(code.matches('\n').count(), text.matches('\n').count());
    assert!(!code.contains("no::no") && !code.contains("use x") && !code.contains("use q"));
    let names: Vec<_> =
        uses(&code).into_iter().map(|(_, path, name)| format!("{} {name}", path.join("::"))).collect();
    assert_eq!(names, ["a::b b", "a::b::C C", "a::d e"]);
    assert_eq!(functions(&code), [("f".to_owned(), 1)]);
    let arms = matches_of("match x { A::B { c } => { y, z } _ => (1, 2), }");
    assert_eq!(arms, [["A::B { c }", "_"]]);
    let graph = [BTreeSet::from([1]), BTreeSet::from([2]), BTreeSet::from([0]), BTreeSet::from([0])];
    assert_eq!(circles(&graph), [[0, 1, 2]]);
}
