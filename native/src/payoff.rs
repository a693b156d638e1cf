//! What the positions of one expiration require: the worst point of a broken line, in exact fixed point.

/// Contracts of one series: the strike in units of 10^-9 dollars, the signed weight in shares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Leg {
    pub strike: i64,
    pub weight: i64,
    pub call: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Requirement {
    /// In units of 10^-9 dollars, never negative.
    Dollars(i128),
    /// The line falls beyond the last strike.
    Unlimited,
}

/// Weights and counts beyond these could leave the 128 bits that sums are kept in; the reference takes them.
pub const HEAVIEST: i64 = 1 << 40;
pub const MOST: usize = 1 << 16;

/// Sweeps the strikes from 0 upwards: at each of them the slope grows by the weight, of a call as of a put.
pub fn requirement(legs: &mut [Leg]) -> Requirement {
    let (mut value, mut slope, mut last_slope) = (0i128, 0i128, 0i128);
    for leg in legs.iter() {
        let weight = i128::from(leg.weight);
        if leg.call {
            last_slope += weight;
        } else {
            value += weight * i128::from(leg.strike);
            slope -= weight;
        }
    }
    if last_slope < 0 {
        return Requirement::Unlimited;
    }
    legs.sort_unstable_by_key(|leg| leg.strike);
    let (mut lowest, mut before) = (value, 0i64);
    for leg in legs.iter() {
        value += slope * i128::from(leg.strike - before);
        slope += i128::from(leg.weight);
        before = leg.strike;
        lowest = lowest.min(value);
    }
    Requirement::Dollars((-lowest).max(0))
}

/// A plain decimal, digits with at most one point and nine places, in units of 10^-9; None for any other spelling.
pub fn nanos(text: &[u8]) -> Option<i64> {
    let (mut value, mut places, mut pointed) = (0i64, 0, false);
    if !text.first()?.is_ascii_digit() || !text.last()?.is_ascii_digit() {
        return None;
    }
    for byte in text {
        match byte {
            b'0'..=b'9' => {
                value = value.checked_mul(10)?.checked_add(i64::from(byte - b'0'))?;
                places += u32::from(pointed);
            }
            b'.' if !pointed => pointed = true,
            _ => return None,
        }
    }
    value.checked_mul(10i64.pow(9u32.checked_sub(places)?))
}

/// The number in its one spelling: no zeros behind the last digit that counts.
pub fn spelled(nanos: i128) -> String {
    let (whole, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    if rest == 0 {
        return whole.to_string();
    }
    format!("{whole}.{rest:09}").trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(strike: i64, quantity: i64) -> Leg {
        Leg { strike: strike * 1_000_000_000, weight: quantity * 100, call: true }
    }

    fn put(strike: i64, quantity: i64) -> Leg {
        Leg { call: false, ..call(strike, quantity) }
    }

    fn dollars(mut legs: Vec<Leg>) -> String {
        match requirement(&mut legs) {
            Requirement::Dollars(nanos) => spelled(nanos),
            Requirement::Unlimited => "unlimited".to_owned(),
        }
    }

    #[test]
    fn worked_examples() {
        assert_eq!(dollars(vec![call(190, -1), call(200, 1)]), "1000");
        assert_eq!(dollars(vec![put(470, 1), put(480, -1), call(520, -1), call(535, 1)]), "1500");
        assert_eq!(dollars(vec![put(50, -2)]), "10000");
        assert_eq!(dollars(vec![call(100, -1)]), "unlimited");
        assert_eq!(dollars(vec![call(100, 1)]), "0");
        assert_eq!(dollars(vec![]), "0");
    }

    #[test]
    fn every_point_of_the_line_lies_above_what_the_sweep_finds() {
        let mut state = 1u64;
        let mut next = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for _ in 0..2000 {
            let count = next(9);
            let mut legs: Vec<Leg> = (0..count)
                .map(|_| {
                    let (strike, quantity) = (next(20) as i64, next(7) as i64 - 3);
                    if next(2) == 0 { call(strike, quantity) } else { put(strike, quantity) }
                })
                .collect();
            let worth = |price: i64| -> i128 {
                let price = price * 1_000_000_000;
                let worth_of = |leg: &Leg| {
                    let intrinsic = if leg.call { price - leg.strike } else { leg.strike - price };
                    i128::from(leg.weight) * i128::from(intrinsic.max(0))
                };
                legs.iter().map(worth_of).sum()
            };
            let lowest = (0..=20).map(worth).min().unwrap_or(0);
            let falls = worth(21) < worth(20);
            let expected = if falls { Requirement::Unlimited } else { Requirement::Dollars((-lowest).max(0)) };
            assert_eq!(requirement(&mut legs), expected);
        }
    }

    #[test]
    fn what_is_no_plain_decimal_is_left_to_the_reference() {
        assert_eq!(nanos(b"480.5"), Some(480_500_000_000));
        assert_eq!(nanos(b"0.000000001"), Some(1));
        for text in ["", ".5", "5.", "1E+3", "-1", "NaN", "1.2.3", "0.0000000001", "99999999999", "1_0", " 1"] {
            assert_eq!(nanos(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_number_has_one_spelling() {
        assert_eq!(spelled(0), "0");
        assert_eq!(spelled(1_500_000_000), "1.5");
        assert_eq!(spelled(1), "0.000000001");
        assert_eq!(spelled(10_000_000_000), "10");
    }
}
