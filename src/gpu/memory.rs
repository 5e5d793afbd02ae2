//! A plan's memory on a device: buffers between guard words and textures, refused before anything is allocated that
//! the adapter or the host cannot hold.

use super::{Gpu, GpuError, Memory, Plan, Texels};

/// Words of guard before and after every buffer; 256 bytes is the strictest binding alignment there is.
pub(super) const GUARD_BYTES: u64 = 256;
pub(super) const GUARD: u8 = 0xA5;

pub(super) enum Resource {
    Buffer(wgpu::Buffer, u64),
    Texture(wgpu::TextureView),
}

impl Resource {
    pub(super) fn new(gpu: &Gpu, memory: &Memory) -> Self {
        if let Memory::Texture { width, height, texels } = memory {
            let size = wgpu::Extent3d { width: *width, height: *height, depth_or_array_layers: 1 };
            let descriptor = wgpu::TextureDescriptor {
                label: Some("input"),
                size: allocated(size, gpu.found().caps.texture),
                mip_level_count: 1,
                sample_count: 1,
                dimension: wgpu::TextureDimension::D2,
                format: match texels {
                    Texels::Floats(_) => wgpu::TextureFormat::Rgba32Float,
                    Texels::Words(_) => wgpu::TextureFormat::Rgba32Uint,
                },
                usage: wgpu::TextureUsages::STORAGE_BINDING
                    | wgpu::TextureUsages::TEXTURE_BINDING
                    | wgpu::TextureUsages::COPY_DST,
                view_formats: &[],
            };
            let texture = gpu.device.create_texture(&descriptor);
            let layout =
                wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(16 * width), rows_per_image: None };
            gpu.queue.write_texture(texture.as_image_copy(), texels.bytes(), layout, size);
            return Self::Texture(texture.create_view(&Default::default()));
        }
        let (size, buffer) = (memory.bytes(), allocate(gpu, padded(memory.bytes())));
        gpu.queue.write_buffer(&buffer, 0, &[GUARD; GUARD_BYTES as usize]);
        gpu.queue.write_buffer(&buffer, GUARD_BYTES + padded(size), &[GUARD; GUARD_BYTES as usize]);
        if let Memory::Input(data) = memory {
            let whole = data.len() & !3;
            gpu.queue.write_buffer(&buffer, GUARD_BYTES, &data[..whole]);
            if whole < data.len() {
                let mut last = [0; 4];
                last[..data.len() - whole].copy_from_slice(&data[whole..]);
                gpu.queue.write_buffer(&buffer, GUARD_BYTES + whole as u64, &last);
            }
        }
        // Submitting lets wgpu release its staging copy before the next buffer is filled.
        gpu.queue.submit([]);
        Self::Buffer(buffer, bound(gpu, memory))
    }
}

/// Texels as allocated. On host cores a column of a texture whose rows are a multiple of 2 KiB lands in few sets of a
/// cache; two more cache lines a row (of 4 texels) spread it. No side is a power of two: llvmpipe would compile a kernel
/// anew for the textures whose sides are.
fn allocated(size: wgpu::Extent3d, limit: u32) -> wgpu::Extent3d {
    let uneven = |side: u32| if side.is_power_of_two() { (side + 1).max(3) } else { side };
    let width = if size.width.is_multiple_of(128) { size.width + 8 } else { uneven(size.width) };
    let within = |wished: u32, needed: u32| if wished <= limit { wished } else { needed };
    wgpu::Extent3d {
        width: within(width, size.width),
        height: within(uneven(size.height), size.height),
        depth_or_array_layers: 1,
    }
}

fn allocate(gpu: &Gpu, data_bytes: u64) -> wgpu::Buffer {
    gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("guarded"),
        size: data_bytes + 2 * GUARD_BYTES,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC,
        mapped_at_creation: false,
    })
}
/// Bytes of the binding. What kernels write is bound together with the guard behind it: drivers that check bounds would
/// otherwise drop a write past the end, and a missing tail guard would go unnoticed there and do harm elsewhere.
pub(super) fn bound(gpu: &Gpu, memory: &Memory) -> u64 {
    let slack = if memory.is_input() { 0 } else { GUARD_BYTES };
    (padded(memory.bytes()) + slack).min(gpu.found().caps.binding.max(padded(memory.bytes())))
}

/// Storage bindings are whole words.
pub(super) fn padded(bytes: u64) -> u64 {
    bytes.next_multiple_of(4).max(4)
}

/// Refuses what does not fit before asking a driver that would kill the process or pretend success.
pub(super) fn admit(gpu: &Gpu, plan: &Plan, copies: usize) -> Result<(), GpuError> {
    let caps = &gpu.found().caps;
    for memory in &plan.memory {
        let (bytes, limit) = match memory {
            Memory::Texture { width, height, .. } => (u64::from(*width.max(height)), u64::from(caps.texture)),
            other => (padded(other.bytes()), caps.binding.min(caps.buffer.saturating_sub(2 * GUARD_BYTES))),
        };
        if bytes > limit {
            return Err(GpuError::TooLarge(format!("{bytes} where {limit} is the limit")));
        }
    }
    if let Some(step) = plan.steps.iter().find(|s| s.grid.iter().any(|&g| g > caps.workgroups)) {
        return Err(GpuError::TooLarge(format!("{:?} workgroups where {} is the limit", step.grid, caps.workgroups)));
    }
    let total: u64 = plan.memory.iter().map(|m| m.bytes() * if m.is_input() { copies as u64 } else { 1 }).sum();
    match available_bytes().filter(|_| caps.software) {
        Some(free) if total > free / 2 => {
            Err(GpuError::TooLarge(format!("{total} bytes where the host has {free} available")))
        }
        _ => Ok(()),
    }
}

/// What the host can still hand out, where it says so.
fn available_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|l| l.starts_with("MemAvailable:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kb| kb * 1024)
}
