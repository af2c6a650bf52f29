//! A schema as it is evaluated.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::decimal::{Decimal, Divisor};
use super::pattern::Program;

/// A subschema, by its place in [`Compiled::schemas`].
pub(super) type Id = u32;

/// A whole schema.
#[derive(Default)]
pub(super) struct Compiled {
    pub(super) schemas: Vec<Schema>,
    pub(super) patterns: Vec<Program>,
    /// Names of members that stand in the schema: these may be said.
    pub(super) names: BTreeSet<String>,
    /// Whether a keyword asks which members and elements were evaluated.
    pub(super) unevaluated: bool,
}

/// One subschema.
pub(super) enum Schema {
    Always,
    Never,
    /// Everything has to hold; those about what is unevaluated stand last.
    All(Vec<Keyword>),
}

/// One keyword, or several that make sense only together.
pub(super) enum Keyword {
    Ref(Id),
    Type(Types),
    /// `enum` and `const`: normal forms.
    Values(&'static str, BTreeSet<String>),
    Bound {
        keyword: &'static str,
        limit: Decimal,
        out: Out,
    },
    MultipleOf(Divisor),
    Size {
        keyword: &'static str,
        unit: Unit,
        limit: u64,
        out: Ordering,
    },
    Pattern(Pattern),
    UniqueItems,
    Required(Vec<String>),
    DependentRequired(BTreeMap<String, Vec<String>>),
    AllOf(Vec<Id>),
    AnyOf(Vec<Id>),
    OneOf(Vec<Id>),
    Not(Id),
    If {
        condition: Id,
        then: Option<Id>,
        otherwise: Option<Id>,
    },
    DependentSchemas(Vec<(String, Id)>),
    Properties(Properties),
    PropertyNames(Id),
    Items {
        first: Vec<Id>,
        rest: Option<Id>,
    },
    Contains {
        schema: Id,
        min: u64,
        max: u64,
    },
    UnevaluatedItems(Id),
    UnevaluatedProperties(Id),
}

/// Which numbers lie outside of a limit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Out {
    /// Those on this side,
    pub(super) side: Ordering,
    /// and the limit itself.
    pub(super) itself: bool,
}

/// A pattern, by its place in [`Compiled::patterns`].
pub(super) type Pattern = usize;

/// What a size counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Characters,
    Elements,
    Members,
}

/// `properties`, `patternProperties` and `additionalProperties`.
#[derive(Default)]
pub(super) struct Properties {
    /// Whether there is `properties`.
    pub(super) described: bool,
    pub(super) named: BTreeMap<String, Id>,
    pub(super) patterns: Vec<(Pattern, Id)>,
    pub(super) additional: Option<Id>,
}

/// A set of types.
#[derive(Clone, Copy, Default)]
pub(super) struct Types(u8);

impl Types {
    pub(super) const NULL: Self = Self(1);
    pub(super) const BOOLEAN: Self = Self(2);
    pub(super) const INTEGER: Self = Self(4);
    pub(super) const NUMBER: Self = Self(8 | 4);
    pub(super) const STRING: Self = Self(16);
    pub(super) const ARRAY: Self = Self(32);
    pub(super) const OBJECT: Self = Self(64);
    /// What a number is that is no integer.
    pub(super) const FRACTION: Self = Self(8);

    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "null" => Self::NULL,
            "boolean" => Self::BOOLEAN,
            "integer" => Self::INTEGER,
            "number" => Self::NUMBER,
            "string" => Self::STRING,
            "array" => Self::ARRAY,
            "object" => Self::OBJECT,
            _ => return None,
        })
    }

    pub(super) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn has(self, one: Self) -> bool {
        self.0 & one.0 != 0
    }
}
