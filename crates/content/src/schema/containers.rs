//! What the keywords about members and elements mean.

use interdict_mcp::json::{Document, Limits, Value};

use super::keywords::{Id, Keyword, Properties, Schema};
use super::run::{At, Check, Run, What};

impl Run<'_> {
    pub(super) fn of_object(&mut self, keyword: &Keyword, at: &At<'_>, mark: usize) -> Check {
        match keyword {
            Keyword::Required(names) => self.required(names, at, "required", true),
            Keyword::DependentRequired(names) => names.iter().try_for_each(|(name, names)| {
                if self.has(name, at)? {
                    self.required(names, at, "dependentRequired", false)
                } else {
                    Ok(())
                }
            }),
            Keyword::DependentSchemas(schemas) => schemas
                .iter()
                .try_for_each(|(name, id)| if self.has(name, at)? { self.check(*id, at) } else { Ok(()) }),
            Keyword::Properties(properties) => self.properties(properties, at),
            Keyword::PropertyNames(id) => self.property_names(*id, at),
            Keyword::UnevaluatedProperties(id) => self.unevaluated_properties(*id, at, mark),
            _ => Ok(()),
        }
    }

    /// Whether there is a member. A look-up goes through all of them.
    fn has(&mut self, name: &str, at: &At<'_>) -> Result<bool, super::Violation> {
        self.spend(at.value.raw().len() / 64)?;
        Ok(at.value.get(name).is_some())
    }

    fn required(&mut self, names: &[String], at: &At<'_>, keyword: &'static str, declares: bool) -> Check {
        let members = at.value.members().count();
        for name in names {
            // A look-up goes through the members.
            self.spend(1 + members / 8)?;
            if at.value.get(name).is_none() {
                return self.fail(at, keyword);
            }
        }
        if declares && self.noting {
            for (name, span, _) in at.value.members() {
                if names.iter().any(|required| *required == name) {
                    self.note(at, What::Required(span.start));
                }
            }
        }
        Ok(())
    }

    fn properties(&mut self, properties: &Properties, at: &At<'_>) -> Check {
        if properties.described {
            self.note(at, What::Described);
        }
        for (name, span, value) in at.value.members() {
            self.spend(1)?;
            let mut evaluated = false;
            if let Some((known, id)) = properties.named.get_key_value(name.as_ref()) {
                self.check(*id, &at.member(Some(known), value))?;
                evaluated = true;
            }
            for (pattern, id) in &properties.patterns {
                if self.matches(*pattern, &name)? {
                    self.check(*id, &at.member(None, value))?;
                    evaluated = true;
                }
            }
            let evaluated =
                evaluated || self.additional(properties.additional, at, value, "additionalProperties")?;
            if evaluated {
                self.note(at, What::Member(span.start));
            }
        }
        Ok(())
    }

    /// A member that nothing else evaluated; whether this does.
    fn additional(
        &mut self,
        schema: Option<Id>,
        at: &At<'_>,
        value: Value<'_>,
        keyword: &'static str,
    ) -> Result<bool, super::Violation> {
        let Some(id) = schema else { return Ok(false) };
        if matches!(self.schema.schemas.get(id as usize), Some(Schema::Never)) {
            if self.lenient {
                // Undeclared, whether the object is described otherwise or not.
                self.note(at, What::Described);
                return Ok(false);
            }
            return self.fail(at, keyword).map(|()| false);
        }
        self.check(id, &at.member(None, value)).map(|()| true)
    }

    fn property_names(&mut self, id: Id, at: &At<'_>) -> Check {
        let (raw, start) = (at.value.raw(), at.value.span().start);
        for (_, span, _) in at.value.members() {
            self.spend(1 + span.len() / 16)?;
            let name =
                raw.get(span.start.saturating_sub(start)..span.end.saturating_sub(start)).unwrap_or_default();
            if !self.name_holds(id, name) {
                return self.fail(at, "propertyNames");
            }
        }
        Ok(())
    }

    /// Whether a name, as written, is what a schema says of it: a document of its own, of which nothing is noted.
    fn name_holds(&mut self, id: Id, name: &str) -> bool {
        let limits = Limits { max_bytes: name.len(), ..Limits::default() };
        let Ok(document) = Document::parse(name.as_bytes(), &limits) else { return false };
        let noting = std::mem::replace(&mut self.noting, false);
        let holds = self.holds(id, &At::root(document.root()), false);
        self.noting = noting;
        holds
    }

    fn unevaluated_properties(&mut self, id: Id, at: &At<'_>, mark: usize) -> Check {
        self.spend(self.notes.len().saturating_sub(mark) / 8)?;
        let evaluated = self.evaluated_members(at, mark);
        for (_, span, value) in at.value.members() {
            self.spend(1)?;
            if evaluated.contains(&span.start)
                || !self.additional(Some(id), at, value, "unevaluatedProperties")?
            {
                continue;
            }
            self.note(at, What::Member(span.start));
        }
        Ok(())
    }

    pub(super) fn of_array(&mut self, keyword: &Keyword, at: &At<'_>, mark: usize) -> Check {
        match keyword {
            Keyword::Items { first, rest } => self.items(first, *rest, at),
            Keyword::Contains { schema, min, max } => self.contains(*schema, *min, *max, at),
            Keyword::UnevaluatedItems(id) => self.unevaluated_items(*id, at, mark),
            _ => Ok(()),
        }
    }

    fn items(&mut self, first: &[Id], rest: Option<Id>, at: &At<'_>) -> Check {
        let mut end = 0;
        for (index, element) in at.value.elements().enumerate() {
            let Some(id) = first.get(index).copied().or(rest) else { break };
            self.check(id, &at.element(index, element))?;
            end = index + 1;
        }
        self.note(at, What::ElementsBefore(end));
        Ok(())
    }

    fn contains(&mut self, id: Id, min: u64, max: u64, at: &At<'_>) -> Check {
        let mut count = 0;
        for (index, element) in at.value.elements().enumerate() {
            if self.holds(id, &at.element(index, element), false) {
                self.note(at, What::Element(index));
                count += 1;
            }
        }
        self.test((min..=max).contains(&count), at, "contains")
    }

    fn unevaluated_items(&mut self, id: Id, at: &At<'_>, mark: usize) -> Check {
        self.spend(self.notes.len().saturating_sub(mark) / 8)?;
        let (before, some) = self.evaluated_elements(at, mark);
        let mut end = 0;
        for (index, element) in at.value.elements().enumerate() {
            end = index + 1;
            if index < before || some.contains(&index) {
                continue;
            }
            self.check(id, &at.element(index, element)).or_else(|inner| {
                if inner.keyword == "false" { self.fail(at, "unevaluatedItems") } else { Err(inner) }
            })?;
        }
        self.note(at, What::ElementsBefore(end));
        Ok(())
    }
}
