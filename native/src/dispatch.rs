//! The path is chosen at run time, by what the processor can do. Every path does the same operations in the same order.

/// A level of instructions; `stream` writes eight values around the cache where that exists.
pub trait Processor {
    /// # Safety
    /// `to` points to eight writable values on a cache line of their own, and the processor has this level.
    unsafe fn stream(&self, to: *mut f64, values: &[f64; 8]);

    /// Makes what was streamed visible, before another thread or ordinary code may look at it.
    fn fence(&self) {}
}

pub struct Any;

impl Processor for Any {
    #[inline(always)]
    unsafe fn stream(&self, to: *mut f64, values: &[f64; 8]) {
        // SAFETY: the caller's promise.
        unsafe { *to.cast::<[f64; 8]>() = *values }
    }
}

#[cfg(target_arch = "x86_64")]
pub mod x86 {
    use super::Processor;
    use std::arch::x86_64::{_mm_sfence, _mm256_loadu_pd, _mm256_stream_pd, _mm512_loadu_pd, _mm512_stream_pd};

    pub struct Avx2;

    impl Processor for Avx2 {
        #[inline(always)]
        unsafe fn stream(&self, to: *mut f64, values: &[f64; 8]) {
            // SAFETY: the caller's promise.
            unsafe {
                _mm256_stream_pd(to, _mm256_loadu_pd(values.as_ptr()));
                _mm256_stream_pd(to.add(4), _mm256_loadu_pd(values.as_ptr().add(4)));
            }
        }

        #[inline(always)]
        fn fence(&self) {
            // SAFETY: every x86-64 processor has it.
            unsafe { _mm_sfence() }
        }
    }

    pub struct Avx512;

    impl Processor for Avx512 {
        #[inline(always)]
        unsafe fn stream(&self, to: *mut f64, values: &[f64; 8]) {
            // SAFETY: the caller's promise.
            unsafe { _mm512_stream_pd(to, _mm512_loadu_pd(values.as_ptr())) }
        }

        #[inline(always)]
        fn fence(&self) {
            // SAFETY: every x86-64 processor has it.
            unsafe { _mm_sfence() }
        }
    }
}

/// Makes a function that runs `$body`, whose last argument is the level, as it was compiled for the best level that the processor has.
macro_rules! dispatched {
    ($name:ident, $body:ident, ($($arg:ident: $kind:ty),*) -> $answer:ty) => {
        fn $name($($arg: $kind),*) -> $answer {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f")]
                fn avx512($($arg: $kind),*) -> $answer {
                    $body($($arg,)* $crate::dispatch::x86::Avx512)
                }
                #[target_feature(enable = "avx2")]
                fn avx2($($arg: $kind),*) -> $answer {
                    $body($($arg,)* $crate::dispatch::x86::Avx2)
                }
                if is_x86_feature_detected!("avx512f") {
                    // SAFETY: the processor has just said that it knows these instructions.
                    return unsafe { avx512($($arg),*) };
                }
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: the processor has just said that it knows these instructions.
                    return unsafe { avx2($($arg),*) };
                }
            }
            $body($($arg,)* $crate::dispatch::Any)
        }
    };
}

pub(crate) use dispatched;
