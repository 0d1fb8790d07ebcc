//! A pipeline as SPIR-V, as `wgpu` would hand it to a driver.

use fastweights::backend::gpu::Pipeline;
use fastweights::wgsl::{Library, SOURCES};
use naga::back::pipeline_constants::process_overrides;
use naga::back::{PipelineConstants, spv};
use naga::proc::BoundsCheckPolicies;
use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{ShaderStage, front};

/// The shaders that are compiled in, or those of a folder, so that a change is tried without a build.
pub(crate) fn library(folder: Option<&str>) -> Result<Library, String> {
    let mut library = Library::default();
    let Some(folder) = folder else { return Ok(library) };
    for (room, name, _) in SOURCES {
        let file = format!("{folder}/{room}/{name}.wgsl");
        let text = std::fs::read_to_string(&file).map_err(|problem| format!("{file}: {problem}"))?;
        library = library.with(name, text);
    }
    Ok(library)
}

/// The words of a pipeline's only entry point, with its constants in place and without bounds checks.
pub(crate) fn spirv(library: &Library, pipeline: &Pipeline) -> Result<Vec<u32>, String> {
    let shader = pipeline.kernel.shader;
    let text = library.resolve(shader).map_err(|problem| problem.to_string())?;
    let module = front::wgsl::parse_str(&text).map_err(|problem| problem.emit_to_string(&text))?;
    let info = Validator::new(ValidationFlags::all(), Capabilities::empty())
        .validate(&module)
        .map_err(|problem| problem.emit_to_string(&text))?;
    let mut constants = PipelineConstants::default();
    let all = pipeline.kernel.specialised(&pipeline.constants).map_err(|problem| problem.to_string())?;
    constants.extend(all.into_iter().map(|(name, value)| (name.to_owned(), value)));
    let (module, info) = process_overrides(&module, &info, Some((ShaderStage::Compute, "main")), &constants)
        .map_err(|problem| format!("{shader}: {problem}"))?;
    let options = spv::Options {
        bounds_check_policies: BoundsCheckPolicies::default(),
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        force_loop_bounding: false,
        ..spv::Options::default()
    };
    let entry = spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point: "main".into() };
    spv::write_vec(&module, &info, &options, Some(&entry)).map_err(|problem| format!("{shader}: {problem}"))
}
