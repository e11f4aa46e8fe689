//! A small Rust lexer for the rules: words, punctuation and literals with their lines, comments left out.
//!
//! It is exact about what separates code from text (nested comments, raw strings, character literals against
//! lifetimes), for a rule must neither stumble over a string nor be fooled by one. It never fails: an unfinished
//! literal ends with the file.

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Its text; of a string literal only the content.
    pub text: String,
    /// Its line, from 1.
    pub line: usize,
}

/// Sorts of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Identifier, keyword or number.
    Word,
    /// One character of punctuation.
    Punct,
    /// String literal of any form.
    Str,
    /// Character or byte literal, or a lifetime.
    Char,
}

impl Token {
    /// Whether this is the identifier or keyword `word`.
    pub fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text == word
    }

    /// Whether this is the punctuation character `c`.
    pub fn is(&self, c: char) -> bool {
        self.kind == Kind::Punct && self.text.starts_with(c)
    }
}

/// Splits Rust source into tokens.
pub fn tokens(source: &str) -> Vec<Token> {
    let mut lexer = Lexer { chars: source.chars().collect(), at: 0, line: 1, out: Vec::new() };
    while lexer.at < lexer.chars.len() {
        lexer.step();
    }
    lexer.out
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: usize,
    out: Vec<Token>,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn bump(&mut self) -> char {
        let c = self.peek(0);
        self.at += 1;
        if c == '\n' {
            self.line += 1;
        }
        c
    }

    fn push(&mut self, kind: Kind, text: String, line: usize) {
        self.out.push(Token { kind, text, line });
    }

    fn step(&mut self) {
        let (c, next) = (self.peek(0), self.peek(1));
        match c {
            _ if c.is_whitespace() => {
                self.bump();
            }
            '/' if next == '/' => {
                while self.at < self.chars.len() && self.peek(0) != '\n' {
                    self.bump();
                }
            }
            '/' if next == '*' => self.block_comment(),
            '"' => self.string(),
            '\'' => self.quote(),
            _ if c.is_alphanumeric() || c == '_' => self.word(),
            _ => {
                let line = self.line;
                let c = self.bump();
                self.push(Kind::Punct, c.to_string(), line);
            }
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0usize;
        while self.at < self.chars.len() {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => {
                    depth += 1;
                    self.at += 2;
                }
                ('*', '/') => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return;
                    }
                }
                _ => {
                    self.bump();
                }
            }
        }
    }

    fn string(&mut self) {
        let line = self.line;
        self.bump();
        let mut text = String::new();
        while self.at < self.chars.len() {
            match self.bump() {
                '"' => break,
                '\\' => {
                    text.push('\\');
                    text.push(self.bump());
                }
                c => text.push(c),
            }
        }
        self.push(Kind::Str, text, line);
    }

    /// From the `#`s or the quote behind `r` or `br`.
    fn raw_string(&mut self) {
        let line = self.line;
        let mut hashes = 0;
        while self.peek(0) == '#' {
            self.bump();
            hashes += 1;
        }
        self.bump();
        let mut text = String::new();
        while self.at < self.chars.len() {
            let c = self.bump();
            if c == '"' && (0..hashes).all(|ahead| self.peek(ahead) == '#') {
                self.at += hashes;
                break;
            }
            text.push(c);
        }
        self.push(Kind::Str, text, line);
    }

    /// A character literal, or a lifetime or label (kept as such: `'outer`).
    fn quote(&mut self) {
        let line = self.line;
        self.bump();
        let mut text = String::from("'");
        if self.peek(0) != '\\' && self.peek(1) != '\'' {
            while self.peek(0).is_alphanumeric() || self.peek(0) == '_' {
                text.push(self.bump());
            }
        } else {
            while self.at < self.chars.len() {
                match self.bump() {
                    '\'' => break,
                    '\\' => text.push(self.bump()),
                    c => text.push(c),
                }
            }
        }
        self.push(Kind::Char, text, line);
    }

    fn word(&mut self) {
        let line = self.line;
        let mut text = String::new();
        while self.peek(0).is_alphanumeric() || self.peek(0) == '_' {
            text.push(self.bump());
        }
        let raw = matches!(text.as_str(), "r" | "br" | "cr");
        if raw && (self.peek(0) == '"' || self.starts_raw_string()) {
            self.raw_string();
        } else if matches!(text.as_str(), "b" | "c") && self.peek(0) == '"' {
            self.string();
        } else {
            self.push(Kind::Word, text, line);
        }
    }

    /// `#"` or `##"` ...; a raw identifier `r#loop` is none.
    fn starts_raw_string(&self) -> bool {
        let hashes = (0..).take_while(|&ahead| self.peek(ahead) == '#').count();
        hashes > 0 && self.peek(hashes) == '"'
    }
}

/// The index of the token that closes the bracket at `open`, or the end.
pub fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        if token.kind == Kind::Punct {
            match token.text.as_str() {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return at;
                    }
                }
                _ => {}
            }
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<String> {
        tokens(source).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn comments_vanish_and_lines_stay() {
        let all = tokens("a // spin_loop()\n/* b /* c */ d */ e\nf");
        assert_eq!(
            all.iter().map(|t| (t.text.as_str(), t.line)).collect::<Vec<_>>(),
            [("a", 1), ("e", 2), ("f", 3)]
        );
    }

    #[test]
    fn literals_are_told_from_code() {
        assert_eq!(
            texts(r##"x("a\"b // no", r#"q"uo"#, b"z", '"', '\'', 'a)"##),
            ["x", "(", "a\\\"b // no", ",", "q\"uo", ",", "z", ",", "'\"", ",", "''", ",", "'a", ")"]
        );
        assert_eq!(texts("r#loop + 'static"), ["r", "#", "loop", "+", "'static"]);
    }

    #[test]
    fn unfinished_input_ends() {
        for source in ["\"abc", "/* x", "r#\"abc", "'\\", "'"] {
            let _ = tokens(source);
        }
    }

    #[test]
    fn brackets_are_matched() {
        let all = tokens("f(a[1], {b}) ; c");
        assert_eq!(closing(&all, 1), all.iter().rposition(|t| t.is(')')).unwrap());
        assert_eq!(closing(&tokens("(a"), 0), 2);
    }
}
