//! Where the nodes of a graph stand in its picture: in sections, each of rows and lanes.

use crate::model::{Model, Value};
use std::collections::BTreeMap;

/// More nodes than this that no name groups are cut into several sections, equally long.
const LONGEST: usize = 16;

/// What stands in a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// A node.
    Node(usize),
    /// A value that comes from elsewhere.
    From(Value),
}

/// An item and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) item: Item,
    pub(super) row: usize,
    pub(super) lane: usize,
}

/// A line from an item to one below it, by their places in the section's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) from: usize,
    pub(super) to: usize,
}

/// Nodes that belong together: those of a block, or some that stand one behind the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Section {
    /// What their names begin with, without the last dot; empty if nothing.
    pub(super) title: String,
    /// Values from elsewhere, then the nodes.
    pub(super) items: Vec<Placed>,
    pub(super) lines: Vec<Line>,
}

impl Section {
    pub(super) fn rows(&self) -> usize {
        self.items.iter().map(|item| item.row + 1).max().unwrap_or(0)
    }

    pub(super) fn lanes(&self) -> usize {
        self.items.iter().map(|item| item.lane + 1).max().unwrap_or(0)
    }
}

/// What nodes of a block have in common: all up to the last number among the parts of a name ahead of its last one
/// (`layer1.0` of `layer1.0.downsample.1`), or all but the last part.
fn block(name: &str) -> &str {
    let Some((parts, _)) = name.rsplit_once('.') else { return "" };
    let mut shorter = parts;
    loop {
        let last = shorter.rsplit('.').next().unwrap_or_default();
        if last.bytes().all(|byte| byte.is_ascii_digit()) {
            return shorter;
        }
        match shorter.rsplit_once('.') {
            Some((rest, _)) => shorter = rest,
            None => return parts,
        }
    }
}

/// A model's nodes in sections.
pub(super) fn sections(model: &Model) -> Vec<Section> {
    let alone = model.nodes().iter().filter(|node| block(&node.name).is_empty()).count();
    let most = alone.div_ceil(alone.div_ceil(LONGEST).max(1));
    let mut runs: Vec<(&str, Vec<usize>)> = Vec::new();
    for (n, node) in model.nodes().iter().enumerate() {
        let title = block(&node.name);
        match runs.last_mut() {
            Some((last, nodes)) if *last == title && (!title.is_empty() || nodes.len() < most) => {
                nodes.push(n)
            }
            _ => runs.push((title, vec![n])),
        }
    }
    runs.into_iter().map(|(title, nodes)| section(model, title, &nodes)).collect()
}

fn section(model: &Model, title: &str, nodes: &[usize]) -> Section {
    let mut section = Section { title: title.to_owned(), ..Section::default() };
    // Places of values in the list.
    let mut places: BTreeMap<Value, usize> = BTreeMap::new();
    let inside = |value: Value| value.node().is_some_and(|node| nodes.contains(&node));
    let outside = nodes.iter().flat_map(|&n| &model.nodes()[n].inputs).filter(|&&value| !inside(value));
    for &value in outside {
        places.entry(value).or_insert_with(|| {
            let lane = section.items.len();
            section.items.push(Placed { item: Item::From(value), row: 0, lane });
            lane
        });
    }
    for &n in nodes {
        let above: Vec<usize> =
            model.nodes()[n].inputs.iter().filter_map(|input| places.get(input).copied()).collect();
        let row = above.iter().map(|&place| section.items[place].row + 1).max().unwrap_or(0);
        // Below the lowest of its inputs, if there is room.
        let lowest = above.iter().map(|&place| section.items[place]).max_by_key(|item| item.row);
        let wished = lowest.map_or(0, |item| item.lane);
        let free = |&lane: &usize| !section.items.iter().any(|item| (item.row, item.lane) == (row, lane));
        let lane = std::iter::once(wished).chain(0..).find(free).unwrap_or(wished);
        let to = section.items.len();
        section.items.push(Placed { item: Item::Node(n), row, lane });
        section.lines.extend(above.into_iter().map(|from| Line { from, to }));
        places.insert(Value::of(n), to);
    }
    section
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Preset, Shape};

    fn model(name: &str) -> Model {
        let input = Shape::Image { channels: 1, height: 28, width: 28 };
        Preset::named(name).unwrap().unwrap().graph(input, 5).unwrap().finish().unwrap()
    }

    #[test]
    fn names_say_what_is_a_block() {
        for (name, title) in [
            ("3", ""),
            ("fc", ""),
            ("layer1.0.conv1", "layer1.0"),
            ("layer1.0.downsample.1", "layer1.0"),
            ("block2.layer.13.bn1", "block2.layer.13"),
            ("encoder.conv", "encoder"),
            ("a.b.conv", "a.b"),
        ] {
            assert_eq!(block(name), title, "{name}");
        }
    }

    #[test]
    fn every_node_has_a_place_of_its_own_and_every_input_a_line() {
        for name in ["mlp", "conv4", "resnet12", "wrn-28-10"] {
            let model = model(name);
            let sections = sections(&model);
            let nodes: Vec<usize> = (sections.iter().flat_map(|section| &section.items))
                .filter_map(|placed| if let Item::Node(n) = placed.item { Some(n) } else { None })
                .collect();
            assert_eq!(nodes, (0..model.nodes().len()).collect::<Vec<_>>(), "{name}");
            let inputs: usize = model.nodes().iter().map(|node| node.inputs.len()).sum();
            assert_eq!(sections.iter().map(|section| section.lines.len()).sum::<usize>(), inputs, "{name}");
            for section in &sections {
                for (i, one) in section.items.iter().enumerate() {
                    let other = |other: &&Placed| (other.row, other.lane) == (one.row, one.lane);
                    assert_eq!(section.items.iter().filter(other).count(), 1, "{name}: {i}");
                }
                assert!(
                    section
                        .lines
                        .iter()
                        .all(|line| section.items[line.from].row < section.items[line.to].row)
                );
            }
        }
    }

    #[test]
    fn blocks_of_a_residual_network_stand_alike() {
        let sections = sections(&model("resnet12"));
        let titles: Vec<&str> = sections.iter().map(|section| section.title.as_str()).collect();
        assert_eq!(titles, ["layer1.0", "layer2.0", "layer3.0", "layer4.0", ""]);
        assert!(sections[..4].iter().all(|section| (section.rows(), section.lanes()) == (12, 2)));
    }
}
