//! A block is read wholly or refused.

use crate::diagnostic::Diagnostic;
use crate::model::config::Config;

/// Every field of a block was used or is known to say nothing about bytes.
///
/// # Errors
/// Names the one that was not.
pub fn all_read(block: &Config<'_>) -> Result<(), Diagnostic> {
    match block.unasked().first() {
        None => Ok(()),
        Some(key) => {
            let mut error = block.wrong(key, "");
            error.message = format!("`{key}` of a quantisation block is not understood");
            Err(error.hint("it may decide how many bytes the weights have; what is not understood is not counted past"))
        }
    }
}
