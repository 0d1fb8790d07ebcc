//! The float64 oracle against answers from elsewhere, finite differences, and what a Hessian must obey.

mod common;

use common::oracle_cases;
use fastweights::backend::oracle::{self, Dual};
use fastweights::case::relative_error;
use fastweights::meta::MetaGradient;

#[test]
fn golden_cases_to_1e_9() {
    let cases = oracle_cases();
    assert_eq!(cases.len(), 25);
    for (name, case) in cases {
        let out = oracle::meta_gradient(&case.plan, &case.params, &case.tasks).unwrap();
        let errors = case.compare(&out);
        assert!(errors.len() > 8, "{name} has answers to compare with");
        for (tensor, error) in errors {
            assert!(error <= 1e-9, "{name}: {tensor}: {error:e}");
        }
    }
}

/// Central differences of the meta-loss. Few tasks and a small step: with ReLU a larger one crosses kinks.
#[test]
fn the_meta_gradient_is_the_derivative_of_the_meta_loss() {
    for (name, case) in oracle_cases() {
        if case.plan.order == MetaGradient::FirstOrder {
            continue;
        }
        let tasks = case.tasks.slice(0..1);
        let loss = |params: &[f64]| oracle::meta_gradient(&case.plan, params, &tasks).unwrap().meta_loss;
        let gradient = oracle::meta_gradient(&case.plan, &case.params, &tasks).unwrap().gradient;
        let scale = gradient.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
        let h = 1e-6;
        // Images take their time in a debug build.
        let elements = if case.plan.model.is_mlp() { 60 } else { 10 };
        for element in (0..gradient.len()).step_by(gradient.len() / elements + 1) {
            let mut params = case.params.clone();
            params[element] += h;
            let above = loss(&params);
            params[element] -= 2.0 * h;
            let difference = (above - loss(&params)) / (2.0 * h);
            let error = (difference - gradient[element]).abs();
            assert!(
                error <= 1e-6 * scale,
                "{name}: element {element}: {difference} is not {}",
                gradient[element]
            );
        }
    }
}

/// `H` from dual numbers is symmetric, `⟨u, H w⟩ = ⟨w, H u⟩`, and linear.
#[test]
fn the_hessian_is_symmetric_and_linear() {
    for (name, case) in oracle_cases() {
        let p = case.plan.model.param_count();
        let one = case.tasks.slice(0..1);
        let hessian = |u: &[f64]| -> Vec<f64> {
            let dual: Vec<_> =
                case.params[..p].iter().zip(u).map(|(&value, &tangent)| Dual { value, tangent }).collect();
            let pass = oracle::gradient(&case.plan, 0, &dual, &one.support_x, &one.support_y);
            pass.gradient.iter().map(|g| g.tangent).collect()
        };
        let wave = |f: f64| (0..p).map(|i| (f * (i + 1) as f64).sin()).collect::<Vec<_>>();
        let (u, w) = (wave(1.1), wave(2.3));
        let (hu, hw) = (hessian(&u), hessian(&w));
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let (left, right) = (dot(&u, &hw), dot(&w, &hu));
        assert!((left - right).abs() <= 1e-10 * left.abs().max(1.0), "{name}: {left} is not {right}");
        let mix: Vec<f64> = u.iter().zip(&w).map(|(u, w)| 2.0 * u - 3.0 * w).collect();
        let sum: Vec<f64> = hu.iter().zip(&hw).map(|(u, w)| 2.0 * u - 3.0 * w).collect();
        assert!(relative_error(&hessian(&mix), &sum) <= 1e-12, "{name}");
    }
}
