//! The twelve features of one symbol, bar by bar: the operations of `puna.core`'s reference, in its order.
//!
//! No fused multiply-add and no reassociation: every bit equals the reference's.

pub const WIDTH: usize = 12;

/// Window lengths in bars.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    pub rsi: usize,
    pub wilder: bool,
    pub fast: usize,
    pub slow: usize,
    pub signal: usize,
    pub sma: usize,
}

/// What the features see of a bar; the open is only checked.
#[derive(Clone, Copy, Debug)]
pub struct Bar {
    pub open: f64,
    pub high: f64,
    pub low: f64,
    pub close: f64,
    pub volume: f64,
}

impl Bar {
    /// The reference's `check_bar`: NaN fails every comparison.
    #[inline(always)]
    pub fn is_sound(&self) -> bool {
        (0.0 < self.low)
            & (self.low <= self.high)
            & (self.high < f64::INFINITY)
            & (self.low <= self.open)
            & (self.open <= self.high)
            & (self.low <= self.close)
            & (self.close <= self.high)
            & (0.0 <= self.volume)
            & (self.volume < f64::INFINITY)
    }

    /// A row of NaN says that the symbol has no bar at this time.
    #[inline(always)]
    pub fn is_absent(&self) -> bool {
        self.open.is_nan() & self.high.is_nan() & self.low.is_nan() & self.close.is_nan() & self.volume.is_nan()
    }
}

/// Exponential average, alpha = 2 / (n + 1), seeded with the mean of its first n values; NaN before.
#[derive(Clone, Debug)]
pub struct Ema {
    pub alpha: f64,
    length: u64,
    pub seen: u64,
    pub sum: f64,
    pub value: f64,
}

impl Ema {
    fn new(length: usize) -> Self {
        Ema { alpha: 2.0 / (length as f64 + 1.0), length: length as u64, seen: 0, sum: 0.0, value: f64::NAN }
    }

    pub fn is_warm(&self) -> bool {
        self.seen == self.length
    }

    #[inline(always)]
    fn update(&mut self, x: f64) -> f64 {
        if self.seen == self.length {
            self.value = self.alpha * (x - self.value) + self.value;
        } else {
            self.seen += 1;
            self.sum += x;
            if self.seen == self.length {
                self.value = self.sum / self.length as f64;
            }
        }
        self.value
    }
}

/// The last n values in a ring, and their mean, summed afresh from oldest to newest.
#[derive(Clone, Debug)]
pub struct Window {
    pub ring: Vec<f64>,
    pub at: usize,
    pub seen: usize,
}

impl Window {
    fn new(length: usize) -> Self {
        Window { ring: vec![0.0; length], at: 0, seen: 0 }
    }

    pub fn is_warm(&self) -> bool {
        self.seen == self.ring.len()
    }

    #[inline(always)]
    fn update(&mut self, x: f64) -> f64 {
        let length = self.ring.len();
        self.ring[self.at] = x;
        self.at = if self.at + 1 == length { 0 } else { self.at + 1 };
        if self.seen < length {
            self.seen += 1;
            if self.seen < length {
                return f64::NAN;
            }
        }
        let (newer, older) = self.ring.split_at(self.at);
        let total = older.iter().chain(newer).fold(0.0, |total, value| total + value);
        total / length as f64
    }
}

/// Relative strength with Wilder's smoothing or (Cutler) plain means.
#[derive(Clone, Debug)]
pub struct Rsi {
    pub length: usize,
    wilder: bool,
    pub last: f64,
    pub seen: usize,
    pub gain: f64,
    pub loss: f64,
    pub gains: Window,
    pub losses: Window,
}

impl Rsi {
    fn new(length: usize, wilder: bool) -> Self {
        let (gains, losses) = (Window::new(length), Window::new(length));
        Rsi { length, wilder, last: f64::NAN, seen: 0, gain: 0.0, loss: 0.0, gains, losses }
    }

    pub fn is_warm(&self) -> bool {
        self.seen == self.length && !self.last.is_nan()
    }

    #[inline(always)]
    fn update(&mut self, x: f64) -> f64 {
        if self.last.is_nan() {
            self.last = x;
            return f64::NAN;
        }
        let change = x - self.last;
        self.last = x;
        let (gain, loss) = (at_least_zero(change), at_least_zero(-change));
        if self.wilder {
            self.smooth(gain, loss);
        } else {
            self.seen = (self.seen + 1).min(self.length);
            self.gain = self.gains.update(gain);
            self.loss = self.losses.update(loss);
        }
        if self.seen < self.length { f64::NAN } else { strength(self.gain, self.loss) }
    }

    #[inline(always)]
    fn smooth(&mut self, gain: f64, loss: f64) {
        let length = self.length as f64;
        if self.seen == self.length {
            self.gain = (self.gain * (length - 1.0) + gain) / length;
            self.loss = (self.loss * (length - 1.0) + loss) / length;
            return;
        }
        self.seen += 1;
        self.gain += gain;
        self.loss += loss;
        if self.seen == self.length {
            self.gain /= length;
            self.loss /= length;
        }
    }
}

/// Python's `max(x, 0.0)`: the first of two equals, so that -0.0 stays.
#[inline(always)]
pub fn at_least_zero(x: f64) -> f64 {
    if 0.0 > x { 0.0 } else { x }
}

#[inline(always)]
pub fn strength(gain: f64, loss: f64) -> f64 {
    let total = gain + loss;
    if total > 0.0 { 100.0 * (gain / total) } else { 50.0 }
}

/// All that one symbol's recurrences remember.
#[derive(Clone, Debug)]
pub struct Memory {
    pub ts: i64,
    pub values: [f64; WIDTH],
    pub rsi: Rsi,
    pub fast: Ema,
    pub slow: Ema,
    pub signal: Ema,
    pub sma: Window,
}

impl Memory {
    pub fn new(p: &Parameters) -> Self {
        Memory {
            ts: -1,
            values: [f64::NAN; WIDTH],
            rsi: Rsi::new(p.rsi, p.wilder),
            fast: Ema::new(p.fast),
            slow: Ema::new(p.slow),
            signal: Ema::new(p.signal),
            sma: Window::new(p.sma),
        }
    }

    /// From here on no recurrence takes its warm-up branch any more.
    pub fn is_warm(&self) -> bool {
        self.rsi.is_warm() && self.fast.is_warm() && self.slow.is_warm() && self.signal.is_warm() && self.sma.is_warm()
    }

    #[inline(always)]
    pub fn update(&mut self, bar: &Bar) {
        let close = bar.close;
        let (fast, slow) = (self.fast.update(close), self.slow.update(close));
        let line = fast - slow;
        let signal = if line.is_nan() { f64::NAN } else { self.signal.update(line) };
        let sma = self.sma.update(close);
        self.values = [
            close,
            self.rsi.update(close),
            line,
            signal,
            line - signal,
            fast,
            slow,
            (line / slow) * 1e4,
            sma,
            ((close - sma) / sma) * 100.0,
            bar.volume,
            ((bar.high - bar.low) / close) * 100.0,
        ];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub const DEFAULTS: Parameters = Parameters { rsi: 14, wilder: true, fast: 12, slow: 26, signal: 9, sma: 20 };

    fn flat(price: f64) -> Bar {
        Bar { open: price, high: price, low: price, close: price, volume: 1.0 }
    }

    #[test]
    fn a_flat_series_is_neither_strong_nor_weak() {
        let mut memory = Memory::new(&DEFAULTS);
        for _ in 0..60 {
            memory.update(&flat(10.0));
        }
        assert_eq!(memory.values[1], 50.0);
        assert!(memory.is_warm());
    }

    #[test]
    fn it_is_warm_with_the_last_feature_and_not_before() {
        let mut memory = Memory::new(&DEFAULTS);
        for bar in 1..=34 {
            assert!(!memory.is_warm());
            memory.update(&flat(10.0 + f64::from(bar)));
        }
        assert!(memory.is_warm() && memory.values.iter().all(|v| v.is_finite()));
    }

    #[test]
    fn minus_zero_stays_as_in_python() {
        assert!(at_least_zero(-0.0).is_sign_negative());
    }

    #[test]
    fn a_bar_with_anything_wrong_is_not_sound() {
        let good = Bar { open: 10.0, high: 11.0, low: 9.0, close: 10.0, volume: 0.0 };
        assert!(good.is_sound());
        for bad in [
            Bar { high: 8.0, ..good },
            Bar { low: 0.0, ..good },
            Bar { high: f64::INFINITY, ..good },
            Bar { open: f64::NAN, ..good },
            Bar { close: 12.0, ..good },
            Bar { volume: -1.0, ..good },
        ] {
            assert!(!bad.is_sound(), "{bad:?}");
        }
    }
}
