//! The line of `/etc/hosts` that gives the machine's own name an address (hosts(5)).
//!
//! Called by the kernel before it starts the program. The file is the image's and the name may be a DHCP server's: both can hold
//! anything.

use alloc::vec::Vec;

/// The address of the own name, whether or not there is a network, as Debian chooses it.
const OWN: &[u8] = b"127.0.1.1";

/// What has to be added to a file of this content so that it names the machine; `None` if it does so, or if the name cannot stand
/// there.
#[must_use]
pub fn missing_line(hosts: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let good = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._".contains(byte);
    if name.is_empty() || !name.iter().all(good) || names(hosts).any(|known| known.eq_ignore_ascii_case(name))
    {
        return None;
    }
    let mut line = Vec::new();
    if hosts.last().is_some_and(|&byte| byte != b'\n') {
        line.push(b'\n');
    }
    line.extend_from_slice(OWN);
    line.push(b'\t');
    line.extend_from_slice(name);
    line.push(b'\n');
    Some(line)
}

/// All names in such a file.
fn names(hosts: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = hosts.split(|&byte| byte == b'\n');
    let plain = lines.map(|line| line.split(|&byte| byte == b'#').next().unwrap_or_default());
    plain.flat_map(|line| line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).skip(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(hosts: &str, name: &str) -> Option<String> {
        missing_line(hosts.as_bytes(), name.as_bytes()).map(|line| String::from_utf8(line).unwrap())
    }

    #[test]
    fn is_added_once() {
        let hosts = "127.0.0.1\tlocalhost\n";
        let own = line(hosts, "guest").unwrap();
        assert_eq!(own, "127.0.1.1\tguest\n");
        assert_eq!(line(&format!("{hosts}{own}"), "guest"), None);
        assert_eq!(line(&format!("{hosts}10.0.0.1 other GUEST # us\n"), "guest"), None);
    }

    #[test]
    fn what_is_no_name_does_not_count() {
        for hosts in ["", "# 10.0.0.1 guest\n", "guest\n", "10.0.0.1 x#guest\n", "10.0.0.1 guests my-guest\n"]
        {
            assert_eq!(line(hosts, "guest").as_deref(), Some("127.0.1.1\tguest\n"), "{hosts:?}");
        }
        assert_eq!(line("10.0.0.1 x", "guest").as_deref(), Some("\n127.0.1.1\tguest\n"));
    }

    #[test]
    fn only_names_are_written() {
        for name in ["", "a b", "a\n8.8.8.8 bank", "ü", "a#"] {
            assert_eq!(line("", name), None, "{name:?}");
        }
    }
}
