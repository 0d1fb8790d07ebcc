//! Which file imports which.

use super::*;

/// Files by module, their definitions, and the names that they hand on.
pub(super) struct House<'a> {
    pub(super) modules: BTreeMap<&'a [String], usize>,
    pub(super) defined: Vec<BTreeSet<String>>,
    pub(super) uses: Vec<Vec<(bool, Vec<String>, String)>>,
    pub(super) sources: &'a [Source],
}

impl<'a> House<'a> {
    pub(super) fn of(sources: &'a [Source]) -> Self {
        let files = sources.iter().enumerate().filter(|(_, s)| s.room() != "main");
        Self {
            modules: files.map(|(i, source)| (source.module.as_slice(), i)).collect(),
            defined: sources.iter().map(|source| definitions(&source.code)).collect(),
            uses: sources.iter().map(|source| uses(&source.code)).collect(),
            sources,
        }
    }

    /// The file that a path of a `use` in `file` leads to: that which defines the name, where faces hand it on.
    pub(super) fn target(&self, file: usize, path: &[String]) -> Option<usize> {
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

    pub(super) fn outside(&self, file: usize, path: &[String]) -> Option<usize> {
        let mut whole = vec!["crate".to_owned()];
        whole.extend_from_slice(path);
        self.target(file, &whole)
    }

    /// For each file those that it imports; what a face hands on is no import of its own.
    pub(super) fn imports(&self) -> Vec<BTreeSet<usize>> {
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
pub(super) fn circles(imports: &[BTreeSet<usize>]) -> Vec<Vec<usize>> {
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
