//! A page of historical bars, straight into columns. As with frames: at anything unusual it gives up.

use crate::json::Json;
use crate::message::{Key, Scan};
use crate::times::Clock;

/// The bars of one symbol.
#[derive(Default, Debug, PartialEq)]
pub struct Columns {
    pub t: Vec<i64>,
    pub o: Vec<f64>,
    pub h: Vec<f64>,
    pub l: Vec<f64>,
    pub c: Vec<f64>,
    pub v: Vec<f64>,
    pub n: Vec<i64>,
    pub vw: Vec<f64>,
}

#[derive(Debug, PartialEq)]
pub struct Page<'a> {
    pub bars: Vec<(&'a [u8], Columns)>,
    pub next_page_token: Option<&'a [u8]>,
}

/// `{"bars":{"AAPL":[...],...},"next_page_token":...}` and nothing else.
pub fn page(body: &[u8]) -> Option<Page<'_>> {
    let mut clock = Clock::default();
    let mut json = Json::new(body, &mut clock);
    json.literal(b"{\"bars\":{")?;
    let mut bars = Vec::new();
    if json.peek() == b'}' {
        json.byte()?;
    } else {
        loop {
            let symbol = json.text()?;
            json.expect(b':')?;
            if bars.iter().any(|(other, _)| *other == symbol) {
                return None;
            }
            bars.push((symbol, columns(&mut json)?));
            match json.byte()? {
                b',' => {}
                b'}' => break,
                _ => return None,
            }
        }
    }
    json.literal(b",\"next_page_token\":")?;
    let next_page_token = if json.peek() == b'"' {
        Some(json.text()?)
    } else {
        json.literal(b"null")?;
        None
    };
    json.expect(b'}')?;
    json.is_at_end().then_some(Page { bars, next_page_token })
}

/// The broker puts at most this many bars on a page.
const LARGEST: usize = 10_000;
/// About as many bytes as a bar takes.
const BAR: usize = 110;

impl Columns {
    fn with_room(bars: usize) -> Self {
        let (real, whole) = (|| Vec::with_capacity(bars), || Vec::with_capacity(bars));
        Columns { t: whole(), o: real(), h: real(), l: real(), c: real(), v: real(), n: whole(), vw: real() }
    }
}

fn columns(json: &mut Json) -> Option<Columns> {
    let mut columns = Columns::with_room((json.left() / BAR).min(LARGEST));
    json.expect(b'[')?;
    if json.peek() == b']' {
        json.byte()?;
        return Some(columns);
    }
    loop {
        bar(json, &mut columns)?;
        match json.byte()? {
            b',' => {}
            b']' => return Some(columns),
            _ => return None,
        }
    }
}

#[inline(always)]
fn bar(json: &mut Json, columns: &mut Columns) -> Option<()> {
    let mut t = None;
    let [mut o, mut h, mut l, mut c, mut v] = [None; 5];
    let (mut n, mut vw) = (0, 0.0);
    json.expect(b'{')?;
    let mut key = json.name()?;
    loop {
        match key {
            Key::One(b't') => t = Some(json.time()?),
            Key::One(b'o') => o = Some(json.price()?),
            Key::One(b'h') => h = Some(json.price()?),
            Key::One(b'l') => l = Some(json.price()?),
            Key::One(b'c') => c = Some(json.price()?),
            Key::One(b'v') => v = Some(json.price()?),
            Key::One(b'n') => n = json.whole()?,
            Key::Two(b'v', b'w') => vw = json.price()?,
            Key::End => break,
            _ => json.skip()?,
        }
        key = json.key()?;
    }
    columns.t.push(t?);
    columns.o.push(o?);
    columns.h.push(h?);
    columns.l.push(l?);
    columns.c.push(c?);
    columns.v.push(v?);
    columns.n.push(n);
    columns.vw.push(vw);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"{"bars":{"A":[{"c":2,"h":3.5,"l":1,"n":4,"o":1.5,"t":"2024-01-02T05:00:00Z","v":9,"vw":2.1}],"B":[]},"next_page_token":"QQ=="}"#;

    #[test]
    fn a_page_is_columns() {
        let read = page(PAGE.as_bytes()).expect("usual");
        assert_eq!(read.next_page_token, Some(&b"QQ=="[..]));
        assert_eq!(
            (read.bars[0].1.t[0], read.bars[0].1.h[0], read.bars[0].1.n[0]),
            (1_704_171_600_000_000_000, 3.5, 4)
        );
        assert_eq!(read.bars[1], (&b"B"[..], Columns::default()));
    }

    #[test]
    fn no_prefix_and_no_flipped_byte_makes_it_panic() {
        for end in 0..PAGE.len() {
            assert_eq!(page(&PAGE.as_bytes()[..end]), None);
        }
        for at in 0..PAGE.len() {
            for byte in 0..=255 {
                let mut bytes = PAGE.as_bytes().to_vec();
                bytes[at] = byte;
                let _ = page(&bytes);
            }
        }
    }
}
