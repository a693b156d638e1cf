//! A scanner for msgpack frames of the data streams: times are timestamp extensions.

use crate::message::{Conditions, Key, Kind, Message, Scan, TradeId, bounded, message};

pub struct Msgpack<'a> {
    bytes: &'a [u8],
    at: usize,
    left: usize, // pairs of the message that are still to come
}

impl<'a> Msgpack<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Msgpack { bytes, at: 0, left: 0 }
    }

    /// Each message of the frame; None gives up.
    #[inline(always)]
    pub fn frame(mut self, mut take: impl FnMut(Message<'a>) -> Option<()>) -> Option<()> {
        let count = match self.next()? {
            byte @ 0x90..=0x9f => usize::from(byte & 15),
            0xdc => self.number::<2>()? as usize,
            0xdd => self.number::<4>()? as usize,
            _ => return None,
        };
        for _ in 0..count {
            self.left = match self.next()? {
                byte @ 0x81..=0x8f => usize::from(byte & 15),
                0xde => self.number::<2>()? as usize,
                _ => return None,
            }
            .checked_sub(1)?;
            let [0xa1, b'T', 0xa1, tag] = *self.take(4)? else { return None };
            take(message(tag, &mut self)?)?;
        }
        (self.at == self.bytes.len()).then_some(())
    }

    #[inline(always)]
    fn next(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    #[inline(always)]
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let part = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(part)
    }

    /// A big-endian number of that many bytes.
    #[inline(always)]
    fn number<const N: usize>(&mut self) -> Option<u64> {
        let bytes: &[u8; N] = self.take(N)?.first_chunk()?;
        Some(bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    #[inline(always)]
    fn text_after(&mut self, first: u8) -> Option<&'a [u8]> {
        let length = match first {
            0xa0..=0xbf => usize::from(first & 31),
            0xd9 => self.number::<1>()? as usize,
            _ => return None,
        };
        let text = self.take(length)?;
        text.is_ascii().then_some(text)
    }

    #[inline(always)]
    fn whole_after(&mut self, first: u8) -> Option<u64> {
        match first {
            0x00..=0x7f => Some(u64::from(first)),
            0xcc => self.number::<1>(),
            0xcd => self.number::<2>(),
            0xce => self.number::<4>(),
            0xcf => self.number::<8>(),
            0xd0 => self.number::<1>().filter(|value| *value < 1 << 7),
            0xd1 => self.number::<2>().filter(|value| *value < 1 << 15),
            0xd2 => self.number::<4>().filter(|value| *value < 1 << 31),
            0xd3 => self.number::<8>().filter(|value| *value < 1 << 63),
            _ => None,
        }
    }

    #[inline(always)]
    fn moment(seconds: u64, nanos: u64) -> Option<i64> {
        // 1 << 33 seconds are the year 2242: within 64 bits of nanoseconds.
        (nanos < 1_000_000_000 && seconds < 1 << 33).then(|| seconds as i64 * 1_000_000_000 + nanos as i64)
    }
}

impl<'a> Scan<'a> for Msgpack<'a> {
    #[inline(always)]
    fn text(&mut self) -> Option<&'a [u8]> {
        if let [0xa1, one, ..] = self.bytes.get(self.at..)?
            && *one < 128
        {
            self.at += 2;
            return Some(std::slice::from_ref(one));
        }
        let first = self.next()?;
        self.text_after(first)
    }

    #[inline(always)]
    fn price(&mut self) -> Option<f64> {
        let value = match self.next()? {
            0xcb => f64::from_bits(self.number::<8>()?),
            0xca => f64::from(f32::from_bits(self.number::<4>()? as u32)),
            first => self.whole_after(first)? as f64,
        };
        bounded(value)
    }

    #[inline(always)]
    fn whole(&mut self) -> Option<i64> {
        let first = self.next()?;
        i64::try_from(self.whole_after(first)?).ok()
    }

    #[inline(always)]
    fn time(&mut self) -> Option<i64> {
        match self.next()? {
            0xd6 if self.next()? == 0xff => Self::moment(self.number::<4>()?, 0),
            0xd7 if self.next()? == 0xff => {
                let both = self.number::<8>()?;
                Self::moment(both & 0x3_ffff_ffff, both >> 34)
            }
            0xc7 if *self.take(2)? == [12, 0xff] => {
                let nanos = self.number::<4>()?;
                Self::moment(self.number::<8>()?, nanos)
            }
            _ => None,
        }
    }

    #[inline(always)]
    fn conditions(&mut self) -> Option<Conditions> {
        match self.next()? {
            0xc0 => Some(Conditions::default()),
            first @ 0x90..=0x9f => {
                let mut list = Conditions::empty(Kind::List);
                for _ in 0..first & 15 {
                    list.push(self.text()?)?;
                }
                Some(list)
            }
            first => {
                let mut one = Conditions::empty(Kind::Text);
                one.push(self.text_after(first)?)?;
                Some(one)
            }
        }
    }

    #[inline(always)]
    fn trade_id(&mut self) -> Option<TradeId<'a>> {
        match self.next()? {
            first @ (0xa0..=0xbf | 0xd9) => self.text_after(first).map(TradeId::Text),
            first => i64::try_from(self.whole_after(first)?).ok().map(TradeId::Number),
        }
    }

    fn skip(&mut self) -> Option<()> {
        match self.next()? {
            0xc0 | 0xc2 | 0xc3 => Some(()),
            0xca => self.take(4).map(|_| ()),
            0xcb => self.take(8).map(|_| ()),
            first @ (0xa0..=0xbf | 0xd9) => self.text_after(first).map(|_| ()),
            first => self.whole_after(first).map(|_| ()),
        }
    }

    #[inline(always)]
    fn key(&mut self) -> Option<Key<'a>> {
        let Some(left) = self.left.checked_sub(1) else { return Some(Key::End) };
        self.left = left;
        match *self.bytes.get(self.at..)?.first_chunk()? {
            [0xa1, one, _] if one < 128 => {
                self.at += 2;
                return Some(Key::One(one));
            }
            [0xa2, one, two] if one < 128 && two < 128 => {
                self.at += 3;
                return Some(Key::Two(one, two));
            }
            _ => {}
        }
        match *self.text()? {
            [one] => Some(Key::One(one)),
            [one, two] => Some(Key::Two(one, two)),
            ref other => Some(Key::Other(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRADE: &[u8] =
        b"\x91\x86\xa1T\xa1t\xa1S\xa4AAPL\xa1p\xcb\x3f\xf8\0\0\0\0\0\0\xa1s\x64\xa1c\x91\xa1@\xa1t\xd6\xff\x65\0\0\0";

    fn read(bytes: &[u8]) -> Option<i64> {
        let mut t = 0;
        Msgpack::new(bytes)
            .frame(|message| {
                if let Message::Trade(trade) = message {
                    t = trade.t;
                }
                Some(())
            })
            .map(|()| t)
    }

    #[test]
    fn a_trade_is_read() {
        assert_eq!(read(TRADE), Some(0x65000000 * 1_000_000_000));
    }

    #[test]
    fn no_prefix_and_no_flipped_byte_makes_it_panic() {
        for end in 0..TRADE.len() {
            assert_eq!(read(&TRADE[..end]), None);
        }
        for at in 0..TRADE.len() {
            for byte in 0..=255 {
                let mut bytes = TRADE.to_vec();
                bytes[at] = byte;
                let _ = read(&bytes);
            }
        }
    }
}
