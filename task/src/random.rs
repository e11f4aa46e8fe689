//! The one generator of random numbers: for getrandom(2), `/dev/urandom`, AT_RANDOM and the places of memory.
//!
//! The kernel owns a [`Generator`] behind its mutex, feeds it with what hardware gives, and takes a [`Stream`] out of it for each
//! request; numbers are made with the mutex free. It is ChaCha20 (RFC 8439) with its key replaced at each use, so that who reads the
//! kernel's memory later cannot tell what was given before ("fast key erasure", Bernstein 2017).

const WORDS: usize = 8;
const BLOCK: usize = 64;

type Key = [u32; WORDS];

/// Where streams come from.
pub struct Generator {
    key: Key,
    /// Streams since something was mixed in.
    used: u32,
}

/// Random bytes of one request.
pub struct Stream {
    key: Key,
    counter: u64,
}

impl Default for Generator {
    fn default() -> Self {
        Self::new()
    }
}

impl Generator {
    /// Streams after which something new should be mixed in.
    const FRESH: u32 = 256;

    /// A generator whose numbers everybody knows until something has been mixed in.
    #[must_use]
    pub const fn new() -> Self {
        Self { key: [0; WORDS], used: Self::FRESH }
    }

    /// Whether it is time to mix something in.
    #[must_use]
    pub fn wants_seed(&self) -> bool {
        self.used >= Self::FRESH
    }

    /// Adds what somebody may not know. What was unknown before stays so, whatever is added.
    pub fn mix(&mut self, seed: &[u64]) {
        for part in seed.chunks(WORDS / 2) {
            let halves = part.iter().flat_map(|word| [*word as u32, (*word >> 32) as u32]);
            self.key.iter_mut().zip(halves).for_each(|(key, half)| *key ^= half);
            self.split();
        }
        self.used = 0;
    }

    /// A stream of its own.
    #[must_use]
    pub fn stream(&mut self) -> Stream {
        self.used = self.used.saturating_add(1);
        Stream { key: self.split(), counter: 0 }
    }

    /// Replaces the key and gives another one.
    fn split(&mut self) -> Key {
        let block = block(&self.key, 0);
        let mut other = [0; WORDS];
        let (first, second) = block.split_at(WORDS);
        self.key.iter_mut().zip(first).for_each(|(key, word)| *key = *word);
        other.iter_mut().zip(second).for_each(|(key, word)| *key = *word);
        other
    }
}

impl Stream {
    /// Fills `buf`.
    pub fn fill(&mut self, buf: &mut [u8]) {
        for piece in buf.chunks_mut(BLOCK) {
            let words = block(&self.key, self.counter);
            self.counter = self.counter.wrapping_add(1);
            let mut words = words.iter().map(|word| word.to_le_bytes());
            let (whole, rest) = piece.as_chunks_mut::<4>();
            whole.iter_mut().zip(&mut words).for_each(|(to, word)| *to = word);
            rest.iter_mut().zip(words.flatten()).for_each(|(to, byte)| *to = byte);
        }
    }
}

/// The block of ChaCha20 with a counter of 64 bits and no nonce: keys are used once.
fn block(key: &Key, counter: u64) -> [u32; 16] {
    rounds(state(key, [counter as u32, (counter >> 32) as u32, 0, 0]))
}

/// The matrix that a block begins with: constants, key, and what distinguishes blocks.
fn state(key: &Key, distinct: [u32; 4]) -> [u32; 16] {
    const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];
    let mut words = CONSTANTS.iter().chain(key).chain(&distinct).copied();
    core::array::from_fn(|_| words.next().unwrap_or_default())
}

/// Twenty rounds, with the input added.
fn rounds(input: [u32; 16]) -> [u32; 16] {
    let [mut a, mut b, mut c, mut d] = rows(input);
    for _ in 0..10 {
        (a, b, c, d) = quarters(a, b, c, d);
        // Diagonals: the rows turned, and back.
        (b, c, d) = (turn_left(b), turn_round(c), turn_right(d));
        (a, b, c, d) = quarters(a, b, c, d);
        (b, c, d) = (turn_right(b), turn_round(c), turn_left(d));
    }
    let mut sum = input;
    sum.iter_mut().zip(a.into_iter().chain(b).chain(c).chain(d)).for_each(|(word, mixed)| {
        *word = word.wrapping_add(mixed);
    });
    sum
}

type Row = [u32; 4];

fn rows(state: [u32; 16]) -> [Row; 4] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = state;
    [[a, b, c, d], [e, f, g, h], [i, j, k, l], [m, n, o, p]]
}

// Spelled out and inlined: there are sixty turns in a block.
#[inline(always)]
fn turn_left([a, b, c, d]: Row) -> Row {
    [b, c, d, a]
}

#[inline(always)]
fn turn_round([a, b, c, d]: Row) -> Row {
    [c, d, a, b]
}

#[inline(always)]
fn turn_right([a, b, c, d]: Row) -> Row {
    [d, a, b, c]
}

/// A quarter round in each column.
#[inline(always)]
fn quarters(a: Row, b: Row, c: Row, d: Row) -> (Row, Row, Row, Row) {
    let (a, d) = step(a, b, d, 16);
    let (c, b) = step(c, d, b, 12);
    let (a, d) = step(a, b, d, 8);
    let (c, b) = step(c, d, b, 7);
    (a, b, c, d)
}

/// `sum += add; other = (other ^ sum) <<< by`.
#[inline(always)]
fn step(mut sum: Row, add: Row, mut other: Row, by: u32) -> (Row, Row) {
    sum.iter_mut().zip(add).for_each(|(sum, add)| *sum = sum.wrapping_add(add));
    other.iter_mut().zip(sum).for_each(|(other, sum)| *other = (*other ^ sum).rotate_left(by));
    (sum, other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_of_the_rfc() {
        // RFC 8439, section 2.3.2: key 00..1f, nonce 00 00 00 09 00 00 00 4a 00 00 00 00, counter 1.
        let key: Key =
            core::array::from_fn(|i| u32::from_le_bytes(core::array::from_fn(|j| (4 * i + j) as u8)));
        let state = state(&key, [1, 0x0900_0000, 0x4a00_0000, 0]);
        let expected = [
            0xe4e7_f110,
            0x1559_3bd1,
            0x1fdd_0f50,
            0xc471_20a3,
            0xc7f4_d1c7,
            0x0368_c033,
            0x9aaa_2204,
            0x4e6c_d4c3,
            0x4664_82d2,
            0x09aa_9f07,
            0x05d7_c214,
            0xa202_8bd9,
            0xd19c_12b5,
            0xb94e_16de,
            0xe883_d0cb,
            0x4e3c_50a2,
        ];
        assert_eq!(rounds(state), expected);
    }

    fn bytes(generator: &mut Generator, len: usize) -> alloc::vec::Vec<u8> {
        let mut buf = alloc::vec![0; len];
        generator.stream().fill(&mut buf);
        buf
    }

    #[test]
    fn streams_differ_and_depend_on_all_that_was_mixed_in() {
        let mut generator = Generator::new();
        assert!(generator.wants_seed());
        generator.mix(&[1, 2, 3, 4, 5]);
        assert!(!generator.wants_seed());
        let first = bytes(&mut generator, 100);
        assert_ne!(first, bytes(&mut generator, 100));
        assert_ne!(first.get(..36), first.get(64..));
        let mut other = Generator::new();
        other.mix(&[1, 2, 3, 4, 6]);
        assert_ne!(first, bytes(&mut other, 100));
        for _ in 0..Generator::FRESH {
            drop(generator.stream());
        }
        assert!(generator.wants_seed());
    }

    #[test]
    fn pieces_of_a_stream_are_the_stream() {
        let mut generator = Generator::new();
        let mut stream = generator.stream();
        let (mut first, mut second) = ([0; 64], [0; 7]);
        stream.fill(&mut first);
        stream.fill(&mut second);
        let whole = bytes(&mut Generator::new(), 71);
        assert_eq!(whole, [&first[..], &second[..]].concat());
        // About half of the bits are set.
        let ones: u32 = bytes(&mut generator, 10_000).iter().map(|byte| byte.count_ones()).sum();
        assert!((39_000..41_000).contains(&ones), "{ones}");
    }
}
