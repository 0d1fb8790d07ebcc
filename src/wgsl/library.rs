//! The WGSL files and the import resolver.
//!
//! A file may begin with lines `// import: name`. Resolving a file gives its text after the texts of all
//! files it imports, directly or not, each once. Nothing is rewritten: every file stays valid for an
//! editor, and a compiler's line numbers can be traced back.

use crate::error::{Error, Result};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

macro_rules! sources {
    ($($folder:literal: $($name:literal),*;)*) => {
        /// Every file under `shaders/`: folder, stem and text. Imports are by stem.
        pub const SOURCES: &[(&str, &str, &str)] = &[$($(
            ($folder, $name, include_str!(concat!("../../shaders/", $folder, "/", $name, ".wgsl")))
        ),*),*];
    };
}

sources! {
    "avg_pool2d": "avg_pool", "avg_pool_backward";
    "batch_norm": "batch_norm", "batch_norm_backward", "batch_norm_backward_tangent", "batch_norm_tangent", "norm";
    "conv2d": "conv2d", "conv2d_backward", "conv2d_backward_tangent", "conv2d_tangent", "conv2d_update", "conv2d_update_sums", "conv2d_update_tangent", "conv2d_update_tangent_sums", "conv_narrow", "conv_narrow_tangent", "conv_product", "conv_product_tangent", "conv_stretch", "conv_taps";
    "draw": "draw", "draw_images", "philox", "task_draws";
    "elementwise": "element_pass", "elementwise", "elementwise_backward_tangent", "exponential", "functions", "sine_of_product";
    "fourier": "fourier", "fourier_backward", "fourier_tangent";
    "fused": "fused", "fused_curve", "fused_dense", "fused_loss", "fused_memory", "fused_products", "fused_shape", "fused_tasks";
    "inner": "displacement", "inner_adjoint", "inner_rule", "inner_step", "inner_sum", "inner_unclip";
    "latent": "latent_tangent", "latent_update", "latent_update_tangent";
    "linear": "linear", "linear_backward", "linear_backward_tangent", "linear_tangent", "linear_update", "linear_update_tangent";
    "loss": "loss", "loss_functions", "loss_pass", "loss_tangent";
    "max_pool2d": "largest_of_window", "max_pool", "max_pool_backward";
    "mul": "product_rows", "product_rows_tangent";
    "outer": "clipped_update", "now", "outer", "reduce";
    "row_norm": "row_norm", "row_norm_backward", "row_norm_backward_tangent", "row_norm_forward", "row_norm_sums", "row_norm_tangent", "row_norm_update", "row_norm_update_tangent";
    "shared": "copy_rows", "factor_pass", "group_sums", "layer", "numbers", "probe_loop", "product", "product_tangent", "rate_sums", "sine", "spread", "step_back", "step_on", "sum_rows", "window_pass";
}

const IMPORT: &str = "// import:";

/// A set of shader files by stem.
#[derive(Clone, Debug)]
pub struct Library {
    files: BTreeMap<&'static str, Cow<'static, str>>,
}

impl Default for Library {
    /// The files that the program was built with.
    fn default() -> Self {
        Self { files: SOURCES.iter().map(|&(_, name, text)| (name, Cow::Borrowed(text))).collect() }
    }
}

impl Library {
    /// The text of one file as it stands.
    ///
    /// # Errors
    /// [`Device`](crate::ErrorKind::Device) if there is no such file.
    pub fn text(&self, name: &str) -> Result<&str> {
        self.files
            .get(name)
            .map(AsRef::as_ref)
            .ok_or_else(|| Error::device(format!("there is no shader `{name}`")))
    }

    /// The same library with one file's text replaced, or added: for tests of the tests and for experiments.
    #[must_use]
    pub fn with(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.files.insert(name, Cow::Owned(text.into()));
        self
    }

    /// One file with everything it imports, ready to compile.
    ///
    /// # Errors
    /// [`Device`](crate::ErrorKind::Device) for an unknown import, a cycle, an import that is not at
    /// the top of its file, or two definitions of one name; the message names the files.
    pub fn resolve(&self, name: &str) -> Result<String> {
        let mut order = Vec::new();
        self.visit(name, &mut Vec::new(), &mut order)?;
        let mut owner: HashMap<&str, &str> = HashMap::new();
        let mut text = String::new();
        for file in order {
            let source = self.text(file)?;
            for definition in definitions(source) {
                if let Some(other) = owner.insert(definition, file) {
                    return Err(Error::device(format!(
                        "shader `{name}`: `{definition}` is defined in `{other}` and again in `{file}`"
                    )));
                }
            }
            text.push_str(source);
            text.push('\n');
        }
        Ok(text)
    }

    fn visit<'a>(&'a self, name: &'a str, path: &mut Vec<&'a str>, order: &mut Vec<&'a str>) -> Result<()> {
        if path.contains(&name) {
            return Err(Error::device(format!(
                "shader `{name}` imports itself through {}",
                path.join(" → ")
            )));
        }
        if order.contains(&name) {
            return Ok(());
        }
        path.push(name);
        let source = self.text(name).map_err(|error| match path.len() {
            1 => error,
            n => Error::device(format!("shader `{}`: {error}", path[n - 2])),
        })?;
        for import in imports(name, source)? {
            self.visit(import, path, order)?;
        }
        path.pop();
        order.push(name);
        Ok(())
    }
}

fn imports<'a>(name: &str, source: &'a str) -> Result<Vec<&'a str>> {
    let mut found = Vec::new();
    let mut top = true;
    for (number, line) in source.lines().enumerate() {
        if let Some(import) = line.strip_prefix(IMPORT) {
            if !top {
                let line = number + 1;
                return Err(Error::device(format!(
                    "shader `{name}`, line {line}: imports belong at the top"
                )));
            }
            found.push(import.trim());
        } else if !line.trim().is_empty() && !line.starts_with("//") {
            top = false;
        }
    }
    Ok(found)
}

/// Names defined at module scope. WGSL keeps declarations unindented here, so a line scan is enough;
/// the compiler sees whatever this misses.
fn definitions(source: &str) -> impl Iterator<Item = &str> {
    source.lines().filter(|line| !line.starts_with([' ', '\t', '/', '}'])).filter_map(|line| {
        // Attributes come before `override`, `var` and `fn` on the same line.
        let mut rest = line;
        while let Some(attribute) = rest.strip_prefix('@') {
            let end = attribute.find([' ', '(']).unwrap_or(attribute.len());
            let after = if attribute[end..].starts_with('(') { attribute.find(')')? + 1 } else { end };
            rest = attribute[after..].trim_start();
        }
        let (keyword, rest) = rest.split_once(['<', ' '])?;
        let rest = match keyword {
            "fn" | "struct" | "const" | "override" | "alias" => rest,
            "var" if line.contains("var<") => rest.split_once('>')?.1,
            "var" => rest,
            _ => return None,
        };
        rest.trim_start().split(|c: char| !c.is_alphanumeric() && c != '_').next()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library(files: &[(&'static str, &str)]) -> Library {
        files
            .iter()
            .fold(Library { files: BTreeMap::new() }, |library, (name, text)| library.with(name, *text))
    }

    #[test]
    fn each_file_comes_once_and_before_its_users() {
        let library = library(&[
            ("a", "// A.\n// import: b\n// import: c\nfn a() {}"),
            ("b", "// import: c\nfn b() {}"),
            ("c", "fn c() {}"),
        ]);
        let text = library.resolve("a").unwrap();
        let at = |needle: &str| text.find(needle).unwrap();
        assert!(at("fn c") < at("fn b") && at("fn b") < at("fn a"));
        assert_eq!(text.matches("fn c").count(), 1);
    }

    #[test]
    fn what_cannot_be_resolved_is_an_error_with_names() {
        for (files, says) in [
            (vec![("a", "// import: nowhere")], "`a`: there is no shader `nowhere`"),
            (vec![("a", "// import: b"), ("b", "// import: a")], "a → b"),
            (vec![("a", "// import: b\nconst X = 1;"), ("b", "override X: u32 = 2;")], "`X`"),
            (vec![("a", "fn a() {}\n// import: b"), ("b", "")], "line 2"),
        ] {
            let error = library(&files).resolve("a").unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn definitions_are_found_behind_attributes_and_address_spaces() {
        let text = "@group(0) @binding(1) var<storage, read_write> out: array<f32>;\n@id(3) override N: u32;\n\
                    @compute @workgroup_size(N) fn main() {\n  let y = 1;\n}\nvar<workgroup> w: f32;\nstruct S {";
        assert_eq!(definitions(text).collect::<Vec<_>>(), ["out", "N", "main", "w", "S"]);
    }
}
