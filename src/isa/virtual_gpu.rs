//! GPUs that are not here: Mesa's drivers compile for them over a kernel interface that does nothing.
//!
//! `.ci/gpus` lays a tree of new drivers with `mesa-drm-shim` in a cache folder. A program runs in it through the tree's
//! own loader, so that neither root nor the host's libraries are needed.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A GPU that a driver can be told to compile for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VirtualGpu {
    /// What `--gpu` takes.
    pub id: &'static str,
    /// A product with this chip.
    pub product: &'static str,
    /// The manifest of its driver.
    manifest: &'static str,
    /// The library that answers in the kernel's place.
    shim: &'static str,
    /// What tells the shim or the driver which chip it is.
    environment: &'static [(&'static str, &'static str)],
}

const AMD: &str = "libamdgpu_noop_drm_shim.so";
const NVIDIA: &str = "libnouveau_noop_drm_shim.so";
/// NVK asks for it on kernels it does not know.
const NVK: (&str, &str) = ("NVK_I_WANT_A_BROKEN_VULKAN_DRIVER", "1");

macro_rules! gpus {
    ($($id:literal $product:literal $manifest:literal $shim:expr, $environment:expr;)+) => {
        /// The chips that the drivers of the tree know, newest first by vendor.
        pub const VIRTUAL: &[VirtualGpu] = &[$(VirtualGpu {
            id: $id, product: $product, manifest: $manifest, shim: $shim, environment: &$environment,
        }),+];
    };
}

gpus! {
    "rdna4" "RX 9070 XT" "radeon_icd.json" AMD, [("AMDGPU_GPU_ID", "gfx1201")];
    "rdna3" "RX 7900 XTX" "radeon_icd.json" AMD, [("AMDGPU_GPU_ID", "navi31")];
    "vega20" "Radeon VII" "radeon_icd.json" AMD, [("AMDGPU_GPU_ID", "vega20")];
    "polaris" "RX 580" "radeon_icd.json" AMD, [("AMDGPU_GPU_ID", "polaris10")];
    "blackwell" "RTX 5090" "nouveau_icd.json" NVIDIA, [("NOUVEAU_CHIPSET", "1b2"), NVK];
    "ada" "RTX 4090" "nouveau_icd.json" NVIDIA, [("NOUVEAU_CHIPSET", "192"), NVK];
    "ampere" "RTX 3090" "nouveau_icd.json" NVIDIA, [("NOUVEAU_CHIPSET", "172"), NVK];
    "turing" "RTX 2080 Ti" "nouveau_icd.json" NVIDIA, [("NOUVEAU_CHIPSET", "162"), NVK];
    "adreno740" "Snapdragon 8 Gen 2" "freedreno_icd.json" "libfreedreno_noop_drm_shim.so", [("FD_GPU_ID", "740")];
    "m1" "Apple M1" "asahi_icd.json" "libasahi_noop_drm_shim.so", [];
}

/// The folder of the tree, in the environment.
const VARIABLE: &str = "UNDERDOG_GPUS";

/// A tree of drivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree(PathBuf);

impl Tree {
    /// The tree that is here.
    ///
    /// # Errors
    /// Where it was looked for, and how to lay it.
    pub fn find() -> Result<Self, String> {
        let named = std::env::var_os(VARIABLE).filter(|v| !v.is_empty()).map(PathBuf::from);
        let cache = std::env::var_os("XDG_CACHE_HOME").filter(|v| !v.is_empty()).map(PathBuf::from);
        let cache = cache.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")));
        let folder = named.or_else(|| cache.map(|cache| cache.join("underdog/gpus"))).unwrap_or_default();
        let tree = Self(folder);
        if tree.loader().exists() && tree.libraries().join(AMD).exists() {
            Ok(tree)
        } else {
            Err(format!(
                "no drivers for GPUs that are not here are in {} ({VARIABLE} names another folder); `.ci/gpus` lays them there",
                tree.0.display()
            ))
        }
    }

    fn loader(&self) -> PathBuf {
        self.0.join("lib64/ld-linux-x86-64.so.2")
    }

    fn libraries(&self) -> PathBuf {
        self.0.join("usr/lib/x86_64-linux-gnu")
    }

    /// Runs a program where Vulkan has this one GPU.
    pub fn command(&self, gpu: &VirtualGpu, program: &Path) -> Command {
        let mut command = self.with_driver(gpu.manifest);
        command.arg("--preload").arg(self.libraries().join(gpu.shim)).arg(program);
        command.envs(gpu.environment.iter().copied());
        command
    }

    /// Runs a program where Vulkan has the tree's software driver, which executes what it is given: cooperative matrices
    /// too, which older releases of it lack.
    pub fn software(&self, program: &Path) -> Command {
        let mut command = self.with_driver("lvp_icd.json");
        command.arg(program);
        command
    }

    fn with_driver(&self, manifest: &str) -> Command {
        let mut command = Command::new(self.loader());
        command.arg("--library-path").arg(self.libraries());
        command.env("VK_DRIVER_FILES", self.0.join("usr/share/vulkan/icd.d").join(manifest));
        command
    }

    /// The version of the drivers, as `.ci/gpus` wrote it down.
    pub fn version(&self) -> Option<String> {
        std::fs::read_to_string(self.0.join("mesa-version")).ok().map(|text| text.trim().to_owned())
    }
}
