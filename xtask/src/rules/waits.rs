//! Rule: no loop waits for another CPU, thread or device to do something.
//!
//! Recognised are: any pause hint (`spin_loop`, `_mm_pause`, the instruction in assembly); loops whose body is empty;
//! loops that only read atomics, volatile memory, ports or try-locks until they like what they see. A
//! compare-and-swap retry is accepted when each turn compares with a value that it has just seen (some other thread
//! made progress) and does nothing but retry. A loop that does other work in each turn is left to the reader.
//!
//! What must wait nevertheless is listed in `allowed-waits.toml`.

use super::Offence;
use super::allowed;
use super::lexer::{Kind, Token, closing, tokens};
use super::source::File;

/// Words that are pause hints.
const PAUSES: &[&str] = &["spin_loop", "spin_loop_hint", "_mm_pause", "cpu_relax", "relax_cpu"];

/// Calls that look at something another party changes.
const READS: &[&str] = &[
    "load",
    "swap",
    "compare_exchange",
    "compare_exchange_weak",
    "compare_and_swap",
    "fetch_or",
    "fetch_and",
    "read_volatile",
    "try_lock",
    "try_read",
    "try_write",
    "is_locked",
    "inb",
    "inw",
    "inl",
];

/// Calls that change nothing and so are no work of a turn.
const IDLE_CALLS: &[&str] = &[
    "is_ok",
    "is_err",
    "is_some",
    "is_none",
    "is_null",
    "unwrap",
    "expect",
    "pause",
    "nop",
    "relax",
    "yield_now",
    "sched_yield",
    "drop",
    "now",
    "elapsed",
    "wrapping_add",
    "wrapping_sub",
    "contains",
    "Some",
    "Ok",
    "Err",
];

/// Checks all files against the list of allowed waits.
///
/// # Errors
/// A line of text when the list cannot be read.
pub fn check(files: &[File], list: &str) -> Result<Vec<Offence>, String> {
    let mut entries: Vec<(allowed::Entry, bool)> =
        allowed::parse(list)?.into_iter().map(|entry| (entry, false)).collect();
    let mut offences = Vec::new();
    for file in files.iter().filter(|file| !file.is_test() && !file.path.starts_with("xtask/src/rules/")) {
        for (line, what) in waits(file) {
            let text = file.text.lines().nth(line - 1).unwrap_or("").trim();
            let listed = entries.iter_mut().find(|(entry, _)| entry.path == file.path && entry.line == text);
            match listed {
                Some((_, used)) => *used = true,
                None => {
                    offences.push(Offence::new(format!("{}:{line}", file.path), format!("{what}: {text}")))
                }
            }
        }
    }
    for (entry, _) in entries.iter().filter(|(_, used)| !used) {
        offences.push(Offence::new(
            &entry.path,
            format!("allowed-waits.toml allows what is not there: {}", entry.line),
        ));
    }
    Ok(offences)
}

/// The waits of one file as (line, what), each line once.
fn waits(file: &File) -> Vec<(usize, &'static str)> {
    let mut found =
        if file.is_rust() { in_rust(&without_tests(tokens(&file.text))) } else { in_assembly(&file.text) };
    found.sort_unstable();
    found.dedup_by_key(|(line, _)| *line);
    found
}

/// The pause instruction in an assembly file.
fn in_assembly(text: &str) -> Vec<(usize, &'static str)> {
    (1..).zip(text.lines()).filter(|(_, line)| pauses(line)).map(|(number, _)| (number, "pause")).collect()
}

/// Whether a line of assembly holds `pause` (also written `rep nop`), comments aside.
fn pauses(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or("").split('#').next().unwrap_or("");
    let words: Vec<&str> =
        code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty()).collect();
    words.contains(&"pause") || words.windows(2).any(|pair| pair == ["rep", "nop"])
}

/// Leaves out `#[cfg(test)] mod ... { ... }`: threads of a host test may wait for each other.
fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    let mut out = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let attribute = tokens[at].is('#') && tokens.get(at + 1).is_some_and(|next| next.is('['));
        let end = if attribute { closing(&tokens, at + 1) } else { at };
        let for_tests = tokens.get(at..end).is_some_and(|words| {
            words.iter().any(|word| word.is_word("cfg"))
                && words.iter().any(|word| word.is_word("test"))
                && !words.iter().any(|word| word.is_word("not") || word.is_word("any"))
        });
        let module = tokens.get(end + 1).is_some_and(|word| word.is_word("mod"))
            && tokens.get(end + 3).is_some_and(|open| open.is('{'));
        if for_tests && module {
            at = closing(&tokens, end + 3) + 1;
        } else {
            out.push(tokens[at].clone());
            at += 1;
        }
    }
    out
}

fn in_rust(tokens: &[Token]) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if PAUSES.iter().any(|word| token.is_word(word)) {
            found.push((token.line, "pause hint"));
        } else if ["asm", "global_asm", "naked_asm"].iter().any(|word| token.is_word(word))
            && tokens.get(at + 1).is_some_and(|next| next.is('!'))
        {
            let end = closing(tokens, at + 2);
            let body = tokens.get(at + 2..end).unwrap_or_default();
            let strings = body.iter().filter(|token| token.kind == Kind::Str);
            let pausing = strings.filter(|token| token.text.lines().any(pauses));
            found.extend(pausing.map(|token| (token.line, "pause instruction")));
        } else if token.is_word("while") {
            found.extend(while_loop(tokens, at).map(|what| (token.line, what)));
        } else if token.is_word("loop") && tokens.get(at + 1).is_some_and(|next| next.is('{')) {
            let end = closing(tokens, at + 1);
            let body = tokens.get(at + 2..end).unwrap_or_default();
            // `loop {}` waits for nobody: it stops, and the compiler's own lints speak of it.
            if only_looks(body) && !retries(body) {
                found.push((token.line, "loop that only looks"));
            }
        }
    }
    found
}

/// Judges the `while` at `at`.
fn while_loop(tokens: &[Token], at: usize) -> Option<&'static str> {
    let mut open = at + 1;
    while open < tokens.len() && (!tokens[open].is('{') || tokens[open - 1].is_word("unsafe")) {
        // A brace behind `unsafe` or inside brackets belongs to the condition.
        let bracket = tokens[open].is('(') || tokens[open].is('[') || tokens[open].is('{');
        open = if bracket { closing(tokens, open) + 1 } else { open + 1 };
    }
    let end = closing(tokens, open);
    let condition = tokens.get(at + 1..open)?;
    let body = tokens.get(open + 1..end)?;
    if body.iter().all(|token| token.is(';'))
        || body.iter().all(|token| token.is_word("continue") || token.is(';'))
    {
        return Some("while loop with an empty body");
    }
    let all: Vec<Token> = condition.iter().chain(body).cloned().collect();
    (only_looks(&all) && !retries(&all)).then_some("while loop that only looks")
}

/// Whether code reads what others change and does no work: no assignment, no call but reads and idle ones.
fn only_looks(code: &[Token]) -> bool {
    let mut reads = false;
    for (at, token) in code.iter().enumerate() {
        let next = |ahead: usize| code.get(at + ahead);
        if token.kind == Kind::Word && next(1).is_some_and(|next| next.is('(')) {
            if READS.contains(&token.text.as_str()) {
                reads = true;
            } else if !IDLE_CALLS.contains(&token.text.as_str())
                && !PAUSES.contains(&token.text.as_str())
                && !is_keyword(&token.text)
            {
                return false;
            }
        } else if token.kind == Kind::Word
            && next(1).is_some_and(|next| next.is('!'))
            && next(2).is_some_and(opens)
        {
            // A macro does anything.
            return false;
        } else if assigns(code, at) && !in_let(code, at) {
            return false;
        }
    }
    reads
}

fn opens(token: &Token) -> bool {
    token.is('(') || token.is('[') || token.is('{')
}

fn is_keyword(word: &str) -> bool {
    matches!(word, "if" | "while" | "match" | "return" | "break" | "in" | "let" | "loop" | "else" | "unsafe")
}

/// Whether the token is the `=` of an assignment (not of `==`, `!=`, `<=`, `>=`, `=>`).
fn assigns(code: &[Token], at: usize) -> bool {
    let near = |at: Option<usize>| at.and_then(|at| code.get(at));
    let before = near(at.checked_sub(1));
    code[at].is('=')
        && !near(Some(at + 1)).is_some_and(|token| token.is('=') || token.is('>'))
        && !before.is_some_and(|token| token.is('=') || token.is('!') || token.is('<') || token.is('>'))
}

/// Whether the statement that the token at `at` is in begins with `let`.
fn in_let(code: &[Token], at: usize) -> bool {
    code[..at]
        .iter()
        .rev()
        .take_while(|token| !token.is(';') && !token.is('{') && !token.is('}'))
        .any(|token| token.is_word("let"))
}

/// Whether the code is a compare-and-swap retry: it compares with a variable, and nothing makes it go around
/// again before it has tried.
fn retries(code: &[Token]) -> bool {
    let Some(swap) = code.iter().position(|token| token.text.starts_with("compare_exchange")) else {
        return false;
    };
    let expected = code.get(swap + 2);
    let variable = expected.is_some_and(|token| {
        token.kind == Kind::Word
            && token.text.starts_with(|c: char| c.is_lowercase())
            && token.text != "true"
            && token.text != "false"
    });
    // `&&` or `continue` in front of the attempt: the turn waits for a condition, as a lock does.
    let before = &code[..swap];
    let conditional = before.windows(2).any(|pair| pair[0].is('&') && pair[1].is('&'))
        || before.iter().any(|token| token.is_word("continue"));
    variable && !conditional
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(code: &str) -> Vec<usize> {
        waits(&File::new("a/src/x.rs", code)).into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn waiting_loops_are_found() {
        for code in [
            "while !flag.load(Acquire) {}",
            "while !flag.load(Acquire) { core::hint::spin_loop(); }",
            "while flag.load(Acquire) { continue; }",
            "while lock.compare_exchange(false, true, Acquire, Relaxed).is_err() {}",
            "while lock.compare_exchange(0, 1, Acquire, Relaxed).is_err() { thread::yield_now() }",
            "while lock.swap(true, Acquire) { nop() }",
            "loop { if flag.load(Acquire) { break } }",
            "loop { if flag.load(Acquire) == READY { return; } pause(); }",
            "loop { match l.compare_exchange(FREE, HELD, A, R) { Ok(_) => break, Err(_) => continue } }",
            "loop { let s = l.load(R); if s & HELD == 0 && l.compare_exchange(s, s | HELD, A, R).is_ok() { return } }",
            "loop { let s = l.load(R); if s != 0 { continue } if l.compare_exchange(s, 1, A, R).is_ok() { return } }",
            "loop { if let Some(guard) = m.try_lock() { return guard; } }",
            "while unsafe { port.inb(5) } & 0x20 == 0 {}",
            "while unsafe { core::ptr::read_volatile(p) } == 0 { nop(); }",
            "fn f() { unsafe { core::arch::asm!(\"2:\", \"pause\", \"jmp 2b\") } }",
            "fn f() { unsafe { asm!(\"rep nop\") } }",
            "use core::hint::spin_loop;",
            "while it.next().is_some() {}",
            "while 0 == unsafe { read() } { /* wait */ }",
        ] {
            assert_eq!(lines(code), [1], "{code}");
        }
        assert_eq!(in_assembly("x:\n  pause # wait\n  // pause\n  rep; nop\n").len(), 2);
    }

    #[test]
    fn loops_that_make_progress_are_not() {
        for code in [
            "loop { let s = c.load(R); if c.compare_exchange(s, s + 1, A, R).is_ok() { return s } }",
            "let mut s = c.load(R); while let Err(now) = c.compare_exchange_weak(s, s + 1, A, R) { s = now; }",
            "loop { match c.compare_exchange(s, n, A, R) { Ok(_) => break, Err(now) => s = now } }",
            "while let Some(x) = queue.pop() { run(x); }",
            "loop {}",
            "loop { hlt(); }",
            "for i in 0..4 { a[i].load(R); }",
            "while at < end { sum += table[at].load(R); at += 1; }",
            "loop { if closed.load(R) { return } let work = queue.park(); run(work); }",
            "// while !flag.load() {}\nlet s = \"while !x.load() {}\";",
            "while n > 0 { n -= 1; }",
        ] {
            assert_eq!(lines(code), [0usize; 0], "{code}");
        }
    }

    #[test]
    fn the_list_allows_exactly_what_it_names() {
        let files = [File::new("kernel/src/a.rs", "fn f() {\n    while !x.load(A) {}\n}\n")];
        let entry = |line: &str| {
            format!(
                "[[wait]]\npath = \"kernel/src/a.rs\"\nline = \"{line}\"\nreason = \"the start of a CPU, bounded\"\n"
            )
        };
        assert_eq!(check(&files, "").unwrap().len(), 1);
        assert!(check(&files, &entry("while !x.load(A) {}")).unwrap().is_empty());
        assert_eq!(check(&files, &entry("while !y.load(A) {}")).unwrap().len(), 2);
        assert!(check(&files, "nonsense").is_err());
    }

    #[test]
    fn tests_may_wait() {
        let files = [File::new("sync/tests/a.rs", "fn f() { while !x.load(A) {} }")];
        assert!(check(&files, "").unwrap().is_empty());
        assert_eq!(
            lines("#[cfg(test)]\nmod tests { fn f() { while !x.load(A) {} } }\nfn g() {}"),
            [0usize; 0]
        );
        assert_eq!(lines("#[cfg(not(test))]\nmod real { fn f() { while !x.load(A) {} } }"), [2]);
    }
}
