//! Schemas that would be evaluated for ever.

use super::keywords::{Id, Keyword, Schema};

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    /// Entered and not left: on the way to the current one.
    Open,
    Done,
}

/// A schema that applies itself to the same value, directly or through others; its place.
pub(super) fn find(schemas: &[Schema]) -> Option<usize> {
    let mut states = vec![State::New; schemas.len()];
    for start in 0..schemas.len() {
        let mut waiting = vec![(start, false)];
        while let Some((at, leave)) = waiting.pop() {
            let Some(state) = states.get_mut(at) else { continue };
            match *state {
                _ if leave => *state = State::Done,
                State::Open => return Some(at),
                State::Done => {}
                State::New => {
                    *state = State::Open;
                    waiting.push((at, true));
                    waiting.extend(in_place(schemas.get(at)).into_iter().map(|id| (id as usize, false)));
                }
            }
        }
    }
    None
}

/// The schemas that `schema` applies to the same value as itself.
fn in_place(schema: Option<&Schema>) -> Vec<Id> {
    let mut ids = Vec::new();
    let Some(Schema::All(keywords)) = schema else { return ids };
    for keyword in keywords {
        match keyword {
            Keyword::Ref(id) | Keyword::Not(id) => ids.push(*id),
            Keyword::AllOf(all) | Keyword::AnyOf(all) | Keyword::OneOf(all) => ids.extend(all),
            Keyword::If { condition, then, otherwise } => {
                ids.push(*condition);
                ids.extend(then.iter().chain(otherwise));
            }
            Keyword::DependentSchemas(all) => ids.extend(all.iter().map(|(_, id)| *id)),
            _ => {}
        }
    }
    ids
}
