//! A [`Plan`] on a device: memory between guard words, poison before a run, time around it, its output after it.

use super::memory::{GUARD, GUARD_BYTES, Resource, admit, bound, padded};
use super::{Checks, Gpu, GpuError, Memory, Plan, Step};
use std::time::Instant;
use wgpu::util::DeviceExt;

/// As f32 a NaN, as an integer 2,147,483,647: no kernel under test produces either.
const POISON: [u8; 4] = 0x7FFF_FFFF_u32.to_le_bytes();

/// Buffers up to this size, in bytes, are read back together.
const TOGETHER: u64 = 1 << 20;

/// How long some runs took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Elapsed {
    /// By the host's monotonic clock, from submission until the work was done, s.
    pub wall_s: f64,
    /// By the device's timestamps around its passes, s. Absent where they are zero, reversed or not supported.
    pub gpu_s: Option<f64>,
}

/// A plan that is ready to run.
pub struct Runner<'gpu> {
    gpu: &'gpu Gpu,
    plan: Plan,
    pipelines: Vec<wgpu::ComputePipeline>,
    /// By copy, then by step.
    groups: Vec<Vec<wgpu::BindGroup>>,
    /// By copy, then by memory index; `None` for textures. Outputs are shared by all copies.
    buffers: Vec<Vec<Option<wgpu::Buffer>>>,
    clock: Option<Clock>,
    /// The copy the next run takes.
    next: usize,
    resources: Vec<Vec<Resource>>,
}

struct Clock {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    staging: wgpu::Buffer,
    period_ns: f64,
}

impl<'gpu> Runner<'gpu> {
    /// Compiles and allocates. Inputs exist `copies` times and successive runs take them in turn.
    ///
    /// Fails with [`GpuError::TooLarge`] before allocating anything the adapter or the host cannot hold.
    pub fn new(gpu: &'gpu Gpu, plan: Plan, copies: usize, checks: Checks) -> Result<Self, GpuError> {
        let copies = copies.max(1);
        admit(gpu, &plan, copies)?;
        let pipelines = plan.programs.iter().map(|p| gpu.pipeline(p, checks)).collect::<Result<Vec<_>, _>>()?;
        let (mut all, mut buffers) = (Vec::new(), Vec::<Vec<Option<wgpu::Buffer>>>::new());
        for copy in 0..copies {
            let (mut resources, mut held) = (Vec::new(), Vec::new());
            for (index, memory) in plan.memory.iter().enumerate() {
                let shared = buffers.first().filter(|_| copy > 0 && !memory.is_input()).and_then(|b| b[index].clone());
                let resource = match shared {
                    Some(buffer) => Resource::Buffer(buffer, bound(gpu, memory)),
                    None => Resource::new(gpu, memory),
                };
                held.push(match &resource {
                    Resource::Buffer(buffer, _) => Some(buffer.clone()),
                    Resource::Texture(_) => None,
                });
                resources.push(resource);
            }
            all.push(resources);
            buffers.push(held);
            gpu.check()?;
        }
        let clock = Clock::new(gpu);
        let mut runner = Self { gpu, plan, pipelines, groups: Vec::new(), buffers, clock, next: 0, resources: all };
        runner.bind()?;
        Ok(runner)
    }

    fn bind(&mut self) -> Result<(), GpuError> {
        let group =
            |resources: &[Resource], step: &Step| bind(self.gpu, &self.pipelines[step.program], step, resources);
        let copy = |resources: &Vec<Resource>| self.plan.steps.iter().map(|step| group(resources, step)).collect();
        self.groups = self.resources.iter().map(copy).collect();
        self.gpu.check()
    }

    /// The dispatches of a run.
    pub fn steps(&self) -> usize {
        self.plan.steps.len()
    }

    /// Runs other dispatches over the same memory from now on.
    pub fn replace_steps(&mut self, steps: Vec<Step>) -> Result<(), GpuError> {
        self.plan.steps = steps;
        self.bind()
    }

    /// Runs the named dispatches in order on the first copy of the inputs, at most `per_submission` in one submission.
    pub fn run_steps(&mut self, steps: &[usize], per_submission: usize) -> Result<Elapsed, GpuError> {
        let steps: Vec<(usize, usize)> = steps.iter().map(|&step| (0, step)).collect();
        self.submit_all(&steps, per_submission)
    }

    /// Runs one dispatch alone, on the first copy of the inputs.
    pub fn run_step(&mut self, step: usize) -> Result<Elapsed, GpuError> {
        self.submit(&[(0, step)])
    }

    /// Bytes of the inputs of one copy.
    pub fn input_bytes(&self) -> u64 {
        self.plan.memory.iter().filter(|m| m.is_input()).map(Memory::bytes).sum()
    }

    /// Runs the plan `runs` times, at most `per_submission` steps in one submission, and waits.
    pub fn run(&mut self, runs: u32, per_submission: usize) -> Result<Elapsed, GpuError> {
        let steps: Vec<(usize, usize)> = (0..runs as usize)
            .flat_map(|run| (0..self.plan.steps.len()).map(move |step| (run, step)))
            .map(|(run, step)| ((self.next + run) % self.groups.len(), step))
            .collect();
        self.next = (self.next + runs as usize) % self.groups.len();
        self.submit_all(&steps, per_submission)
    }

    fn submit_all(&self, steps: &[(usize, usize)], per_submission: usize) -> Result<Elapsed, GpuError> {
        let mut total = Elapsed { wall_s: 0.0, gpu_s: Some(0.0) };
        for batch in steps.chunks(per_submission.max(1)) {
            let part = self.submit(batch)?;
            total.wall_s += part.wall_s;
            total.gpu_s = total.gpu_s.zip(part.gpu_s).map(|(a, b)| a + b);
        }
        Ok(total)
    }

    fn submit(&self, batch: &[(usize, usize)]) -> Result<Elapsed, GpuError> {
        let commands = self.encode(batch);
        let start = Instant::now();
        self.gpu.queue.submit([commands]);
        self.gpu.wait()?;
        let wall_s = start.elapsed().as_secs_f64();
        Ok(Elapsed { wall_s, gpu_s: self.clock.as_ref().and_then(|c| c.read(self.gpu)) })
    }

    fn encode(&self, batch: &[(usize, usize)]) -> wgpu::CommandBuffer {
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        let timestamp_writes = self.clock.as_ref().map(|clock| wgpu::ComputePassTimestampWrites {
            query_set: &clock.queries,
            beginning_of_pass_write_index: Some(0),
            end_of_pass_write_index: Some(1),
        });
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes });
        for &(copy, index) in batch {
            let step = &self.plan.steps[index];
            pass.set_pipeline(&self.pipelines[step.program]);
            pass.set_bind_group(0, &self.groups[copy][index], &[]);
            pass.dispatch_workgroups(step.grid[0], step.grid[1], step.grid[2]);
        }
        drop(pass);
        if let Some(clock) = &self.clock {
            encoder.resolve_query_set(&clock.queries, 0..2, &clock.resolved, 0);
            encoder.copy_buffer_to_buffer(&clock.resolved, 0, &clock.staging, 0, 16);
        }
        encoder.finish()
    }

    /// Fills outputs and scratch with a pattern that no kernel produces.
    pub fn poison(&self) -> Result<(), GpuError> {
        for (index, memory) in self.plan.memory.iter().enumerate().filter(|(_, m)| !m.is_input()) {
            if let Some(buffer) = &self.buffers[0][index] {
                let fill: Vec<u8> = POISON.into_iter().cycle().take(padded(memory.bytes()) as usize).collect();
                self.gpu.queue.write_buffer(buffer, GUARD_BYTES, &fill);
            }
        }
        // Writes of the queue precede whatever is submitted next; nothing needs to be waited for.
        self.gpu.queue.submit([]);
        self.gpu.check()
    }

    /// The output as the last run left it.
    pub fn output(&self) -> Result<Vec<u8>, GpuError> {
        self.memory(self.plan.output)
    }

    /// The content of one buffer of the plan, of the first copy.
    pub fn memory(&self, index: usize) -> Result<Vec<u8>, GpuError> {
        let buffer = self.buffers[0][index].as_ref();
        let buffer = buffer.ok_or_else(|| GpuError::Refused("a texture cannot be read back".into()))?;
        let mut bytes = self.read(&[buffer])?.swap_remove(0);
        bytes.drain(..GUARD_BYTES as usize);
        bytes.truncate(self.plan.memory[index].bytes() as usize);
        Ok(bytes)
    }

    /// Names the first guard that was overwritten or input that changed. Textures cannot be written by kernels.
    pub fn damage(&self) -> Result<Option<String>, GpuError> {
        for (copy, held) in self.buffers.iter().enumerate() {
            let checked = |index: usize| copy == 0 || self.plan.memory[index].is_input();
            let held = held.iter().enumerate().filter_map(|(at, b)| Some((at, b.as_ref()?)));
            let all: Vec<(usize, &wgpu::Buffer)> = held.filter(|b| checked(b.0)).collect();
            let (small, large): (Vec<_>, Vec<_>) = all.into_iter().partition(|b| b.1.size() <= TOGETHER);
            // Large ones one at a time: a model's weights have no room twice. Of small ones the waiting is what costs.
            for some in std::iter::once(&small[..]).chain(large.chunks(1)).filter(|some| !some.is_empty()) {
                let read = self.read(&some.iter().map(|b| b.1).collect::<Vec<_>>())?;
                let mut all = some.iter().zip(read);
                if let Some(damage) = all.find_map(|(&(index, _), bytes)| self.damaged(index, &bytes)) {
                    return Ok(Some(damage));
                }
            }
        }
        Ok(None)
    }

    /// What is wrong with a buffer as it was read, guards included.
    fn damaged(&self, index: usize, bytes: &[u8]) -> Option<String> {
        let memory = &self.plan.memory[index];
        let (before, rest) = bytes.split_at(GUARD_BYTES as usize);
        let (data, after) = rest.split_at(padded(memory.bytes()) as usize);
        if before.iter().chain(after).any(|&b| b != GUARD) {
            return Some(format!("wrote outside the buffer at binding {}", index + 1));
        }
        match memory {
            Memory::Input(expected) if data[..expected.len()] != expected[..] => {
                Some(format!("changed its input at binding {}", index + 1))
            }
            _ => None,
        }
    }

    /// Reads whole buffers, guards included.
    fn read(&self, buffers: &[&wgpu::Buffer]) -> Result<Vec<Vec<u8>>, GpuError> {
        let copy = staging(self.gpu, buffers.iter().map(|b| b.size()).sum());
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        let mut at = 0;
        for buffer in buffers {
            encoder.copy_buffer_to_buffer(buffer, 0, &copy, at, buffer.size());
            at += buffer.size();
        }
        self.gpu.queue.submit([encoder.finish()]);
        let mut bytes = &map(self.gpu, &copy)?[..];
        let one = |buffer: &&wgpu::Buffer| bytes.split_off(..buffer.size() as usize).map(<[u8]>::to_vec);
        Ok(buffers.iter().filter_map(one).collect())
    }
}

/// A buffer the host can read.
fn staging(gpu: &Gpu, size: u64) -> wgpu::Buffer {
    gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("staging"),
        size,
        usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
        mapped_at_creation: false,
    })
}

fn map(gpu: &Gpu, staging: &wgpu::Buffer) -> Result<Vec<u8>, GpuError> {
    staging.map_async(wgpu::MapMode::Read, .., |_| ());
    gpu.wait()?;
    let bytes = staging.get_mapped_range(..).map_err(|e| GpuError::Refused(e.to_string()))?.to_vec();
    staging.unmap();
    Ok(bytes)
}

impl Clock {
    fn new(gpu: &Gpu) -> Option<Self> {
        if !gpu.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return None;
        }
        let queries = gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
            label: None,
            ty: wgpu::QueryType::Timestamp,
            count: 2,
        });
        let resolved = gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("timestamps"),
            size: 16,
            usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        let staging = staging(gpu, 16);
        Some(Self { queries, resolved, staging, period_ns: f64::from(gpu.queue.get_timestamp_period()) })
    }

    /// The pass's duration; `None` unless both stamps are non-zero and in order.
    fn read(&self, gpu: &Gpu) -> Option<f64> {
        let bytes = map(gpu, &self.staging).ok()?;
        let stamp = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap_or_default());
        let (start, end) = (stamp(0), stamp(8));
        (start != 0 && end > start).then(|| (end - start) as f64 * self.period_ns * 1e-9)
    }
}

fn bind(gpu: &Gpu, pipeline: &wgpu::ComputePipeline, step: &Step, resources: &[Resource]) -> wgpu::BindGroup {
    let uniforms = gpu.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
        label: Some("params"),
        contents: bytemuck::cast_slice(&step.params),
        usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::STORAGE,
    });
    let mut entries = vec![wgpu::BindGroupEntry { binding: 0, resource: uniforms.as_entire_binding() }];
    for (at, &index) in step.bindings.iter().enumerate() {
        let resource = match &resources[index] {
            Resource::Texture(view) => wgpu::BindingResource::TextureView(view),
            Resource::Buffer(buffer, size) => wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer,
                offset: GUARD_BYTES,
                size: wgpu::BufferSize::new(*size),
            }),
        };
        entries.push(wgpu::BindGroupEntry { binding: at as u32 + 1, resource });
    }
    gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &pipeline.get_bind_group_layout(0),
        entries: &entries,
    })
}
