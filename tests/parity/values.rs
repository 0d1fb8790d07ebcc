//! Sums, copies and products of values with a row a point and a row a task.

use super::{Numbers, adapter, check, run};
use fastweights::backend::gpu::kernels::rooms::mul::{PRODUCT, PRODUCT_TANGENT};
use fastweights::wgsl::factors::{Factor, FactorPass, SUM_ROWS, WORKGROUP};

/// Rows, elements of a row, tasks.
const SHAPES: [[usize; 3]; 4] = [[1, 1, 1], [5, 3, 2], [9, 70, 3], [300, 2, 2]];

/// Three values and their tangents; the second has a row a task.
fn numbers([rows, length, tasks]: [usize; 3]) -> Vec<(Numbers, bool)> {
    let one = |i: usize| {
        let per_task = i % 3 == 1;
        let count = if per_task { 1 } else { rows };
        (Numbers::new(tasks, count * length, 1 + i as u32), per_task)
    };
    (0..6).map(one).collect()
}

fn factor((numbers, per_task): &(Numbers, bool), length: usize, wanted: bool) -> Factor {
    let stride = if *per_task { 0 } else { length as u32 };
    Factor { place: numbers.place, stride, wanted: wanted.into() }
}

#[test]
fn sums_and_products_are_their_formulas() {
    let Some(device) = adapter::device("sums_and_products_are_their_formulas") else { return };
    for shape in SHAPES {
        let [rows, length, tasks] = shape;
        let all = numbers(shape);
        for bits in 0..16_u32 {
            let on = |i: u32| bits >> i & 1 == 1;
            let (third, adds, summed) = (on(0), on(1), on(2));
            // Of the tangents all, or the second alone.
            let moves = [on(3), true, on(3) && third];
            let count = if summed { 1 } else { rows };
            let out = match adds {
                true => Numbers::new(tasks, count * length, 9),
                false => Numbers::poisoned(tasks, count * length),
            };
            let mut values = [0, 1, 2].map(|i| factor(&all[i], length, true));
            values[2].wanted = third.into();
            let pass = FactorPass {
                rows: count as u32,
                length: length as u32,
                summed: if summed { rows as u32 } else { 1 },
                adds: adds.into(),
                result: out.place,
                result_stride: length as u32,
                values,
                tangents: [0, 1, 2].map(|i| factor(&all[3 + i], length, moves[i])),
                ..FactorPass::default()
            };
            let expected = |of: &dyn Fn(&[f64]) -> f64| -> Vec<Vec<f64>> {
                let one = |task: usize| {
                    let tasks: Vec<_> = all.iter().map(|(numbers, _)| numbers.task(task)).collect();
                    let mut result = if adds { out.task(task) } else { vec![0.0; count * length] };
                    for e in 0..rows * length {
                        let at = |i: usize| tasks[i][if all[i].1 { e % length } else { e }];
                        let six: Vec<f64> = (0..6).map(at).collect();
                        result[if summed { e % length } else { e }] += of(&six);
                    }
                    result
                };
                (0..tasks).map(one).collect()
            };
            let c = |v: &[f64]| if third { v[2] } else { 1.0 };
            let workgroups = [((count * length) as u32).div_ceil(WORKGROUP), tasks as u32, 1];
            let what = format!("{shape:?}, {bits:04b}");
            let three = [&all[0].0, &all[1].0, &all[2].0, &out];
            let sum = |v: &[f64]| v[0] + v[1] + if third { v[2] } else { 0.0 };
            let after = run(&device, &SUM_ROWS, &[], &pass, &three, workgroups);
            check(&format!("sum {what}"), &out.all, &after[3], &expected(&sum));
            let after = run(&device, &PRODUCT, &[], &pass, &three, workgroups);
            check(&format!("product {what}"), &out.all, &after[3], &expected(&|v| v[0] * v[1] * c(v)));
            let six: Vec<&Numbers> = all.iter().map(|(numbers, _)| numbers).chain([&out]).collect();
            let after = run(&device, &PRODUCT_TANGENT, &[], &pass, &six, workgroups);
            let tangent = |v: &[f64]| {
                let on = |i: usize| f64::from(u8::from(moves[i])) * v[3 + i];
                on(0) * v[1] * c(v) + v[0] * on(1) * c(v) + v[0] * v[1] * on(2)
            };
            check(&format!("tangent {what}"), &out.all, &after[6], &expected(&tangent));
        }
    }
}
