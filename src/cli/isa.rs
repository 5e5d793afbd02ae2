//! `isa`: what compilers make of the kernels, of adapters that are here and of GPUs that are not.
//!
//! Every driver is asked in a process of its own, which is this command again with `--position`: a Vulkan loader reads its
//! environment once, and a compiler that fails takes nothing else with it.

use super::args::Isa;
use super::context;
use super::failure::Failure;
use super::measuring::program;
use super::options::selector;
use super::output::{Output, print};
use crate::gpu::{self, Compiler};
use crate::isa::{self, IsaRow, Question, Tree, VIRTUAL, VirtualGpu};
use crate::kernels::{Dtype, Problem, Variant};
use crate::measure::{self, OnVulkan};
use crate::run::Run;
use anyhow::{Context as _, anyhow};
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use std::path::Path;
use std::process::Command;

/// Shapes that fill a large GPU; what a compiler makes of a kernel hardly depends on them.
const KERNELS: [(&str, Problem); 6] = [
    ("gemm", Problem::Gemm { m: 4096, n: 4096, k: 4096 }),
    ("few-rows", Problem::Gemm { m: 16, n: 4096, k: 4096 }),
    ("gemv", Problem::Gemv { n: 4096, k: 4096 }),
    ("decode", Problem::Attention { queries: 1, context: 4096, heads: 32, kv_heads: 8, head_dim: 128 }),
    ("prefill", Problem::Attention { queries: 512, context: 4096, heads: 32, kv_heads: 8, head_dim: 128 }),
    ("experts", Problem::Experts { m: 4096, experts: 64, n: 1536, k: 2048 }),
];

/// Asks every GPU that is meant.
pub fn isa(args: &Isa, output: &Output) -> Result<(), Failure> {
    let questions = questions(args)?;
    if let Some(position) = args.position {
        return here(position, &questions, args.text, output);
    }
    let mut notes = vec![
        "Nothing was run: these are properties of machine code, and none of them is a time. The ceiling is the share of \
         the chip's peak that the hottest loop allows by its slowest pipe, before any memory stalls; density is the share \
         of its instructions that multiply and add."
            .to_owned(),
    ];
    // A compiler works on one core.
    let answers = asked(args, &mut notes)?.into_par_iter().map(|asked| asked.answer(args));
    let rows = answers.collect::<Result<Vec<_>, _>>()?.concat();
    if args.text {
        return rows.iter().try_for_each(text);
    }
    let mut context = context::here();
    context.sources.extend(Tree::find().ok().filter(|_| !args.gpu.is_empty()).and_then(|tree| tree.version()));
    output.write(&context::finished("isa", context, sentence(&rows), notes, &rows)?)
}

/// In the process of one driver.
fn here(position: usize, questions: &[Question], text: bool, output: &Output) -> Result<(), Failure> {
    let compiler = Compiler::open(position).map_err(|why| Failure::Operational(anyhow!(why)))?;
    let found = gpu::list("vulkan").into_iter().nth(position).context("wgpu does not see this adapter")?;
    let rows = isa::ask(&compiler, &found.caps, questions, text);
    output.write(&context::finished("isa", context::here(), String::new(), Vec::new(), &rows)?)
}

fn questions(args: &Isa) -> Result<Vec<Question>, Failure> {
    if let Some(path) = &args.spirv {
        let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
        let words = bytes.chunks_exact(4).map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]])).collect();
        return Ok(vec![Question::Foreign(path.display().to_string(), words)]);
    }
    if let Some(id) = &args.variant {
        let variant: Variant = id.parse().map_err(|why| Failure::Usage(format!("--variant: {why}")))?;
        return Ok(vec![Question::Variant(Box::new(variant))]);
    }
    let mut questions = Vec::new();
    for name in &args.kernel {
        let known = KERNELS.iter().find(|(known, _)| known == name);
        let (_, problem) = known.ok_or_else(|| {
            let names: Vec<_> = KERNELS.iter().map(|k| k.0).collect();
            Failure::Usage(format!("--kernel {name}: there are {}", names.join(", ")))
        })?;
        for name in &args.dtype {
            let dtype = Dtype::ALL.into_iter().find(|d| d.name() == name);
            let dtype = dtype.ok_or_else(|| Failure::Usage(format!("--dtype {name}: there are f32, f16, i8, q4")))?;
            if problem.types().contains(&dtype) {
                questions.push(Question::Ladder(*problem, dtype));
            }
        }
    }
    Ok(questions)
}

/// One driver to ask.
struct Asked {
    gpu: String,
    command: Command,
    /// Of the chip, where they are known.
    rates: Option<isa::Rates>,
}

/// The GPUs that `--gpu` names, or the adapters that `--adapter` means; a note for each that cannot be asked.
fn asked(args: &Isa, notes: &mut Vec<String>) -> Result<Vec<Asked>, Failure> {
    let program = program()?;
    if !args.gpu.is_empty() {
        let gpus = args.gpu.iter().map(|id| known(id)).collect::<Result<Vec<_>, _>>()?;
        let tree = Tree::find().map_err(|why| Failure::Operational(anyhow!(why)))?;
        return Ok(gpus.into_iter().map(|gpu| elsewhere(&tree, gpu, &program)).collect());
    }
    let mut all = Vec::new();
    for OnVulkan { name: gpu, driver } in measure::vulkan(&program, &selector(&args.measure))? {
        let Some((driver, position)) = driver else {
            notes.push(format!("{gpu} has no Vulkan driver that could be asked."));
            continue;
        };
        let mut command = Command::new(&program);
        command.envs(driver.manifest.map(|manifest| ("VK_DRIVER_FILES", manifest)));
        all.push(Asked { gpu, command: at(command, position), rates: None });
    }
    Ok(all)
}

fn known(id: &str) -> Result<&'static VirtualGpu, Failure> {
    VIRTUAL.iter().find(|gpu| gpu.id == id).ok_or_else(|| {
        let ids: Vec<_> = VIRTUAL.iter().map(|gpu| format!("{} ({})", gpu.id, gpu.product)).collect();
        Failure::Usage(format!("--gpu {id}: the drivers know {}", ids.join(", ")))
    })
}

fn elsewhere(tree: &Tree, gpu: &VirtualGpu, program: &Path) -> Asked {
    Asked {
        gpu: format!("{} ({})", gpu.id, gpu.product),
        command: at(tree.command(gpu, program), 0),
        rates: isa::rates(gpu.id),
    }
}

fn at(mut command: Command, position: usize) -> Command {
    command.args(["isa", "--format", "json", "--position", &position.to_string()]);
    command
}

impl Asked {
    fn answer(mut self, args: &Isa) -> Result<Vec<IsaRow>, Failure> {
        self.command.arg("--kernel").arg(args.kernel.join(",")).arg("--dtype").arg(args.dtype.join(","));
        if let Some(variant) = &args.variant {
            self.command.arg("--variant").arg(variant);
        }
        if let Some(path) = &args.spirv {
            self.command.arg("--spirv").arg(path);
        }
        if args.text {
            self.command.arg("--text");
        }
        let told = self.command.output().with_context(|| format!("{}: its compiler cannot be asked", self.gpu))?;
        if !told.status.success() {
            let errors = String::from_utf8_lossy(&told.stderr);
            let said = errors.lines().rev().find_map(|line| line.strip_prefix("error: "));
            let why = said.map_or_else(|| format!("its driver failed ({})", told.status), str::to_owned);
            return Ok(vec![IsaRow { gpu: self.gpu, reason: Some(why), ..IsaRow::default() }]);
        }
        let run: Run = serde_json::from_slice(&told.stdout).with_context(|| format!("{}: no answer", self.gpu))?;
        let rows = run.rows.into_iter().map(|row| serde_json::from_value::<IsaRow>(row.into()));
        let rows: Vec<_> = rows.collect::<Result<_, _>>().with_context(|| format!("{}: no answer", self.gpu))?;
        let one = |row: IsaRow| {
            let found = self.rates.and_then(|rates| isa::ceiling(&row.judgement, &rates));
            let (ceiling, ceiling_by) = found.map(|(share, by)| (share, by.to_owned())).unzip();
            IsaRow { gpu: self.gpu.clone(), ceiling, ceiling_by, ..row }
        };
        Ok(rows.into_iter().map(one).collect())
    }
}

/// The machine code itself, under a line that says what it is.
fn text(row: &IsaRow) -> Result<(), Failure> {
    let program = row.program.as_deref().map_or(String::new(), |program| format!(", {program}"));
    let body = row.text.as_deref().or(row.reason.as_deref()).unwrap_or("the driver tells no machine code");
    print(&format!("; {}: {}{program}\n{}\n", row.gpu, row.variant, body.trim_end()))
}

/// How many there are, and which rung is the densest of each GPU.
fn sentence(rows: &[IsaRow]) -> String {
    if rows.is_empty() {
        return "There is no compiler that could be asked.".to_owned();
    }
    let mut gpus: Vec<&str> = rows.iter().map(|row| row.gpu.as_str()).collect();
    gpus.dedup();
    let allowed = |row: &&IsaRow| row.ceiling.or(row.judgement.density).unwrap_or(0.0);
    let one = |gpu: &&str| {
        let told = rows.iter().filter(|row| row.gpu == **gpu && row.reason.is_none());
        let spills = told.clone().filter(|row| row.judgement.spills.is_some_and(|spills| spills > 0)).count();
        let best = told.clone().max_by(|a, b| allowed(a).total_cmp(&allowed(b)));
        let most = best.map_or(String::new(), |row| match (&row.ceiling_by, row.judgement.density) {
            (Some(by), _) => {
                format!(", {} allows {:.0} % of the peak at best (by {by})", row.variant, 100.0 * allowed(&row))
            }
            (None, Some(share)) => {
                format!(", {:.0} % of the hottest loop multiply and add in {} at best", 100.0 * share, row.variant)
            }
            (None, None) => String::new(),
        });
        format!("{gpu}: {} programs compiled, {spills} of them spill{most}", told.count())
    };
    gpus.iter().map(one).collect::<Vec<_>>().join("; ") + "."
}
