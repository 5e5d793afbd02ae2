//! An opened device: its limits, whether it was lost, and the pipelines it has compiled.

use super::adapter::{NO_OP, WANTED, backends, describe, instance};
use super::{Found, Program, trusted};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Why work on a device failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GpuError {
    /// No such adapter, or the driver refused to open it.
    #[error("the adapter cannot be opened: {0}")]
    Open(String),
    /// The device is gone; nothing that runs in this process afterwards can be trusted.
    #[error("the device was lost: {0}")]
    Lost(String),
    /// Memory, bindings or a texture larger than the adapter allows, found before anything was allocated.
    #[error("too large for the adapter: {0}")]
    TooLarge(String),
    /// The driver or wgpu refused a shader or a call.
    #[error("refused: {0}")]
    Refused(String),
}

/// Whether compiled kernels carry wgpu's bounds checks and loop bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Checks {
    /// As wgpu compiles untrusted shaders.
    On,
    /// Without; for sources this crate generated.
    Off,
}

/// An opened adapter.
pub struct Gpu {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    found: Found,
    faults: Arc<Mutex<Faults>>,
    pipelines: RefCell<HashMap<(Program, Checks), wgpu::ComputePipeline>>,
}

/// Loss arrives only in a callback, and later calls then report misleading validation errors: loss is asked first.
#[derive(Default)]
struct Faults {
    lost: Option<String>,
    errors: Vec<GpuError>,
}

impl Gpu {
    /// Opens the adapter at `position` of a backend (`vulkan`, `metal`, `dx12`, `gl`, or `noop` in tests) with all
    /// its limits and every feature the kernels can use.
    pub fn open(backend: &str, position: usize) -> Result<Self, GpuError> {
        let instance = instance(backends(backend));
        let adapters = pollster::block_on(instance.enumerate_adapters(backends(backend)));
        let adapter = adapters
            .get(position)
            .ok_or_else(|| GpuError::Open(format!("{backend} has no adapter number {position}")))?;
        let found = describe(adapter, position);
        if found.identity.kind == NO_OP {
            return Err(GpuError::Open(format!("nothing that is submitted to {} runs", found.identity.name)));
        }
        let wanted = WANTED.iter().fold(wgpu::Features::empty(), |all, w| all | w.0);
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("underdog"),
            required_features: adapter.features() & wanted,
            // The noop backend claims limits that wgpu itself cannot hold.
            required_limits: if backend == "noop" { wgpu::Limits::default() } else { adapter.limits() },
            experimental_features: trusted::experimental(),
            memory_hints: wgpu::MemoryHints::Performance,
            trace: wgpu::Trace::Off,
        };
        let (device, queue) =
            pollster::block_on(adapter.request_device(&descriptor)).map_err(|e| GpuError::Open(e.to_string()))?;
        let faults: Arc<Mutex<Faults>> = Arc::default();
        let seen = Arc::clone(&faults);
        device.set_device_lost_callback(move |reason, message| {
            lock(&seen).lost.get_or_insert(format!("{reason:?} {message}"));
        });
        let seen = Arc::clone(&faults);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            lock(&seen).errors.push(match error {
                // A driver may refuse an allocation well under the limits it names; the device stays usable.
                wgpu::Error::OutOfMemory { .. } => GpuError::TooLarge("the driver is out of memory".into()),
                other => GpuError::Refused(other.to_string()),
            });
        }));
        Ok(Self { found, device, queue, faults, pipelines: RefCell::default() })
    }

    /// The adapter and what it can do.
    pub fn found(&self) -> &Found {
        &self.found
    }

    /// Fails with what went wrong since the last call: loss first, then the first error.
    pub fn check(&self) -> Result<(), GpuError> {
        let mut faults = lock(&self.faults);
        if let Some(why) = &faults.lost {
            return Err(GpuError::Lost(why.clone()));
        }
        match std::mem::take(&mut faults.errors).into_iter().next() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// The pipeline of `program`, compiled at its first use.
    pub(super) fn pipeline(&self, program: &Program, checks: Checks) -> Result<wgpu::ComputePipeline, GpuError> {
        let key = (program.clone(), checks);
        if let Some(pipeline) = self.pipelines.borrow().get(&key) {
            return Ok(pipeline.clone());
        }
        let module = match checks {
            Checks::Off => trusted::module(&self.device, &program.label, &program.source),
            Checks::On => self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(&program.label),
                source: wgpu::ShaderSource::Wgsl(program.source.as_str().into()),
            }),
        };
        self.check()?;
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&program.label),
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: None,
        });
        self.check()?;
        self.pipelines.borrow_mut().insert(key, pipeline.clone());
        Ok(pipeline)
    }

    /// Waits until everything submitted has run.
    pub(super) fn wait(&self) -> Result<(), GpuError> {
        let polled = self.device.poll(wgpu::PollType::wait_indefinitely());
        self.check()?;
        polled.map(|_| ()).map_err(|e| GpuError::Lost(e.to_string()))
    }
}

fn lock(faults: &Mutex<Faults>) -> std::sync::MutexGuard<'_, Faults> {
    faults.lock().unwrap_or_else(PoisonError::into_inner)
}
