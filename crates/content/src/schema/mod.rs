//! JSON Schema, bounded: what arguments and structured results have to look like.
//!
//! Draft 2020-12, with the words of draft-07 and 2019-09 that servers still write. A schema comes from a server, so it
//! is hostile until somebody approved it and expensive even then: nothing outside of it is ever fetched, its size and
//! depth are bounded, its patterns run on a linear engine, and every validation has a budget. What cannot be checked
//! within these bounds is an error when the schema is compiled, or a violation; never a silent pass.

mod compile;
mod containers;
mod cycle;
pub(crate) mod decimal;
mod evaluate;
mod keywords;
mod pattern;
mod read;
mod refs;
mod run;
mod undeclared;

use std::fmt;

use interdict_mcp::edit::Edit;
use interdict_mcp::json::Value;

pub(crate) use decimal::Decimal;

/// Deepest nesting of subschemas.
pub const MAX_DEPTH: usize = 64;
/// Most subschemas.
pub const MAX_SUBSCHEMAS: usize = 10_000;
/// Longest schema text, in bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// Most different patterns.
pub const MAX_PATTERNS: usize = 100;
/// Longest pattern, in bytes.
pub const MAX_PATTERN_BYTES: usize = 4096;

/// Why a schema is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchemaError {
    /// Stable reason code: `schema.unreadable`, `schema.too_large`, `schema.dialect`, `schema.remote_ref`,
    /// `schema.dangling_ref`, `schema.cycle`, `schema.keyword`, `schema.pattern`, `schema.number`.
    pub code: &'static str,
    /// Byte of the schema's text where the problem is.
    pub offset: usize,
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {} of the schema", self.code, self.offset)
    }
}

impl std::error::Error for SchemaError {}

/// Where a value is not what the schema says. Never the value itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// RFC 6901 pointer to the value; a member whose name the schema does not have is written `…`.
    pub pointer: String,
    /// The keyword that does not hold: one of JSON Schema's; `undeclared`; `budget` when the validation took too long.
    pub keyword: &'static str,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` does not hold at \"{}\"", self.keyword, self.pointer)
    }
}

impl std::error::Error for Violation {}

/// A compiled schema.
pub struct Validator {
    schema: keywords::Compiled,
    strict: bool,
}

impl fmt::Debug for Validator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Validator").field("strict", &self.strict).finish_non_exhaustive()
    }
}

impl Validator {
    /// Compiles the text of a schema.
    ///
    /// # Errors
    /// [`SchemaError`] for whatever could not be checked later.
    pub fn new(schema_text: &str) -> Result<Self, SchemaError> {
        Ok(Self { schema: compile::compile(schema_text)?, strict: false })
    }

    /// As [`Validator::new`]; members that the schema does not declare are refused, unless it allows them in so many
    /// words. See [`Validator::undeclared`] for what is declared.
    ///
    /// # Errors
    /// As [`Validator::new`].
    pub fn new_strict(schema_text: &str) -> Result<Self, SchemaError> {
        Ok(Self { strict: true, ..Self::new(schema_text)? })
    }

    /// Whether `value` is what the schema says.
    ///
    /// # Errors
    /// The first [`Violation`].
    pub fn validate(&self, value: Value<'_>) -> Result<(), Violation> {
        if self.strict {
            return undeclared::none(&self.schema, value);
        }
        run::Run::new(&self.schema).root(value)
    }

    /// The members of `value` that the schema does not declare.
    ///
    /// An object is described when one of the schemas that hold for it (through `$ref`, `allOf`, `anyOf`, `oneOf`, `if`
    /// and `dependentSchemas`) has `properties`. Declared are then its members under `properties`, `patternProperties`,
    /// `additionalProperties`, `unevaluatedProperties` and `required` of any of these schemas. Objects that are not
    /// described, as `{"type":"object"}`, are free. A `false` for additional members makes them undeclared instead of
    /// the value invalid, so that they can be taken out.
    ///
    /// # Errors
    /// A [`Violation`] if `value` is not what the schema says apart from that.
    pub fn undeclared(&self, value: Value<'_>) -> Result<Undeclared, Violation> {
        undeclared::find(&self.schema, value)
    }
}

/// What a schema does not declare.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Undeclared {
    /// The edits that take the members out; they do not overlap.
    pub edits: Vec<Edit>,
    /// Pointer to the first object that has such members.
    pub first: Option<String>,
    /// How many members.
    pub count: usize,
}

#[cfg(test)]
mod tests;
