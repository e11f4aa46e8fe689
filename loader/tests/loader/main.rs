//! Tests of the loader from outside: refusals, properties, mutated files, real programs against Linux, the stack.

mod build;
mod check;
mod fixtures;
mod linux;
mod mutated;
mod programs;
mod properties;
mod reject;
mod stack;
