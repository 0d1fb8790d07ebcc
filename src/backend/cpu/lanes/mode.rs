//! How a layer's fast weights are kept: whichever way is cheaper by count.

use crate::meta::{MetaGradient, Plan};
use crate::model::Link;

/// How a layer's fast weights are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Not adapted: θ_j = θ_0.
    Fixed,
    /// A copy of the weights for each lane and step.
    Explicit,
    /// Shared θ_0 and the factors of each step.
    Factored,
    /// Factored, at the input: `h` is the same at every step, so the factors of all steps add up.
    Input,
}

impl Mode {
    /// Counts multiply-adds of both ways and takes the cheaper.
    pub(super) fn choose(plan: &Plan, layer: usize, link: Link, meta: bool) -> Self {
        if !plan.adapts(layer) || plan.steps == 0 {
            return Self::Fixed;
        }
        // What a rule does to an element depends on that element alone: factors do not have it.
        if plan.per_parameter_rates() || !plan.inner.is_plain() {
            return Self::Explicit;
        }
        let (i, o) = (link.inputs as f64, link.outputs as f64);
        let (s, q, k) = (plan.support as f64, plan.query as f64, plan.steps as f64);
        let second = f64::from(u8::from(meta && plan.order == MetaGradient::SecondOrder));
        let backward = f64::from(u8::from(layer > 0));
        let queries = if meta { 1.0 } else { k };
        let pairs = k * (k - 1.0) / 2.0;
        // Vectors that stream from the second-level cache cost more than a multiply-add each.
        let explicit = 1.25
            * i
            * o
            * (k * s
                + second * k * s * (1.0 + backward)
                + if meta { q + second * k * s * (1.0 + backward) } else { 0.0 });
        let factored = if layer == 0 {
            s * s * i
                + s * q * i
                + o * s * s * k
                + o * s * q * queries
                + second * k * o * s * (s + q)
                + if meta { i * o * (q + second * s) } else { 0.0 }
        } else {
            let thin = i + o;
            (1.0 + backward) * thin * s * s * pairs * (1.0 + second)
                + thin * s * q * k * queries * if meta { 2.0 } else { 1.0 }
                + second * thin * s * (q * k + 2.0 * s * pairs)
                + if meta { i * o * (q + second * 2.0 * s * k) } else { 0.0 }
        };
        match (explicit <= factored, layer) {
            (true, _) => Self::Explicit,
            (false, 0) => Self::Input,
            (false, _) => Self::Factored,
        }
    }
}
