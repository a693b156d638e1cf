//! One symbol's whole series at once: what feeds itself back goes bar by bar, everything else across bars.

use crate::dispatch::{Processor, dispatched};
use crate::recurrence::{Bar, Ema, Memory, Parameters, at_least_zero};

/// Bars in one block: the intermediate columns stay in the first-level cache.
const BLOCK: usize = 256;

/// The five columns of a series.
pub struct Columns<'a> {
    pub open: &'a [f64],
    pub high: &'a [f64],
    pub low: &'a [f64],
    pub close: &'a [f64],
    pub volume: &'a [f64],
}

impl Columns<'_> {
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
}

/// Fills `out`, twelve columns of n rows one after the other; the first row that is no bar ends it.
pub fn batch(p: &Parameters, columns: &Columns, out: &mut [f64]) -> Result<(), usize> {
    let rows = columns.close.len();
    let mut features: Vec<&mut [f64]> = out.chunks_exact_mut(rows.max(1)).collect();
    let mut memory = Memory::new(p);
    let mut row = 0;
    while row < rows && !(p.wilder && memory.is_warm() && row >= p.sma) {
        let bar = columns.bar(row);
        if !bar.is_sound() {
            return Err(row);
        }
        memory.update(&bar);
        for (feature, value) in features.iter_mut().zip(memory.values) {
            feature[row] = value;
        }
        row += 1;
    }
    if row == rows {
        return Ok(());
    }
    let [f0, f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11] = features.as_mut_slice() else { return Ok(()) };
    let (mut fed_back, mut direct) = ([f1, f2, f3, f4, f5, f6, f7], [f0, f8, f9, f10, f11]);
    if rows < THREADS_FROM {
        across_bars(p, columns, &mut direct, row);
        return bar_by_bar(p, columns, &mut fed_back, memory, row);
    }
    std::thread::scope(|scope| {
        scope.spawn(|| across_bars(p, columns, &mut direct, row));
        bar_by_bar(p, columns, &mut fed_back, memory, row)
    })
}

/// Rows from which on a second thread pays.
const THREADS_FROM: usize = 1 << 16;

type FedBack<'a, 'b> = [&'b mut &'a mut [f64]; 7];
type Direct<'a, 'b> = [&'b mut &'a mut [f64]; 5];

dispatched!(bar_by_bar, bar_by_bar_with, (p: &Parameters, c: &Columns, out: &mut FedBack, m: Memory, from: usize) -> Result<(), usize>);
dispatched!(across_bars, across_bars_with, (p: &Parameters, c: &Columns, out: &mut Direct, from: usize) -> ());

/// RSI, the averages and what hangs on them; the first row that is no bar ends it.
#[inline(always)]
fn bar_by_bar_with(
    p: &Parameters,
    c: &Columns,
    out: &mut FedBack,
    mut m: Memory,
    from: usize,
    _: impl Processor,
) -> Result<(), usize> {
    let rows = c.close.len();
    for start in (from..rows).step_by(BLOCK) {
        let end = rows.min(start + BLOCK);
        if let Some(bad) = first_unsound(c, start, end) {
            return Err(bad);
        }
        fed_back(p, c, out, &mut m, start, end);
    }
    Ok(())
}

/// What needs no earlier value of itself.
#[inline(always)]
fn across_bars_with(p: &Parameters, c: &Columns, out: &mut Direct, from: usize, _: impl Processor) {
    let rows = c.close.len();
    for start in (from..rows).step_by(BLOCK) {
        direct(p, c, out, start, rows.min(start + BLOCK));
    }
}

#[inline(always)]
fn first_unsound(c: &Columns, start: usize, end: usize) -> Option<usize> {
    let part = Columns {
        open: &c.open[start..end],
        high: &c.high[start..end],
        low: &c.low[start..end],
        close: &c.close[start..end],
        volume: &c.volume[start..end],
    };
    let mut sound = true;
    for at in 0..end - start {
        sound &= part.bar(at).is_sound();
    }
    if sound { None } else { (start..end).find(|row| !c.bar(*row).is_sound()) }
}

#[inline(always)]
fn follow(ema: &mut Ema, x: f64) -> f64 {
    ema.value = ema.alpha * (x - ema.value) + ema.value;
    ema.value
}

#[inline(always)]
fn fed_back(p: &Parameters, c: &Columns, out: &mut FedBack, m: &mut Memory, start: usize, end: usize) {
    let n = end - start;
    let close = &c.close[start..end];
    let before = &c.close[start - 1..end - 1];
    let (mut gains, mut losses) = ([0.0; BLOCK], [0.0; BLOCK]);
    for i in 0..n {
        let change = close[i] - before[i];
        gains[i] = at_least_zero(change);
        losses[i] = at_least_zero(-change);
    }
    let [rsi, line, signal, hist, fast, slow, spread] = out.each_mut().map(|column| &mut column[start..end]);
    let (length, less) = (p.rsi as f64, p.rsi as f64 - 1.0);
    for i in 0..n {
        m.rsi.gain = (m.rsi.gain * less + gains[i]) / length;
        m.rsi.loss = (m.rsi.loss * less + losses[i]) / length;
        gains[i] = m.rsi.gain;
        losses[i] = m.rsi.loss;
        fast[i] = follow(&mut m.fast, close[i]);
        slow[i] = follow(&mut m.slow, close[i]);
        line[i] = fast[i] - slow[i];
        signal[i] = if line[i].is_nan() { f64::NAN } else { follow(&mut m.signal, line[i]) };
    }
    for i in 0..n {
        let total = gains[i] + losses[i];
        let share = 100.0 * (gains[i] / total);
        rsi[i] = if total > 0.0 { share } else { 50.0 };
    }
    for i in 0..n {
        hist[i] = line[i] - signal[i];
        spread[i] = (line[i] / slow[i]) * 1e4;
    }
}

#[inline(always)]
fn direct(p: &Parameters, c: &Columns, out: &mut Direct, start: usize, end: usize) {
    let n = end - start;
    let (close, high, low) = (&c.close[start..end], &c.high[start..end], &c.low[start..end]);
    let mut sums = [0.0; BLOCK];
    for back in (0..p.sma).rev() {
        let past = &c.close[start - back..end - back];
        for i in 0..n {
            sums[i] += past[i];
        }
    }
    let [same, sma, distance, volume, range] = out.each_mut().map(|column| &mut column[start..end]);
    let window = p.sma as f64;
    for i in 0..n {
        sma[i] = sums[i] / window;
        distance[i] = ((close[i] - sma[i]) / sma[i]) * 100.0;
        range[i] = ((high[i] - low[i]) / close[i]) * 100.0;
    }
    same.copy_from_slice(close);
    volume.copy_from_slice(&c.volume[start..end]);
}
