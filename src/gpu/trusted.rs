//! The unsafe calls of wgpu, two in all, each with the reason why it is sound.
#![allow(unsafe_code)]

/// Compiles WGSL without bounds checks on buffers and without loop bounds.
///
/// On software adapters these checks cost a looped kernel a factor of two. The source comes from this crate's own
/// templates, never from a user; every variant is run with guard words around each buffer before it is timed.
pub(super) fn module(device: &wgpu::Device, label: &str, source: &str) -> wgpu::ShaderModule {
    let descriptor =
        wgpu::ShaderModuleDescriptor { label: Some(label), source: wgpu::ShaderSource::Wgsl(source.into()) };
    // SAFETY: indices of the crate's kernels stay inside their bindings for every shape the planner admits, which
    // the guard words check at run time.
    unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
}

/// Permission to ask for cooperative matrices, which wgpu still calls experimental.
pub(super) fn experimental() -> wgpu::ExperimentalFeatures {
    // SAFETY: only cooperative-matrix kernels generated here use the feature, with the shapes the adapter reports.
    unsafe { wgpu::ExperimentalFeatures::enabled() }
}
