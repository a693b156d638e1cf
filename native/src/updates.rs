//! A scanner for the bodies of bus frames: quotes, trades and bars exactly as Puna's own publisher writes them.
//!
//! The fields stand in the schema's order, so a key is compared with the one that must come, and nothing is looked up.
//! At anything else (another order, another kind, a whole number where a price stands) it gives up.

#[derive(Clone, Copy, PartialEq, Debug)]
pub struct QuoteUpdate<'a> {
    pub symbol: &'a [u8],
    pub bid: f64,
    pub bid_size: f64,
    pub ask: f64,
    pub ask_size: f64,
    pub ts_event: i64,
    pub ts_init: i64,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub struct TradeUpdate<'a> {
    pub symbol: &'a [u8],
    pub price: f64,
    pub size: f64,
    pub ts_event: i64,
    pub ts_init: i64,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub struct BarUpdate<'a> {
    pub symbol: &'a [u8],
    pub timeframe: &'a [u8],
    pub open: f64,
    pub high: f64,
    pub low: f64,
    pub close: f64,
    pub volume: f64,
    pub ts_event: i64,
    pub ts_init: i64,
    pub trade_count: i64,
    pub vwap: f64,
    pub revised: bool,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Update<'a> {
    Quote(QuoteUpdate<'a>),
    Trade(TradeUpdate<'a>),
    Bar(BarUpdate<'a>),
}

/// The header of a frame, behind the NUL of its topic.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Head {
    pub version: u8,
    pub encoding: u8,
    pub count: u16,
    pub epoch: u64,
    pub seq: u64,
}

pub const HEAD: usize = 20;
pub const SNAPSHOT: u16 = 0x8000;

impl Head {
    #[inline(always)]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let [version, encoding, c0, c1, rest @ ..] = bytes.first_chunk::<HEAD>()?;
        let (epoch, seq) = rest.split_first_chunk::<8>()?;
        Some(Head {
            version: *version,
            encoding: *encoding,
            count: u16::from_be_bytes([*c0, *c1]),
            epoch: u64::from_be_bytes(*epoch),
            seq: u64::from_be_bytes(*seq.first_chunk()?),
        })
    }
}

pub struct Body<'a> {
    rest: &'a [u8],
}

impl<'a> Body<'a> {
    /// Each message of a body, and how many there were; None gives up.
    #[inline(always)]
    pub fn read(bytes: &'a [u8], mut take: impl FnMut(Update<'a>) -> Option<()>) -> Option<usize> {
        let mut body = Body { rest: bytes };
        let count = match body.byte()? {
            byte @ 0x90..=0x9f => usize::from(byte & 15),
            0xdc => usize::from(u16::from_be_bytes(body.chunk()?)),
            _ => return None,
        };
        for _ in 0..count {
            take(body.update()?)?;
        }
        body.rest.is_empty().then_some(count)
    }

    #[inline(always)]
    fn update(&mut self) -> Option<Update<'a>> {
        match self.byte()? {
            0x88 => {
                self.literal(b"\xa4type\xa5quote")?;
                self.quote().map(Update::Quote)
            }
            0x86 => {
                self.literal(b"\xa4type\xa5trade")?;
                self.trade().map(Update::Trade)
            }
            0x8d => {
                self.literal(b"\xa4type\xa3bar")?;
                self.bar().map(Update::Bar)
            }
            _ => None,
        }
    }

    #[inline(always)]
    fn quote(&mut self) -> Option<QuoteUpdate<'a>> {
        Some(QuoteUpdate {
            symbol: self.literal(b"\xa6symbol")?.text()?,
            bid: self.literal(b"\xa3bid")?.float()?,
            bid_size: self.literal(b"\xa8bid_size")?.float()?,
            ask: self.literal(b"\xa3ask")?.float()?,
            ask_size: self.literal(b"\xa8ask_size")?.float()?,
            ts_event: self.literal(b"\xa8ts_event")?.whole()?,
            ts_init: self.literal(b"\xa7ts_init")?.whole()?,
        })
    }

    #[inline(always)]
    fn trade(&mut self) -> Option<TradeUpdate<'a>> {
        Some(TradeUpdate {
            symbol: self.literal(b"\xa6symbol")?.text()?,
            price: self.literal(b"\xa5price")?.float()?,
            size: self.literal(b"\xa4size")?.float()?,
            ts_event: self.literal(b"\xa8ts_event")?.whole()?,
            ts_init: self.literal(b"\xa7ts_init")?.whole()?,
        })
    }

    #[inline(always)]
    fn bar(&mut self) -> Option<BarUpdate<'a>> {
        Some(BarUpdate {
            symbol: self.literal(b"\xa6symbol")?.text()?,
            timeframe: self.literal(b"\xa9timeframe")?.text()?,
            open: self.literal(b"\xa4open")?.float()?,
            high: self.literal(b"\xa4high")?.float()?,
            low: self.literal(b"\xa3low")?.float()?,
            close: self.literal(b"\xa5close")?.float()?,
            volume: self.literal(b"\xa6volume")?.float()?,
            ts_event: self.literal(b"\xa8ts_event")?.whole()?,
            ts_init: self.literal(b"\xa7ts_init")?.whole()?,
            trade_count: self.literal(b"\xabtrade_count")?.whole()?,
            vwap: self.literal(b"\xa4vwap")?.float()?,
            revised: self.literal(b"\xa7revised")?.truth()?,
        })
    }

    #[inline(always)]
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    #[inline(always)]
    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (chunk, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*chunk)
    }

    #[inline(always)]
    fn literal<const N: usize>(&mut self, expected: &[u8; N]) -> Option<&mut Self> {
        (self.chunk::<N>()? == *expected).then_some(self)
    }

    #[inline(always)]
    fn text(&mut self) -> Option<&'a [u8]> {
        let length = match self.byte()? {
            byte @ 0xa0..=0xbf => usize::from(byte & 31),
            _ => return None,
        };
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        text.is_ascii().then_some(text)
    }

    #[inline(always)]
    fn float(&mut self) -> Option<f64> {
        (self.byte()? == 0xcb).then_some(())?;
        Some(f64::from_bits(u64::from_be_bytes(self.chunk()?)))
    }

    #[inline(always)]
    fn whole(&mut self) -> Option<i64> {
        match self.byte()? {
            byte @ 0x00..=0x7f => Some(i64::from(byte)),
            0xcc => Some(i64::from(self.byte()?)),
            0xcd => Some(i64::from(u16::from_be_bytes(self.chunk()?))),
            0xce => Some(i64::from(u32::from_be_bytes(self.chunk()?))),
            0xcf => i64::try_from(u64::from_be_bytes(self.chunk()?)).ok(),
            _ => None,
        }
    }

    #[inline(always)]
    fn truth(&mut self) -> Option<bool> {
        match self.byte()? {
            0xc2 => Some(false),
            0xc3 => Some(true),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRADE: &[u8] = b"\x91\x86\xa4type\xa5trade\xa6symbol\xa4AAPL\xa5price\xcb\x3f\xf8\0\0\0\0\0\0\
        \xa4size\xcb\x40\0\0\0\0\0\0\0\xa8ts_event\xcd\x03\xe8\xa7ts_init\xcf\0\0\0\0\0\0\0\x07";

    fn read(bytes: &[u8]) -> Option<i64> {
        let mut t = 0;
        let count = Body::read(bytes, |update| {
            if let Update::Trade(trade) = update {
                t = trade.ts_event + trade.ts_init;
            }
            Some(())
        })?;
        (count == 1).then_some(t)
    }

    #[test]
    fn a_trade_is_read() {
        assert_eq!(read(TRADE), Some(1007));
    }

    #[test]
    fn a_head_is_read() {
        let bytes = [1, b'm', 0x80, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 1, 0];
        let head = Head { version: 1, encoding: b'm', count: SNAPSHOT | 2, epoch: 3, seq: 256 };
        assert_eq!(Head::of(&bytes), Some(head));
        assert_eq!(Head::of(&bytes[1..]), None);
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
