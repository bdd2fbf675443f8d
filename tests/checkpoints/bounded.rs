//! An allocator that has no memory for a file's exaggerations.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;

/// Twice the largest checkpoint of these tests.
const LARGEST: usize = 256 << 20;

/// The system's, but for large pieces: asking for one ends the process, and with it the test.
pub struct Bounded;

// SAFETY: memory is the system allocator's, or none, which the contract allows.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match layout.size() <= LARGEST {
            // SAFETY: the caller keeps the contract, which is the same.
            true => unsafe { System.alloc(layout) },
            false => ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the memory came from the system allocator.
        unsafe { System.dealloc(memory, layout) }
    }
}
