//! A run of frames of one bus topic as messages: numbers stay numbers until they are asked for, texts are shared.

use std::sync::Mutex;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

use crate::frames::{Symbols, behaves, no_symbols, symbol};
use crate::updates::{BarUpdate, Body, HEAD, Head, QuoteUpdate, SNAPSHOT, TradeUpdate, Update};

/// What the reference has told: its classes, the domain's, its version, and who reads what is left to read.
struct Reference {
    classes: [Py<PyAny>; 3],
    domain: [Py<PyAny>; 3],
    version: u8,
    next: Py<PyAny>,
}

static REFERENCE: PyOnceLock<Reference> = PyOnceLock::new();
static READER: Mutex<Option<Reader>> = Mutex::new(None);

/// What is kept from run to run.
struct Reader {
    texts: Symbols,
    found: Vec<Py<PyAny>>,
}

fn reference(py: Python<'_>) -> PyResult<&Reference> {
    REFERENCE.get(py).ok_or_else(|| PyRuntimeError::new_err("use_bus_reference was not called"))
}

fn class(py: Python<'_>, at: usize) -> PyResult<Bound<'_, PyAny>> {
    Ok(reference(py)?.classes[at].bind(py).clone())
}

/// A quote off the bus.
#[pyclass(frozen, freelist = 1024, module = "puna_native")]
pub struct NativeQuoteUpdate {
    #[pyo3(get)]
    symbol: Py<PyString>,
    #[pyo3(get)]
    bid: f64,
    #[pyo3(get)]
    bid_size: f64,
    #[pyo3(get)]
    ask: f64,
    #[pyo3(get)]
    ask_size: f64,
    #[pyo3(get)]
    ts_event: i64,
    #[pyo3(get)]
    ts_init: i64,
}

behaves!(NativeQuoteUpdate, ["symbol", "bid", "bid_size", "ask", "ask_size", "ts_event", "ts_init"], |_| 0, {
    /// The domain's quote.
    fn quote<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let NativeQuoteUpdate { symbol, bid, bid_size, ask, ask_size, ts_event, ts_init } = self;
        reference(py)?.domain[0].bind(py).call1((symbol, bid, bid_size, ask, ask_size, ts_event, ts_init))
    }
});

/// A trade off the bus.
#[pyclass(frozen, freelist = 1024, module = "puna_native")]
pub struct NativeTradeUpdate {
    #[pyo3(get)]
    symbol: Py<PyString>,
    #[pyo3(get)]
    price: f64,
    #[pyo3(get)]
    size: f64,
    #[pyo3(get)]
    ts_event: i64,
    #[pyo3(get)]
    ts_init: i64,
}

behaves!(NativeTradeUpdate, ["symbol", "price", "size", "ts_event", "ts_init"], |_| 1, {
    /// The domain's trade.
    fn trade<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let NativeTradeUpdate { symbol, price, size, ts_event, ts_init } = self;
        reference(py)?.domain[1].bind(py).call1((symbol, price, size, ts_event, ts_init))
    }
});

/// A bar off the bus.
#[pyclass(frozen, freelist = 1024, module = "puna_native")]
pub struct NativeBarUpdate {
    #[pyo3(get)]
    symbol: Py<PyString>,
    #[pyo3(get)]
    timeframe: Py<PyString>,
    #[pyo3(get)]
    open: f64,
    #[pyo3(get)]
    high: f64,
    #[pyo3(get)]
    low: f64,
    #[pyo3(get)]
    close: f64,
    #[pyo3(get)]
    volume: f64,
    #[pyo3(get)]
    ts_event: i64,
    #[pyo3(get)]
    ts_init: i64,
    #[pyo3(get)]
    trade_count: i64,
    #[pyo3(get)]
    vwap: f64,
    #[pyo3(get)]
    revised: bool,
}

behaves!(
    NativeBarUpdate,
    [
        "symbol",
        "timeframe",
        "open",
        "high",
        "low",
        "close",
        "volume",
        "ts_event",
        "ts_init",
        "trade_count",
        "vwap",
        "revised"
    ],
    |_| 2,
    {
        /// The domain's bar.
        fn bar<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
            let NativeBarUpdate { symbol, open, high, low, close, volume, .. } = self;
            let NativeBarUpdate { ts_event, ts_init, trade_count, vwap, .. } = self;
            reference(py)?.domain[2].bind(py).call1((
                symbol,
                open,
                high,
                low,
                close,
                volume,
                ts_event,
                ts_init,
                trade_count,
                vwap,
            ))
        }
    }
);

#[inline(always)]
fn object(py: Python<'_>, texts: &mut Symbols, update: &Update) -> Option<Py<PyAny>> {
    let made = match *update {
        Update::Quote(QuoteUpdate { symbol: name, bid, bid_size, ask, ask_size, ts_event, ts_init }) => {
            let symbol = symbol(py, texts, name)?;
            Py::new(py, NativeQuoteUpdate { symbol, bid, bid_size, ask, ask_size, ts_event, ts_init }).ok()?.into_any()
        }
        Update::Trade(TradeUpdate { symbol: name, price, size, ts_event, ts_init }) => {
            let symbol = symbol(py, texts, name)?;
            Py::new(py, NativeTradeUpdate { symbol, price, size, ts_event, ts_init }).ok()?.into_any()
        }
        Update::Bar(bar) => {
            let BarUpdate { open, high, low, close, volume, ts_event, ts_init, trade_count, vwap, revised, .. } = bar;
            let (symbol, timeframe) = (symbol(py, texts, bar.symbol)?, symbol(py, texts, bar.timeframe)?);
            let bar = NativeBarUpdate {
                symbol,
                timeframe,
                open,
                high,
                low,
                close,
                volume,
                ts_event,
                ts_init,
                trade_count,
                vwap,
                revised,
            };
            Py::new(py, bar).ok()?.into_any()
        }
    };
    Some(made)
}

/// Tells what the messages stand for (quote, trade, bar: of the bus, of the domain), the schema's version, and who
/// reads what is left to read: `next(frame, end of topic, epoch, seq)`.
#[pyfunction]
pub fn use_bus_reference(
    py: Python<'_>,
    classes: [Py<PyAny>; 3],
    domain: [Py<PyAny>; 3],
    version: u8,
    next: Py<PyAny>,
) {
    let _ = REFERENCE.set(py, Reference { classes, domain, version, next });
}

/// The messages of the frames from `at` on that begin with `start` and carry the next numbers, and where that ends.
#[pyfunction]
pub fn read_run<'py>(
    py: Python<'py>,
    frames: &Bound<'py, PyList>,
    at: usize,
    start: &[u8],
    epoch: u64,
    seq: u64,
) -> PyResult<(Bound<'py, PyList>, usize)> {
    let kept = READER.try_lock().ok().and_then(|mut reader| reader.take());
    let mut reader = kept.unwrap_or_else(|| Reader { texts: no_symbols(), found: Vec::new() });
    let upto = run(py, &mut reader, frames, at, (start, epoch, seq));
    let found = PyList::new(py, reader.found.drain(..))?;
    if let Ok(mut place) = READER.try_lock() {
        *place = Some(reader);
    }
    Ok((found, upto?))
}

/// Fills `found`; gives where the run ends. The reader is nobody else's meanwhile: the reference is Python, which may
/// let other threads in.
fn run(
    py: Python<'_>,
    reader: &mut Reader,
    frames: &Bound<'_, PyList>,
    at: usize,
    (start, epoch, seq): (&[u8], u64, u64),
) -> PyResult<usize> {
    let reference = reference(py)?;
    let Reader { texts, found } = reader;
    let mut upto = at;
    while upto < frames.len() {
        let frame = frames.get_item(upto)?;
        let bytes = frame.cast::<PyBytes>()?.as_bytes();
        let due = seq.wrapping_add(found.len() as u64);
        let Some((head, body)) = next_frame(bytes, start, reference.version, epoch, due) else { break };
        let before = found.len();
        let read = Body::read(body, |update| {
            found.push(object(py, texts, &update)?);
            Some(())
        });
        if read != Some(usize::from(head.count)) {
            found.truncate(before);
            let others = reference.next.bind(py).call1((&frame, start.len() - 1, epoch, head.seq))?;
            let Ok(others) = others.cast_into::<PyList>() else { break };
            found.extend(others.iter().map(Bound::unbind));
        }
        upto += 1;
    }
    Ok(upto)
}

/// The header and the body of a frame, if it is of this topic and has the numbers that must come next.
#[inline(always)]
fn next_frame<'a>(bytes: &'a [u8], start: &[u8], version: u8, epoch: u64, seq: u64) -> Option<(Head, &'a [u8])> {
    let rest = bytes.strip_prefix(start)?;
    let head = Head::of(rest)?;
    let as_expected = head.version == version && head.encoding == b'm' && head.epoch == epoch && head.seq == seq;
    (as_expected && head.count & SNAPSHOT == 0).then(|| (head, &rest[HEAD..]))
}
