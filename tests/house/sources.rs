//! Sources as text: without comments and strings, their functions, imports and matches.

use super::*;

/// A source file: its module's path, and its text without comments, strings and tests, with as many lines.
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) module: Vec<String>,
    pub(super) raw: String,
    pub(super) code: String,
}

impl Source {
    pub(super) fn name(&self) -> String {
        self.path.to_string_lossy().replace('\\', "/")
    }

    pub(super) fn room(&self) -> &str {
        match self.module.first() {
            Some(room) => room,
            None if self.path.ends_with("main.rs") => "main",
            None => "lib",
        }
    }

    /// A file that hands on the names of those below it.
    pub(super) fn is_face(&self) -> bool {
        self.path.ends_with("mod.rs") || self.path.ends_with("lib.rs")
    }
}

pub(super) fn sources() -> Vec<Source> {
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
                if module.iter().any(|part| part == "tests") {
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
pub(super) fn bare(text: &str) -> String {
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
pub(super) fn raw_string(text: &str) -> bool {
    text.strip_prefix('r').is_some_and(|rest| rest.trim_start_matches('#').starts_with('"'))
}

/// Length of a string in quotation marks.
pub(super) fn quoted(text: &str) -> usize {
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
pub(super) fn character(text: &str) -> Option<usize> {
    let rest = text.strip_prefix('\'')?;
    if let Some(escape) = rest.strip_prefix('\\') {
        let skip = escape.chars().next()?.len_utf8();
        return escape[skip..].find('\'').map(|end| 3 + skip + end);
    }
    let len = rest.chars().next()?.len_utf8();
    rest[len..].starts_with('\'').then_some(len + 2)
}

/// The text without items that are compiled for tests only.
pub(super) fn without_tests(code: &str) -> String {
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
pub(super) fn closing(text: &str) -> usize {
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
pub(super) fn flat(tree: &str) -> Vec<(Vec<String>, String)> {
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
pub(super) fn uses(code: &str) -> Vec<(bool, Vec<String>, String)> {
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
pub(super) fn inline(code: &str) -> Vec<Vec<String>> {
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
pub(super) fn definitions(code: &str) -> BTreeSet<String> {
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

/// Functions with their lines, nested ones included in those around them.
pub(super) fn functions(code: &str) -> Vec<(String, usize)> {
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

/// Matches with their arms at the top level: what stands before each `=>`.
pub(super) fn matches_of(code: &str) -> Vec<Vec<String>> {
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
