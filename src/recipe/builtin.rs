//! The recipes that are compiled in.

/// A recipe by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Builtin {
    /// Its name.
    pub name: &'static str,
    /// Its TOML.
    pub text: &'static str,
}

macro_rules! recipes {
    ($($name:literal),+ $(,)?) => {
        &[$(Builtin { name: $name, text: include_str!(concat!("../../recipes/", $name, ".toml")) }),+]
    };
}

const BUILTINS: &[Builtin] = recipes![
    "sinusoid",
    "sinusoid-paper",
    "sinusoid-paper-5steps",
    "sinusoid-first-order",
    "sinusoid-anil",
    "sinusoid-boil",
    "sinusoid-meta-sgd",
    "sinusoid-maml-plus-plus",
    "sinusoid-reptile",
    "sinusoid-inner-adam",
    "sinusoid-tanh",
    "sinusoid-residual",
    "series",
    "series-conv1d",
    "table",
    "table-original",
    "table-few-shot",
    "table-layer-norm",
    "field",
    "field-fourier",
    "field-latent",
    "field-tomography",
    "glyphs-5way-1shot",
    "omniglot-5way-1shot",
    "omniglot-5way-5shot",
    "omniglot-20way-1shot",
    "omniglot-20way-5shot",
    "omniglot-5way-1shot-fc",
    "omniglot-5way-1shot-first-order",
    "omniglot-5way-1shot-anil",
    "omniglot-5way-1shot-meta-sgd",
    "omniglot-5way-1shot-maml-plus-plus",
    "omniglot-5way-1shot-reptile",
    "omniglot-5way-1shot-resnet12",
    "omniglot-blog",
    "miniimagenet-5way-1shot",
    "miniimagenet-5way-5shot",
];

/// All recipes, the default one first.
#[must_use]
pub fn builtins() -> &'static [Builtin] {
    BUILTINS
}

/// The recipe of this name.
#[must_use]
pub fn builtin(name: &str) -> Option<Builtin> {
    BUILTINS.iter().copied().find(|b| b.name == name)
}
