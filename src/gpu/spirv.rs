//! SPIR-V of a kernel: written as wgpu writes it, and read for what it binds.

use naga::back::spv;
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use std::collections::HashMap;

/// The words of a WGSL kernel, as wgpu 30 hands them to a Vulkan 1.3 driver for a trusted shader.
///
/// # Errors
/// What is wrong with the source.
pub fn of_wgsl(source: &str) -> Result<Vec<u32>, String> {
    let module = naga::front::wgsl::parse_str(source).map_err(|e| e.emit_to_string(source))?;
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::all());
    let info = validator.validate(&module).map_err(|e| e.emit_to_string(source))?;
    let unchecked = BoundsCheckPolicy::Unchecked;
    let options = spv::Options {
        lang_version: (1, 6),
        flags: spv::WriterFlags::empty(),
        bounds_check_policies: BoundsCheckPolicies {
            index: unchecked,
            buffer: unchecked,
            image_load: unchecked,
            binding_array: unchecked,
        },
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        force_loop_bounding: false,
        ..spv::Options::default()
    };
    let entry = spv::PipelineOptions { shader_stage: naga::ShaderStage::Compute, entry_point: "main".to_owned() };
    spv::write_vec(&module, &info, &options, Some(&entry)).map_err(|e| e.to_string())
}

/// What stands behind a binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// A uniform buffer.
    Uniform,
    /// A storage buffer.
    Storage,
    /// A texture.
    Sampled,
    /// A storage texture.
    Image,
}

/// What a compute shader binds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Name of its entry point.
    pub entry: String,
    /// Its bindings of set 0 by number.
    pub bindings: Vec<(u32, Binding)>,
    /// Bytes of its push constants, at most.
    pub constants: u32,
}

/// Push constants every Vulkan 1.3 device has room for and no kernel here exceeds.
const PUSH_CONSTANTS: u32 = 128;

const MAGIC: u32 = 0x0723_0203;
const ENTRY_POINT: u32 = 15;
const TYPE_IMAGE: u32 = 25;
const TYPE_POINTER: u32 = 32;
const VARIABLE: u32 = 59;
const DECORATE: u32 = 71;
const BINDING: u32 = 33;
const BUFFER_BLOCK: u32 = 3;
const UNIFORM_CONSTANT: u32 = 0;
const UNIFORM: u32 = 2;
const PUSH_CONSTANT: u32 = 9;
const STORAGE_BUFFER: u32 = 12;

impl Interface {
    /// Reads the words of a module.
    ///
    /// # Errors
    /// What they lack.
    pub fn of(words: &[u32]) -> Result<Self, &'static str> {
        if words.len() < 5 || words[0] != MAGIC {
            return Err("the file does not start as SPIR-V does");
        }
        let mut entry = None;
        let (mut numbers, mut blocks, mut pointers, mut images) =
            (HashMap::new(), HashMap::new(), HashMap::new(), HashMap::new());
        let mut variables = Vec::new();
        let mut at = 5;
        while at < words.len() {
            let (length, code) = ((words[at] >> 16) as usize, words[at] & 0xffff);
            let Some(w) = words.get(at..at + length).filter(|w| !w.is_empty()) else {
                return Err("an instruction reaches beyond the end");
            };
            match (code, w.len()) {
                (ENTRY_POINT, 4..) => {
                    let bytes: Vec<u8> = w[3..].iter().flat_map(|w| w.to_le_bytes()).take_while(|b| *b != 0).collect();
                    entry.get_or_insert(String::from_utf8_lossy(&bytes).into_owned());
                }
                (DECORATE, 4..) if w[2] == BINDING => drop(numbers.insert(w[1], w[3])),
                (DECORATE, 3) if w[2] == BUFFER_BLOCK => drop(blocks.insert(w[1], ())),
                (TYPE_POINTER, 4) => drop(pointers.insert(w[1], w[3])),
                // The operand that says whether a sampler goes with it.
                (TYPE_IMAGE, 9..) => drop(images.insert(w[1], w[7])),
                (VARIABLE, 4..) => variables.push((w[2], w[1], w[3])),
                _ => {}
            }
            at += length;
        }
        let mut bindings = Vec::new();
        let mut constants = 0;
        for (id, pointer, class) in variables {
            let of = pointers.get(&pointer).copied().unwrap_or(0);
            let kind = match class {
                UNIFORM if blocks.contains_key(&of) => Binding::Storage,
                UNIFORM => Binding::Uniform,
                STORAGE_BUFFER => Binding::Storage,
                UNIFORM_CONSTANT if images.get(&of) == Some(&2) => Binding::Image,
                UNIFORM_CONSTANT => Binding::Sampled,
                PUSH_CONSTANT => {
                    constants = PUSH_CONSTANTS;
                    continue;
                }
                _ => continue,
            };
            if let Some(number) = numbers.get(&id) {
                // Several views of one buffer share a number.
                if !bindings.iter().any(|(known, _)| known == number) {
                    bindings.push((*number, kind));
                }
            }
        }
        bindings.sort_by_key(|b| b.0);
        Ok(Self { entry: entry.ok_or("it has no entry point")?, bindings, constants })
    }
}
