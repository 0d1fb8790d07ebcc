//! Programs run by the plainest executor there is, on the ops' own arithmetic in float64, in memory that is poisoned where
//! no life is: against the oracle.

mod machine;

use super::*;
use crate::backend::oracle;
use crate::case::relative_error;
use crate::losses::Truth;
use crate::meta::{Adapt, Loss, RateShape, Rates};
use crate::meta::{MetaGradient, Plan};
use crate::model::Model;
use crate::model::{Graph, Value};
use crate::ops::Op;
use crate::ops::elementwise::Function;
use crate::ops::{self, Shape};
use crate::task::TaskBatch;
use machine::*;

fn wave(len: usize, frequency: f64) -> Vec<f64> {
    (0..len).map(|i| (frequency * (i + 1) as f64).sin()).collect()
}

fn check(name: &str, plan: &Plan) {
    check_some(name, plan, &(0..16).collect::<Vec<_>>());
}

/// The same with some of the ways that an executor may have, each a number of four bits.
fn check_some(name: &str, plan: &Plan, all_ways: &[u32]) {
    let tasks = 2;
    let (inputs, targets) = (plan.model.inputs(), plan.targets());
    let mut batch = TaskBatch::zeros(tasks, plan.support, plan.query, inputs, targets);
    batch.support_x = wave(batch.support_x.len(), 1.3).into();
    batch.query_x = wave(batch.query_x.len(), 2.1).into();
    let classes = plan.model.outputs();
    let label = |len: usize| (0..len).map(|i| (i * 7 % 5 % classes) as f64).collect::<Vec<_>>();
    match plan.loss.truth() {
        Truth::Numbers | Truth::Shares => {
            // Within 0 and 1 where that is asked for.
            let shares = plan.loss.truth() == Truth::Shares;
            let numbers =
                |len, f| wave(len, f).into_iter().map(|y| if shares { y.abs() } else { y }).collect();
            batch.support_y = numbers(batch.support_y.len(), 0.7);
            batch.query_y = numbers(batch.query_y.len(), 0.9);
        }
        Truth::Class => {
            batch.support_y = label(batch.support_y.len()).into();
            batch.query_y = label(batch.query_y.len()).into();
        }
    }
    let mut params: Vec<f64> = wave(plan.model.param_count(), 3.7).iter().map(|w| 0.6 * w).collect();
    params.extend(plan.rates.values.iter().filter(|_| plan.rates.learned));
    let expected = oracle::meta_gradient(plan, &params, &batch).unwrap().gradient;
    for &bits in all_ways {
        let bit = |i: u32| bits >> i & 1 == 1;
        let ways = Ways {
            fuses: bit(0),
            gates_where_put: bit(1),
            keeps_gradients: bit(2),
            rates_in_tangents: bit(3),
        };
        for cut in [Cut::WHOLE, Cut { recompute: true, ..Cut::WHOLE }, Cut { recompute: true, chunk: 2 }] {
            let found = execute(plan, &params, &batch, ways, cut);
            let error = relative_error(&found, &expected);
            assert!(error <= 1e-11, "{name}, {bits:04b}, {cut:?}: {error:e}");
        }
    }
}

/// A residual network with a latent, a gate, a norm and a concatenation.
fn graph() -> Model {
    let mut graph = Graph::new(Shape::Vector(3)).unwrap();
    let latent = graph.add("latent", ops::latent::Latent { size: 4 }, &[]).unwrap();
    let shift = graph.add("shift", ops::linear::Linear { outputs: 6, bias: false }, &[latent]).unwrap();
    let a = graph.add("a", ops::linear::Linear::to(6), &[Value::INPUT]).unwrap();
    let b = graph.add("b", ops::add::Add {}, &[a, shift]).unwrap();
    let c = graph.add("c", Function::Tanh {}, &[b]).unwrap();
    let d = graph.add("d", ops::linear::Linear::to(6), &[c]).unwrap();
    let e = graph.add("e", Function::Relu {}, &[d]).unwrap();
    let f = graph.add("f", ops::layer_norm::LayerNorm::default(), &[e]).unwrap();
    let g = graph.add("g", ops::add::Add {}, &[c, f]).unwrap();
    let h = graph.add("h", Function::Sine { omega: 2.0 }, &[g]).unwrap();
    let i = graph.add("i", ops::mul::Mul {}, &[h, g, shift]).unwrap();
    let j = graph.add("j", ops::concat::Concat {}, &[i, latent, Value::INPUT]).unwrap();
    graph.add("k", ops::linear::Linear::to(2), &[j]).unwrap();
    graph.finish().unwrap()
}

#[test]
fn a_graph_learns_as_the_oracle_says() {
    let base = Plan::new(graph(), Loss::mse(), 5, 4, 2, Rates::fixed(0.1)).unwrap();
    check("all", &base);
    check("one step", &Plan::new(graph(), Loss::cross_entropy(), 3, 4, 1, Rates::fixed(0.2)).unwrap());
    for pattern in ["latent.*", "d.weight", "*.bias", "k.*"] {
        let adapt = Adapt::Matching(vec![pattern.to_owned()]);
        check(pattern, &base.clone().adapt(&adapt).unwrap());
    }
    check("weights", &Plan { loss_weights: vec![0.5, 0.0, 0.25], ..base.clone() });
    let order = MetaGradient::FirstOrder;
    check("first order", &Plan { order, ..base.clone() });
    check("displacement", &Plan { order: MetaGradient::Displacement, ..base.clone() });
    check("plain training", &Plan::new(graph(), Loss::mse(), 0, 4, 0, Rates::fixed(0.2)).unwrap());
    for shape in
        [RateShape::One, RateShape::PerLayerStep, RateShape::PerParameter, RateShape::PerParameterStep]
    {
        let mut plan = base.clone();
        plan.rates.shape = shape;
        plan.rates.learned = true;
        plan.rates.values = vec![0.05; plan.rate_count()];
        check(&format!("learned {shape:?}"), &plan);
        check(&format!("learned {shape:?}, first order"), &Plan { order, ..plan });
    }
}

#[test]
fn an_image_network_learns_as_the_oracle_says() {
    let ops: Vec<Op> = vec![
        ops::conv2d::Conv2d::square(3, 3, 2, 1).into(),
        ops::batch_norm::BatchNorm::default().into(),
        Function::Relu {}.into(),
        ops::conv2d::Conv2d::square(2, 2, 1, 1).into(),
        Function::Relu {}.into(),
        Op::max_pool2d(2, 1),
        ops::flatten::Flatten {}.into(),
        ops::linear::Linear::to(3).into(),
        Function::Relu {}.into(),
    ];
    let model = Model::sequential(Shape::Image { channels: 2, height: 5, width: 4 }, &ops).unwrap();
    let base = Plan::new(model, Loss::cross_entropy(), 4, 3, 2, Rates::fixed(0.1)).unwrap();
    check("all", &base);
    check("head", &base.clone().adapt(&Adapt::Head).unwrap());
    check("body", &base.clone().adapt(&Adapt::Body).unwrap());
    check(
        "a set of scales a step",
        &Plan::new(base.model.clone().with_norm_steps(2), Loss::cross_entropy(), 4, 3, 2, Rates::fixed(0.1))
            .unwrap(),
    );
}

mod names {
    pub(super) use crate::model::{Graph, Model, Op, Value};
    pub(super) use crate::ops::add::Add;
    pub(super) use crate::ops::avg_pool2d::AvgPool2d;
    pub(super) use crate::ops::batch_norm::BatchNorm;
    pub(super) use crate::ops::concat::Concat;
    pub(super) use crate::ops::conv2d::Conv2d;
    pub(super) use crate::ops::elementwise::Function;
    pub(super) use crate::ops::flatten::Flatten;
    pub(super) use crate::ops::fourier::Fourier;
    pub(super) use crate::ops::global_avg_pool2d::GlobalAvgPool2d;
    pub(super) use crate::ops::group_norm::{GroupNorm, Groups};
    pub(super) use crate::ops::latent::Latent;
    pub(super) use crate::ops::layer_norm::LayerNorm;
    pub(super) use crate::ops::linear::Linear;
    pub(super) use crate::ops::max_pool2d::MaxPool2d;
    pub(super) use crate::ops::mul::Mul;
    pub(super) use crate::ops::window::Window;
    pub(super) use crate::ops::{Arity, Shape};
}

#[path = "../../../tests/common/graphs.rs"]
mod graphs;

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 60, failure_persistence: None, ..Default::default() })]

    /// Any graph, any ways of an executor, any cut.
    #[test]
    fn random_graphs_learn_as_the_oracle_says(seed: u32) {
        let mut numbers = graphs::Numbers::new(u64::from(seed) + 7);
        let model = graphs::random_model(u64::from(seed), 9, 2);
        let losses = [Loss::mse(), Loss::cross_entropy(), Loss::huber(0.4), Loss::bce_with_logits()];
        let loss = losses[numbers.below(4)];
        let steps = numbers.below(3);
        let support = if steps > 0 { 1 + numbers.below(4) } else { 0 };
        let mut plan = Plan::new(model, loss, support, 1 + numbers.below(4), steps, Rates::fixed(0.05)).unwrap();
        for adapted in plan.adapted.iter_mut() {
            *adapted &= numbers.below(3) > 0;
        }
        check_some(&format!("seed {seed}"), &plan, &[numbers.below(16) as u32, 15, 0]);
    }
}

#[test]
fn memory_does_not_grow_with_steps_where_passes_are_computed_again() {
    let ways = Ways { fuses: true, gates_where_put: true, keeps_gradients: false, rates_in_tangents: true };
    let wanted = Wanted { gradient: true, all_losses: false, predictions: false, fast: false };
    let floats = |steps: usize, recompute: bool| {
        let plan = Plan::new(graph(), Loss::mse(), 6, 6, steps, Rates::fixed(0.1)).unwrap();
        let program = Program::new(&plan, wanted, &ways, Cut { recompute, chunk: usize::MAX });
        let len = |a: &Array| if a.kind == ArrayKind::Input { 0 } else { a.len() };
        let extent = |a: &Array| Extent { len: len(a), life: a.life.clone(), in_place_of: None };
        place(&program.arrays.iter().map(extent).collect::<Vec<_>>(), 1).len
    };
    assert_eq!(floats(3, true), floats(30, true));
    assert!(floats(30, false) > 5 * floats(30, true));
}
