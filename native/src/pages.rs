//! History pages as Python sees them: each column the bytes of its numbers, for NumPy to look at without a copy.

use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes};

use crate::history::{self, Columns};

/// t, o, h, l, c, v, n, vw.
type Buffers<'py> = [Bound<'py, PyByteArray>; 8];
type Page<'py> = (Vec<(String, Buffers<'py>)>, Option<String>);

/// The bars of a page by symbol, and its token; None when anything is unusual, and the reference must read it.
#[pyfunction]
pub fn read_bars_columns<'py>(py: Python<'py>, body: &Bound<'py, PyAny>) -> PyResult<Option<Page<'py>>> {
    let Ok(body) = body.cast_exact::<PyBytes>() else { return Ok(None) };
    let bytes = body.as_bytes();
    let Some(page) = py.detach(|| history::page(bytes)) else { return Ok(None) };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned(); // the scanner lets ASCII pass only
    let bars = page.bars.iter().map(|(symbol, columns)| Ok((text(symbol), buffers(py, columns)?)));
    Ok(Some((bars.collect::<PyResult<_>>()?, page.next_page_token.map(text))))
}

fn buffers<'py>(py: Python<'py>, columns: &Columns) -> PyResult<Buffers<'py>> {
    let Columns { t, o, h, l, c, v, n, vw } = columns;
    let float = |values: &[f64]| filled(py, values.iter().map(|value| value.to_ne_bytes()));
    let whole = |values: &[i64]| filled(py, values.iter().map(|value| value.to_ne_bytes()));
    Ok([whole(t)?, float(o)?, float(h)?, float(l)?, float(c)?, float(v)?, whole(n)?, float(vw)?])
}

fn filled<'py>(py: Python<'py>, values: impl ExactSizeIterator<Item = [u8; 8]>) -> PyResult<Bound<'py, PyByteArray>> {
    PyByteArray::new_with(py, values.len() * 8, |bytes| {
        bytes.as_chunks_mut().0.iter_mut().zip(values).for_each(|(place, value)| *place = value);
        Ok(())
    })
}
