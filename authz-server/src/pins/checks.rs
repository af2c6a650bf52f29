//! What calls of one approved definition are checked against: compiled once, when somebody first calls.

use std::sync::{Arc, OnceLock};

use interdict_content::schema::{SchemaError, Validator};
use interdict_mcp::json::{Document, Limits, Numbers, Value};

/// A schema, compiled on first use; the error of one that cannot be.
type Compiled = OnceLock<Result<Validator, SchemaError>>;

/// The schemas of one approved definition.
#[derive(Debug)]
pub(super) struct Checks {
    /// Its digest.
    pub(super) digest: String,
    /// Text of `inputSchema`.
    input: String,
    /// Text of `outputSchema`.
    output: Option<Arc<str>>,
    strict: Compiled,
    lenient: Compiled,
}

/// Why arguments are refused: nothing of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// They are not what the schema says.
    Violation(String),
    /// The schema cannot be checked.
    Schema(SchemaError),
}

/// Limits of a definition: it was read within narrower ones before.
pub(super) const DEFINITION: Limits =
    Limits { max_bytes: 1 << 20, max_depth: 192, max_tokens: 1 << 18, numbers: Numbers::Exact };

impl Checks {
    /// Of a definition in its canonical form.
    pub(super) fn new(digest: String, definition: &str) -> Self {
        let document = Document::parse(definition.as_bytes(), &DEFINITION).ok();
        let schema = |name: &str| {
            let schema = document.as_ref()?.root().get(name)?;
            Some(schema.raw().to_owned())
        };
        // MCP wants one. A tool without it says nothing about its arguments.
        let input = schema("inputSchema").unwrap_or_else(|| "{}".to_owned());
        let output = schema("outputSchema").map(Into::into);
        Self { digest, input, output, strict: OnceLock::new(), lenient: OnceLock::new() }
    }

    /// Text of the `outputSchema`.
    pub(super) fn output(&self) -> Option<&Arc<str>> {
        self.output.as_ref()
    }

    /// Whether the arguments of a call are what the schema says. `strict`: and nothing beside.
    pub(super) fn arguments(&self, arguments: Option<Value<'_>>, strict: bool) -> Result<(), Unfit> {
        let (slot, compile): (_, fn(&str) -> _) = match strict {
            true => (&self.strict, Validator::new_strict),
            false => (&self.lenient, Validator::new),
        };
        let validator = slot.get_or_init(|| compile(&self.input)).as_ref();
        let validator = validator.map_err(|error| Unfit::Schema(*error))?;
        let checked = match arguments {
            Some(arguments) => validator.validate(arguments),
            None => match Document::parse(b"{}", &DEFINITION) {
                Ok(empty) => validator.validate(empty.root()),
                Err(_) => Ok(()),
            },
        };
        checked.map_err(|violation| Unfit::Violation(violation.to_string()))
    }

    /// Whether calls can be checked at all; for whoever is to approve the definition.
    pub(super) fn problem(&self) -> Option<SchemaError> {
        Validator::new(&self.input).err()
    }
}
