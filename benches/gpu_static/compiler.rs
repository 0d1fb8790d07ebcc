//! A Vulkan driver that compiles and tells of it (VK_KHR_pipeline_executable_properties).

#![allow(unsafe_code, reason = "Vulkan")]

use ash::khr::pipeline_executable_properties as executables;
use ash::{Device, Entry, Instance, vk};
use fastweights::wgsl::{Binding, Declaration};
use std::collections::BTreeMap;
use std::ffi::CStr;

/// What a driver made of a pipeline.
pub(crate) struct Compiled {
    /// Its counts by name.
    pub(crate) statistics: BTreeMap<String, u64>,
    /// Its machine code as text; empty if the driver keeps it to itself.
    pub(crate) assembly: String,
}

/// An opened driver.
pub(crate) struct Compiler {
    /// The device that it compiles for.
    pub(crate) name: String,
    device: Device,
    told: executables::Device,
    instance: Instance,
    // The library goes last.
    _entry: Entry,
}

fn text(letters: &[std::ffi::c_char]) -> String {
    let bytes: Vec<u8> = letters.iter().map(|&letter| letter as u8).collect();
    CStr::from_bytes_until_nul(&bytes).map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
}

impl Compiler {
    /// The first device of the driver that the environment names.
    pub(crate) fn open() -> Result<Self, String> {
        let failed = |problem: vk::Result| problem.to_string();
        // SAFETY: the loader is the system's.
        let entry = unsafe { Entry::load() }.map_err(|problem| format!("the Vulkan loader: {problem}"))?;
        let app = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
        let info = vk::InstanceCreateInfo::default().application_info(&app);
        // SAFETY: what `info` points at lives as long as the call.
        let instance = unsafe { entry.create_instance(&info, None) }.map_err(failed)?;
        // SAFETY: the instance is alive.
        let physical = unsafe { instance.enumerate_physical_devices() }.map_err(failed)?;
        let physical = *physical.first().ok_or("the driver has no device")?;
        // SAFETY: the device is of this instance.
        let properties = unsafe { instance.get_physical_device_properties(physical) };
        let queues = [vk::DeviceQueueCreateInfo::default().queue_priorities(&[1.0])];
        let extensions = [executables::NAME.as_ptr()];
        let mut told = vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default()
            .pipeline_executable_info(true);
        let mut newer = vk::PhysicalDeviceVulkan12Features::default()
            .vulkan_memory_model(true)
            .vulkan_memory_model_device_scope(true);
        let info = vk::DeviceCreateInfo::default()
            .queue_create_infos(&queues)
            .enabled_extension_names(&extensions)
            .push_next(&mut told)
            .push_next(&mut newer);
        // SAFETY: what `info` points at lives as long as the call.
        let device = unsafe { instance.create_device(physical, &info, None) }.map_err(failed)?;
        let told = executables::Device::new(&instance, &device);
        Ok(Self { name: text(&properties.device_name), device, told, instance, _entry: entry })
    }

    /// Compiles a kernel whose bindings are as declared.
    pub(crate) fn compile(&self, words: &[u32], kernel: &Declaration) -> Result<Compiled, String> {
        let failed = |problem: vk::Result| problem.to_string();
        let bindings: Vec<_> = (kernel.bindings.iter().enumerate())
            .map(|(at, binding)| {
                let kind = match binding {
                    Binding::Uniform => vk::DescriptorType::UNIFORM_BUFFER,
                    Binding::DynamicUniform => vk::DescriptorType::UNIFORM_BUFFER_DYNAMIC,
                    Binding::Read | Binding::Write => vk::DescriptorType::STORAGE_BUFFER,
                };
                vk::DescriptorSetLayoutBinding::default()
                    .binding(at as u32)
                    .descriptor_type(kind)
                    .descriptor_count(1)
                    .stage_flags(vk::ShaderStageFlags::COMPUTE)
            })
            .collect();
        let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
        let flags = vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR
            | vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR;
        // SAFETY: every handle is of this device, what the structs point at lives as long as the calls, and the words come
        // from a validated module. The process ends before long: nothing is destroyed but the device.
        unsafe {
            let sets = [self.device.create_descriptor_set_layout(&info, None).map_err(failed)?];
            let info = vk::PipelineLayoutCreateInfo::default().set_layouts(&sets);
            let layout = self.device.create_pipeline_layout(&info, None).map_err(failed)?;
            let info = vk::ShaderModuleCreateInfo::default().code(words);
            let module = self.device.create_shader_module(&info, None).map_err(failed)?;
            let stage = vk::PipelineShaderStageCreateInfo::default()
                .stage(vk::ShaderStageFlags::COMPUTE)
                .module(module)
                .name(c"main");
            let info = [vk::ComputePipelineCreateInfo::default().flags(flags).stage(stage).layout(layout)];
            let made = self.device.create_compute_pipelines(vk::PipelineCache::null(), &info, None);
            let pipeline = made.map_err(|(_, problem)| failed(problem))?[0];
            let executable = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline);
            let statistics = self.told.get_pipeline_executable_statistics(&executable).map_err(failed)?;
            let statistics = statistics.iter().map(|one| (text(&one.name), one.value.u64)).collect();
            Ok(Compiled { statistics, assembly: self.assembly(&executable).map_err(failed)? })
        }
    }

    /// The last of the driver's representations: what the card would run.
    fn assembly(&self, executable: &vk::PipelineExecutableInfoKHR<'_>) -> Result<String, vk::Result> {
        let call = self.told.fp().get_pipeline_executable_internal_representations_khr;
        let mut count = 0;
        // SAFETY: as Vulkan has it: the count first, then the sizes of the texts, then the texts, each in room of its size.
        unsafe {
            call(self.device.handle(), executable, &raw mut count, std::ptr::null_mut()).result()?;
            let mut all = vec![vk::PipelineExecutableInternalRepresentationKHR::default(); count as usize];
            call(self.device.handle(), executable, &raw mut count, all.as_mut_ptr()).result()?;
            let mut texts: Vec<Vec<u8>> = all.iter().map(|one| vec![0; one.data_size]).collect();
            for (one, room) in all.iter_mut().zip(&mut texts) {
                one.p_data = room.as_mut_ptr().cast();
            }
            call(self.device.handle(), executable, &raw mut count, all.as_mut_ptr()).result()?;
            Ok(texts.pop().map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default())
        }
    }
}

impl Drop for Compiler {
    fn drop(&mut self) {
        // SAFETY: nothing of them is used any more.
        unsafe {
            self.device.destroy_device(None);
            self.instance.destroy_instance(None);
        }
    }
}
