//! The `gemm` crate behind a safe face: the CPU's best matrix product, and the reference of the real gate.
#![allow(unsafe_code)]

/// C[m, n] = A[m, k] B[k, n], row-major, on every core. Panics when a slice is shorter than its shape.
pub fn gemm<T: Real>(a: &[T], b: &[T], c: &mut [T], [m, n, k]: [usize; 3]) {
    assert!(a.len() >= m * k && b.len() >= k * n && c.len() >= m * n, "a matrix is shorter than its shape");
    // Handing a small product to other threads costs more than computing it.
    let threads = if m * n * k < 1 << 18 { gemm::Parallelism::None } else { gemm::Parallelism::Rayon(0) };
    // SAFETY: the assertion above covers every element the strides reach; c is exclusively borrowed.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            n as isize,
            false,
            a.as_ptr(),
            1,
            k as isize,
            b.as_ptr(),
            1,
            n as isize,
            T::ZERO,
            T::ONE,
            false,
            false,
            false,
            threads,
        );
    }
}

/// A float the `gemm` crate multiplies.
pub trait Real: 'static + Copy {
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
}
impl Real for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
}
impl Real for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
}
