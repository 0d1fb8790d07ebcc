//! Checkpoints: a model that PyTorch can load, and beside it the state that continuing needs.

use crate::error::{Error, Result};
use crate::file::write_atomic;
use crate::meta::{Plan, TrainState};
use crate::tensors::{Header, Source, Tensors};
use std::path::{Path, PathBuf};

/// The checkpoints of one learner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoints {
    root: PathBuf,
}

/// What a checkpoint holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Saved {
    /// Parameters, optimizer and count.
    pub state: TrainState,
    /// Sums of losses since the last line of metrics, so that resuming changes no line.
    pub sums: Vec<f64>,
}

impl Checkpoints {
    /// Those in a directory.
    #[must_use]
    pub fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// The model's file.
    #[must_use]
    pub fn model_path(&self, step: u64) -> PathBuf {
        self.root.join(format!("{step}.safetensors"))
    }

    /// The file of everything else.
    #[must_use]
    pub fn state_path(&self, step: u64) -> PathBuf {
        self.root.join("state").join(format!("{step}.safetensors"))
    }

    /// Steps with both files, ascending.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) if the directory cannot be read.
    pub fn steps(&self) -> Result<Vec<u64>> {
        let mut steps = numbered(&self.root)?;
        steps.retain(|&step| self.state_path(step).is_file());
        Ok(steps)
    }

    /// Writes a checkpoint; the model's file, which makes it count, comes last.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) if a file cannot be written.
    pub fn save(&self, plan: &Plan, seed: u64, saved: &Saved) -> Result<()> {
        for (path, bytes) in self.files(plan, seed, saved)? {
            write_atomic(&path, &bytes)?;
        }
        Ok(())
    }

    /// The files of a checkpoint, that which makes it count last.
    ///
    /// # Errors
    /// None that a state of the plan can cause.
    pub fn files(&self, plan: &Plan, seed: u64, saved: &Saved) -> Result<[(PathBuf, Vec<u8>); 2]> {
        let TrainState { iteration, params, m, v } = &saved.state;
        let theta = plan.model.param_count();
        let mut state = Tensors::default();
        for (kind, values) in [("m", m), ("v", v)] {
            state.add_theta(&format!("optimizer.{kind}."), &plan.model, values);
            state.add(format!("optimizer.{kind}.inner_lr"), &[values.len() - theta], &values[theta..]);
        }
        state.add("inner_lr".into(), &[params.len() - theta], &params[theta..]);
        state.add_wide("metrics.sums".into(), &saved.sums);
        let mut model = Tensors::default();
        model.add_theta("", &plan.model, params);
        let bytes = |tensors: Tensors, path: PathBuf| {
            let bytes = tensors.bytes(&path, Header::new(seed, *iteration))?;
            Ok::<_, Error>((path, bytes))
        };
        Ok([bytes(state, self.state_path(*iteration))?, bytes(model, self.model_path(*iteration))?])
    }

    /// Writes a checkpoint and then removes all others.
    ///
    /// # Errors
    /// As [`Checkpoints::save`].
    pub fn save_only(&self, plan: &Plan, seed: u64, saved: &Saved) -> Result<()> {
        self.save(plan, seed, saved)?;
        self.remove(self.steps()?.into_iter().filter(|&step| step != saved.state.iteration))
    }

    /// Removes all but the newest `count` of the checkpoints up to `last`, 0 keeps all, and halves of checkpoints that a process
    /// which died has left.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) if a file cannot be removed.
    pub fn keep(&self, count: u64, last: u64) -> Result<()> {
        for step in numbered(&self.root.join("state"))? {
            if step <= last && !self.model_path(step).is_file() {
                remove(&self.state_path(step))?;
            }
        }
        if count == 0 {
            return Ok(());
        }
        let steps: Vec<_> = self.steps()?.into_iter().filter(|&step| step <= last).collect();
        let old = steps.len().saturating_sub(count as usize);
        self.remove(steps[..old].iter().copied())
    }

    /// Removes checkpoints, first what makes one count.
    fn remove(&self, steps: impl Iterator<Item = u64>) -> Result<()> {
        for step in steps {
            remove(&self.model_path(step))?;
            remove(&self.state_path(step))?;
        }
        Ok(())
    }

    /// Reads the checkpoint of a step.
    ///
    /// # Errors
    /// [`File`](crate::ErrorKind::File) naming the file that is damaged, and the tensor that is not as the plan has it.
    pub fn load(&self, plan: &Plan, step: u64) -> Result<Saved> {
        let [model, state] = self.sources(step)?;
        let rates = plan.learned_rates();
        let mut params = model.theta("", &plan.model)?;
        params.extend(state.floats("inner_lr", &[rates])?);
        let moments = |kind: &str| {
            let mut values = state.theta(&format!("optimizer.{kind}."), &plan.model)?;
            values.extend(state.floats(&format!("optimizer.{kind}.inner_lr"), &[rates])?);
            Ok::<_, Error>(values)
        };
        let (m, v) = (moments("m")?, moments("v")?);
        Ok(Saved { state: TrainState { iteration: step, params, m, v }, sums: state.wide("metrics.sums")? })
    }

    /// Both files of a step, each as it was written.
    fn sources(&self, step: u64) -> Result<[Source; 2]> {
        let read = |path: PathBuf| {
            let source = Source::read(path.clone())?;
            match source.header()?.step {
                found if found == step => Ok(source),
                found => Err(Error::file(path, format!("is of step {found}; it was given another's name"))),
            }
        };
        Ok([read(self.model_path(step))?, read(self.state_path(step))?])
    }

    /// Whether the checkpoint of a step is there and as it was written.
    #[must_use]
    pub fn is_whole(&self, step: u64) -> bool {
        self.sources(step).is_ok()
    }

    /// Reads the newest whole checkpoint. Damaged ones are passed over, newest first, and told to `warn`.
    ///
    /// # Errors
    /// As [`Checkpoints::load`] of the newest, if none is whole, and if there is none.
    pub fn load_newest(&self, plan: &Plan, warn: &mut dyn FnMut(&Error)) -> Result<Saved> {
        newest(self.steps()?, |step| self.load(plan, step), warn)?
            .ok_or_else(|| Error::file(&self.root, "holds no checkpoint"))
    }
}

/// Meta-parameters `[P + R]` from the bytes of a model's file; learned rates are its tensor `inner_lr`. Errors name it by `path`.
///
/// # Errors
/// [`File`](crate::ErrorKind::File) if they are damaged, or not those of the plan's model.
pub fn read_params(plan: &Plan, path: &Path, bytes: &[u8]) -> Result<Vec<f32>> {
    let file = Source::parse(path.to_owned(), bytes)?;
    let mut params = file.theta("", &plan.model)?;
    if plan.learned_rates() > 0 {
        params.extend(file.floats("inner_lr", &[plan.learned_rates()])?);
    }
    Ok(params)
}

/// What loads of the newest of some steps; nothing where there are no steps. Those that do not load are told to `warn` once
/// one does.
///
/// # Errors
/// That of the newest, if none loads.
pub(super) fn newest<T>(
    steps: Vec<u64>,
    mut load: impl FnMut(u64) -> Result<T>,
    warn: &mut dyn FnMut(&Error),
) -> Result<Option<T>> {
    let mut damaged = Vec::new();
    for step in steps.into_iter().rev() {
        match load(step) {
            Ok(loaded) => {
                damaged.iter().for_each(warn);
                return Ok(Some(loaded));
            }
            Err(error) => damaged.push(error),
        }
    }
    damaged.into_iter().next().map_or(Ok(None), Err)
}

/// Steps that files of a directory are named by, ascending.
fn numbered(root: &Path) -> Result<Vec<u64>> {
    let entries = match std::fs::read_dir(root) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::file_caused(root, "cannot be read", e)),
    };
    let mut steps = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| Error::file_caused(root, "cannot be read", e))?;
        let name = entry.file_name();
        steps.extend(name.to_str().and_then(|n| n.strip_suffix(".safetensors")?.parse::<u64>().ok()));
    }
    steps.sort_unstable();
    Ok(steps)
}

fn remove(path: &Path) -> Result<()> {
    std::fs::remove_file(path).map_err(|e| Error::file_caused(path, "cannot be removed", e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{Recipe, parse_setting};

    #[test]
    fn what_is_saved_is_loaded_and_the_same_state_gives_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let settings = [parse_setting("inner.learned_lr=per_parameter").unwrap()];
        let plan = Recipe::load("sinusoid", &settings).unwrap().plan().unwrap();
        let ramp = |scale: f32| (0..plan.meta_len()).map(|i| i as f32 * scale).collect::<Vec<_>>();
        let state = TrainState { iteration: 7, params: ramp(0.5), m: ramp(-1e-3), v: ramp(1e-9) };
        let saved = Saved { state, sums: vec![0.1, 1.0 / 3.0] };
        let (one, two) = (Checkpoints::at(dir.path().join("a")), Checkpoints::at(dir.path().join("b")));
        for place in [&one, &two] {
            place.save(&plan, 3, &saved).unwrap();
            assert_eq!(place.load(&plan, 7).unwrap(), saved);
        }
        let bytes = |path: PathBuf| std::fs::read(path).unwrap();
        assert_eq!(bytes(one.model_path(7)), bytes(two.model_path(7)));
        assert_eq!(bytes(one.state_path(7)), bytes(two.state_path(7)));
        let file = Source::read(one.model_path(7)).unwrap();
        let names = file.names().collect::<Vec<_>>();
        assert_eq!(names, ["0.bias", "0.weight", "2.bias", "2.weight", "4.bias", "4.weight"]);
    }

    #[test]
    fn a_damaged_or_foreign_checkpoint_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let plan = Recipe::load("sinusoid", &[]).unwrap().plan().unwrap();
        let place = Checkpoints::at(dir.path().to_owned());
        let zeros = vec![0.0; plan.meta_len()];
        place.save(&plan, 0, &Saved { state: TrainState::start(zeros), sums: vec![] }).unwrap();
        let wider = Recipe::load("sinusoid", &[parse_setting("model.hidden=[41]").unwrap()]).unwrap();
        let error = place.load(&wider.plan().unwrap(), 0).unwrap_err().to_string();
        assert!(error.contains("0.weight") && error.contains("[41, 1]"), "{error}");
        std::fs::write(place.model_path(0), b"nothing").unwrap();
        let error = place.load(&plan, 0).unwrap_err().to_string();
        assert!(error.contains("0.safetensors") && error.contains("safetensors file"), "{error}");
        assert!(
            !place.is_whole(0)
                && place.load_newest(&plan, &mut |_| panic!("nothing to fall back to")).is_err()
        );
        // A model without its state, e.g. after a crash, does not count.
        std::fs::write(place.model_path(5), b"").unwrap();
        assert_eq!(place.steps().unwrap(), [0]);
    }

    #[test]
    fn a_damaged_newest_one_falls_back_and_old_ones_go() {
        let dir = tempfile::tempdir().unwrap();
        let plan = Recipe::load("sinusoid", &[]).unwrap().plan().unwrap();
        let place = Checkpoints::at(dir.path().to_owned());
        for step in [0, 5, 10, 15] {
            let state =
                TrainState { iteration: step, ..TrainState::start(vec![step as f32; plan.meta_len()]) };
            place.save(&plan, 0, &Saved { state, sums: vec![] }).unwrap();
        }
        // 15 is of another training that got further.
        place.keep(2, 10).unwrap();
        assert_eq!(place.steps().unwrap(), [5, 10, 15]);
        // What a process that died between two files has left goes, and nothing else.
        std::fs::copy(place.state_path(10), place.state_path(0)).unwrap();
        std::fs::copy(place.state_path(10), place.state_path(20)).unwrap();
        place.keep(0, 15).unwrap();
        place.keep(7, 15).unwrap();
        assert!(!place.state_path(0).exists() && place.state_path(20).exists());
        std::fs::rename(place.model_path(10), place.model_path(15)).unwrap();
        std::fs::copy(place.model_path(5), place.model_path(10)).unwrap();
        let mut told = Vec::new();
        let saved = place.load_newest(&plan, &mut |error| told.push(error.to_string())).unwrap();
        assert_eq!((saved.state.iteration, told.len()), (5, 2));
        assert!(
            told[0].contains("15.safetensors: is of step 10") && told[1].contains("10.safetensors"),
            "{told:?}"
        );
    }
}
