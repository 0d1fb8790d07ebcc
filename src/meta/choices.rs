//! What a meta-gradient may be made of: its order, what adapts, the rates.

use crate::error::{Error, Result};
use crate::model::Model;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// What goes from the adapted parameters back to the initial ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum MetaGradient {
    /// The query gradient as it is: inner steps are taken for constants (first-order MAML; Finn et al. 2017, section 5.2).
    #[serde(rename = "first")]
    FirstOrder,
    /// With the Hessian terms of the inner steps: `v_j = v_{j+1} − H_s(θ_j)(α_j ⊙ M ⊙ v_{j+1})`.
    #[default]
    #[serde(rename = "second")]
    SecondOrder,
    /// The way that adaptation went, `θ_0 − θ_K`, in place of a gradient (Reptile; Nichol et al. 2018, algorithm 1). The
    /// query points are judged, not learned from.
    #[serde(rename = "reptile")]
    Displacement,
}

/// Which parameters the inner loop adapts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Adapt {
    /// Every layer (MAML).
    #[default]
    All,
    /// The last linear layer only (ANIL; Raghu et al. 2020).
    Head,
    /// Every layer but the last (BOIL; Oh et al. 2021).
    Body,
    /// Parameters whose names match one of these patterns, `*` being any characters: `"latent.*"`, `"*.bias"`.
    #[serde(untagged)]
    Matching(Vec<String>),
}

impl<'de> Deserialize<'de> for Adapt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "all, head, body, or a list of patterns of parameter names")]
        enum Typed {
            Word(String),
            Patterns(Vec<String>),
        }
        Ok(match Typed::deserialize(deserializer)? {
            Typed::Word(word) if word == "all" => Self::All,
            Typed::Word(word) if word == "head" => Self::Head,
            Typed::Word(word) if word == "body" => Self::Body,
            // A parameter's name has a dot.
            Typed::Word(word) if word.contains(['.', '*']) => Self::Matching(vec![word]),
            Typed::Word(word) => return Err(D::Error::unknown_variant(&word, &["all", "head", "body"])),
            Typed::Patterns(patterns) => Self::Matching(patterns),
        })
    }
}

impl Adapt {
    /// For each parameter of a model, whether it is adapted; of those that are fixed none is, whatever the pattern.
    ///
    /// # Errors
    /// [`Recipe`](crate::ErrorKind::Recipe) naming a pattern that matches no parameter.
    pub fn choose(&self, model: &Model) -> Result<Vec<bool>> {
        let (params, head) = (model.params(), model.head());
        let learned = || params.iter().filter(|param| !param.is_fixed());
        Ok(match self {
            Self::All => params.iter().map(|param| !param.is_fixed()).collect(),
            Self::Head => params.iter().map(|param| param.block == head).collect(),
            Self::Body => params.iter().map(|param| param.block != head && !param.is_fixed()).collect(),
            Self::Matching(patterns) => {
                let found = |pattern: &&String| !learned().any(|param| matches(pattern, &param.name));
                if let Some(pattern) = patterns.iter().find(found) {
                    let names: Vec<_> = learned().take(10).map(|param| param.name.as_str()).collect();
                    let reason =
                        format!("pattern `{pattern}` matches no parameter; there are {}", names.join(", "));
                    return Err(Error::recipe("inner.adapt", reason));
                }
                let any = |name: &str| patterns.iter().any(|pattern| matches(pattern, name));
                params.iter().map(|param| any(&param.name) && !param.is_fixed()).collect()
            }
        })
    }
}

/// Whether a name is what a pattern stands for, `*` being any characters.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => name.strip_prefix(head).is_some_and(|rest| {
            (0..=rest.len()).filter(|&at| rest.is_char_boundary(at)).any(|at| matches(tail, &rest[at..]))
        }),
    }
}

/// How many inner rates there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum RateShape {
    /// One number: `[1]`.
    #[default]
    One,
    /// One for each step and layer with parameters: `[steps, blocks]` (MAML++; Antoniou et al. 2019).
    PerLayerStep,
    /// One for each parameter, shared by the steps: `[P]` (Meta-SGD; Li et al. 2017).
    PerParameter,
    /// One for each step and parameter: `[steps, P]`.
    PerParameterStep,
}

/// Inner rates, fixed or learned with the initial parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Rates {
    /// How many there are.
    pub shape: RateShape,
    /// Learned rates follow θ₀ in the vector of meta-parameters; `values` are then where they start.
    pub learned: bool,
    /// The values, row-major in the shape.
    pub values: Vec<f64>,
    /// What learned rates are held in: an update of the outer loop that leaves it ends at its edge.
    pub range: Option<[f32; 2]>,
}

impl Rates {
    /// The range of learned rates, if they are held in one.
    #[must_use]
    pub fn held(&self) -> Option<[f32; 2]> {
        self.range.filter(|_| self.learned)
    }

    /// Puts learned rates that have left their range at its edge; what is no number stays so, to be seen.
    pub fn hold(&self, rates: &mut [f32]) {
        let Some([low, high]) = self.held() else { return };
        for rate in rates {
            if *rate < low {
                *rate = low;
            } else if *rate > high {
                *rate = high;
            }
        }
    }

    /// One fixed rate.
    #[must_use]
    pub fn fixed(rate: f64) -> Self {
        Self { shape: RateShape::One, learned: false, values: vec![rate], range: None }
    }
}
