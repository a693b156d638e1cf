//! Market-data messages as plain values, and the two scanners' common ground.
//!
//! The scanners know what the broker usually sends and nothing else. At anything unusual (an escape, a space, a number
//! with a sign, a type they do not know) they give up on the whole frame, and the reference reads it.

/// A short text in place: an exchange, a tape. One word (its length, then up to seven bytes), so that it stays in a
/// register; an array of bytes would go through memory, and wait there.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub struct Code(u64);

impl Code {
    #[inline(always)]
    pub fn of(text: &[u8]) -> Option<Self> {
        match text {
            [one] => Some(Code(1 | u64::from(*one) << 8)),
            _ if text.len() < 8 => Some(Code(text.len() as u64 | word(text) << 8)),
            _ => None,
        }
    }

    pub fn text(&self) -> String {
        let [length, bytes @ ..] = self.0.to_le_bytes();
        String::from_utf8_lossy(&bytes[..usize::from(length)]).into_owned()
    }
}

/// At most eight bytes as a number.
#[inline(always)]
pub fn word(text: &[u8]) -> u64 {
    text.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// Conditions in place: nothing, one text, or a list of texts, each behind its length, in one word.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub struct Conditions {
    bytes: u64,
    length: u32,
    kind: Kind,
}

#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub enum Kind {
    #[default]
    Null,
    Text,
    List,
}

impl Conditions {
    pub fn empty(kind: Kind) -> Self {
        Conditions { kind, ..Conditions::default() }
    }

    #[inline(always)]
    pub fn push(&mut self, text: &[u8]) -> Option<()> {
        let end = self.length + 1 + text.len() as u32;
        if end > 8 {
            return None;
        }
        self.bytes |= (text.len() as u64 | word(text) << 8) << (8 * self.length);
        self.length = end;
        Some(())
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn texts(&self) -> Vec<String> {
        let bytes = self.bytes.to_le_bytes();
        let (mut texts, mut rest) = (Vec::new(), &bytes[..self.length as usize]);
        while let [length, after @ ..] = rest {
            let (text, others) = after.split_at(usize::from(*length));
            texts.push(String::from_utf8_lossy(text).into_owned());
            rest = others;
        }
        texts
    }
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum TradeId<'a> {
    Number(i64),
    Text(&'a [u8]),
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Quote<'a> {
    pub symbol: &'a [u8],
    pub t: i64,
    pub bp: f64,
    pub bs: f64,
    pub ap: f64,
    pub as_: f64,
    pub bx: Code,
    pub ax: Code,
    pub z: Code,
    pub c: Conditions,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Trade<'a> {
    pub symbol: &'a [u8],
    pub t: i64,
    pub p: f64,
    pub s: f64,
    pub i: TradeId<'a>,
    pub x: Code,
    pub z: Code,
    pub c: Conditions,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Bar<'a> {
    pub symbol: &'a [u8],
    pub t: i64,
    pub o: f64,
    pub h: f64,
    pub l: f64,
    pub c: f64,
    pub v: f64,
    pub n: i64,
    pub vw: f64,
}

/// The kind of a bar, by its tag.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Span {
    Minute,
    Updated,
    Day,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Message<'a> {
    Quote(Quote<'a>),
    Trade(Trade<'a>),
    Bar(Span, Bar<'a>),
}

/// What a scanner gives for the parts of a message; `None` gives up.
pub trait Scan<'a> {
    fn text(&mut self) -> Option<&'a [u8]>;
    fn price(&mut self) -> Option<f64>;
    fn whole(&mut self) -> Option<i64>;
    fn time(&mut self) -> Option<i64>;
    fn conditions(&mut self) -> Option<Conditions>;
    fn trade_id(&mut self) -> Option<TradeId<'a>>;
    fn skip(&mut self) -> Option<()>;
    /// The next key of the message, its cursor on the value; an empty key is the message's end.
    fn key(&mut self) -> Option<Key<'a>>;
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Key<'a> {
    One(u8),
    Two(u8, u8),
    Other(&'a [u8]),
    End,
}

/// Prices and sizes as `puna.wire.codec.Price` bounds them.
#[inline(always)]
pub fn bounded(value: f64) -> Option<f64> {
    (0.0..=1e15).contains(&value).then_some(value)
}

/// The message behind its tag, up to its end.
#[inline(always)]
pub fn message<'a>(tag: u8, scan: &mut impl Scan<'a>) -> Option<Message<'a>> {
    match tag {
        b'q' => quote(scan).map(Message::Quote),
        b't' => trade(scan).map(Message::Trade),
        b'b' => bar(scan).map(|bar| Message::Bar(Span::Minute, bar)),
        b'u' => bar(scan).map(|bar| Message::Bar(Span::Updated, bar)),
        b'd' => bar(scan).map(|bar| Message::Bar(Span::Day, bar)),
        _ => None,
    }
}

/// A second tag is unusual; any other key is skipped.
#[inline(always)]
fn other<'a>(key: Key<'a>, scan: &mut impl Scan<'a>) -> Option<()> {
    if key == Key::One(b'T') { None } else { scan.skip() }
}

#[inline(always)]
fn quote<'a>(scan: &mut impl Scan<'a>) -> Option<Quote<'a>> {
    let (mut symbol, mut t) = (None, None);
    let (mut bp, mut bs, mut ap, mut as_) = (0.0, 0.0, 0.0, 0.0);
    let (mut bx, mut ax, mut z, mut c) = (Code::default(), Code::default(), Code::default(), Conditions::default());
    loop {
        match scan.key()? {
            Key::One(b'S') => symbol = Some(scan.text()?),
            Key::One(b't') => t = Some(scan.time()?),
            Key::Two(b'b', b'p') => bp = scan.price()?,
            Key::Two(b'b', b's') => bs = scan.price()?,
            Key::Two(b'a', b'p') => ap = scan.price()?,
            Key::Two(b'a', b's') => as_ = scan.price()?,
            Key::Two(b'b', b'x') => bx = Code::of(scan.text()?)?,
            Key::Two(b'a', b'x') => ax = Code::of(scan.text()?)?,
            Key::One(b'c') => c = scan.conditions()?,
            Key::One(b'z') => z = Code::of(scan.text()?)?,
            Key::End => return Some(Quote { symbol: symbol?, t: t?, bp, bs, ap, as_, bx, ax, z, c }),
            key => other(key, scan)?,
        }
    }
}

#[inline(always)]
fn trade<'a>(scan: &mut impl Scan<'a>) -> Option<Trade<'a>> {
    let (mut symbol, mut t, mut p, mut s) = (None, None, None, None);
    let mut i = TradeId::Number(0);
    let (mut x, mut z, mut c) = (Code::default(), Code::default(), Conditions::default());
    loop {
        match scan.key()? {
            Key::One(b'S') => symbol = Some(scan.text()?),
            Key::One(b't') => t = Some(scan.time()?),
            Key::One(b'p') => p = Some(scan.price()?),
            Key::One(b's') => s = Some(scan.price()?),
            Key::One(b'i') => i = scan.trade_id()?,
            Key::One(b'x') => x = Code::of(scan.text()?)?,
            Key::One(b'c') => c = scan.conditions()?,
            Key::One(b'z') => z = Code::of(scan.text()?)?,
            Key::End => return Some(Trade { symbol: symbol?, t: t?, p: p?, s: s?, i, x, z, c }),
            key => other(key, scan)?,
        }
    }
}

#[inline(always)]
fn bar<'a>(scan: &mut impl Scan<'a>) -> Option<Bar<'a>> {
    let (mut symbol, mut t) = (None, None);
    let [mut o, mut h, mut l, mut c, mut v] = [None; 5];
    let (mut n, mut vw) = (0, 0.0);
    loop {
        match scan.key()? {
            Key::One(b'S') => symbol = Some(scan.text()?),
            Key::One(b't') => t = Some(scan.time()?),
            Key::One(b'o') => o = Some(scan.price()?),
            Key::One(b'h') => h = Some(scan.price()?),
            Key::One(b'l') => l = Some(scan.price()?),
            Key::One(b'c') => c = Some(scan.price()?),
            Key::One(b'v') => v = Some(scan.price()?),
            Key::One(b'n') => n = scan.whole()?,
            Key::Two(b'v', b'w') => vw = scan.price()?,
            Key::End => {
                return Some(Bar { symbol: symbol?, t: t?, o: o?, h: h?, l: l?, c: c?, v: v?, n, vw });
            }
            key => other(key, scan)?,
        }
    }
}
