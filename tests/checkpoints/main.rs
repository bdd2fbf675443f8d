//! Checkpoints as the library reads them: every format and origin, how strictly they are checked,
//! and that no bytes whatever make it panic or ask for much memory.

#[path = "../files/mod.rs"]
mod files;

mod bounded;
mod damage;
mod model_zoo;
mod origins;
mod pytorch;
mod strict;
mod torch_files;

#[global_allocator]
static ALLOCATOR: bounded::Bounded = bounded::Bounded;
