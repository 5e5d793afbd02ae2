//! How long work tells what it is doing. The rooms report through this trait; only `cli` draws anything.

/// Receives progress. Every method has a silent default, so `()` is the observer that ignores everything.
pub trait Progress: Sync {
    /// A stage of `total` steps begins.
    fn stage(&self, _name: &str, _total: u64) {}
    /// One step of the stage is done; `what` names it.
    fn step(&self, _what: &str) {}
    /// Something the user should know that does not stop the work.
    fn warn(&self, _message: &str) {}
}

impl Progress for () {}
