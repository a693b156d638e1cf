//! The feature kernels' face to Python. What is refused is refused by the Python face, with the reference's words.

use std::collections::HashMap;

use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::batch::{self, Columns};
use crate::buffers::Column;
use crate::panel::{self, Block, LANES, Planes, Table};
use crate::recurrence::{Bar, Ema, Memory, Parameters, WIDTH, Window};

fn parameters(lengths: [usize; 5], wilder: bool) -> PyResult<Parameters> {
    let [rsi, fast, slow, signal, sma] = lengths;
    if lengths.iter().any(|length| !(1..=LONGEST).contains(length)) {
        return Err(PyValueError::new_err("a window length is out of range"));
    }
    Ok(Parameters { rsi, wilder, fast, slow, signal, sma })
}

/// Longer windows are left to the reference.
pub const LONGEST: usize = 1 << 20;

/// ts, values, rsi, fast, slow, signal, sma: the fields of a `SymbolState`, in order.
type State = (i64, Vec<f64>, Vec<f64>, Vec<f64>, Vec<f64>, Vec<f64>, Vec<f64>);

fn state(memory: &Memory) -> State {
    let rsi = &memory.rsi;
    let mut strength = vec![rsi.last, rsi.seen as f64, rsi.gain, rsi.loss];
    strength.extend(window_state(&rsi.gains));
    strength.extend(window_state(&rsi.losses));
    let averages = [&memory.fast, &memory.slow, &memory.signal].map(ema_state);
    let [fast, slow, signal] = averages;
    (memory.ts, memory.values.to_vec(), strength, fast, slow, signal, window_state(&memory.sma))
}

fn ema_state(ema: &Ema) -> Vec<f64> {
    vec![ema.seen as f64, ema.sum, ema.value]
}

fn window_state(window: &Window) -> Vec<f64> {
    [window.seen as f64, window.at as f64].into_iter().chain(window.ring.iter().copied()).collect()
}

/// The inverse of `state`; None when a length or a count does not fit the windows.
fn memory(p: &Parameters, state: &State) -> Option<Memory> {
    let (ts, values, rsi, fast, slow, signal, sma) = state;
    let mut memory = Memory::new(p);
    memory.ts = *ts;
    memory.values = values.as_slice().try_into().ok()?;
    let half = 4 + rsi.len().checked_sub(4)? / 2;
    memory.rsi.last = rsi[0];
    memory.rsi.seen = count(rsi[1], p.rsi)?;
    (memory.rsi.gain, memory.rsi.loss) = (rsi[2], rsi[3]);
    fill_window(&mut memory.rsi.gains, &rsi[4..half])?;
    fill_window(&mut memory.rsi.losses, &rsi[half..])?;
    fill_ema(&mut memory.fast, fast, p.fast)?;
    fill_ema(&mut memory.slow, slow, p.slow)?;
    fill_ema(&mut memory.signal, signal, p.signal)?;
    fill_window(&mut memory.sma, sma)?;
    Some(memory)
}

fn count(value: f64, most: usize) -> Option<usize> {
    (value >= 0.0 && value <= most as f64 && value.fract() == 0.0).then_some(value as usize)
}

fn fill_ema(ema: &mut Ema, state: &[f64], length: usize) -> Option<()> {
    let [seen, sum, value] = state else { return None };
    ema.seen = count(*seen, length)? as u64;
    (ema.sum, ema.value) = (*sum, *value);
    Some(())
}

fn fill_window(window: &mut Window, state: &[f64]) -> Option<()> {
    let length = window.ring.len();
    let [seen, at, ring @ ..] = state else { return None };
    if ring.len() != length {
        return None;
    }
    window.seen = count(*seen, length)?;
    window.at = count(*at, length - 1)?;
    window.ring.copy_from_slice(ring);
    Some(())
}

/// A symbol's memory, and the array through which Python sees its vector, once it has asked for one.
struct Entry {
    memory: Memory,
    view: Option<View>,
}

struct View {
    column: Column,
    readable: Py<PyAny>,
}

impl Entry {
    fn new(memory: Memory) -> Self {
        Entry { memory, view: None }
    }

    #[inline(always)]
    fn publish(&mut self) -> PyResult<()> {
        if let Some(view) = &mut self.view {
            view.column.values_mut()?.copy_from_slice(&self.memory.values);
        }
        Ok(())
    }

    fn view(&mut self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        if let Some(view) = &self.view {
            return Ok(view.readable.clone_ref(py));
        }
        let array = py.import("numpy")?.call_method1("empty", (WIDTH,))?;
        let readable = array.call_method0("view")?;
        let readonly = PyDict::new(py);
        readonly.set_item("write", false)?;
        readable.call_method("setflags", (), Some(&readonly))?;
        self.view = Some(View { column: Column::over(&array)?, readable: readable.clone().unbind() });
        self.publish()?;
        Ok(readable.unbind())
    }
}

/// A symbol's text object that was seen before, and its entry: the same object needs no hashing.
type Known = Option<(Py<PyString>, usize)>;
const KNOWN: usize = 256;

/// The streaming kernel: twelve features for any number of symbols. `puna.core.features` makes a `FeatureComputer` of it.
#[pyclass(subclass, module = "puna_native")]
pub struct FeatureKernel {
    p: Parameters,
    entries: Vec<Entry>, // the first one stands for no symbol: all NaN
    names: HashMap<String, usize>,
    order: Vec<String>,
    known: Box<[Known]>,
    current: usize,
}

impl FeatureKernel {
    #[inline(always)]
    fn find(&self, symbol: &Bound<'_, PyString>) -> PyResult<Option<usize>> {
        if let Some((text, at)) = &self.known[slot(symbol)]
            && text.as_ptr() == symbol.as_ptr()
        {
            return Ok(Some(*at));
        }
        Ok(self.names.get(symbol.to_str()?).copied())
    }

    fn know(&mut self, symbol: &Bound<'_, PyString>, at: usize) {
        if symbol.is_exact_instance_of::<PyString>() {
            self.known[slot(symbol)] = Some((symbol.clone().unbind(), at));
        }
    }

    fn add(&mut self, name: &str, memory: Memory) -> usize {
        let at = self.entries.len();
        self.entries.push(Entry::new(memory));
        self.names.insert(name.to_owned(), at);
        self.order.push(name.to_owned());
        at
    }

    #[inline(always)]
    fn value(&self, feature: usize) -> f64 {
        self.entries[self.current].memory.values[feature]
    }
}

#[inline(always)]
fn slot(symbol: &Bound<'_, PyString>) -> usize {
    (symbol.as_ptr() as usize >> 4) % KNOWN
}

#[pymethods]
impl FeatureKernel {
    #[new]
    fn new(rsi: usize, wilder: bool, fast: usize, slow: usize, signal: usize, sma: usize) -> PyResult<Self> {
        let p = parameters([rsi, fast, slow, signal, sma], wilder)?;
        let known = (0..KNOWN).map(|_| None).collect();
        let entries = vec![Entry::new(Memory::new(&p))];
        Ok(FeatureKernel { p, entries, names: HashMap::new(), order: Vec::new(), known, current: 0 })
    }

    /// Takes one finished bar; a bar that may not be taken goes to `refuse`, with its arguments as they came.
    #[allow(clippy::too_many_arguments)]
    fn update(
        slf: &Bound<'_, Self>,
        symbol: &Bound<'_, PyAny>,
        open: &Bound<'_, PyAny>,
        high: &Bound<'_, PyAny>,
        low: &Bound<'_, PyAny>,
        close: &Bound<'_, PyAny>,
        volume: &Bound<'_, PyAny>,
        ts: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let numbers = || -> PyResult<(Bar, i64)> {
            let (open, high, low) = (open.extract()?, high.extract()?, low.extract()?);
            let bar = Bar { open, high, low, close: close.extract()?, volume: volume.extract()? };
            Ok((bar, ts.extract()?))
        };
        let numbers = numbers(); // before the borrow: reading a foreign number may run Python
        let mut last = -1;
        if let Ok(name) = symbol.cast::<PyString>() {
            let kernel = &mut *slf.try_borrow_mut()?;
            let found = kernel.find(name)?;
            last = found.map_or(-1, |at| kernel.entries[at].memory.ts);
            if let Ok((bar, time)) = numbers
                && bar.is_sound()
                && time > last
            {
                let at = match found {
                    Some(at) => at,
                    None => kernel.add(name.to_str()?, Memory::new(&kernel.p)),
                };
                if kernel.known[slot(name)].as_ref().is_none_or(|(text, _)| text.as_ptr() != name.as_ptr()) {
                    kernel.know(name, at);
                }
                kernel.current = at;
                let entry = &mut kernel.entries[at];
                entry.memory.ts = time;
                entry.memory.update(&bar);
                return entry.publish();
            }
        }
        slf.call_method1("refuse", (symbol, open, high, low, close, volume, ts, last))?;
        Err(PyValueError::new_err("a bar was refused for no reason"))
    }

    /// The same arguments, and nothing done: what a call costs.
    #[allow(clippy::too_many_arguments, unused_variables)]
    fn nothing(
        slf: &Bound<'_, Self>,
        symbol: &Bound<'_, PyAny>,
        open: f64,
        high: f64,
        low: f64,
        close: f64,
        volume: f64,
        ts: i64,
    ) -> PyResult<()> {
        symbol.cast::<PyString>()?;
        let kernel = &mut *slf.try_borrow_mut()?;
        kernel.current = std::hint::black_box(kernel.current);
        Ok(())
    }

    /// The read-only view of the vector of the symbol updated last.
    #[getter]
    fn values(&mut self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.entries[self.current].view(py)
    }

    /// No feature of the symbol updated last is NaN any more.
    #[getter]
    fn ready(&self) -> bool {
        !self.entries[self.current].memory.values.iter().any(|value| value.is_nan())
    }

    /// The read-only view of the vector of `symbol`.
    fn of(&mut self, py: Python<'_>, symbol: &Bound<'_, PyString>) -> PyResult<Py<PyAny>> {
        match self.find(symbol)? {
            Some(at) => self.entries[at].view(py),
            None => Err(PyKeyError::new_err(symbol.clone().unbind())),
        }
    }

    /// The vector of the symbol updated last, as a tuple.
    #[allow(clippy::type_complexity)]
    fn row(&self) -> (f64, f64, f64, f64, f64, f64, f64, f64, f64, f64, f64, f64) {
        self.entries[self.current].memory.values.into()
    }

    /// The symbols, in the order in which their first bars came.
    fn symbols(&self) -> Vec<String> {
        self.order.clone()
    }

    /// The memory of `symbol`: the fields of a `SymbolState`, in order.
    fn state(&self, symbol: &Bound<'_, PyString>) -> PyResult<State> {
        match self.find(symbol)? {
            Some(at) => Ok(state(&self.entries[at].memory)),
            None => Err(PyKeyError::new_err(symbol.clone().unbind())),
        }
    }

    /// Puts a memory in; False when it does not fit the windows.
    fn put(&mut self, symbol: &str, fields: State) -> bool {
        match memory(&self.p, &fields) {
            Some(memory) if !self.names.contains_key(symbol) => self.add(symbol, memory) > 0,
            _ => false,
        }
    }

    #[getter]
    fn close(&self) -> f64 {
        self.value(0)
    }
    #[getter]
    fn rsi(&self) -> f64 {
        self.value(1)
    }
    #[getter]
    fn macd_line(&self) -> f64 {
        self.value(2)
    }
    #[getter]
    fn macd_signal(&self) -> f64 {
        self.value(3)
    }
    #[getter]
    fn macd_hist(&self) -> f64 {
        self.value(4)
    }
    #[getter]
    fn ema_fast(&self) -> f64 {
        self.value(5)
    }
    #[getter]
    fn ema_slow(&self) -> f64 {
        self.value(6)
    }
    #[getter]
    fn spread(&self) -> f64 {
        self.value(7)
    }
    #[getter]
    fn sma(&self) -> f64 {
        self.value(8)
    }
    #[getter]
    fn dist_from_sma(&self) -> f64 {
        self.value(9)
    }
    #[getter]
    fn volume(&self) -> f64 {
        self.value(10)
    }
    #[getter]
    fn range_pct(&self) -> f64 {
        self.value(11)
    }
}

type Lengths = (usize, bool, usize, usize, usize, usize);

fn from_tuple(windows: Lengths) -> PyResult<Parameters> {
    let (rsi, wilder, fast, slow, signal, sma) = windows;
    parameters([rsi, fast, slow, signal, sma], wilder)
}

struct Five([Column; 5]);

impl Five {
    fn over(columns: &[Bound<'_, PyAny>; 5]) -> PyResult<Self> {
        let [open, high, low, close, volume] = columns;
        let five = Five([
            Column::over(open)?,
            Column::over(high)?,
            Column::over(low)?,
            Column::over(close)?,
            Column::over(volume)?,
        ]);
        let length = five.0[0].values().len();
        if five.0.iter().any(|column| column.values().len() != length) {
            return Err(PyValueError::new_err("the columns differ in length"));
        }
        Ok(five)
    }

    fn slices(&self) -> [&[f64]; 5] {
        std::array::from_fn(|i| self.0[i].values())
    }
}

/// Fills `out` (12 x n) with the vectors of a series; answers the first row that is no bar, or -1.
#[pyfunction]
pub fn feature_batch(
    py: Python<'_>,
    windows: Lengths,
    columns: [Bound<'_, PyAny>; 5],
    out: &Bound<'_, PyAny>,
) -> PyResult<i64> {
    let p = from_tuple(windows)?;
    let (five, mut out) = (Five::over(&columns)?, Column::over(out)?);
    let [open, high, low, close, volume] = five.slices();
    let out = out.values_mut()?;
    if out.len() != WIDTH * close.len() {
        return Err(PyValueError::new_err("the output does not fit"));
    }
    let columns = Columns { open, high, low, close, volume };
    Ok(py.detach(|| batch::batch(&p, &columns, out)).map_or_else(|row| row as i64, |()| -1))
}

/// Fills `out` (12 x times x padded symbols) from five tables (times x symbols); answers the first (time, symbol) that
/// is neither a bar nor five NaN, or None.
#[pyfunction]
pub fn feature_panel(
    py: Python<'_>,
    windows: Lengths,
    tables: [Bound<'_, PyAny>; 5],
    symbols: usize,
    out: &Bound<'_, PyAny>,
) -> PyResult<Option<(usize, usize)>> {
    let p = from_tuple(windows)?;
    let (five, mut out) = (Five::over(&tables)?, Column::over(out)?);
    let table = Table { columns: five.slices(), symbols };
    let bars = table.columns[0].len();
    if symbols == 0 || !bars.is_multiple_of(symbols) {
        return Err(PyValueError::new_err("the tables do not have that many symbols"));
    }
    let Some(planes) = Planes::over(out.values_mut()?, bars / symbols, symbols) else {
        return Err(PyValueError::new_err("the output does not fit, or is not aligned"));
    };
    let threads = if bars < THREADS_FROM { 1 } else { std::thread::available_parallelism().map_or(1, usize::from) };
    Ok(py.detach(|| panel::panel(&p, &table, planes, threads)).err())
}

/// Bars from which on starting threads pays.
const THREADS_FROM: usize = 1 << 16;

/// The cross-section kernel: many symbols remembered, one bar of each in a call.
#[pyclass(subclass, module = "puna_native")]
pub struct CrossSectionKernel {
    p: Parameters,
    blocks: Vec<Block>,
    count: usize,
    out: Column,
}

#[pymethods]
impl CrossSectionKernel {
    /// `out` (12 x padded symbols, on a cache line) is where the vectors stand from now on.
    #[new]
    fn new(windows: Lengths, count: usize, out: &Bound<'_, PyAny>) -> PyResult<Self> {
        let p = from_tuple(windows)?;
        let mut out = Column::over(out)?;
        if count == 0 || Planes::over(out.values_mut()?, 1, count).is_none() {
            return Err(PyValueError::new_err("the output does not fit, or is not aligned"));
        }
        out.values_mut()?.fill(f64::NAN);
        Ok(CrossSectionKernel { p, blocks: vec![Block::new(&p); count.div_ceil(LANES)], count, out })
    }

    /// One row of bars; five NaN are no bar. Answers the first symbol whose row is neither, or -1.
    fn step(&mut self, py: Python<'_>, columns: [Bound<'_, PyAny>; 5], ts: i64) -> PyResult<i64> {
        let five = Five::over(&columns)?;
        let row = five.slices();
        if row[0].len() != self.count {
            return Err(PyValueError::new_err("the row does not have that many symbols"));
        }
        let Some(planes) = Planes::over(self.out.values_mut()?, 1, self.count) else {
            return Err(PyValueError::new_err("the output does not fit, or is not aligned"));
        };
        let blocks = &mut self.blocks;
        let answer = if self.count < RELEASE_FROM {
            panel::cross_section(blocks, &row, ts, planes)
        } else {
            py.detach(|| panel::cross_section(blocks, &row, ts, planes))
        };
        Ok(answer.map_or_else(|symbol| symbol as i64, |()| -1))
    }

    /// The memory of symbol number `at`: the fields of a `SymbolState`, in order.
    fn state(&mut self, at: usize) -> PyResult<State> {
        if at >= self.count {
            return Err(PyValueError::new_err("there is no such symbol"));
        }
        let values = self.out.values();
        let row = self.count.next_multiple_of(LANES);
        let memory = &mut self.blocks[at / LANES].memories()[at % LANES];
        memory.values = std::array::from_fn(|feature| values[feature * row + at]);
        Ok(state(memory))
    }

    /// Puts a memory in; False when it does not fit the windows.
    fn put(&mut self, at: usize, fields: State) -> PyResult<bool> {
        let Some(memory) = memory(&self.p, &fields).filter(|_| at < self.count) else { return Ok(false) };
        let row = self.count.next_multiple_of(LANES);
        let last = if at + 1 == self.count { row } else { at + 1 };
        for lane in at..last {
            self.blocks[lane / LANES].memories()[lane % LANES] = memory.clone();
            for (feature, value) in memory.values.iter().enumerate() {
                self.out.values_mut()?[feature * row + lane] = *value;
            }
        }
        Ok(true)
    }
}

/// Symbols from which on other threads may run meanwhile; below, giving up the lock costs more than the step.
const RELEASE_FROM: usize = 512;
