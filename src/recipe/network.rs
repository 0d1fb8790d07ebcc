//! `[model]`: which network it is, by a preset's name and settings or by its layers.

use super::edit::nearest;
use super::limits::within;
use super::settings::Network;
use super::typed;
use super::typed::Channels;
use crate::error::{Error, Result};
use crate::model::Preset;

/// Puts what was typed in the place of what is usual.
fn put<T>(place: &mut T, typed: Option<T>) {
    if let Some(typed) = typed {
        *place = typed;
    }
}

/// The preset of this name.
fn named(name: &str) -> Result<Preset> {
    Preset::named(name)?.ok_or_else(|| {
        let hint = nearest(name, Preset::NAMES.into_iter())
            .map_or_else(String::new, |near| format!("did you mean `{near}`? "));
        let reason = format!("is `{name}`; {hint}allowed are {}", Preset::NAMES.join(", "));
        Error::recipe("model.preset", reason)
    })
}

/// What a preset may be told.
fn settings(preset: &Preset) -> Vec<String> {
    let all = toml::Table::try_from(preset).unwrap_or_default();
    all.into_iter().map(|(key, _)| key).filter(|key| key != "preset").collect()
}

/// The refusal of a setting that belongs to other presets.
fn stray(key: &str, preset: &Preset) -> Error {
    let mut owners = Preset::NAMES.to_vec();
    owners.retain(|name| {
        Preset::named(name)
            .is_ok_and(|known| known.is_some_and(|known| settings(&known).contains(&key.to_owned())))
    });
    let (name, has, owners) = (preset.name(), settings(preset).join(", "), owners.join(", "));
    let reason = format!("is no setting of model.preset = \"{name}\", which has {has}; {owners} have it");
    Error::recipe(format!("model.{key}"), reason)
}

impl typed::Model {
    /// The network.
    pub(super) fn network(mut self) -> Result<Network> {
        if let Some(layers) = self.layers.take() {
            if let Some(key) = self.of_presets() {
                let reason = format!(
                    "and model.{key} are two ways to say what the network is; keep one, or set model.preset, which takes \
                     the place of model.layers"
                );
                return Err(Error::recipe("model.layers", reason));
            }
            within("model.layers (its length)", layers.len(), 0..=1024)?;
            return Ok(Network::Layers { layers });
        }
        let mut preset = named(&self.preset.take().unwrap_or_else(|| "mlp".to_owned()))?;
        match &mut preset {
            Preset::Mlp(mlp) => {
                put(&mut mlp.hidden, self.hidden.take());
                put(&mut mlp.activation, self.activation.take());
                put(&mut mlp.output_relu, self.output_relu.take());
            }
            Preset::Conv4(conv4) => {
                put(&mut conv4.channels, self.four_channels());
                put(&mut conv4.downsample, self.downsample.take());
                put(&mut conv4.activation, self.activation.take());
            }
            Preset::Resnet12(resnet12) => {
                put(&mut resnet12.channels, self.four_channels());
                put(&mut resnet12.activation, self.activation.take());
            }
            Preset::WideResnet(wide) => put(&mut wide.activation, self.activation.take()),
            Preset::Siren(siren) => {
                put(&mut siren.hidden, self.hidden.take());
                put(&mut siren.omega, self.omega.take());
                put(&mut siren.first_omega, self.first_omega.take());
                put(&mut siren.latent, self.latent.take());
            }
        }
        if let Some(key) = self.of_presets() {
            return Err(stray(key, &preset));
        }
        preset.check()?;
        Ok(Network::Preset(preset))
    }

    /// Channels of four blocks.
    fn four_channels(&mut self) -> Option<Vec<usize>> {
        Some(match self.channels.take()? {
            Channels::All(channels) => vec![channels; 4],
            Channels::Each(channels) => channels,
        })
    }

    /// A key of presets that is typed and that nobody took.
    fn of_presets(&self) -> Option<&'static str> {
        let Self {
            preset,
            hidden,
            activation,
            output_relu,
            channels,
            downsample,
            omega,
            first_omega,
            latent,
            ..
        } = self;
        [
            ("preset", preset.is_some()),
            ("hidden", hidden.is_some()),
            ("activation", activation.is_some()),
            ("output_relu", output_relu.is_some()),
            ("channels", channels.is_some()),
            ("downsample", downsample.is_some()),
            ("omega", omega.is_some()),
            ("first_omega", first_omega.is_some()),
            ("latent", latent.is_some()),
        ]
        .into_iter()
        .find_map(|(key, typed)| typed.then_some(key))
    }
}
