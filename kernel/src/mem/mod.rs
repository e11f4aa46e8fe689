//! Physical memory as the kernel uses it: frames, heap, stacks, and the window to firmware memory.
#![allow(unsafe_code)] // hands physical memory to the frame allocator and the heap

pub mod early;
pub mod frames;
pub mod heap;
pub mod phys;
pub mod stacks;
