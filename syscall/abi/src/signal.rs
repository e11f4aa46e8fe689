//! Signals: numbers, names, default actions, and sets of them (signal(7)).

/// A signal number, 1 to 64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Signal(u8);

/// What a signal does to a process that neither handles nor ignores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultAction {
    /// The process ends.
    Terminate,
    /// The process ends; Linux would also write a core file.
    Core,
    /// Nothing.
    Ignore,
    /// The process stops until SIGCONT.
    Stop,
    /// A stopped process goes on.
    Continue,
}

macro_rules! signals {
    ($($name:ident = $raw:literal, $action:ident, $text:literal;)*) => {
        #[allow(missing_docs)] // signal(7) describes each
        impl Signal {
            $(pub const $name: Signal = Signal($raw);)*
        }

        static TABLE: [(&str, &str, DefaultAction); 31] = [$((stringify!($name), $text, DefaultAction::$action),)*];
    };
}

signals! {
    SIGHUP = 1, Terminate, "Hangup";
    SIGINT = 2, Terminate, "Interrupt";
    SIGQUIT = 3, Core, "Quit";
    SIGILL = 4, Core, "Illegal instruction";
    SIGTRAP = 5, Core, "Trace/breakpoint trap";
    SIGABRT = 6, Core, "Aborted";
    SIGBUS = 7, Core, "Bus error";
    SIGFPE = 8, Core, "Floating point exception";
    SIGKILL = 9, Terminate, "Killed";
    SIGUSR1 = 10, Terminate, "User defined signal 1";
    SIGSEGV = 11, Core, "Segmentation fault";
    SIGUSR2 = 12, Terminate, "User defined signal 2";
    SIGPIPE = 13, Terminate, "Broken pipe";
    SIGALRM = 14, Terminate, "Alarm clock";
    SIGTERM = 15, Terminate, "Terminated";
    SIGSTKFLT = 16, Terminate, "Stack fault";
    SIGCHLD = 17, Ignore, "Child exited";
    SIGCONT = 18, Continue, "Continued";
    SIGSTOP = 19, Stop, "Stopped (signal)";
    SIGTSTP = 20, Stop, "Stopped";
    SIGTTIN = 21, Stop, "Stopped (tty input)";
    SIGTTOU = 22, Stop, "Stopped (tty output)";
    SIGURG = 23, Ignore, "Urgent I/O condition";
    SIGXCPU = 24, Core, "CPU time limit exceeded";
    SIGXFSZ = 25, Core, "File size limit exceeded";
    SIGVTALRM = 26, Terminate, "Virtual timer expired";
    SIGPROF = 27, Terminate, "Profiling timer expired";
    SIGWINCH = 28, Ignore, "Window changed";
    SIGIO = 29, Terminate, "I/O possible";
    SIGPWR = 30, Terminate, "Power failure";
    SIGSYS = 31, Core, "Bad system call";
}

impl Signal {
    /// The highest number (SIGRTMAX).
    pub const MAX: u8 = 64;
    /// The first real-time signal as the kernel counts; the C libraries keep the first ones for themselves.
    pub const RTMIN: u8 = 32;

    /// From a number; `None` outside 1..=64.
    pub const fn new(raw: u64) -> Option<Self> {
        if raw >= 1 && raw <= Self::MAX as u64 { Some(Signal(raw as u8)) } else { None }
    }

    /// The number.
    pub const fn raw(self) -> u8 {
        self.0
    }

    /// The index in tables of 64 entries: the number less one.
    pub const fn index(self) -> usize {
        self.0 as usize - 1
    }

    /// The constant's name; real-time signals are `SIGRT_n`, with n counted from 32, as strace shows them.
    pub fn name(self) -> SignalName {
        SignalName(self)
    }

    /// The text of strsignal(3).
    pub fn description(self) -> &'static str {
        TABLE.get(self.index()).map_or("Real-time signal", |row| row.1)
    }

    /// What the signal does by default.
    pub fn default_action(self) -> DefaultAction {
        TABLE.get(self.index()).map_or(DefaultAction::Terminate, |row| row.2)
    }
}

/// The displayable name of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignalName(Signal);

impl core::fmt::Display for SignalName {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match TABLE.get(self.0.index()) {
            Some(row) => f.write_str(row.0),
            None => write!(f, "SIGRT_{}", self.0.0 - Signal::RTMIN),
        }
    }
}

impl core::fmt::Debug for Signal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}", self.name())
    }
}

impl core::fmt::Display for Signal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} ({})", self.name(), self.description())
    }
}

/// A set of signals: the kernel's 64-bit `sigset_t`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SigSet(pub u64);

impl SigSet {
    /// No signal.
    pub const EMPTY: SigSet = SigSet(0);
    /// SIGKILL and SIGSTOP, which can be neither blocked, handled nor ignored.
    pub const UNBLOCKABLE: SigSet = SigSet(1 << (9 - 1) | 1 << (19 - 1));

    /// Whether `signal` is in the set.
    pub const fn contains(self, signal: Signal) -> bool {
        self.0 >> signal.index() & 1 != 0
    }

    /// Adds `signal`.
    pub fn insert(&mut self, signal: Signal) {
        self.0 |= 1 << signal.index();
    }

    /// Removes `signal`.
    pub fn remove(&mut self, signal: Signal) {
        self.0 &= !(1 << signal.index());
    }

    /// The members, lowest first.
    pub fn iter(self) -> impl Iterator<Item = Signal> {
        (1..=u64::from(Signal::MAX)).filter_map(Signal::new).filter(move |&signal| self.contains(signal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_names_sets() {
        assert_eq!(Signal::new(0), None);
        assert_eq!(Signal::new(65), None);
        assert_eq!(Signal::new(11), Some(Signal::SIGSEGV));
        assert_eq!(Signal::SIGSEGV.to_string(), "SIGSEGV (Segmentation fault)");
        assert_eq!(Signal::new(34).unwrap().name().to_string(), "SIGRT_2");
        assert_eq!(Signal::SIGSYS.index() + 1, TABLE.len());
        let mut set = SigSet::EMPTY;
        set.insert(Signal::SIGKILL);
        set.insert(Signal::SIGSTOP);
        assert_eq!(set, SigSet::UNBLOCKABLE);
        set.remove(Signal::SIGKILL);
        assert_eq!(set.iter().collect::<Vec<_>>(), [Signal::SIGSTOP]);
    }
}
