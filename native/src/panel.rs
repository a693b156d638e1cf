//! Many symbols over the same times: eight symbols in the lanes of one vector, so that each keeps its own order of
//! operations, and therefore its bits.
//!
//! Eight symbols are in lockstep while all of them have had a bar in every row, and again once every lane is past its
//! warm-up. A row in which each of them has a bar is then one step over vectors. Otherwise (after a gap in the warm-up,
//! in a gap, with Cutler's RSI) the lanes go one by one through `recurrence`.

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
        None => last_lane(column, at),
    }
}

/// Out of line: beside eight single loads the compiler would not make one of the eight above.
#[cold]
#[inline(never)]
fn last_lane(column: &[f64], at: usize) -> Lane {
    each(|i| column[(at + i).min(column.len() - 1)])
}

/// Lanes on a cache line of their own.
#[repr(align(64))]
#[derive(Clone, Copy)]
struct Line(Lane);

/// What eight symbols remember that have had the same number of bars, or are warm.
#[repr(C, align(64))] // the lanes first, each on a cache line
#[derive(Clone)]
struct Lockstep {
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
    /// Bars so far while any recurrence is warming up, from then on `WARM`.
    seen: usize,
    /// What the averages' seeds add up to.
    sums: [Lane; 3],
}

const WARM: usize = usize::MAX;
/// Closes below it cannot overflow in the sums of a warm-up, nor can an average's difference be no number.
const TAME: f64 = 1e300;

/// Eight symbols.
#[derive(Clone)]
pub struct Block {
    memories: Vec<Memory>,
    lockstep: Option<Lockstep>,
    lengths: Lengths,
}

/// The windows, and what follows from them.
#[derive(Clone, Copy)]
struct Lengths {
    wilder: bool,
    alphas: [f64; 3],
    rsi: usize,
    fast: usize,
    slow: usize,
    signal: usize,
    sma: usize,
}

impl Lengths {
    /// Bars until both averages of the MACD line are there.
    fn line(&self) -> usize {
        self.fast.max(self.slow)
    }

    /// Bars until no recurrence warms up any more.
    fn warm(&self) -> usize {
        (self.line() + self.signal - 1).max(self.sma).max(self.rsi + 1)
    }
}

pub type Values = [Lane; WIDTH];
pub const NOTHING: Values = [[f64::NAN; LANES]; WIDTH];

impl Block {
    pub fn new(p: &Parameters) -> Self {
        let memory = Memory::new(p);
        let alphas = [memory.fast.alpha, memory.slow.alpha, memory.signal.alpha];
        let Parameters { rsi, wilder, fast, slow, signal, sma } = *p;
        let lengths = Lengths { wilder, alphas, rsi, fast, slow, signal, sma };
        Block { memories: vec![memory; LANES], lockstep: wilder.then(|| Lockstep::new(sma)), lengths }
    }

    /// One row, and the vectors after it; a lane without a bar keeps what it had in `before`.
    #[inline(always)]
    pub fn step(&mut self, bars: &Bars, ts: i64, before: impl FnOnce() -> Values) -> Values {
        if let Some(lockstep) = &mut self.lockstep
            && bars.all_sound()
            && (lockstep.seen == WARM || below(&bars.close, &[TAME; LANES]))
        {
            lockstep.ts = ts;
            if lockstep.seen != WARM {
                return lockstep.warm_up(bars, &self.lengths);
            }
            return lockstep.step(bars, &self.lengths.alphas, self.lengths.rsi as f64);
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
        if self.lengths.wilder && self.memories.iter().all(|m| m.is_warm() && m.ts == ts) {
            self.freeze();
        }
    }

    fn freeze(&mut self) {
        let each = |read: &dyn Fn(&Memory) -> f64| -> Lane { std::array::from_fn(|i| read(&self.memories[i])) };
        let length = self.memories[0].sma.ring.len();
        let ring = (0..length).map(|k| Line(each(&|m| m.sma.ring[(m.sma.at + k) % length]))).collect();
        self.lockstep = Some(Lockstep {
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
            seen: WARM,
            sums: [each(&|m| m.fast.sum), each(&|m| m.slow.sum), each(&|m| m.signal.sum)],
        });
    }

    /// Brings the memories up to date, and goes on with them.
    fn thaw(&mut self) {
        let Some(lockstep) = self.lockstep.take() else { return };
        if lockstep.seen == 0 {
            return;
        }
        let (seen, lengths) = (lockstep.seen, &self.lengths);
        for (i, memory) in self.memories.iter_mut().enumerate() {
            memory.ts = lockstep.ts;
            memory.rsi.last = lockstep.last[i];
            memory.rsi.seen = (seen - 1).min(lengths.rsi);
            memory.rsi.gain = lockstep.gain[i];
            memory.rsi.loss = lockstep.loss[i];
            let signals = seen.saturating_sub(lengths.line() - 1).min(lengths.signal);
            let counts = [seen.min(lengths.fast), seen.min(lengths.slow), signals];
            let values = [&lockstep.fast, &lockstep.slow, &lockstep.signal];
            let averages = [&mut memory.fast, &mut memory.slow, &mut memory.signal];
            for (k, average) in averages.into_iter().enumerate() {
                average.seen = counts[k] as u64;
                average.sum = lockstep.sums[k][i];
                average.value = values[k][i];
            }
            let (length, window) = (lockstep.ring.len(), &mut memory.sma);
            window.seen = seen.min(length);
            window.at = (window.at + lockstep.steps) % length;
            for k in 0..length {
                window.ring[(window.at + k) % length] = lockstep.ring[(lockstep.at + k) % length].0[i];
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

/// An average that may still be gathering its seed; `before` values came before this one.
#[inline(always)]
fn gather(value: &mut Lane, sum: &mut Lane, length: usize, before: usize, alpha: f64, x: &Lane) {
    if before >= length {
        return follow(value, alpha, x);
    }
    *sum = each(|i| sum[i] + x[i]);
    if before + 1 == length {
        *value = each(|i| sum[i] / length as f64);
    }
}

impl Lockstep {
    fn new(sma: usize) -> Self {
        let (zero, nan) = ([0.0; LANES], [f64::NAN; LANES]);
        Lockstep {
            last: nan,
            gain: zero,
            loss: zero,
            fast: nan,
            slow: nan,
            signal: nan,
            ring: vec![Line(zero); sma],
            at: 0,
            steps: 0,
            ts: -1,
            seen: 0,
            sums: [zero; 3],
        }
    }

    /// A step while some recurrence has not all it needs. The closes are tame, so a line is NaN only for want of bars.
    #[inline(never)]
    fn warm_up(&mut self, bars: &Bars, n: &Lengths) -> Values {
        let (close, before) = (bars.close, self.seen);
        let nan = [f64::NAN; LANES];
        gather(&mut self.fast, &mut self.sums[0], n.fast, before, n.alphas[0], &close);
        gather(&mut self.slow, &mut self.sums[1], n.slow, before, n.alphas[1], &close);
        let line = each(|i| self.fast[i] - self.slow[i]);
        let mut signal = nan;
        if before + 1 >= n.line() {
            gather(&mut self.signal, &mut self.sums[2], n.signal, before + 1 - n.line(), n.alphas[2], &line);
            signal = self.signal;
        }
        let mean = self.mean(&close);
        let sma = if before + 1 < n.sma { nan } else { mean };
        let mut rsi = nan;
        if before > 0 {
            self.gather_strength(&close, n.rsi, before - 1);
            if before >= n.rsi {
                rsi = self.strength();
            }
        }
        self.last = close;
        self.steps += 1;
        self.seen = if before + 1 >= n.warm() { WARM } else { before + 1 };
        self.values(bars, rsi, line, signal, sma)
    }

    #[inline(always)]
    fn gather_strength(&mut self, close: &Lane, length: usize, before: usize) {
        if before >= length {
            return self.smooth(close, length as f64);
        }
        let change = each(|i| close[i] - self.last[i]);
        self.gain = each(|i| self.gain[i] + at_least_zero(change[i]));
        self.loss = each(|i| self.loss[i] + at_least_zero(-change[i]));
        if before + 1 == length {
            self.gain = each(|i| self.gain[i] / length as f64);
            self.loss = each(|i| self.loss[i] / length as f64);
        }
    }

    #[inline(always)]
    fn smooth(&mut self, close: &Lane, length: f64) {
        let change = each(|i| close[i] - self.last[i]);
        self.gain = each(|i| (self.gain[i] * (length - 1.0) + at_least_zero(change[i])) / length);
        self.loss = each(|i| (self.loss[i] * (length - 1.0) + at_least_zero(-change[i])) / length);
    }

    #[inline(always)]
    fn strength(&self) -> Lane {
        let total = each(|i| self.gain[i] + self.loss[i]);
        let share = each(|i| 100.0 * (self.gain[i] / total[i]));
        each(|i| if total[i] > 0.0 { share[i] } else { 50.0 })
    }

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
        self.smooth(&close, length);
        let rsi = self.strength();
        self.last = close;
        self.steps += 1;
        self.values(bars, rsi, line, signal, sma)
    }

    #[inline(always)]
    fn values(&self, bars: &Bars, rsi: Lane, line: Lane, signal: Lane, sma: Lane) -> Values {
        let Bars { high, low, close, volume, .. } = bars;
        [
            *close,
            rsi,
            line,
            signal,
            each(|i| line[i] - signal[i]),
            self.fast,
            self.slow,
            each(|i| (line[i] / self.slow[i]) * 1e4),
            sma,
            each(|i| ((close[i] - sma[i]) / sma[i]) * 100.0),
            *volume,
            each(|i| ((high[i] - low[i]) / close[i]) * 100.0),
        ]
    }

    #[inline(always)]
    fn mean(&mut self, close: &Lane) -> Lane {
        let length = self.ring.len();
        self.ring[self.at] = Line(*close);
        self.at = if self.at + 1 == length { 0 } else { self.at + 1 };
        let (newer, older) = self.ring.split_at(self.at);
        let total = older.iter().fold([0.0; LANES], added);
        let total = newer.iter().fold(total, added);
        each(|i| total[i] / length as f64)
    }
}

#[inline(always)]
fn added(total: Lane, values: &Line) -> Lane {
    each(|i| total[i] + values.0[i])
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
