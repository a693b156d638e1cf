//! Messages as Python sees them: numbers stay numbers until they are asked for, symbols are shared.

use std::sync::Mutex;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

use crate::json::Json;
use crate::message::{Bar, Code, Conditions, Kind, Message, Quote, Span, Trade, TradeId, word};
use crate::msgpack::Msgpack;
use crate::times::Clock;

/// What the reference has told: its classes, and its own readers for JSON and for msgpack.
struct Reference {
    classes: [Py<PyAny>; 5],
    json: Py<PyAny>,
    msgpack: Py<PyAny>,
}

static REFERENCE: PyOnceLock<Reference> = PyOnceLock::new();
static READER: Mutex<Option<Reader>> = Mutex::new(None);

/// What is kept from frame to frame.
struct Reader {
    clock: Clock,
    symbols: Symbols,
    found: Vec<Py<PyAny>>,
}

pub(crate) type Symbols = Box<[Option<(SymbolKey, Py<PyString>)>]>;

type SymbolKey = [u64; 3];
const SYMBOLS: usize = 1 << 13;

impl Reader {
    fn new() -> Self {
        Reader { clock: Clock::default(), symbols: no_symbols(), found: Vec::new() }
    }
}

/// A table without an entry.
pub(crate) fn no_symbols() -> Symbols {
    (0..SYMBOLS).map(|_| None).collect()
}

/// One text object for each symbol; a table that forgets the older of two that meet in one place.
#[inline(always)]
pub(crate) fn symbol<'py>(py: Python<'py>, table: &mut Symbols, text: &[u8]) -> Option<Py<PyString>> {
    let key = match text.len() {
        0..=8 => [word(text), 0, text.len() as u64],
        9..=23 => [
            word(&text[..8]),
            word(&text[8..16.min(text.len())]),
            word(text.get(16..).unwrap_or_default()) << 8 | text.len() as u64,
        ],
        _ => return None,
    };
    let [a, b, c] = key;
    let mixed = (a ^ b.rotate_left(21) ^ c.rotate_left(42)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let place = &mut table[(mixed >> 51) as usize];
    if let Some((known_key, known)) = place
        && *known_key == key
    {
        return Some(known.clone_ref(py));
    }
    let new = PyString::new(py, std::str::from_utf8(text).ok()?).unbind();
    *place = Some((key, new.clone_ref(py)));
    Some(new)
}

fn conditions<'py>(py: Python<'py>, c: &Conditions) -> PyResult<Bound<'py, PyAny>> {
    match c.kind() {
        Kind::Null => Ok(py.None().into_bound(py)),
        Kind::Text => Ok(PyString::new(py, &c.texts().concat()).into_any()),
        Kind::List => Ok(PyList::new(py, c.texts())?.into_any()),
    }
}

enum Id {
    Number(i64),
    Text(Py<PyString>),
}

/// The fields that every message type shows, in the reference's order, and what is the same for all types. Where it is
/// used, `class(py, at)` gives the reference's classes.
macro_rules! behaves {
    ($kind:ident, [$($field:literal),*], $class:expr, { $($methods:tt)* }) => {
        impl $kind {
            const FIELDS: &'static [&'static str] = &[$($field),*];
        }

        #[pymethods]
        impl $kind {
            /// The reference's class, so that isinstance and match see no difference.
            #[getter(__class__)]
            fn class<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                let at: fn(&Self) -> usize = $class;
                class(py, at(self))
            }

            fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
                let name: String = slf.getattr("__class__")?.getattr("__name__")?.extract()?;
                let fields = Self::FIELDS.iter().map(|field| Ok(format!("{field}={}", slf.getattr(*field)?.repr()?)));
                Ok(format!("{name}({})", fields.collect::<PyResult<Vec<_>>>()?.join(", ")))
            }

            fn __eq__<'py>(slf: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
                let py = slf.py();
                if !slf.getattr("__class__")?.is(&other.getattr("__class__")?) {
                    return Ok(py.NotImplemented().into_bound(py));
                }
                for field in Self::FIELDS {
                    if !slf.getattr(*field)?.eq(other.getattr(*field)?)? {
                        return Ok(false.into_pyobject(py)?.to_owned().into_any());
                    }
                }
                Ok(true.into_pyobject(py)?.to_owned().into_any())
            }

            /// A copy, or what comes out of a pickle, is the reference's message.
            fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
                let fields = PyDict::new(slf.py());
                for field in Self::FIELDS {
                    fields.set_item(field, slf.getattr(*field)?)?;
                }
                let partial = slf.py().import("functools")?.getattr("partial")?;
                Ok((partial.call((slf.getattr("__class__")?,), Some(&fields))?, PyTuple::empty(slf.py())))
            }

            $($methods)*
        }
    };
}

pub(crate) use behaves;

fn reference(py: Python<'_>) -> PyResult<&Reference> {
    REFERENCE.get(py).ok_or_else(|| PyRuntimeError::new_err("use_reference was not called"))
}

fn class(py: Python<'_>, at: usize) -> PyResult<Bound<'_, PyAny>> {
    Ok(reference(py)?.classes[at].bind(py).clone())
}

/// A quote.
#[pyclass(frozen, freelist = 1024, module = "puna_native")]
#[allow(non_snake_case)]
pub struct NativeQuote {
    #[pyo3(get)]
    S: Py<PyString>,
    #[pyo3(get)]
    t: i64,
    #[pyo3(get)]
    bp: f64,
    #[pyo3(get)]
    bs: f64,
    #[pyo3(get)]
    ap: f64,
    #[pyo3(get)]
    as_: f64,
    bx: Code,
    ax: Code,
    z: Code,
    c: Conditions,
}

behaves!(NativeQuote, ["S", "t", "bp", "bs", "ap", "as_", "bx", "ax", "c", "z"], |_| 0, {
    #[getter]
    fn bx(&self) -> String {
        self.bx.text()
    }
    #[getter]
    fn ax(&self) -> String {
        self.ax.text()
    }
    #[getter]
    fn c<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        conditions(py, &self.c)
    }
    #[getter]
    fn z(&self) -> String {
        self.z.text()
    }
});

/// A trade.
#[pyclass(frozen, freelist = 1024, module = "puna_native")]
#[allow(non_snake_case)]
pub struct NativeTrade {
    #[pyo3(get)]
    S: Py<PyString>,
    #[pyo3(get)]
    t: i64,
    #[pyo3(get)]
    p: f64,
    #[pyo3(get)]
    s: f64,
    i: Id,
    x: Code,
    z: Code,
    c: Conditions,
}

behaves!(NativeTrade, ["S", "t", "p", "s", "i", "x", "c", "z"], |_| 1, {
    #[getter]
    fn i<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match &self.i {
            Id::Number(number) => Ok(number.into_pyobject(py)?.into_any()),
            Id::Text(text) => Ok(text.bind(py).clone().into_any()),
        }
    }
    #[getter]
    fn x(&self) -> String {
        self.x.text()
    }
    #[getter]
    fn c<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        conditions(py, &self.c)
    }
    #[getter]
    fn z(&self) -> String {
        self.z.text()
    }
});

/// A bar: of a minute, of a minute again, or of the day so far.
#[pyclass(frozen, freelist = 1024, module = "puna_native")]
#[allow(non_snake_case)]
pub struct NativeBar {
    #[pyo3(get)]
    S: Py<PyString>,
    #[pyo3(get)]
    t: i64,
    #[pyo3(get)]
    o: f64,
    #[pyo3(get)]
    h: f64,
    #[pyo3(get)]
    l: f64,
    #[pyo3(get)]
    c: f64,
    #[pyo3(get)]
    v: f64,
    #[pyo3(get)]
    n: i64,
    #[pyo3(get)]
    vw: f64,
    span: Span,
}

behaves!(
    NativeBar,
    ["S", "t", "o", "h", "l", "c", "v", "n", "vw"],
    |bar| match bar.span {
        Span::Minute => 2,
        Span::Updated => 3,
        Span::Day => 4,
    },
    {}
);

#[inline(always)]
fn object(py: Python<'_>, table: &mut Symbols, message: &Message) -> Option<Py<PyAny>> {
    let made = match *message {
        Message::Quote(Quote { symbol: name, t, bp, bs, ap, as_, bx, ax, z, c }) => {
            let quote = NativeQuote { S: symbol(py, table, name)?, t, bp, bs, ap, as_, bx, ax, z, c };
            Py::new(py, quote).ok()?.into_any()
        }
        Message::Trade(Trade { symbol: name, t, p, s, i, x, z, c }) => {
            let i = match i {
                TradeId::Number(number) => Id::Number(number),
                TradeId::Text(text) => Id::Text(PyString::new(py, std::str::from_utf8(text).ok()?).unbind()),
            };
            let trade = NativeTrade { S: symbol(py, table, name)?, t, p, s, i, x, z, c };
            Py::new(py, trade).ok()?.into_any()
        }
        Message::Bar(span, Bar { symbol: name, t, o, h, l, c, v, n, vw }) => {
            let bar = NativeBar { S: symbol(py, table, name)?, t, o, h, l, c, v, n, vw, span };
            Py::new(py, bar).ok()?.into_any()
        }
    };
    Some(made)
}

/// Tells what the messages stand for (quote, trade, bar, updated bar, daily bar), and who reads what is left to read.
#[pyfunction]
pub fn use_reference(py: Python<'_>, classes: [Py<PyAny>; 5], json: Py<PyAny>, msgpack: Py<PyAny>) {
    let _ = REFERENCE.set(py, Reference { classes, json, msgpack });
}

/// The messages of a JSON frame. Anything unusual in it, and the reference reads the whole frame.
#[pyfunction]
pub fn read_frame<'py>(py: Python<'py>, frame: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let reference = reference(py)?;
    let bytes = if let Ok(bytes) = frame.cast_exact::<PyBytes>() {
        Some(bytes.as_bytes())
    } else {
        frame.cast_exact::<PyString>().ok().and_then(|text| text.to_str().ok()).map(str::as_bytes)
    };
    let found = bytes.and_then(|bytes| {
        messages(py, |symbols, clock, found| {
            Json::new(bytes, clock).frame(|message| {
                found.push(object(py, symbols, &message)?);
                Some(())
            })
        })
    });
    found.map_or_else(|| reference.json.bind(py).call1((frame,)), Ok)
}

/// The same for a msgpack frame.
#[pyfunction]
pub fn read_packed_frame<'py>(py: Python<'py>, frame: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let reference = reference(py)?;
    let found = frame.cast_exact::<PyBytes>().ok().and_then(|bytes| {
        messages(py, |symbols, _, found| {
            Msgpack::new(bytes.as_bytes()).frame(|message| {
                found.push(object(py, symbols, &message)?);
                Some(())
            })
        })
    });
    found.map_or_else(|| reference.msgpack.bind(py).call1((frame,)), Ok)
}

/// What `scan` finds, as a list; None when it gives up.
#[inline(always)]
fn messages<'py>(
    py: Python<'py>,
    scan: impl FnOnce(&mut Symbols, &mut Clock, &mut Vec<Py<PyAny>>) -> Option<()>,
) -> Option<Bound<'py, PyAny>> {
    let mut reader = READER.try_lock().ok()?;
    let Reader { clock, symbols, found } = reader.get_or_insert_with(Reader::new);
    found.clear();
    scan(symbols, clock, found)?;
    Some(PyList::new(py, found.drain(..)).ok()?.into_any())
}
