// What a dispatch costs by itself. One word is written, so that a dispatch that never ran is noticed.
struct Params { word: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> result: array<u32>;

@compute @workgroup_size(1)
fn main() {
    result[0] = p.word;
}
