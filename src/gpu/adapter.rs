//! Which drivers this host has, and which adapters one driver offers.

use super::executable;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// One driver that can be loaded alone: a backend and, for Vulkan on Unix, one manifest file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Driver {
    /// `vulkan`, `metal`, `dx12` or `gl`.
    pub backend: String,
    /// The Vulkan manifest that `VK_DRIVER_FILES` must name, where drivers come as files.
    pub manifest: Option<PathBuf>,
}

/// One adapter of one driver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// As the driver describes it.
    pub identity: Identity,
    /// What kernels may rely on.
    pub caps: Caps,
    /// Its position among the adapters of its driver.
    pub position: usize,
}

/// How the driver describes an adapter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Name of the device.
    pub name: String,
    /// `vulkan`, `metal`, `dx12`, `gl` or `noop`.
    pub backend: String,
    /// Name of the driver.
    pub driver: String,
    /// Version text of the driver.
    pub driver_info: String,
    /// `discrete`, `integrated`, `virtual`, `cpu`, `other`, or `no-op` where nothing that is submitted runs.
    pub kind: String,
    /// PCI vendor and device number, 0 where there is none.
    pub pci: [u32; 2],
    /// Where it is plugged in, such as `0000:41:00.0`: two equal cards differ in this. Empty where the driver does not tell.
    pub bus: String,
    /// Smallest and largest subgroup, both 0 without subgroups.
    pub subgroup: [u32; 2],
    /// Features the kernels can use, by their wgpu names in lower case.
    pub features: Vec<String>,
}

/// What decides whether a kernel can run on an adapter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Caps {
    /// Lanes of the shortest subgroup, 0 without subgroups: a workgroup of as many is one subgroup, however long those
    /// are that the driver chooses.
    pub lanes: u32,
    /// Lanes of the largest subgroup, 0 without subgroups: kernels that own their tiles by any number of subgroups are laid
    /// out for it.
    pub widest: u32,
    /// Subgroup operations exist, whatever the size.
    pub subgroup: bool,
    /// f16 in shaders.
    pub f16: bool,
    /// Sides of the cooperative matrices with f16 inputs and f32 accumulators.
    pub cooperative: Vec<u32>,
    /// Largest storage binding, bytes.
    pub binding: u64,
    /// Largest buffer, bytes.
    pub buffer: u64,
    /// Workgroup memory, bytes.
    pub workgroup_bytes: u32,
    /// Invocations of a workgroup.
    pub invocations: u32,
    /// Workgroups in one dimension of a dispatch.
    pub workgroups: u32,
    /// Longest side of a texture, texels.
    pub texture: u32,
    /// It computes on the host's cores.
    pub software: bool,
}

/// Every driver worth asking. On Unix one per Vulkan manifest, so that one that crashes takes no other with it.
pub fn drivers() -> Vec<Driver> {
    let alone = |backend: &str| Driver { backend: backend.into(), manifest: None };
    if cfg!(target_os = "macos") {
        return vec![alone("metal")];
    }
    if cfg!(windows) {
        return vec![alone("dx12"), alone("vulkan")];
    }
    let mut found: Vec<Driver> =
        manifests().into_iter().map(|m| Driver { backend: "vulkan".into(), manifest: Some(m) }).collect();
    found.push(alone("gl"));
    found
}

/// The manifests the Vulkan loader would read: those named by the environment, else every file of its folders.
fn manifests() -> Vec<PathBuf> {
    for variable in ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"] {
        if let Some(list) = std::env::var_os(variable).filter(|l| !l.is_empty()) {
            return std::env::split_paths(&list).collect();
        }
    }
    let home = |variable: &str, default: &str| {
        let named = std::env::var_os(variable).map(PathBuf::from);
        named.or_else(|| std::env::var_os("HOME").map(|h| Path::new(&h).join(default)))
    };
    let listed = |variable: &str, default: &str| -> Vec<PathBuf> {
        std::env::split_paths(&std::env::var_os(variable).unwrap_or_else(|| default.into())).collect()
    };
    // The last is where NixOS puts drivers; its loader is patched to look there.
    let fixed = ["/etc", "/usr/local/etc", "/run/opengl-driver/share"].into_iter().map(PathBuf::from);
    let mut folders: Vec<PathBuf> = fixed
        .chain(listed("XDG_CONFIG_DIRS", "/etc/xdg"))
        .chain(listed("XDG_DATA_DIRS", "/usr/local/share:/usr/share"))
        .chain(home("XDG_CONFIG_HOME", ".config"))
        .chain(home("XDG_DATA_HOME", ".local/share"))
        .collect();
    folders.sort();
    folders.dedup();
    let mut files: Vec<PathBuf> = folders
        .into_iter()
        .filter_map(|folder| std::fs::read_dir(folder.join("vulkan/icd.d")).ok())
        .flat_map(|entries| entries.flatten().map(|e| e.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect();
    files.sort();
    files
}

/// The adapters of one backend as this process sees them. Loads drivers: run it in a process that may die.
pub fn list(backend: &str) -> Vec<Found> {
    let instance = instance(backends(backend));
    let adapters = pollster::block_on(instance.enumerate_adapters(backends(backend)));
    adapters.iter().enumerate().map(|(position, adapter)| describe(adapter, position)).collect()
}

pub(super) fn instance(backends: wgpu::Backends) -> wgpu::Instance {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = backends;
    // Software Vulkan drivers are often not on the list of conformant ones; every result is verified anyway.
    descriptor.flags |= wgpu::InstanceFlags::ALLOW_UNDERLYING_NONCOMPLIANT_ADAPTER;
    if backends == wgpu::Backends::NOOP {
        descriptor.backend_options.noop = wgpu::NoopBackendOptions::enabled();
    }
    wgpu::Instance::new(descriptor)
}

pub(super) fn backends(name: &str) -> wgpu::Backends {
    match name {
        "vulkan" => wgpu::Backends::VULKAN,
        "metal" => wgpu::Backends::METAL,
        "dx12" => wgpu::Backends::DX12,
        "gl" => wgpu::Backends::GL,
        "noop" => wgpu::Backends::NOOP,
        _ => wgpu::Backends::empty(),
    }
}

pub(super) fn describe(adapter: &wgpu::Adapter, position: usize) -> Found {
    let info = adapter.get_info();
    let (features, limits) = (adapter.features(), adapter.limits());
    let subgroup = features.contains(wgpu::Features::SUBGROUP);
    let lanes = match info.backend {
        _ if !subgroup => [0, 0],
        // Metal tells a range of 4 to 64 for any GPU; the SIMD groups of Apple's have 32 (Metal feature set tables).
        wgpu::Backend::Metal if info.name.starts_with("Apple") => [32, 32],
        _ => [info.subgroup_min_size, info.subgroup_max_size],
    };
    let software = info.device_type == wgpu::DeviceType::Cpu || computes_on_the_host(&info.name, info.vendor);
    let caps = Caps {
        lanes: lanes[0],
        widest: lanes[1],
        subgroup,
        f16: features.contains(wgpu::Features::SHADER_F16),
        cooperative: cooperative(adapter),
        binding: limits.max_storage_buffer_binding_size,
        buffer: limits.max_buffer_size,
        workgroup_bytes: limits.max_compute_workgroup_storage_size,
        invocations: limits.max_compute_invocations_per_workgroup,
        workgroups: limits.max_compute_workgroups_per_dimension,
        texture: limits.max_texture_dimension_2d,
        software,
    };
    let kind = match info.device_type {
        _ if !software && nothing_runs() => NO_OP,
        wgpu::DeviceType::DiscreteGpu => "discrete",
        wgpu::DeviceType::IntegratedGpu => "integrated",
        wgpu::DeviceType::VirtualGpu => "virtual",
        _ if software => "cpu",
        _ => "other",
    };
    let identity = Identity {
        name: info.name,
        backend: info.backend.to_string(),
        driver: info.driver,
        driver_info: info.driver_info,
        kind: kind.into(),
        pci: [info.vendor, info.device],
        bus: info.device_pci_bus_id,
        subgroup: lanes,
        features: WANTED.iter().filter(|w| features.contains(w.0)).map(|w| w.1.to_string()).collect(),
    };
    Found { identity, caps, position }
}

/// Software that some drivers list as a GPU: Mesa's rasterisers under GL, SwiftShader, and WARP, which bears Microsoft's
/// number (0x1414) as Hyper-V's paravirtual GPUs bear their makers'.
fn computes_on_the_host(name: &str, vendor: u32) -> bool {
    let name = name.to_lowercase();
    let known = ["llvmpipe", "softpipe", "swiftshader", "basic render", "software rasterizer", "warp"];
    known.iter().any(|k| name.contains(k)) || vendor == 0x1414
}

/// Why the drivers of this process's manifest list nothing, where the reason is a library that does not load: the Vulkan
/// loader leaves such a driver out without a word.
pub fn unloadable() -> Option<String> {
    let manifest = PathBuf::from(std::env::var_os("VK_DRIVER_FILES")?);
    let text = match std::fs::read_to_string(&manifest) {
        Ok(text) => text,
        Err(error) => return Some(format!("the manifest cannot be read: {error}")),
    };
    let library = match library(&text) {
        Ok(library) => library,
        Err(why) => return Some(why),
    };
    // A path with folders in it is meant from the manifest's own; a bare name is for the system to find.
    let path = if library.contains('/') { manifest.with_file_name("").join(&library) } else { PathBuf::from(&library) };
    let error = executable::refusal(&path)?;
    let cause = if library.contains("nvidia") {
        "; the NVIDIA driver's libraries for graphics are missing or of another version than its kernel module: in a \
         container, run it with NVIDIA_DRIVER_CAPABILITIES=all (or with graphics among them), on a host install libnvidia-gl"
    } else {
        "; the package of this driver is half installed, or was built for another system"
    };
    Some(format!("its library does not load: {error}{cause}"))
}

/// The library that a manifest names.
fn library(manifest: &str) -> Result<String, String> {
    let parsed: serde_json::Value =
        serde_json::from_str(manifest).map_err(|error| format!("the manifest is no JSON: {error}"))?;
    let path = parsed.pointer("/ICD/library_path").and_then(|path| path.as_str());
    path.map(str::to_owned).ok_or_else(|| "the manifest names no library (ICD.library_path)".to_owned())
}

/// What an adapter is called on which nothing runs.
pub(super) const NO_OP: &str = "no-op";

/// Whether a library answers in the kernel's place and throws away what is submitted (`mesa-drm-shim`). Compilers work on
/// such a device; whatever is timed there is nothing.
fn nothing_runs() -> bool {
    std::fs::read_to_string("/proc/self/maps").is_ok_and(|maps| maps.contains("_noop_drm_shim"))
}

/// The features kernels can use, by the name rows show.
pub(super) const WANTED: &[(wgpu::Features, &str)] = &[
    (wgpu::Features::SHADER_F16, "shader_f16"),
    (wgpu::Features::SUBGROUP, "subgroup"),
    (wgpu::Features::SUBGROUP_BARRIER, "subgroup_barrier"),
    (wgpu::Features::TIMESTAMP_QUERY, "timestamp_query"),
    (wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX, "cooperative_matrix"),
];

fn cooperative(adapter: &wgpu::Adapter) -> Vec<u32> {
    if !adapter.features().contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX) {
        return Vec::new();
    }
    let half_in_float_out = |p: &wgpu::CooperativeMatrixProperties| {
        p.ab_type == wgpu::CooperativeScalarType::F16
            && p.cr_type == wgpu::CooperativeScalarType::F32
            && p.m_size == p.n_size
            && p.n_size == p.k_size
    };
    let mut sides: Vec<u32> =
        adapter.cooperative_matrix_properties().iter().filter(|p| half_in_float_out(p)).map(|p| p.m_size).collect();
    sides.sort_unstable();
    sides.dedup();
    sides
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_that_poses_as_a_gpu_is_known() {
        for (name, vendor) in [
            ("llvmpipe (LLVM 15.0.6, 256 bits)", 0x10005),
            ("SwiftShader Device (Subzero)", 0x1ae0),
            ("Microsoft Basic Render Driver", 0x1414),
            ("softpipe", 0),
            ("Mesa Software Rasterizer", 0),
        ] {
            assert!(computes_on_the_host(name, vendor), "{name}");
        }
        for (name, vendor) in
            [("NVIDIA GeForce RTX 4090", 0x10de), ("AMD Radeon RX 7900 XTX (RADV NAVI31)", 0x1002), ("Apple M3 Max", 0)]
        {
            assert!(!computes_on_the_host(name, vendor), "{name}");
        }
    }

    #[test]
    fn a_manifest_names_its_library() {
        let broken =
            r#"{"file_format_version":"1.0.0","ICD":{"library_path":"libGLX_nvidia.so.0","api_version":"1.3.242"}}"#;
        assert_eq!(library(broken).as_deref(), Ok("libGLX_nvidia.so.0"));
        assert!(library("{}").is_err_and(|why| why.contains("library_path")));
        assert!(library("nonsense").is_err_and(|why| why.contains("no JSON")));
    }
}
