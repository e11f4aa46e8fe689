//! [`Counter`], and structures of them that are shown by name. Used by `ip` and `tcp`, whose drops all have one.
//!
//! Counters are independent of each other and wrap.

use core::sync::atomic::{AtomicU64, Ordering};

/// A number that grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`; nothing is written for 0, so that counters of what is rare cost a look.
    #[inline]
    pub fn add(&self, n: u64) {
        if n != 0 {
            self.0.fetch_add(n, Ordering::Relaxed);
        }
    }

    /// Takes back `n` that were added for what did not happen after all.
    #[cold]
    pub fn take_back(&self, n: u64) {
        self.0.fetch_sub(n, Ordering::Relaxed);
    }

    /// Adds one.
    #[inline]
    pub fn inc(&self) {
        self.add(1);
    }

    /// The number.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A structure of counters with the names under which `/proc/net` shows them.
macro_rules! counters {
    ($(#[$doc:meta])* $name:ident { $($field:ident $label:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub struct $name {
            $(#[doc = $label] pub $field: $crate::counter::Counter,)*
        }

        impl $name {
            /// Gives all names and values, in order.
            pub fn each(&self, f: &mut dyn FnMut(&str, u64)) {
                $(f($label, self.$field.get());)*
            }
        }
    };
}

pub(crate) use counters;
