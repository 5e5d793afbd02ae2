//! The software adapters under test, opened in this process.
#![allow(dead_code)] // each test binary uses its own part
#![allow(clippy::print_stderr)] // what is not tested here is said, not skipped in silence

use std::path::Path;
use std::sync::OnceLock;
use underdog::gpu::{Caps, Checks, Gpu, GpuError, Runner, list};
use underdog::isa::Tree;
use underdog::kernels::twin::Truth;
use underdog::kernels::{Data, Fill, Problem, Variant, finish, gate, legal, plan};

/// Where browsers put SwiftShader; it is in no folder that the Vulkan loader reads.
const SWIFTSHADER: [&str; 3] = [
    "/usr/lib/chromium/vk_swiftshader_icd.json",
    "/usr/lib/chromium-browser/vk_swiftshader_icd.json",
    "/opt/google/chrome/vk_swiftshader_icd.json",
];
/// Part of the name of an adapter to test besides: a GPU.
pub const GIVEN: &str = "UNDERDOG_TEST_ADAPTER";
/// What it is called among [`adapters`].
pub const THE_GIVEN: &str = "the given adapter";
const LAVAPIPE: &str = "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json";

/// Makes SwiftShader visible beside lavapipe. Must run before anything loads a Vulkan driver.
pub fn see_all_drivers() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        let found = SWIFTSHADER.into_iter().find(|p| Path::new(p).exists());
        let set = |name| std::env::var_os(name).is_some();
        if let Some(swiftshader) = found.filter(|_| !set("VK_DRIVER_FILES") && !set(GIVEN)) {
            // SAFETY: nothing has read the environment yet: every test comes through here first.
            #[allow(unsafe_code)]
            unsafe {
                std::env::set_var("VK_DRIVER_FILES", format!("{LAVAPIPE}:{swiftshader}"));
            }
        }
    });
}

/// Backend and position of each software adapter by name. A missing one that is required is a failure; a missing one
/// that is not is said.
pub fn adapters() -> Vec<(&'static str, &'static str, usize)> {
    see_all_drivers();
    let required = std::env::var("UNDERDOG_REQUIRE_ADAPTERS").unwrap_or_default();
    let mut found = Vec::new();
    for (name, backend, part) in
        [("lavapipe", "vulkan", "llvmpipe"), ("swiftshader", "vulkan", "swiftshader"), ("gl", "gl", "")]
    {
        let matching = |f: &&underdog::gpu::Found| f.identity.name.to_lowercase().contains(part) && f.caps.software;
        match list(backend).iter().find(matching) {
            Some(f) => found.push((name, backend, f.position)),
            None => {
                assert!(!required.split(',').any(|r| r.trim() == name), "{name} is required and not here");
                eprintln!("{name} is not here");
            }
        }
    }
    if let Ok(given) = std::env::var(GIVEN) {
        let matches = |f: &&underdog::gpu::Found| f.identity.name.to_lowercase().contains(&given.to_lowercase());
        let one = |backend| list(backend).iter().find(matches).map(|f| (backend, f.position));
        let (backend, position) =
            ["vulkan", "metal", "dx12", "gl"].into_iter().find_map(one).unwrap_or_else(|| panic!("no {given} is here"));
        found.insert(0, (THE_GIVEN, backend, position));
    }
    found
}

/// Runs `variant` once on poisoned memory and judges output, guards and inputs.
pub fn check(
    gpu: &Gpu,
    variant: &Variant,
    problem: Problem,
    data: &Data,
    truth: &Truth,
    fill: Fill,
) -> Result<(), String> {
    let plan = plan(variant, problem, data, 1)?;
    run(gpu, variant, problem, plan, truth, fill, Checks::On)
}

/// The same for a plan that may have been tampered with.
pub fn run(
    gpu: &Gpu,
    variant: &Variant,
    problem: Problem,
    plan: underdog::gpu::Plan,
    truth: &Truth,
    fill: Fill,
    checks: Checks,
) -> Result<(), String> {
    let words = |e: GpuError| e.to_string();
    let mut runner = Runner::new(gpu, plan, 1, checks).map_err(words)?;
    runner.poison().map_err(words)?;
    runner.run(1, usize::MAX).map_err(words)?;
    gate::judge(&finish(variant, problem, runner.output().map_err(words)?), truth, fill, variant.halves())?;
    match runner.damage().map_err(words)? {
        Some(damage) => Err(damage),
        None => Ok(()),
    }
}

/// The adapter can run it.
pub fn able(variant: &Variant, problem: Problem, caps: &Caps) -> bool {
    legal::legal(variant, problem, caps).is_ok()
}

/// naga needs more stack for unrolled kernels than a test thread has, bytes.
pub const STACK: usize = 64 << 20;

/// Runs on a thread with that.
pub fn on_a_large_stack(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(work).expect("a thread");
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// The tree of drivers; `None`, said in one line, where it is missing and not required (`UNDERDOG_REQUIRE_GPUS`).
pub fn tree() -> Option<Tree> {
    match Tree::find() {
        Ok(tree) => Some(tree),
        Err(why) => {
            assert!(std::env::var_os("UNDERDOG_REQUIRE_GPUS").is_none(), "{why}");
            eprintln!("not tried: {why}");
            None
        }
    }
}

/// Runs an ignored test of this program where the tree's software driver is, which has cooperative matrices.
pub fn in_the_tree(test: &str) {
    let Some(tree) = tree() else { return };
    let program = std::env::current_exe().expect("this test");
    let mut run = tree.software(&program);
    run.env_remove("UNDERDOG_REQUIRE_ADAPTERS").args(["--ignored", "--exact", "--nocapture", test]);
    let run = run.output().expect("starts");
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&run.stderr));
}
