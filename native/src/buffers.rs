//! Columns of numbers that Python owns, as slices.

use pyo3::buffer::{Element, PyBuffer};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// A contiguous buffer of one kind of number, float64 where nothing else is said; exported for as long as this lives.
pub struct Column<T: Element = f64>(PyBuffer<T>);

impl<T: Element> Column<T> {
    pub fn over(array: &Bound<'_, PyAny>) -> PyResult<Self> {
        let buffer = PyBuffer::get(array)?;
        if buffer.is_c_contiguous() { Ok(Column(buffer)) } else { Err(PyValueError::new_err("not contiguous")) }
    }

    pub fn values(&self) -> &[T] {
        if self.0.item_count() == 0 {
            return &[];
        }
        // SAFETY: PyBuffer has checked type and alignment, `over` that it is contiguous; the export keeps it alive
        // and in place. As with NumPy's own kernels, whoever writes to an array during the call reads what he wrote.
        unsafe { std::slice::from_raw_parts(self.0.buf_ptr().cast(), self.0.item_count()) }
    }

    /// For what our own Python face has allocated for this call and nobody else can see.
    pub fn values_mut(&mut self) -> PyResult<&mut [T]> {
        if self.0.readonly() {
            return Err(PyValueError::new_err("not writable"));
        }
        if self.0.item_count() == 0 {
            return Ok(&mut []);
        }
        // SAFETY: as above, and writable.
        Ok(unsafe { std::slice::from_raw_parts_mut(self.0.buf_ptr().cast(), self.0.item_count()) })
    }
}
