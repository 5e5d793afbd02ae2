//! What a driver's own compiler makes of a shader: the statistics and the text of `VK_KHR_pipeline_executable_properties`.
//!
//! wgpu does not switch that extension on, so this opens a Vulkan device of its own, compiles, and reads; nothing is ever
//! submitted. The compiler is told what wgpu tells it: the same SPIR-V version, and robust buffer access, which costs
//! instructions on some hardware, wherever the device has it.
#![allow(unsafe_code)] // ash is nothing but calls into the loader; each block says why it is sound

use super::spirv::{Binding, Interface};
use ash::vk;
use std::ffi::{CStr, CString, c_char};

/// A compiler that tells what it made, and the device it compiles for.
pub struct Compiler {
    instance: ash::Instance,
    device: ash::Device,
    properties: ash::khr::pipeline_executable_properties::Device,
    /// Name of the device, as the driver says it.
    pub adapter: String,
    /// Name of the driver.
    pub driver: String,
    /// Version text of the driver.
    pub driver_info: String,
    // Unloads the loader when it is dropped, so it goes last.
    _entry: ash::Entry,
}

/// What became of one shader.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Executable {
    /// Invocations of a subgroup it was compiled for.
    pub subgroup: u32,
    /// Numbers by the name the driver gives them.
    pub statistics: Vec<(String, f64)>,
    /// Texts by the name the driver gives them; the last one is the machine code.
    pub texts: Vec<(String, String)>,
}

/// Why a compiler tells nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Silent {
    /// No Vulkan here.
    #[error("no Vulkan loader: {0}")]
    Loader(String),
    /// No device at that position.
    #[error("Vulkan has no device number {0}")]
    Position(usize),
    /// The driver lacks the extension.
    #[error(
        "the driver of {0} does not tell what its compiler makes of a kernel (no VK_KHR_pipeline_executable_properties)"
    )]
    Extension(String),
    /// Older than Vulkan 1.3.
    #[error("{0} has Vulkan {1}.{2}; 1.3 is needed")]
    Version(String, u32, u32),
    /// The driver refused.
    #[error("the driver refused {0}: {1}")]
    Refused(&'static str, String),
    /// No SPIR-V that can be read.
    #[error("no SPIR-V: {0}")]
    Spirv(&'static str),
}

/// Why a driver's library does not load; `None` where it does.
pub(super) fn refusal(library: &std::path::Path) -> Option<String> {
    // SAFETY: the Vulkan loader runs this library's initialisers as well, in this same process, when it lists drivers.
    match unsafe { ash::Entry::load_from(library) } {
        Err(ash::LoadingError::LibraryLoadFailure(error)) => Some(error.to_string()),
        // A driver need not export what a loader does.
        _ => None,
    }
}

fn refused(what: &'static str) -> impl Fn(vk::Result) -> Silent {
    move |why| Silent::Refused(what, why.to_string())
}

impl Compiler {
    /// Opens the Vulkan device at `position`.
    ///
    /// # Errors
    /// When there is none, or its driver tells nothing.
    pub fn open(position: usize) -> Result<Self, Silent> {
        // SAFETY: loads the system's Vulkan loader, which every Vulkan program trusts.
        let entry = unsafe { ash::Entry::load() }.map_err(|e| Silent::Loader(e.to_string()))?;
        let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
        let info = vk::InstanceCreateInfo::default().application_info(&application);
        // SAFETY: `info` and what it points to live through the call; the same holds for every call below.
        let instance = unsafe { entry.create_instance(&info, None) }.map_err(refused("an instance"))?;
        // The loader stays until the instance is gone.
        match Self::of(entry.clone(), instance.clone(), position) {
            Ok(compiler) => Ok(compiler),
            Err(why) => {
                // SAFETY: no device was made of it.
                unsafe { instance.destroy_instance(None) };
                Err(why)
            }
        }
    }

    fn of(entry: ash::Entry, instance: ash::Instance, position: usize) -> Result<Self, Silent> {
        // SAFETY: the instance is alive.
        let all = unsafe { instance.enumerate_physical_devices() }.map_err(refused("a list of devices"))?;
        let physical = *all.get(position).ok_or(Silent::Position(position))?;
        let mut driver = vk::PhysicalDeviceDriverProperties::default();
        let mut about = vk::PhysicalDeviceProperties2::default().push_next(&mut driver);
        // SAFETY: `physical` belongs to the instance.
        unsafe { instance.get_physical_device_properties2(physical, &mut about) };
        let (api, adapter) = (about.properties.api_version, text(&about.properties.device_name));
        let (driver, driver_info) = (text(&driver.driver_name), text(&driver.driver_info));
        if api < vk::API_VERSION_1_3 {
            return Err(Silent::Version(adapter, vk::api_version_major(api), vk::api_version_minor(api)));
        }
        // SAFETY: as above.
        let offered = unsafe { instance.enumerate_device_extension_properties(physical) };
        let offered = offered.map_err(refused("a list of extensions"))?;
        let has = |name: &CStr| offered.iter().any(|e| e.extension_name_as_c_str() == Ok(name));
        if !has(ash::khr::pipeline_executable_properties::NAME) {
            return Err(Silent::Extension(adapter));
        }
        let wanted = [
            ash::khr::pipeline_executable_properties::NAME,
            ash::khr::cooperative_matrix::NAME,
            ash::ext::robustness2::NAME,
        ];
        let names: Vec<*const c_char> = wanted.iter().filter(|n| has(n)).map(|n| n.as_ptr()).collect();
        let (mut v11, mut v12, mut v13) = (
            vk::PhysicalDeviceVulkan11Features::default(),
            vk::PhysicalDeviceVulkan12Features::default(),
            vk::PhysicalDeviceVulkan13Features::default(),
        );
        let mut matrix = vk::PhysicalDeviceCooperativeMatrixFeaturesKHR::default();
        let mut robust = vk::PhysicalDeviceRobustness2FeaturesEXT::default();
        let mut tells = vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default();
        let mut features =
            vk::PhysicalDeviceFeatures2::default().push_next(&mut v11).push_next(&mut v12).push_next(&mut v13);
        features = features.push_next(&mut tells);
        if has(ash::khr::cooperative_matrix::NAME) {
            features = features.push_next(&mut matrix);
        }
        if has(ash::ext::robustness2::NAME) {
            features = features.push_next(&mut robust);
        }
        // Everything that is offered is switched on, as asked for in the same chain.
        // SAFETY: as above.
        unsafe { instance.get_physical_device_features2(physical, &mut features) };
        // SAFETY: as above.
        let families = unsafe { instance.get_physical_device_queue_family_properties(physical) };
        let family = families.iter().position(|f| f.queue_flags.contains(vk::QueueFlags::COMPUTE)).unwrap_or(0);
        let queues = [vk::DeviceQueueCreateInfo::default().queue_family_index(family as u32).queue_priorities(&[1.0])];
        let info = vk::DeviceCreateInfo::default()
            .queue_create_infos(&queues)
            .enabled_extension_names(&names)
            .push_next(&mut features);
        // SAFETY: only what the device offers is asked for.
        let device = unsafe { instance.create_device(physical, &info, None) }.map_err(refused("a device"))?;
        let properties = ash::khr::pipeline_executable_properties::Device::new(&instance, &device);
        Ok(Self { instance, device, properties, adapter, driver, driver_info, _entry: entry })
    }

    /// Compiles a compute shader and asks what became of it.
    ///
    /// # Errors
    /// When the words are no SPIR-V, or the driver refuses them.
    pub fn compile(&self, words: &[u32]) -> Result<Executable, Silent> {
        let interface = Interface::of(words).map_err(Silent::Spirv)?;
        let bindings: Vec<_> = interface
            .bindings
            .iter()
            .map(|(number, kind)| {
                vk::DescriptorSetLayoutBinding::default()
                    .binding(*number)
                    .descriptor_type(descriptor(*kind))
                    .descriptor_count(1)
                    .stage_flags(vk::ShaderStageFlags::COMPUTE)
            })
            .collect();
        let entry =
            CString::new(interface.entry).map_err(|_| Silent::Spirv("the name of its entry point has a NUL"))?;
        let mut made = Made::empty(&self.device);
        let set = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
        // SAFETY: what is created here is destroyed by `made`, once and in the right order.
        unsafe {
            made.set = self.device.create_descriptor_set_layout(&set, None).map_err(refused("a set layout"))?;
            let sets = [made.set];
            let constants = [vk::PushConstantRange::default()
                .stage_flags(vk::ShaderStageFlags::COMPUTE)
                .size(interface.constants.next_multiple_of(4))];
            let mut layout = vk::PipelineLayoutCreateInfo::default().set_layouts(&sets);
            if interface.constants > 0 {
                layout = layout.push_constant_ranges(&constants);
            }
            made.layout = self.device.create_pipeline_layout(&layout, None).map_err(refused("a layout"))?;
            let code = vk::ShaderModuleCreateInfo::default().code(words);
            made.module = self.device.create_shader_module(&code, None).map_err(refused("the shader"))?;
            let stage = vk::PipelineShaderStageCreateInfo::default()
                .stage(vk::ShaderStageFlags::COMPUTE)
                .module(made.module)
                .name(&entry);
            let flags = vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR
                | vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR;
            let info = [vk::ComputePipelineCreateInfo::default().stage(stage).layout(made.layout).flags(flags)];
            let pipelines = self.device.create_compute_pipelines(vk::PipelineCache::null(), &info, None);
            made.pipeline = pipelines.map_err(|(_, why)| Silent::Refused("the kernel", why.to_string()))?[0];
            self.tell(made.pipeline)
        }
    }

    /// # Safety
    /// `pipeline` is alive and was created to be asked.
    unsafe fn tell(&self, pipeline: vk::Pipeline) -> Result<Executable, Silent> {
        let info = vk::PipelineInfoKHR::default().pipeline(pipeline);
        // SAFETY: as the caller says.
        let parts = unsafe { self.properties.get_pipeline_executable_properties(&info) };
        let parts = parts.map_err(refused("to list its executables"))?;
        let mut told = Executable { subgroup: parts.first().map_or(0, |p| p.subgroup_size), ..Executable::default() };
        for index in 0..parts.len() as u32 {
            let info = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline).executable_index(index);
            // SAFETY: as above; the index is one of those listed.
            let numbers = unsafe { self.properties.get_pipeline_executable_statistics(&info) };
            for number in numbers.map_err(refused("its statistics"))? {
                // SAFETY: the format says which member of the union was written.
                let value = unsafe {
                    match number.format {
                        vk::PipelineExecutableStatisticFormatKHR::BOOL32 => f64::from(number.value.b32),
                        vk::PipelineExecutableStatisticFormatKHR::INT64 => number.value.i64 as f64,
                        vk::PipelineExecutableStatisticFormatKHR::UINT64 => number.value.u64 as f64,
                        _ => number.value.f64,
                    }
                };
                told.statistics.push((text(&number.name), value));
            }
            told.texts.extend(self.representations(&info)?);
        }
        Ok(told)
    }

    /// The texts of an executable: asked once for their sizes, then for themselves.
    fn representations(&self, info: &vk::PipelineExecutableInfoKHR<'_>) -> Result<Vec<(String, String)>, Silent> {
        let call = self.properties.fp().get_pipeline_executable_internal_representations_khr;
        let mut count = 0;
        let ask = |count: &mut u32, list: *mut vk::PipelineExecutableInternalRepresentationKHR<'_>| {
            // SAFETY: `list` is null or has room for `count` entries.
            unsafe { call(self.device.handle(), info, count, list) }.result().map_err(refused("its texts"))
        };
        ask(&mut count, std::ptr::null_mut())?;
        let mut list = vec![vk::PipelineExecutableInternalRepresentationKHR::default(); count as usize];
        ask(&mut count, list.as_mut_ptr())?;
        let mut room: Vec<Vec<u8>> = list.iter().map(|r| vec![0; r.data_size]).collect();
        for (entry, room) in list.iter_mut().zip(&mut room) {
            entry.p_data = room.as_mut_ptr().cast();
        }
        ask(&mut count, list.as_mut_ptr())?;
        let read = |room: &[u8]| String::from_utf8_lossy(room).trim_end_matches('\0').to_owned();
        Ok(list
            .iter()
            .zip(&room)
            .filter(|(r, _)| r.is_text != 0)
            .map(|(r, room)| (text(&r.name), read(room)))
            .collect())
    }
}

impl Drop for Compiler {
    fn drop(&mut self) {
        // SAFETY: everything made of the device is gone, and nothing was ever submitted.
        unsafe {
            self.device.destroy_device(None);
            self.instance.destroy_instance(None);
        }
    }
}

/// What a compilation made; null where it did not get so far.
struct Made<'a> {
    device: &'a ash::Device,
    set: vk::DescriptorSetLayout,
    layout: vk::PipelineLayout,
    module: vk::ShaderModule,
    pipeline: vk::Pipeline,
}

impl<'a> Made<'a> {
    fn empty(device: &'a ash::Device) -> Self {
        Self {
            device,
            set: vk::DescriptorSetLayout::null(),
            layout: vk::PipelineLayout::null(),
            module: vk::ShaderModule::null(),
            pipeline: vk::Pipeline::null(),
        }
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        // SAFETY: each is null, which is ignored, or was made of this device and is used by nothing.
        unsafe {
            self.device.destroy_pipeline(self.pipeline, None);
            self.device.destroy_shader_module(self.module, None);
            self.device.destroy_pipeline_layout(self.layout, None);
            self.device.destroy_descriptor_set_layout(self.set, None);
        }
    }
}

const fn descriptor(kind: Binding) -> vk::DescriptorType {
    match kind {
        Binding::Uniform => vk::DescriptorType::UNIFORM_BUFFER,
        Binding::Storage => vk::DescriptorType::STORAGE_BUFFER,
        Binding::Sampled => vk::DescriptorType::SAMPLED_IMAGE,
        Binding::Image => vk::DescriptorType::STORAGE_IMAGE,
    }
}

/// A fixed array of characters up to its end.
fn text(characters: &[c_char]) -> String {
    let bytes: Vec<u8> = characters.iter().map(|c| *c as u8).take_while(|b| *b != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
