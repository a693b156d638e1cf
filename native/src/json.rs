//! A scanner for JSON frames as the broker prints them: no spaces, no escapes, the tag first.

use crate::message::{Conditions, Key, Kind, Message, Scan, TradeId, bounded, message};
use crate::times::{Clock, digit};

pub struct Json<'a, 'c> {
    bytes: &'a [u8],
    at: usize,
    clock: &'c mut Clock,
}

impl<'a, 'c> Json<'a, 'c> {
    pub fn new(bytes: &'a [u8], clock: &'c mut Clock) -> Self {
        Json { bytes, at: 0, clock }
    }

    /// Each message of the frame; None gives up.
    #[inline(always)]
    pub fn frame(mut self, mut take: impl FnMut(Message<'a>) -> Option<()>) -> Option<()> {
        self.expect(b'[')?;
        if self.peek() == b']' {
            self.at += 1;
        } else {
            loop {
                self.literal(b"{\"T\":\"")?;
                let tag = self.byte()?;
                self.expect(b'"')?;
                take(message(tag, &mut self)?)?;
                match self.byte()? {
                    b',' => {}
                    b']' => break,
                    _ => return None,
                }
            }
        }
        self.is_at_end().then_some(())
    }

    /// How many bytes are still to come.
    pub fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    pub fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    #[inline(always)]
    pub fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    #[inline(always)]
    pub fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    #[inline(always)]
    pub fn expect(&mut self, byte: u8) -> Option<()> {
        (self.byte()? == byte).then_some(())
    }

    #[inline(always)]
    pub fn literal(&mut self, text: &[u8]) -> Option<()> {
        self.bytes[self.at..].starts_with(text).then(|| self.at += text.len())
    }

    /// A key and its colon.
    #[inline(always)]
    pub fn name(&mut self) -> Option<Key<'a>> {
        let key = match *self.bytes[self.at..].first_chunk()? {
            [b'"', one, b'"', b':', _] => {
                self.at += 4;
                return plain(one).then_some(Key::One(one));
            }
            [b'"', one, two, b'"', b':'] => {
                self.at += 5;
                return (plain(one) && plain(two)).then_some(Key::Two(one, two));
            }
            _ => self.text()?,
        };
        self.expect(b':')?;
        Some(Key::Other(key))
    }

    /// The digits from here on: their value and how many they are, at most 18, so that it cannot overflow.
    #[inline(always)]
    fn digits(&mut self, mut value: u64) -> Option<(u64, usize)> {
        let mut count = 0;
        for byte in self.bytes.get(self.at..)? {
            let Some(next) = digit(*byte) else { break };
            value = value.wrapping_mul(10).wrapping_add(next);
            count += 1;
        }
        self.at += count;
        (1..=18).contains(&count).then_some((value, count))
    }

    /// A number with more digits than a float holds, or with an exponent: its grammar here, its value by the library.
    #[cold]
    fn long_number(&mut self, start: usize) -> Option<f64> {
        if matches!(self.peek(), b'e' | b'E') {
            self.at += 1;
            if matches!(self.peek(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits(0)?;
        }
        std::str::from_utf8(&self.bytes[start..self.at]).ok()?.parse().ok()
    }
}

/// The characters that stand for themselves in a JSON string.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = b' ';
    while byte <= b'~' {
        plain[byte as usize] = byte != b'"' && byte != b'\\';
        byte += 1;
    }
    plain
};

#[inline(always)]
fn plain(byte: u8) -> bool {
    PLAIN[usize::from(byte)]
}

/// Powers of ten that a float holds exactly.
const POWERS: [f64; 19] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18];

impl<'a> Scan<'a> for Json<'a, '_> {
    #[inline(always)]
    fn text(&mut self) -> Option<&'a [u8]> {
        if let [b'"', one, b'"'] = self.bytes[self.at..].first_chunk()?
            && plain(*one)
        {
            self.at += 3;
            return Some(&self.bytes[self.at - 2..self.at - 1]);
        }
        self.expect(b'"')?;
        let rest = self.bytes.get(self.at..)?;
        let length = rest.iter().position(|byte| !PLAIN[usize::from(*byte)])?;
        self.at += length + 1;
        (rest[length] == b'"').then(|| &rest[..length])
    }

    #[inline(always)]
    fn price(&mut self) -> Option<f64> {
        let start = self.at;
        let first = self.peek();
        let (mut mantissa, mut count) = self.digits(0)?;
        if first == b'0' && count > 1 {
            return None;
        }
        let mut decimals = 0;
        if self.peek() == b'.' {
            self.at += 1;
            (mantissa, decimals) = self.digits(mantissa)?;
            count += decimals;
        }
        // A mantissa below 2^53 and a power of ten up to 10^18 are exact floats, so one division rounds correctly.
        let simple = count <= 18 && mantissa < 1 << 53 && !matches!(self.peek(), b'e' | b'E');
        bounded(if simple { mantissa as f64 / POWERS[decimals] } else { self.long_number(start)? })
    }

    #[inline(always)]
    fn whole(&mut self) -> Option<i64> {
        let first = self.peek();
        let (value, count) = self.digits(0)?;
        let plain = !matches!(self.peek(), b'.' | b'e' | b'E') && (first != b'0' || count == 1);
        plain.then_some(value as i64)
    }

    #[inline(always)]
    fn time(&mut self) -> Option<i64> {
        self.expect(b'"')?;
        let nanos = self.clock.read(self.bytes, &mut self.at)?;
        self.expect(b'"')?;
        Some(nanos)
    }

    #[inline(always)]
    fn conditions(&mut self) -> Option<Conditions> {
        match self.peek() {
            b'[' => {
                self.at += 1;
                let mut list = Conditions::empty(Kind::List);
                if self.peek() == b']' {
                    self.at += 1;
                    return Some(list);
                }
                loop {
                    list.push(self.text()?)?;
                    match self.byte()? {
                        b',' => {}
                        b']' => return Some(list),
                        _ => return None,
                    }
                }
            }
            b'"' => {
                let mut one = Conditions::empty(Kind::Text);
                one.push(self.text()?)?;
                Some(one)
            }
            _ => self.literal(b"null").map(|()| Conditions::default()),
        }
    }

    #[inline(always)]
    fn trade_id(&mut self) -> Option<TradeId<'a>> {
        if self.peek() == b'"' { self.text().map(TradeId::Text) } else { self.whole().map(TradeId::Number) }
    }

    fn skip(&mut self) -> Option<()> {
        match self.peek() {
            b'"' => self.text().map(|_| ()),
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'n' => self.literal(b"null"),
            _ => self.price().map(|_| ()),
        }
    }

    #[inline(always)]
    fn key(&mut self) -> Option<Key<'a>> {
        match self.byte()? {
            b',' => self.name(),
            b'}' => Some(Key::End),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<usize> {
        let mut count = 0;
        Json::new(text.as_bytes(), &mut Clock::default())
            .frame(|_| {
                count += 1;
                Some(())
            })
            .map(|()| count)
    }

    fn price(text: &str) -> Option<f64> {
        Json::new(text.as_bytes(), &mut Clock::default()).price()
    }

    const TRADE: &str = r#"{"T":"t","S":"AAPL","i":7,"p":1.5,"s":100,"t":"2024-02-29T15:00:00.123456789Z","new":[1]}"#;

    #[test]
    fn a_nested_unknown_field_is_left_to_the_reference() {
        assert_eq!(read(&format!("[{TRADE}]")), None);
        assert_eq!(read(&format!("[{}]", TRADE.replace("[1]", "true"))), Some(1));
    }

    #[test]
    fn numbers_are_rounded_correctly() {
        for text in
            ["0", "0.1", "123456.789", "0.9007199254740993", "0.30000000000000004", "1e-05", "1.7976931348623157E2"]
        {
            assert_eq!(price(text), text.parse().ok(), "{text}");
        }
        for text in ["-1", "01", "1e16", ".5", "", "NaN"] {
            assert_eq!(price(text), None, "{text}");
        }
    }

    #[test]
    fn no_prefix_and_no_flipped_byte_makes_it_panic() {
        let frame = format!("[{},{}]", TRADE.replace("[1]", "null"), TRADE.replace("[1]", "\"x\""));
        assert_eq!(read(&frame), Some(2));
        for end in 0..frame.len() {
            assert_eq!(read(&frame[..end]), None);
        }
        for at in 0..frame.len() {
            for byte in 0..=255 {
                let mut bytes = frame.clone().into_bytes();
                bytes[at] = byte;
                let _ = Json::new(&bytes, &mut Clock::default()).frame(|_| Some(()));
            }
        }
    }
}
