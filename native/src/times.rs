//! RFC 3339 in UTC with up to nine decimals, as nanoseconds. Neighbours share their second, so the last one is kept.

#[derive(Default)]
pub struct Clock {
    second: [u8; 19],
    nanos: i64,
}

#[inline(always)]
pub fn digit(byte: u8) -> Option<u64> {
    let value = byte.wrapping_sub(b'0');
    (value < 10).then_some(u64::from(value))
}

/// Eight digits at once: neighbours become pairs, pairs fours, fours the number.
#[inline(always)]
fn eight_digits(text: [u8; 8]) -> Option<u64> {
    let value = u64::from_le_bytes(text);
    let high = value & 0xf0f0_f0f0_f0f0_f0f0;
    let carried = value.wrapping_add(0x0606_0606_0606_0606) & 0xf0f0_f0f0_f0f0_f0f0;
    if high != 0x3030_3030_3030_3030 || carried != 0x3030_3030_3030_3030 {
        return None;
    }
    let pairs = (value & 0x0f0f_0f0f_0f0f_0f0f).wrapping_mul(2561) >> 8;
    let fours = (pairs & 0x00ff_00ff_00ff_00ff).wrapping_mul(6_553_601) >> 16;
    Some((fours & 0x0000_ffff_0000_ffff).wrapping_mul(42_949_672_960_001) >> 32)
}

impl Clock {
    /// Reads a time at `at` and moves behind it; None for whatever is not plain UTC between 1970 and 2199.
    #[inline(always)]
    pub fn read(&mut self, bytes: &[u8], at: &mut usize) -> Option<i64> {
        let second: &[u8; 19] = bytes.get(*at..)?.first_chunk()?;
        if *second != self.second {
            self.nanos = seconds(second)? * 1_000_000_000;
            self.second = *second;
        }
        *at += 19;
        if let Some([b'.', eight @ .., last, b'Z']) = bytes[*at..].first_chunk::<11>()
            && let (Some(eight), Some(last)) = (eight_digits(*eight), digit(*last))
        {
            *at += 11;
            return Some(self.nanos + (eight * 10 + last) as i64);
        }
        let mut fraction = 0;
        if bytes.get(*at) == Some(&b'.') {
            *at += 1;
            let start = *at;
            while let Some(next) = bytes.get(*at).copied().and_then(digit) {
                fraction = fraction * 10 + next;
                *at += 1;
                if *at - start > 9 {
                    return None;
                }
            }
            fraction *= *POWERS.get(*at - start).filter(|power| **power > 0)?;
        }
        if bytes.get(*at) != Some(&b'Z') {
            return None;
        }
        *at += 1;
        Some(self.nanos + fraction as i64)
    }
}

/// What a fraction of that many digits is to be multiplied with; a point without digits is unusual.
const POWERS: [u64; 10] = [0, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];

fn seconds(text: &[u8; 19]) -> Option<i64> {
    let number = |from: usize, to: usize| -> Option<i64> {
        text[from..to].iter().try_fold(0, |value, byte| Some(value * 10 + digit(*byte)? as i64))
    };
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if marks.iter().any(|(at, mark)| text[*at] != *mark) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let sound = (1970..2200).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    sound.then(|| ((days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Years begin in March here, so that the leap day is the last one of its year.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = year / 4 - year / 100 + year / 400;
    year * 365 + leaps + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<i64> {
        let mut at = 0;
        Clock::default().read(text.as_bytes(), &mut at).filter(|_| at == text.len())
    }

    #[test]
    fn every_day_follows_the_day_before() {
        let mut days = 0;
        for year in 1970..2200 {
            for month in 1..=12 {
                for day in 1..=days_in(year, month) {
                    assert_eq!(days_since_1970(year, month, day), days, "{year}-{month}-{day}");
                    days += 1;
                }
            }
        }
    }

    #[test]
    fn known_times() {
        assert_eq!(read("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(read("2024-02-29T15:00:00.123456789Z"), Some(1_709_218_800_123_456_789));
        assert_eq!(read("2021-02-22T15:51:44.5Z"), Some(1_614_009_104_500_000_000));
    }

    #[test]
    fn eight_digits_are_a_number_and_nothing_else_is() {
        assert_eq!(eight_digits(*b"12345678"), Some(12_345_678));
        assert_eq!(eight_digits(*b"00000009"), Some(9));
        for at in 0..8 {
            for byte in 0..=255 {
                let mut text = *b"00000000";
                text[at] = byte;
                assert_eq!(eight_digits(text).is_some(), byte.is_ascii_digit(), "{at} {byte}");
            }
        }
    }

    #[test]
    fn what_is_left_to_the_reference() {
        for text in [
            "2023-02-29T15:00:00Z",
            "2024-02-29T24:00:00Z",
            "2024-02-29T15:00:60Z",
            "2024-02-29T15:00:00+00:00",
            "2024-02-29T15:00:00.Z",
            "2024-02-29T15:00:00.1234567890Z",
            "2024-02-29t15:00:00Z",
            "1969-12-31T23:59:59Z",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
