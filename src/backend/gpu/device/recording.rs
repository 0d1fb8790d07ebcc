//! Dispatches recorded once, encoded as often as wanted.

use super::kernel::Kernel;
use std::sync::Arc;

/// One dispatch with everything it needs.
#[derive(Clone, Debug)]
struct Step {
    kernel: Arc<Kernel>,
    bindings: wgpu::BindGroup,
    workgroups: [u32; 3],
}

/// Dispatches in order. Between two of them the device sees to it that writes have arrived.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    steps: Vec<Step>,
}

impl Recording {
    /// Appends a dispatch.
    pub fn push(&mut self, kernel: &Arc<Kernel>, bindings: wgpu::BindGroup, workgroups: [u32; 3]) {
        self.steps.push(Step { kernel: Arc::clone(kernel), bindings, workgroups });
    }

    /// Number of dispatches.
    #[must_use]
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether nothing was recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The kernel of a dispatch and its workgroups.
    pub(crate) fn describe(&self, step: usize) -> (&'static str, [u32; 3]) {
        (self.steps[step].kernel.name(), self.steps[step].workgroups)
    }

    /// Encodes all dispatches; `offset` goes to every kernel that has a dynamic uniform, bytes.
    pub fn encode(&self, pass: &mut wgpu::ComputePass<'_>, offset: u32) {
        (0..self.steps.len()).for_each(|step| self.encode_one(step, pass, offset));
    }

    /// Encodes one dispatch: for those who submit them apart, where all together would keep the device too long.
    pub fn encode_one(&self, step: usize, pass: &mut wgpu::ComputePass<'_>, offset: u32) {
        let Some(step) = self.steps.get(step) else { return };
        pass.set_pipeline(step.kernel.pipeline());
        let offsets: &[u32] = if step.kernel.has_dynamic_uniform() { &[offset] } else { &[] };
        pass.set_bind_group(0, &step.bindings, offsets);
        let [x, y, z] = step.workgroups;
        pass.dispatch_workgroups(x, y, z);
    }
}
