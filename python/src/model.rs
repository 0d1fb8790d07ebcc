//! Models from their description, as recipes have it.

use crate::errors::{exception, read};
use fastweights::losses::Loss;
use fastweights::model::{
    Activation, Conv4, Downsample, Graph, Mlp, NamedOp, Op, Preset, Resnet12, Shape, Siren, WideResnet,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde::Deserialize;

/// A checked model.
#[pyclass(frozen, module = "fastweights._engine")]
pub(crate) struct Model(pub(crate) fastweights::model::Model);

/// A node: name, op in words, what goes in, shape of what comes out, number of parameters.
type Described = (String, String, Vec<String>, Vec<usize>, usize);

/// A network by its name, with settings.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Network {
    preset: String,
    hidden: Option<Vec<usize>>,
    activation: Option<Activation>,
    output_relu: Option<bool>,
    channels: Option<Vec<usize>>,
    downsample: Option<Downsample>,
    omega: Option<f64>,
    first_omega: Option<f64>,
    latent: Option<usize>,
}

/// Puts what is given in the place of what is usual.
fn put<T>(place: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *place = given;
    }
}

impl Network {
    fn preset(self) -> PyResult<Preset> {
        let named = Preset::named(&self.preset).map_err(exception)?;
        let mut preset =
            named.ok_or_else(|| PyValueError::new_err(format!("there is no preset `{}`", self.preset)))?;
        match &mut preset {
            Preset::Mlp(Mlp { hidden, activation, output_relu }) => {
                put(hidden, self.hidden);
                put(activation, self.activation);
                put(output_relu, self.output_relu);
            }
            Preset::Conv4(Conv4 { channels, downsample, activation }) => {
                put(channels, self.channels);
                put(downsample, self.downsample);
                put(activation, self.activation);
            }
            Preset::Resnet12(Resnet12 { channels, activation }) => {
                put(channels, self.channels);
                put(activation, self.activation);
            }
            Preset::WideResnet(WideResnet { activation, .. }) => put(activation, self.activation),
            Preset::Siren(Siren { hidden, omega, first_omega, latent }) => {
                put(hidden, self.hidden);
                put(omega, self.omega);
                put(first_omega, self.first_omega);
                put(latent, self.latent);
            }
        }
        Ok(preset)
    }
}

/// The shape of a point.
fn shape(axes: &[usize]) -> PyResult<Shape> {
    match *axes {
        [features] => Ok(Shape::Vector(features)),
        [channels, height, width] => Ok(Shape::Image { channels, height, width }),
        _ => Err(PyValueError::new_err(format!(
            "input_shape is {axes:?}; (features,) or (channels, height, width) is needed"
        ))),
    }
}

/// Every output of a model is a vector.
fn finish(graph: Graph) -> PyResult<Model> {
    graph.finish().map(Model).map_err(exception)
}

#[pymethods]
impl Model {
    /// A graph: a JSON list of ops, each with a `name` and `inputs` where it has them.
    #[staticmethod]
    fn of_layers(input: Vec<usize>, layers: &str) -> PyResult<Self> {
        let layers: Vec<NamedOp> = read("layer", layers)?;
        let mut graph = Graph::new(shape(&input)?).map_err(exception)?;
        graph.add_named(&layers).map_err(exception)?;
        finish(graph)
    }

    /// A network by its name: a JSON table with `preset` and settings.
    #[staticmethod]
    fn of_preset(input: Vec<usize>, outputs: usize, network: &str) -> PyResult<Self> {
        let network: Network = read("a preset", network)?;
        let preset = network.preset()?;
        preset.check().map_err(exception)?;
        finish(preset.graph(shape(&input)?, outputs).map_err(exception)?)
    }

    /// How the parameters of a preset are drawn, if nothing else is asked for.
    #[staticmethod]
    fn init_of_preset(network: &str) -> PyResult<Option<String>> {
        let network: Network = read("a preset", network)?;
        let init = network.preset()?.init();
        Ok(init.and_then(|init| Some(serde_json::to_value(init).ok()?.as_str()?.to_owned())))
    }

    /// Parameters in the order of the flat vector: name, shape, whether it is fixed.
    fn params(&self) -> Vec<(String, Vec<usize>, bool)> {
        self.0
            .params()
            .iter()
            .map(|param| (param.name.clone(), param.shape.clone(), param.is_fixed()))
            .collect()
    }

    /// The nodes.
    fn nodes(&self) -> Vec<Described> {
        let name = |value: &fastweights::model::Value| {
            value.node().map_or_else(|| "input".to_owned(), |node| self.0.nodes()[node].name.clone())
        };
        let describe = |node: &fastweights::model::Node| {
            let count = self.0.params()[node.params.clone()].iter().map(|param| param.len()).sum();
            let inputs = node.inputs.iter().map(name).collect();
            (node.name.clone(), node.op.to_string(), inputs, node.shape.axes(), count)
        };
        self.0.nodes().iter().map(describe).collect()
    }

    #[getter]
    fn input_shape(&self) -> Vec<usize> {
        self.0.input().axes()
    }

    #[getter]
    fn outputs(&self) -> usize {
        self.0.outputs()
    }

    #[getter]
    fn param_count(&self) -> usize {
        self.0.param_count()
    }
}

/// The names of all ops.
#[pyfunction]
pub(crate) fn ops() -> Vec<&'static str> {
    Op::names()
}

/// The names of all losses.
#[pyfunction]
pub(crate) fn losses() -> Vec<&'static str> {
    Loss::names()
}

/// Checks a loss, a JSON name or table; what its targets are: `numbers`, `shares` or `class`.
#[pyfunction]
pub(crate) fn check_loss(loss: &str) -> PyResult<&'static str> {
    use fastweights::losses::Truth;
    let loss: Loss = read("loss", loss)?;
    loss.check().map_err(exception)?;
    Ok(match loss.truth() {
        Truth::Numbers => "numbers",
        Truth::Shares => "shares",
        Truth::Class => "class",
    })
}
