//! Stacks of layers.

use super::*;

#[test]
fn odd_stacks_agree_with_the_oracle() {
    for (i, (shape, layers)) in stacks().into_iter().enumerate() {
        let model = Model::sequential(shape, &layers).unwrap();
        for loss in [Loss::mse(), Loss::cross_entropy(), Loss::huber(0.4), Loss::bce_with_logits()] {
            for (support, query, steps) in [(4, 3, 1), (5, 7, 2), (0, 6, 0)] {
                check(
                    &format!("stack {i} {loss:?} {support}+{query} ×{steps}"),
                    &base(&model, loss, support, query, steps),
                    3,
                    i as u64,
                );
            }
        }
    }
}

#[test]
fn one_point_is_enough() {
    for (shape, layers) in [
        (image(1, 1, 1), vec![conv(3, 1, 1, 0), Op::relu(), Op::flatten(), linear(2)]),
        (image(3, 7, 7), vec![conv(8, 3, 2, 1), NORM, Op::relu(), Op::global_avg_pool2d(), linear(2)]),
    ] {
        let model = Model::sequential(shape, &layers).unwrap();
        check("one point", &base(&model, Loss::cross_entropy(), 1, 1, 2), 1, 3);
    }
}

#[test]
fn every_setting_agrees_with_the_oracle() {
    let relu = Op::relu();
    let layers =
        [conv(6, 3, 2, 1), NORM, relu, conv(5, 3, 1, 1), NORM, relu, Op::global_avg_pool2d(), linear(4)];
    let convolutional = Model::sequential(image(2, 7, 6), &layers).unwrap();
    let dense = Model::sequential(Shape::Vector(7), &[linear(9), NORM, relu, linear(3)]).unwrap();
    for (model, steps) in [(&convolutional, 3), (&dense, 2), (&convolutional, 1)] {
        let plan = base(model, Loss::cross_entropy(), 5, 4, steps);
        let weights: Vec<f64> = (0..=steps).map(|j| [0.5, 0.0, 0.3, 1.0][j % 4]).collect();
        let mut early = vec![0.0; steps + 1];
        early[steps - 1] = 1.0;
        check("keeps batch norm", &plan.clone().keep_batch_norm(), 3, 1);
        check("first order", &Plan { order: MetaGradient::FirstOrder, ..plan.clone() }, 3, 2);
        check("multi-step loss", &Plan { loss_weights: weights.clone(), ..plan.clone() }, 3, 3);
        check("no last loss", &Plan { loss_weights: early, ..plan.clone() }, 3, 4);
        for adapt in [Adapt::Head, Adapt::Body] {
            check(&format!("{adapt:?}"), &plan.clone().adapt(&adapt).unwrap(), 3, 5);
        }
        let mut norms = plan.clone();
        for (adapted, block) in norms.adapted.iter_mut().zip(norms.model.blocks()) {
            *adapted = matches!(norms.model.nodes()[block.layer].op, Op::BatchNorm(_));
        }
        check("batch norm alone", &norms, 3, 6);
        let none = vec![false; plan.adapted.len()];
        check("nothing adapted", &Plan { adapted: none, ..plan.clone() }, 3, 6);
        let shapes =
            [RateShape::One, RateShape::PerLayerStep, RateShape::PerParameter, RateShape::PerParameterStep];
        for shape in shapes {
            for learned in [false, true] {
                for order in [MetaGradient::FirstOrder, MetaGradient::SecondOrder] {
                    for adapt in [Adapt::All, Adapt::Head] {
                        let mut plan = Plan { order, loss_weights: weights.clone(), ..plan.clone() }
                            .adapt(&adapt)
                            .unwrap();
                        plan.rates = Rates { shape, learned, values: vec![], range: None };
                        plan.rates.values =
                            (0..plan.rate_count()).map(|i| 0.01 + 0.01 * (i % 5) as f64).collect();
                        check(&format!("{shape:?} learned {learned} {order:?} {adapt:?}"), &plan, 3, 7);
                    }
                }
            }
        }
    }
}

/// A random stack of layers that fit one another.
fn random_stack(seed: u64) -> Model {
    let mut rng = Philox::stream(seed, Purpose::Data, 1, 1);
    let mut draw = |low: usize, high: usize| rng.random_range(low as u32..=high as u32) as usize;
    loop {
        let shape = image(draw(1, 18), draw(1, 9), draw(1, 9));
        let mut layers = Vec::new();
        for _ in 0..draw(1, 7) {
            layers.push(match draw(0, 9) {
                0..=3 => conv(draw(1, 20), draw(1, 4), draw(1, 3), draw(0, 2)),
                4..=5 => NORM,
                6..=7 => Op::relu(),
                8 => pool(draw(1, 3), draw(1, 3)),
                _ => PLAIN_NORM,
            });
        }
        let ends = [
            vec![Op::flatten(), linear(4)],
            vec![Op::global_avg_pool2d(), linear(3)],
            vec![Op::flatten()],
            vec![],
        ];
        layers.extend(&ends[draw(0, 3)]);
        // Odd settings of one layer leave nothing for the next: draw again.
        if let Ok(model) = Model::sequential(shape, &layers)
            && !model.is_chain()
        {
            return model;
        }
    }
}

#[test]
fn random_stacks_agree_with_the_oracle() {
    for seed in 0..60 {
        let model = random_stack(seed);
        let steps = (seed % 3) as usize;
        let support = if steps == 0 { 0 } else { 3 + (seed % 4) as usize };
        let loss = [Loss::mse(), Loss::cross_entropy(), Loss::huber(0.4), Loss::bce_with_logits()]
            [seed as usize % 4];
        let plan = base(&model, loss, support, 3 + (seed % 5) as usize, steps);
        let layers: Vec<_> = model.nodes().iter().map(|node| node.op.to_string()).collect();
        check(&format!("seed {seed}: {} → {}", model.input(), layers.join(", ")), &plan, 2, seed);
    }
}
