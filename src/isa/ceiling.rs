//! What share of a GPU's peak its code allows, before any memory stalls: the loop that does the work, by the cycles of each
//! pipe.
//!
//! Rates are of one scheduler (a partition of an SM, an SIMD of a compute unit) and one cycle. NVIDIA's are those of the
//! CUDA C++ Programming Guide, "Throughput of Native Arithmetic Instructions", a quarter of an SM's: 128 multiply-adds, 16
//! special functions, 16 conversions between formats of floating point, 128 bytes of shared memory. AMD's are those of the
//! RDNA3 and RDNA4 instruction set guides: a SIMD of 32 lanes that issues two multiply-adds a lane (VOPD, or one of a
//! subgroup of 64), a quarter of the lanes for special functions, 128 bytes of LDS a cycle for the two SIMDs of a compute
//! unit. Matrix rates are what the data sheets' 16-bit rates are beside their 32-bit ones.

use super::judge::Judgement;

/// What one scheduler does in a cycle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Multiply-adds of lanes, f32.
    pub multiply_adds: f64,
    /// Lanes of other instructions.
    pub lanes: f64,
    /// Conversions between formats.
    pub conversions: f64,
    /// Reciprocals, roots, exponentials.
    pub special: f64,
    /// Bytes from workgroup memory.
    pub workgroup_bytes: f64,
    /// Multiply-adds of matrix units, f16 in and f32 out.
    pub matrix: f64,
}

/// An SM's partition; `matrix` is the data sheet's rate beside that in 32 bit.
const fn nvidia(matrix: f64) -> Rates {
    Rates {
        multiply_adds: 32.0,
        lanes: 32.0,
        conversions: 4.0,
        special: 4.0,
        workgroup_bytes: 32.0,
        matrix: 32.0 * matrix,
    }
}

/// An SIMD of a compute unit.
const fn rdna(matrix: f64) -> Rates {
    Rates {
        multiply_adds: 64.0,
        lanes: 32.0,
        conversions: 32.0,
        special: 8.0,
        workgroup_bytes: 64.0,
        matrix: 64.0 * matrix,
    }
}

/// The rates of a chip by the name that `--gpu` takes; `None` for those whose rates are not known.
pub fn rates(id: &str) -> Option<Rates> {
    Some(match id {
        // RX 9070 XT: 195 of 48.7 TFLOP/s; RX 7900 XTX: 122.8 of 61.4.
        "rdna4" => rdna(4.0),
        "rdna3" => rdna(2.0),
        // RTX 4090: 165 of 82.6 with 32-bit sums; RTX 5090: 209.5 of 104.8; RTX 3090: 71 of 35.6.
        "ada" | "blackwell" | "ampere" => nvidia(2.0),
        _ => return None,
    })
}

/// The same by a data sheet's architecture.
pub fn rates_of(architecture: &str) -> Option<Rates> {
    rates(match architecture {
        "ampere-consumer" => "ampere",
        "blackwell-consumer" => "blackwell",
        // A100 is another chip under the same name.
        "ampere" | "blackwell" => return None,
        other => other,
    })
}

/// The share of the peak, and the pipe that allows no more; `None` where the loop does nothing that has a peak.
///
/// Every instruction takes an issue slot: one a cycle. Pipes work at the same time, so the longest one decides.
pub fn ceiling(told: &Judgement, rates: &Rates) -> Option<(f64, &'static str)> {
    let lanes = f64::from(told.lanes?);
    let (all, products, matrix) = (told.loop_instructions?, told.loop_multiply_adds?, told.loop_matrix?);
    let work = told.loop_work.filter(|work| *work > 0.0)? * lanes;
    let count = |n: Option<u64>| n.unwrap_or(0) as f64 * lanes;
    let (conversions, special) = (count(told.loop_conversions), count(told.loop_special));
    // A vector instruction of a subgroup wider than the lanes passes twice, but for products where two go at once.
    let again = (lanes / rates.lanes).max(1.0) - 1.0;
    let others = (all - products) as f64 + told.loop_vector.unwrap_or(0) as f64 * again;
    let products = products as f64 * if matrix > 0 { 1.0 } else { (lanes / rates.multiply_adds).max(1.0) };
    // A packed product is one instruction of its pipe, however many it multiplies.
    let useful = if matrix > 0 { work / rates.matrix } else { products };
    let pipes = [
        (if matrix > 0 { "matrix units" } else { "multiply-adds" }, useful),
        ("instruction issue", others + products),
        ("conversions", conversions / rates.conversions),
        ("special functions", special / rates.special),
        ("workgroup memory", told.workgroup_bytes_per_multiply_add.unwrap_or(0.0) * work / rates.workgroup_bytes),
    ];
    let (by, cycles) = pipes.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    (cycles > 0.0).then_some((useful / cycles, by))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(all: u64, products: u64, matrix: u64, work: f64, bytes: f64) -> Judgement {
        Judgement {
            lanes: Some(32),
            loop_instructions: Some(all),
            loop_multiply_adds: Some(products),
            loop_matrix: Some(matrix),
            loop_work: Some(work),
            workgroup_bytes_per_multiply_add: Some(bytes),
            ..Judgement::default()
        }
    }

    #[test]
    fn the_slowest_pipe_decides() {
        let ada = rates("ada").expect("known");
        let near = |found: Option<(f64, &str)>, share: f64, by: &str| {
            let (value, pipe) = found.expect("a ceiling");
            assert!((value - share).abs() < 1e-9 && pipe == by, "{value} by {pipe}");
        };
        // 64 of 80 instructions multiply and add, each for 32 lanes in one cycle.
        near(ceiling(&told(80, 64, 0, 64.0, 0.0), &ada), 0.8, "instruction issue");
        // Two bytes for each are twice what shared memory gives.
        near(ceiling(&told(64, 64, 0, 64.0, 2.0), &ada), 0.5, "workgroup memory");
        let slow = Judgement { loop_conversions: Some(16), ..told(80, 64, 0, 64.0, 0.0) };
        near(ceiling(&slow, &ada), 0.5, "conversions");
        // 16 x 8 x 16 of a matrix instruction are 64 multiply-adds a lane: 32 cycles, more than any issue here.
        near(ceiling(&told(8, 1, 1, 64.0, 0.0), &ada), 1.0, "matrix units");
        assert_eq!(ceiling(&told(8, 0, 0, 0.0, 0.0), &ada), None);
        assert_eq!(rates("adreno740"), None);
    }
}
