//! Bars from columns: the domain's own struct, made by calling its class, without lists of numbers in between.

use std::ffi::c_void;
use std::ptr;

use pyo3::exceptions::PyIndexError;
use pyo3::ffi::PyObject;
use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyString};

use crate::buffers::Column;

/// The number of the symbol, left edge, end, number of trades.
type Counts<'py> = [Bound<'py, PyAny>; 4];
/// Open, high, low, close, volume, vwap.
type Prices<'py> = [Bound<'py, PyAny>; 6];

unsafe extern "C" {
    /// In every CPython from 3.9 on, of the stable interface from 3.12 on; PyO3 names it only for builds of the latter.
    fn PyObject_Vectorcall(
        callable: *mut PyObject,
        arguments: *const *mut PyObject,
        count: usize,
        names: *mut c_void,
    ) -> *mut PyObject;
}

/// Rows `first` to before `last` as bars.
#[pyfunction]
pub fn make_bars<'py>(
    class: &Bound<'py, PyAny>,
    names: Vec<Bound<'py, PyString>>,
    counts: Counts<'py>,
    prices: Prices<'py>,
    first: usize,
    last: usize,
) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let counts = counts.iter().map(Column::<i64>::over).collect::<PyResult<Vec<_>>>()?;
    let prices = prices.iter().map(Column::<f64>::over).collect::<PyResult<Vec<_>>>()?;
    let counts: [&[i64]; 4] = std::array::from_fn(|at| counts[at].values());
    let prices: [&[f64]; 6] = std::array::from_fn(|at| prices[at].values());
    let length = counts.iter().map(|each| each.len()).chain(prices.iter().map(|each| each.len())).min();
    if first > last || Some(last) > length {
        return Err(PyIndexError::new_err("no such rows"));
    }
    let mut maker = Maker::new(class.py());
    let mut made = Vec::with_capacity(last - first);
    for row in first..last {
        let [symbol, begin, known, trades] = counts.map(|column| column[row]);
        let name = usize::try_from(symbol).ok().and_then(|at| names.get(at));
        let name = name.ok_or_else(|| PyIndexError::new_err("no such symbol"))?;
        made.push(maker.bar(class, name.as_any(), prices.map(|column| column[row]), [begin, known, trades])?);
    }
    Ok(made)
}

/// A number and the object that stands for it.
type Last<'py, T> = (T, Bound<'py, PyAny>);

/// Remembers what often comes again: the end of a bar is the beginning of the next, and what nobody knows is zero.
struct Maker<'py> {
    edge: Last<'py, i64>,
    trades: Last<'py, i64>,
    vwap: Last<'py, u64>,
}

impl<'py> Maker<'py> {
    fn new(py: Python<'py>) -> Self {
        Maker { edge: (0, whole(py, 0)), trades: (0, whole(py, 0)), vwap: (0, float(py, 0.0)) }
    }

    #[inline(always)]
    fn bar(
        &mut self,
        class: &Bound<'py, PyAny>,
        name: &Bound<'py, PyAny>,
        [open, high, low, close, volume, vwap]: [f64; 6],
        [begin, known, trades]: [i64; 3],
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = class.py();
        let begin = if self.edge.0 == begin { self.edge.1.clone() } else { whole(py, begin) };
        if self.edge.0 != known {
            self.edge = (known, whole(py, known));
        }
        if self.trades.0 != trades {
            self.trades = (trades, whole(py, trades));
        }
        if self.vwap.0 != vwap.to_bits() {
            self.vwap = (vwap.to_bits(), float(py, vwap));
        }
        let [open, high, low, close, volume] = [open, high, low, close, volume].map(|value| float(py, value));
        let (known, trades, vwap) = (&self.edge.1, &self.trades.1, &self.vwap.1);
        call(class, [name, &open, &high, &low, &close, &volume, &begin, known, trades, vwap])
    }
}

fn float(py: Python<'_>, value: f64) -> Bound<'_, PyAny> {
    PyFloat::new(py, value).into_any()
}

fn whole(py: Python<'_>, value: i64) -> Bound<'_, PyAny> {
    let Ok(number) = value.into_pyobject(py);
    number.into_any()
}

#[inline(always)]
fn call<'py>(class: &Bound<'py, PyAny>, arguments: [&Bound<'py, PyAny>; 10]) -> PyResult<Bound<'py, PyAny>> {
    let pointers = arguments.map(|each| each.as_ptr());
    // SAFETY: the interpreter is held, all pointers are of objects that live until the call is over, and there are as
    // many as `count` says; what comes back is a new reference, or null with the exception set.
    unsafe {
        let made = PyObject_Vectorcall(class.as_ptr(), pointers.as_ptr(), pointers.len(), ptr::null_mut());
        Bound::from_owned_ptr_or_err(class.py(), made)
    }
}
