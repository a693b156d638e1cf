//! Many symbols over the same times: eight symbols in the lanes of one vector, so that each keeps its own order of
//! operations, and therefore its bits.
//!
//! A block of eight is warm when every lane is past its warm-up. A row in which each of them has a bar is then one
//! step over vectors. Otherwise (warming up, a gap, Cutler's RSI) the lanes go one by one through `recurrence`.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::dispatch::{Any, Processor, dispatched};
use crate::recurrence::{Bar, Memory, Parameters, WIDTH, at_least_zero};

pub const LANES: usize = 8;
pub type Lane = [f64; LANES];

/// One bar of eight symbols.
#[repr(align(64))]
#[derive(Clone, Copy)]
pub struct Bars {
    pub open: Lane,
    pub high: Lane,
    pub low: Lane,
    pub close: Lane,
    pub volume: Lane,
}

impl Bars {
    /// Eight neighbours of a row from `at`; past its end the last symbol again.
    #[inline(always)]
    pub fn load(row: &[&[f64]; 5], at: usize) -> Self {
        let [open, high, low, close, volume] = row;
        Bars {
            open: lane(open, at),
            high: lane(high, at),
            low: lane(low, at),
            close: lane(close, at),
            volume: lane(volume, at),
        }
    }

    #[inline(always)]
    pub fn bar(&self, at: usize) -> Bar {
        Bar {
            open: self.open[at],
            high: self.high[at],
            low: self.low[at],
            close: self.close[at],
            volume: self.volume[at],
        }
    }

    #[inline(always)]
    pub fn all_sound(&self) -> bool {
        let Bars { open, high, low, close, volume } = self;
        below(&[0.0; LANES], low)
            & at_most(low, high)
            & below(high, &[f64::INFINITY; LANES])
            & at_most(low, open)
            & at_most(open, high)
            & at_most(low, close)
            & at_most(close, high)
            & at_most(&[0.0; LANES], volume)
            & below(volume, &[f64::INFINITY; LANES])
    }

    /// The first lane that holds something which is neither a bar nor absent.
    pub fn first_bad(&self) -> Option<usize> {
        (0..LANES).find(|i| !self.bar(*i).is_sound() && !self.bar(*i).is_absent())
    }
}

/// One comparison of two vectors each: what the compiler turns into one instruction.
#[inline(always)]
fn below(a: &Lane, b: &Lane) -> bool {
    a.iter().zip(b).fold(true, |holds, (a, b)| holds & (a < b))
}

#[inline(always)]
fn at_most(a: &Lane, b: &Lane) -> bool {
    a.iter().zip(b).fold(true, |holds, (a, b)| holds & (a <= b))
}

#[inline(always)]
fn lane(column: &[f64], at: usize) -> Lane {
    match column[at..].first_chunk() {
        Some(eight) => *eight,
        None => each(|i| column[(at + i).min(column.len() - 1)]),
    }
}

/// Lanes on a cache line of their own.
#[repr(align(64))]
#[derive(Clone, Copy)]
struct Line(Lane);

/// What eight warm symbols remember.
#[repr(C, align(64))] // the lanes first, each on a cache line
#[derive(Clone)]
struct Warm {
    last: Lane,
    gain: Lane,
    loss: Lane,
    fast: Lane,
    slow: Lane,
    signal: Lane,
    ring: Vec<Line>,
    at: usize,
    steps: usize,
    ts: i64,
}

/// Eight symbols.
#[derive(Clone)]
pub struct Block {
    memories: Vec<Memory>,
    warm: Option<Warm>,
    wilder: bool,
    alphas: [f64; 3],
    rsi: f64,
}

pub type Values = [Lane; WIDTH];
pub const NOTHING: Values = [[f64::NAN; LANES]; WIDTH];

impl Block {
    pub fn new(p: &Parameters) -> Self {
        let memory = Memory::new(p);
        let alphas = [memory.fast.alpha, memory.slow.alpha, memory.signal.alpha];
        Block { memories: vec![memory; LANES], warm: None, wilder: p.wilder, alphas, rsi: p.rsi as f64 }
    }

    /// One row, and the vectors after it; a lane without a bar keeps what it had in `before`.
    #[inline(always)]
    pub fn step(&mut self, bars: &Bars, ts: i64, before: impl FnOnce() -> Values) -> Values {
        if let Some(warm) = &mut self.warm
            && bars.all_sound()
        {
            warm.ts = ts;
            return warm.step(bars, &self.alphas, self.rsi);
        }
        let mut values = before();
        self.step_each(bars, ts, &mut values);
        values
    }

    #[cold]
    #[inline(never)]
    fn step_each(&mut self, bars: &Bars, ts: i64, values: &mut Values) {
        self.thaw();
        for i in 0..LANES {
            let bar = bars.bar(i);
            if bar.is_sound() {
                self.memories[i].ts = ts;
                self.memories[i].update(&bar);
                for (feature, value) in values.iter_mut().zip(self.memories[i].values) {
                    feature[i] = value;
                }
            }
        }
        if self.wilder && self.memories.iter().all(|m| m.is_warm() && m.ts == ts) {
            self.freeze();
        }
    }

    fn freeze(&mut self) {
        let each = |read: &dyn Fn(&Memory) -> f64| -> Lane { std::array::from_fn(|i| read(&self.memories[i])) };
        let length = self.memories[0].sma.ring.len();
        let ring = (0..length).map(|k| Line(each(&|m| m.sma.ring[(m.sma.at + k) % length]))).collect();
        self.warm = Some(Warm {
            last: each(&|m| m.rsi.last),
            gain: each(&|m| m.rsi.gain),
            loss: each(&|m| m.rsi.loss),
            fast: each(&|m| m.fast.value),
            slow: each(&|m| m.slow.value),
            signal: each(&|m| m.signal.value),
            ring,
            at: 0,
            steps: 0,
            ts: self.memories[0].ts,
        });
    }

    /// Brings the memories up to date, and goes on with them.
    fn thaw(&mut self) {
        let Some(warm) = self.warm.take() else { return };
        for (i, memory) in self.memories.iter_mut().enumerate() {
            memory.ts = warm.ts;
            memory.rsi.last = warm.last[i];
            memory.rsi.gain = warm.gain[i];
            memory.rsi.loss = warm.loss[i];
            memory.fast.value = warm.fast[i];
            memory.slow.value = warm.slow[i];
            memory.signal.value = warm.signal[i];
            let (length, window) = (warm.ring.len(), &mut memory.sma);
            window.at = (window.at + warm.steps) % length;
            for k in 0..length {
                window.ring[(window.at + k) % length] = warm.ring[(warm.at + k) % length].0[i];
            }
        }
    }

    /// The eight memories, to be read or written; the next row finds out again whether they are warm.
    pub fn memories(&mut self) -> &mut [Memory] {
        self.thaw();
        &mut self.memories
    }
}

#[inline(always)]
fn follow(value: &mut Lane, alpha: f64, x: &Lane) {
    for i in 0..LANES {
        value[i] = alpha * (x[i] - value[i]) + value[i];
    }
}

#[inline(always)]
fn each(f: impl Fn(usize) -> f64) -> Lane {
    let mut lane = [0.0; LANES];
    for (i, value) in lane.iter_mut().enumerate() {
        *value = f(i);
    }
    lane
}

impl Warm {
    #[inline(always)]
    fn step(&mut self, bars: &Bars, alphas: &[f64; 3], length: f64) -> Values {
        let close = bars.close;
        follow(&mut self.fast, alphas[0], &close);
        follow(&mut self.slow, alphas[1], &close);
        let line = each(|i| self.fast[i] - self.slow[i]);
        let after = each(|i| alphas[2] * (line[i] - self.signal[i]) + self.signal[i]);
        self.signal = each(|i| if line[i].is_nan() { self.signal[i] } else { after[i] });
        let signal = each(|i| if line[i].is_nan() { f64::NAN } else { self.signal[i] });
        let sma = self.mean(&close);
        let change = each(|i| close[i] - self.last[i]);
        self.last = close;
        self.gain = each(|i| (self.gain[i] * (length - 1.0) + at_least_zero(change[i])) / length);
        self.loss = each(|i| (self.loss[i] * (length - 1.0) + at_least_zero(-change[i])) / length);
        let total = each(|i| self.gain[i] + self.loss[i]);
        let share = each(|i| 100.0 * (self.gain[i] / total[i]));
        self.steps += 1;
        [
            close,
            each(|i| if total[i] > 0.0 { share[i] } else { 50.0 }),
            line,
            signal,
            each(|i| line[i] - signal[i]),
            self.fast,
            self.slow,
            each(|i| (line[i] / self.slow[i]) * 1e4),
            sma,
            each(|i| ((close[i] - sma[i]) / sma[i]) * 100.0),
            bars.volume,
            each(|i| ((bars.high[i] - bars.low[i]) / close[i]) * 100.0),
        ]
    }

    #[inline(always)]
    fn mean(&mut self, close: &Lane) -> Lane {
        let length = self.ring.len();
        self.ring[self.at] = Line(*close);
        self.at = if self.at + 1 == length { 0 } else { self.at + 1 };
        let (newer, older) = self.ring.split_at(self.at);
        let mut total = [0.0; LANES];
        for values in older.iter().chain(newer) {
            for (total, value) in total.iter_mut().zip(values.0) {
                *total += value;
            }
        }
        each(|i| total[i] / length as f64)
    }
}

/// Times by symbols, one table a column, rows of time.
pub struct Table<'a> {
    pub columns: [&'a [f64]; 5],
    pub symbols: usize,
}

impl Table<'_> {
    fn times(&self) -> usize {
        self.columns[0].len() / self.symbols.max(1)
    }

    #[inline(always)]
    fn row(&self, time: usize) -> [&[f64]; 5] {
        self.columns.map(|column| &column[time * self.symbols..(time + 1) * self.symbols])
    }
}

/// Where the features go: twelve planes of rows, each row padded to whole blocks and aligned to a cache line.
#[derive(Clone, Copy)]
pub struct Planes {
    base: *mut f64,
    row: usize,
    plane: usize,
}

// SAFETY: the threads that share it write to different blocks, hence to different addresses.
unsafe impl Sync for Planes {}

impl Planes {
    /// None when `out` is not exactly `times` x `symbols` x 12 padded values, or does not lie on a cache line.
    pub fn over(out: &mut [f64], times: usize, symbols: usize) -> Option<Self> {
        let row = symbols.next_multiple_of(LANES);
        let aligned = (out.as_ptr() as usize).is_multiple_of(64);
        let fits = out.len() == WIDTH * times * row;
        (aligned && fits).then_some(Planes { base: out.as_mut_ptr(), row, plane: times * row })
    }

    #[inline(always)]
    fn at(&self, feature: usize, time: usize, block: usize) -> *mut f64 {
        self.base.wrapping_add(feature * self.plane + time * self.row + block * LANES)
    }

    #[inline(always)]
    fn read(&self, time: usize, block: usize) -> Values {
        let mut values = NOTHING;
        for (feature, lane) in values.iter_mut().enumerate() {
            // SAFETY: `over` has checked the size for every feature, time and block, and the alignment of each.
            *lane = unsafe { *self.at(feature, time, block).cast::<Lane>() };
        }
        values
    }
}

/// Blocks that one thread takes along all times before it takes the next ones: their memory stays in its cache.
const CHUNK: usize = 32;

/// The features of a whole table; the first row (then symbol) that holds neither a bar nor five NaN ends it.
pub fn panel(p: &Parameters, table: &Table, out: Planes, threads: usize) -> Result<(), (usize, usize)> {
    let blocks = table.symbols.div_ceil(LANES);
    let next = AtomicUsize::new(0);
    let bad: Mutex<Option<(usize, usize)>> = Mutex::new(None);
    let work = || {
        loop {
            let first = next.fetch_add(CHUNK, Ordering::Relaxed);
            if first >= blocks {
                return;
            }
            if let Err(at) = chunk(p, table, out, first, blocks.min(first + CHUNK)) {
                let mut earliest = bad.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                *earliest = Some(earliest.map_or(at, |other| other.min(at)));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(blocks.div_ceil(CHUNK)).max(1) {
            scope.spawn(work);
        }
        work();
    });
    bad.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()).map_or(Ok(()), Err)
}

/// One row of time for symbols that are remembered from row to row; `out` holds their vectors before and after.
pub fn cross_section(blocks: &mut [Block], row: &[&[f64]; 5], ts: i64, out: Planes) -> Result<(), usize> {
    section(blocks, row, ts, out)
}

dispatched!(chunk, chunk_with, (p: &Parameters, table: &Table, out: Planes, first: usize, last: usize) -> Result<(), (usize, usize)>);
dispatched!(section, section_with, (blocks: &mut [Block], row: &[&[f64]; 5], ts: i64, out: Planes) -> Result<(), usize>);

#[inline(always)]
fn chunk_with(
    p: &Parameters,
    table: &Table,
    out: Planes,
    first: usize,
    last: usize,
    processor: impl Processor,
) -> Result<(), (usize, usize)> {
    let mut blocks = vec![Block::new(p); last - first];
    let mut answer = Ok(());
    'times: for time in 0..table.times() {
        let row = table.row(time);
        for (at, block) in (first..last).zip(&mut blocks) {
            let bars = Bars::load(&row, at * LANES);
            if !bars.all_sound()
                && let Some(bad) = bars.first_bad()
            {
                answer = Err((time, at * LANES + bad));
                break 'times;
            }
            let values = block.step(&bars, time as i64, || NOTHING);
            for (feature, lane) in values.iter().enumerate() {
                // SAFETY: `Planes::over` has checked place and alignment; the path was chosen for this processor.
                unsafe { processor.stream(out.at(feature, time, at), lane) };
            }
        }
    }
    processor.fence();
    answer
}

#[inline(always)]
fn section_with(blocks: &mut [Block], row: &[&[f64]; 5], ts: i64, out: Planes, _: impl Processor) -> Result<(), usize> {
    for at in 0..blocks.len() {
        let bars = Bars::load(row, at * LANES);
        if !bars.all_sound()
            && let Some(bad) = bars.first_bad()
        {
            return Err(at * LANES + bad);
        }
    }
    for (at, block) in blocks.iter_mut().enumerate() {
        let values = block.step(&Bars::load(row, at * LANES), ts, || out.read(0, at));
        for (feature, lane) in values.iter().enumerate() {
            // SAFETY: `Planes::over` has checked place and alignment. Into the cache, not around it: it is read soon.
            unsafe { Any.stream(out.at(feature, 0, at), lane) };
        }
    }
    Ok(())
}
