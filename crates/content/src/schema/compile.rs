//! From the text of a schema to what is evaluated.

use std::collections::HashMap;

use interdict_mcp::json::{Document, Limits, Numbers, Value};

use super::keywords::{Compiled, Id, Pattern, Schema};
use super::refs::{Refs, error};
use super::{MAX_BYTES, MAX_DEPTH, MAX_PATTERNS, MAX_SUBSCHEMAS, SchemaError, cycle, pattern, read};

/// A level of a schema takes two levels of JSON (`properties` and the name).
const LIMITS: Limits = Limits {
    max_bytes: MAX_BYTES,
    max_depth: 2 * MAX_DEPTH + 8,
    max_tokens: 200_000,
    numbers: Numbers::Exact,
};

/// Compiles the text of a schema.
pub(super) fn compile(text: &str) -> Result<Compiled, SchemaError> {
    let document = Document::parse(text.as_bytes(), &LIMITS).map_err(|error| SchemaError {
        code: match error.code {
            "parse.too_large" | "parse.too_deep" | "parse.too_many_tokens" => "schema.too_large",
            _ => "schema.unreadable",
        },
        offset: error.offset,
    })?;
    let root = document.root();
    let mut compiler = Compiler {
        refs: Refs::new(root),
        legacy: is_legacy(root)?,
        found: Vec::new(),
        ids: HashMap::new(),
        patterns: HashMap::new(),
        compiled: Compiled::default(),
    };
    compiler.find(root)?;
    // More are found on the way, where a reference leads to a place that is no usual one for a schema.
    while let Some(value) = compiler.found.get(compiler.compiled.schemas.len()).copied() {
        let schema = compiler.schema(value)?;
        compiler.compiled.schemas.push(schema);
    }
    match cycle::find(&compiler.compiled.schemas) {
        Some(id) => {
            Err(compiler.found.get(id).map_or(error("schema.cycle", root), |at| error("schema.cycle", *at)))
        }
        None => Ok(compiler.compiled),
    }
}

/// Whether the schema says that it is of a draft in which nothing counts beside `$ref`.
fn is_legacy(root: Value<'_>) -> Result<bool, SchemaError> {
    let Some(dialect) = root.get("$schema") else { return Ok(false) };
    let text = dialect.as_str().unwrap_or_default();
    let text = text.trim_end_matches('#');
    match text.split_once("://json-schema.org/") {
        Some(("http" | "https", "draft/2020-12/schema" | "draft/2019-09/schema" | "schema")) => Ok(false),
        Some(("http" | "https", "draft-07/schema" | "draft-06/schema")) => Ok(true),
        _ => Err(error("schema.dialect", dialect)),
    }
}

/// On the way.
pub(super) struct Compiler<'d> {
    refs: Refs<'d>,
    pub(super) legacy: bool,
    /// Every subschema; its place is its [`Id`].
    found: Vec<Value<'d>>,
    ids: HashMap<usize, Id>,
    patterns: HashMap<String, Pattern>,
    pub(super) compiled: Compiled,
}

impl<'d> Compiler<'d> {
    /// Finds `schema` and every subschema below it, and their anchors.
    fn find(&mut self, schema: Value<'d>) -> Result<(), SchemaError> {
        let mut waiting = vec![(schema, 1)];
        while let Some((schema, depth)) = waiting.pop() {
            if self.ids.contains_key(&schema.span().start) {
                continue;
            }
            if self.found.len() >= MAX_SUBSCHEMAS || depth > MAX_DEPTH {
                return Err(error("schema.too_large", schema));
            }
            self.ids.insert(schema.span().start, self.found.len() as Id);
            self.found.push(schema);
            // Beside a reference of the older drafts an `$id` is none.
            if !(self.legacy && schema.get("$ref").is_some()) {
                self.refs.note(schema)?;
            }
            waiting.extend(read::subschemas(schema)?.into_iter().map(|below| (below, depth + 1)));
        }
        Ok(())
    }

    /// The id of a subschema.
    pub(super) fn id(&mut self, schema: Value<'d>) -> Result<Id, SchemaError> {
        if !self.ids.contains_key(&schema.span().start) {
            self.find(schema)?;
        }
        self.ids.get(&schema.span().start).copied().ok_or_else(|| error("schema.keyword", schema))
    }

    /// The id of what a reference leads to.
    pub(super) fn target(&mut self, reference: Value<'d>) -> Result<Id, SchemaError> {
        let target = self.refs.resolve(reference)?;
        self.id(target)
    }

    /// Compiles a pattern, once.
    pub(super) fn pattern(&mut self, text: &str, at: Value<'d>) -> Result<Pattern, SchemaError> {
        if let Some(known) = self.patterns.get(text) {
            return Ok(*known);
        }
        let place = self.compiled.patterns.len();
        let program = pattern::compile(text).filter(|_| place < MAX_PATTERNS);
        self.compiled.patterns.push(program.ok_or_else(|| error("schema.pattern", at))?);
        self.patterns.insert(text.to_owned(), place);
        Ok(place)
    }

    fn schema(&mut self, value: Value<'d>) -> Result<Schema, SchemaError> {
        match value.as_bool() {
            Some(true) => Ok(Schema::Always),
            Some(false) => Ok(Schema::Never),
            None => Ok(Schema::All(read::keywords(self, value)?)),
        }
    }
}
