//! What is wrong with a document, where, and by which rule.

use crate::text::Text;
use serde::Serialize;

/// One violation of a schema or of a rule that needs the document alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// JSON Pointer (RFC 6901) to the member at fault; empty for the whole document.
    pub pointer: String,
    /// The schema keyword (`required`, `enum`, …) or the code of the semantic rule (`status/illegal-event`, …).
    pub rule: String,
    /// What is wrong, for people. Values of the document are never quoted: they may identify a person.
    pub message: Text,
}
