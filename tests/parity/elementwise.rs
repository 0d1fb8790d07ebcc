use super::{Numbers, adapter, check, run};
use fastweights::backend::gpu::kernels::rooms::elementwise::{
    BACKWARD_TANGENT, ELEMENTWISE, ElementPass, WORKGROUP,
};
use fastweights::ops::elementwise::Function;
use fastweights::ops::scalar::{Dual, Number as _};

fn functions() -> Vec<Function> {
    vec![
        Function::Relu {},
        Function::LeakyRelu { negative_slope: 0.1 },
        Function::Elu { alpha: 0.7 },
        Function::Tanh {},
        Function::Sigmoid {},
        Function::Silu {},
        Function::Gelu {},
        Function::GeluTanh {},
        Function::Softplus {},
        Function::Sine { omega: 1.0 },
        Function::Sine { omega: 30.0 },
        // No number of float32.
        Function::Sine { omega: 0.1 },
    ]
}

/// f, f′ and f″ from dual numbers within dual numbers.
fn derivatives(function: Function, x: f64) -> [f64; 3] {
    let inner = Dual { value: x, tangent: 1.0 };
    let y = function.value(Dual { value: inner, tangent: Dual::constant(1.0) });
    [y.value.value, y.value.tangent, y.tangent.tangent]
}

/// Numbers of a task, some of them large.
fn arguments(function: Function, tasks: usize, words: usize) -> Numbers {
    let mut x = Numbers::new(tasks, words, 1);
    let most = match function {
        Function::Sine { omega } => 1000.0 / omega as f32,
        _ => 12.0,
    };
    for (i, x) in x.all.iter_mut().enumerate() {
        *x *= if i % 2 == 0 { most } else { 2.0 };
    }
    x
}

#[test]
fn functions_and_their_derivatives_are_their_formulas() {
    let Some(device) = adapter::device("functions_and_their_derivatives_are_their_formulas") else { return };
    for function in functions() {
        for (words, tasks) in [(1, 1), (7, 3), (1029, 2)] {
            let x = arguments(function, tasks, words);
            let [x_dot, dy, dy_dot] = [2, 3, 4].map(|stream| Numbers::new(tasks, words, stream));
            for (gate, adds) in [(0, 0), (1, 1)] {
                let out =
                    if adds == 1 { Numbers::new(tasks, words, 5) } else { Numbers::poisoned(tasks, words) };
                let pass = ElementPass {
                    gate,
                    adds,
                    x: x.place,
                    values: dy.place,
                    x_dot: x_dot.place,
                    values_dot: dy_dot.place,
                    result: out.place,
                    ..ElementPass::of(function, words as u32)
                };
                let expected = |of: &dyn Fn([f64; 3], usize, usize) -> f64, gates: bool| -> Vec<Vec<f64>> {
                    let one = |task: usize, e: usize| {
                        let at = x.task(task)[e];
                        let closed = gates && gate == 1 && at <= 0.0;
                        let before = if adds == 1 { out.task(task)[e] } else { 0.0 };
                        before + if closed { 0.0 } else { of(derivatives(function, at), task, e) }
                    };
                    (0..tasks).map(|task| (0..words).map(|e| one(task, e)).collect()).collect()
                };
                let workgroups = [(words as u32).div_ceil(WORKGROUP), tasks as u32, 1];
                let what = format!("{function}, {words} of {tasks}, gate {gate}");
                let code = ("FUNCTION", f64::from(function.code()));
                for (slope, of) in [
                    (
                        0.0,
                        &(|d: [f64; 3], _: usize, _: usize| d[0]) as &dyn Fn([f64; 3], usize, usize) -> f64,
                    ),
                    (1.0, &|d: [f64; 3], task: usize, e: usize| d[1] * dy.task(task)[e]),
                ] {
                    let constants = [code, ("SLOPE", slope)];
                    let after = run(&device, &ELEMENTWISE, &constants, &pass, &[&x, &dy, &out], workgroups);
                    check(
                        &format!("{what}, slope {slope}"),
                        &out.all,
                        &after[2],
                        &expected(of, slope == 1.0),
                    );
                }
                let bend = |d: [f64; 3], task: usize, e: usize| {
                    d[2] * x_dot.task(task)[e] * dy.task(task)[e] + d[1] * dy_dot.task(task)[e]
                };
                let buffers = [&x, &x_dot, &dy, &dy_dot, &out];
                let after = run(&device, &BACKWARD_TANGENT, &[code], &pass, &buffers, workgroups);
                check(&format!("{what}, bend"), &out.all, &after[4], &expected(&bend, true));
            }
        }
    }
}

/// Each number against itself, however near to zero it is, for arguments of the sine up to ±1,000.
#[test]
fn sines_of_large_arguments_are_float64s() {
    let Some(device) = adapter::device("sines_of_large_arguments_are_float64s") else { return };
    const WORDS: usize = 6000;
    for omega in [1.0, 0.1, 30.0, 77.7, 200.0] {
        let function = Function::Sine { omega };
        let mut x = Numbers::new(1, WORDS, 1);
        for (i, x) in x.all.iter_mut().enumerate() {
            *x *= [1000.0, 100.0, 1.0][i % 3] / omega as f32;
        }
        let [mut one, mut none] = [2, 3].map(|stream| Numbers::new(1, WORDS, stream));
        one.all.fill(1.0);
        none.all.fill(0.0);
        let out = Numbers::poisoned(1, WORDS);
        let pass = ElementPass {
            x: x.place,
            values: one.place,
            x_dot: one.place,
            values_dot: none.place,
            result: out.place,
            ..ElementPass::of(function, WORDS as u32)
        };
        let code = ("FUNCTION", f64::from(function.code()));
        let workgroups = [(WORDS as u32).div_ceil(WORKGROUP), 1, 1];
        for d in 0..3 {
            let found = match d {
                2 => {
                    let buffers = [&x, &one, &one, &none, &out];
                    run(&device, &BACKWARD_TANGENT, &[code], &pass, &buffers, workgroups).swap_remove(4)
                }
                slope => {
                    let constants = [code, ("SLOPE", f64::from(slope))];
                    run(&device, &ELEMENTWISE, &constants, &pass, &[&x, &one, &out], workgroups)
                        .swap_remove(2)
                }
            };
            let mut smallest = f64::INFINITY;
            for (at, found) in x.task(0).into_iter().zip(found.task(0)) {
                let expected = derivatives(function, at)[d as usize];
                let error = (found - expected).abs();
                assert!(
                    error <= 1e-5 * expected.abs(),
                    "{function} at {at}, derivative {d}: {found} is not {expected}"
                );
                if at.abs() * omega > 1.0 {
                    smallest = smallest.min(expected.abs() / omega.powi(d));
                }
            }
            assert!(smallest < 1e-2, "some cross zero: {smallest}");
        }
    }
}
