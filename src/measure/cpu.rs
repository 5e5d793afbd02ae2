//! The CPU executor: the host's cores as a device, measured and verified like one.

use super::device::{Refusal, Session};
use crate::gpu::{Caps, Elapsed, Found, Identity};
use crate::kernels::{Data, Family, Problem, Variant, host_gemm, twin};
use rayon::prelude::*;
use std::time::Instant;
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

/// The host's cores, described like an adapter.
pub fn found() -> Found {
    let identity = Identity {
        name: host_name(),
        backend: "cpu".into(),
        driver: "gemm".into(),
        driver_info: format!("0.19.0, {} threads", rayon::current_num_threads()),
        kind: "cpu".into(),
        pci: [0, 0],
        bus: String::new(),
        subgroup: [0, 0],
        features: Vec::new(),
    };
    let caps = Caps {
        lanes: 0,
        widest: 0,
        subgroup: false,
        f16: false,
        cooperative: Vec::new(),
        binding: u64::MAX,
        buffer: u64::MAX,
        workgroup_bytes: 0,
        invocations: 0,
        workgroups: 0,
        texture: 0,
        software: true,
    };
    Found { identity, caps, position: 0 }
}

/// The processor's name as the system tells it.
pub fn host_name() -> String {
    let system = System::new_with_specifics(RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing()));
    let brand = system.ok().and_then(|s| s.cpus().first().map(|cpu| cpu.brand().trim().to_owned()));
    brand.filter(|brand| !brand.is_empty()).unwrap_or_else(|| format!("{} processor", std::env::consts::ARCH))
}

/// Memory of the host, bytes, where the system tells it.
pub fn host_memory() -> Option<u64> {
    let system =
        System::new_with_specifics(RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram()));
    system.ok().map(|s| s.total_memory()).filter(|bytes| *bytes > 0)
}

/// A session on the host.
pub struct CpuSession {
    family: Family,
    shape: [usize; 3],
    a: Vec<f32>,
    b: Vec<f32>,
    output: Vec<f32>,
    words: Vec<u32>,
}

impl CpuSession {
    /// Takes the inputs over.
    pub fn new(variant: &Variant, problem: Problem, data: &Data) -> Result<Self, Refusal> {
        let [m, n, k] = problem.mnk().map(|x| x as usize);
        let fits = matches!(
            (variant.family, problem),
            (Family::CpuGemm, Problem::Gemm { .. })
                | (Family::CpuGemv, Problem::Gemv { .. })
                | (Family::CpuRead, Problem::Read { .. })
                | (Family::CpuLaunch, Problem::Launch | Problem::Submit)
        );
        if !fits {
            return Err(Refusal::Unavailable(format!("{variant} does not compute a {}", problem.kernel())));
        }
        let (output, words) = match problem {
            Problem::Gemm { .. } | Problem::Gemv { .. } => (vec![0.0; m * n], Vec::new()),
            _ => (Vec::new(), vec![0]),
        };
        Ok(Self { family: variant.family, shape: [m, n, k], a: data.a.clone(), b: data.b.clone(), output, words })
    }

    fn once(&mut self) {
        let [_, n, k] = self.shape;
        match self.family {
            Family::CpuGemm => host_gemm::gemm(&self.a, &self.b, &mut self.output, self.shape),
            Family::CpuGemv => {
                let rows_per_task = n.div_ceil(8 * rayon::current_num_threads()).max(1);
                let (x, w) = (&self.a, &self.b);
                self.output.par_chunks_mut(rows_per_task).enumerate().for_each(|(task, rows)| {
                    for (row, y) in rows.iter_mut().enumerate() {
                        let at = (task * rows_per_task + row) * k;
                        *y = dot(&w[at..at + k], x);
                    }
                });
            }
            Family::CpuRead => {
                let chunk = self.a.len().div_ceil(8 * rayon::current_num_threads()).max(1);
                let sums = self.a.par_chunks(chunk).map(|c| twin::fold(c.iter().map(|w| w.to_bits())));
                self.words[0] = sums.reduce(|| 0, u32::wrapping_add);
            }
            _ => self.words[0] = rayon::scope(|_| twin::LAUNCHED),
        }
    }
}

/// Sixteen running sums, so that the compiler may use vectors without reordering a single sum.
fn dot(w: &[f32], x: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 16];
    let (mut whole_w, mut whole_x) = (w.chunks_exact(16), x.chunks_exact(16));
    for (w, x) in whole_w.by_ref().zip(whole_x.by_ref()) {
        for lane in 0..16 {
            sums[lane] += w[lane] * x[lane];
        }
    }
    let tail: f32 = whole_w.remainder().iter().zip(whole_x.remainder()).map(|(w, x)| w * x).sum();
    sums.iter().sum::<f32>() + tail
}

impl Session for CpuSession {
    fn run(&mut self, runs: u32) -> Result<Elapsed, Refusal> {
        let start = Instant::now();
        for _ in 0..runs {
            std::hint::black_box(&mut *self).once();
        }
        Ok(Elapsed { wall_s: start.elapsed().as_secs_f64(), gpu_s: None })
    }

    fn probe(&mut self) -> Result<(f64, usize), Refusal> {
        Ok((self.run(1)?.wall_s, 1))
    }

    fn poison(&mut self) -> Result<(), Refusal> {
        self.output.fill(f32::from_bits(0x7FFF_FFFF));
        self.words.fill(0x7FFF_FFFF);
        Ok(())
    }

    fn output(&mut self) -> Result<Vec<u8>, Refusal> {
        let words =
            if self.output.is_empty() { bytemuck::cast_slice(&self.words) } else { bytemuck::cast_slice(&self.output) };
        Ok(words.to_vec())
    }

    fn damage(&mut self) -> Result<Option<String>, Refusal> {
        // Rust's borrows already forbid what this would look for.
        Ok(None)
    }
}
