use super::*;
use crate::model::Model;
use crate::ops::elementwise::Function;

const GRAY: Shape = Shape::Image { channels: 1, height: 28, width: 28 };
const COLOUR: Shape = Shape::Image { channels: 3, height: 84, width: 84 };
const SMALL: Shape = Shape::Image { channels: 3, height: 32, width: 32 };

fn model(name: &str, input: Shape, outputs: usize) -> Model {
    Preset::named(name).unwrap().unwrap().graph(input, outputs).unwrap().finish().unwrap()
}

fn params(model: &Model) -> Vec<&str> {
    model.params().iter().map(|param| param.name.as_str()).collect()
}

/// What the node of this name takes, by name.
fn inputs<'a>(model: &'a Model, name: &str) -> Vec<&'a str> {
    let node = model.nodes().iter().find(|node| node.name == name).unwrap();
    let named = |input: &crate::model::Value| input.node().map_or("input", |n| &model.nodes()[n].name);
    node.inputs.iter().map(named).collect()
}

fn shape(model: &Model, name: &str) -> String {
    model.nodes().iter().find(|node| node.name == name).unwrap().shape.to_string()
}

#[test]
fn every_name_is_a_preset_that_knows_it() {
    for name in Preset::NAMES.into_iter().chain(["wrn-16-4"]) {
        assert_eq!(Preset::named(name).unwrap().unwrap().name(), name);
        assert!(model(name, GRAY, 5).outputs() == 5);
    }
    assert_eq!(Preset::named("resnet18").unwrap(), None);
}

#[test]
fn sequences_are_called_as_those_of_pytorch() {
    let expected = ["0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias"];
    assert_eq!(params(&model("mlp", Shape::Vector(3), 2)), expected);
    let siren = model("siren", Shape::Vector(2), 3);
    assert_eq!((params(&siren).len(), siren.params()[7].name.as_str()), (8, "6.bias"));
    let strided = Conv4 { downsample: Downsample::Stride, ..Conv4::default() };
    let strided = strided.graph(GRAY, 5).unwrap().finish().unwrap();
    let pooled = model("conv4", GRAY, 5);
    for (model, head, fourth) in [(&strided, "13.weight", "9.weight"), (&pooled, "17.weight", "12.weight")] {
        let names = params(model);
        assert_eq!((names.len(), names[12], names[16]), (18, fourth, head));
    }
    // 111,936 + 4 · 2 · 64 + 5 · 65: Conv4 at 28 × 28 leaves one pixel.
    assert_eq!((strided.param_count(), pooled.param_count()), (112_261, 112_261));
}

#[test]
fn resnet12_is_the_network_of_metaoptnet() {
    let resnet = model("resnet12", COLOUR, 5);
    assert_eq!(resnet.param_count(), 12_424_320 + 5 * 641, "backbone and head");
    let block = ["conv1", "bn1", "conv2", "bn2", "conv3", "bn3", "downsample.0", "downsample.1"];
    let of_block = |l: usize| {
        block.iter().flat_map(move |part| {
            let both = part.starts_with("bn") || part.ends_with(".1");
            let kinds: &[&str] = if both { &["weight", "bias"] } else { &["weight"] };
            kinds.iter().map(move |kind| format!("layer{l}.0.{part}.{kind}"))
        })
    };
    let expected: Vec<String> =
        (1..=4).flat_map(of_block).chain(["fc.weight".to_owned(), "fc.bias".to_owned()]).collect();
    assert_eq!(params(&resnet), expected);
    assert_eq!(inputs(&resnet, "layer2.0.downsample.0"), ["layer1.0.maxpool"]);
    assert_eq!(inputs(&resnet, "layer2.0.add"), ["layer2.0.bn3", "layer2.0.downsample.1"]);
    assert_eq!(inputs(&resnet, "layer1.0.conv1"), ["input"]);
    assert_eq!(resnet.nodes()[2].op, Function::LeakyRelu { negative_slope: 0.1 }.into());
    let small = model("resnet12", GRAY, 5);
    let shapes = [(1, "[64, 14, 14]"), (2, "[160, 7, 7]"), (3, "[320, 3, 3]"), (4, "[640, 1, 1]")];
    assert!(shapes.iter().all(|&(l, s)| shape(&small, &format!("layer{l}.0.maxpool")) == s));
}

#[test]
fn wide_networks_have_the_published_numbers_of_parameters() {
    // Zagoruyko and Komodakis, table 5, in millions: 36.5 of 28-10, 8.9 of 40-4, on 32 × 32 colour images of ten classes.
    assert_eq!(model("wrn-28-10", SMALL, 10).param_count(), 36_479_194);
    assert_eq!((model("wrn-40-4", SMALL, 10).param_count() + 25_000) / 50_000, 179, "8.95 M");
    let wide = model("wrn-16-2", SMALL, 10);
    assert_eq!(inputs(&wide, "block2.layer.0.convShortcut"), ["block2.layer.0.act1"]);
    assert_eq!(inputs(&wide, "block2.layer.0.add"), ["block2.layer.0.convShortcut", "block2.layer.0.conv2"]);
    assert_eq!(inputs(&wide, "block2.layer.1.add"), ["block2.layer.0.add", "block2.layer.1.conv2"]);
    assert_eq!(inputs(&wide, "bn1"), ["block3.layer.1.add"]);
    assert_eq!(shape(&wide, "act"), "[128, 8, 8]");
    // Of width 1 the first group keeps its 16 channels, so nothing stands beside it.
    assert_eq!(
        inputs(&model("wrn-10-1", SMALL, 10), "block1.layer.0.add"),
        ["conv1", "block1.layer.0.conv2"]
    );
}

#[test]
fn what_no_network_can_be_is_refused_by_name() {
    let tiny = Shape::Image { channels: 1, height: 15, width: 40 };
    for (name, input, words) in [
        ("resnet12", tiny, "halves an image four times; of 15 × 40 pixels"),
        ("conv4", tiny, "16 × 16 are needed"),
        ("conv4", Shape::Vector(9), "takes images; these points are [9]"),
        ("wrn-28-10", Shape::Vector(9), "wrn-28-10, which takes images"),
    ] {
        let error = Preset::named(name).unwrap().unwrap().graph(input, 5).unwrap_err().to_string();
        assert!(error.contains("`model.preset`") && error.contains(words), "{error}");
    }
    for (name, words) in [
        ("wrn-27-10", "6 n + 4"),
        ("wrn-4-10", "10 to 202"),
        ("wrn-28-0", "a width of 1 to 64"),
        ("wrn-28", "write wrn-DEPTH-WIDTH"),
        ("wrn-x-y", "wrn-x-y"),
    ] {
        let error = Preset::named(name).unwrap_err().to_string();
        assert!(error.contains("`model.preset`") && error.contains(words), "{error}");
    }
    let long = Mlp { hidden: vec![1; 65], ..Mlp::default() };
    let none = Siren { hidden: vec![], ..Siren::default() };
    let still = Siren { omega: 0.0, ..Siren::default() };
    let three = Resnet12 { channels: vec![4; 3], ..Resnet12::default() };
    let empty = Conv4 { channels: vec![4, 4, 0, 4], ..Conv4::default() };
    for (preset, words) in [
        (Preset::Mlp(long), "`model.hidden`: has 65 numbers; 0 to 64 are allowed"),
        (Preset::Siren(none), "`model.hidden`: has 0 numbers"),
        (Preset::Siren(still), "`model.omega`: is 0"),
        (Preset::Resnet12(three), "`model.channels`: has 3 numbers; 4 are needed"),
        (Preset::Conv4(empty), "`model.channels`: has 0; allowed are 1 to"),
    ] {
        for error in [preset.check().unwrap_err(), preset.graph(GRAY, 5).unwrap_err()] {
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
