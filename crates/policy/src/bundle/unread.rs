//! Data that nothing reads. A typing mistake in a name of data (`interdict: {limitz: …}`) would be a rule that somebody
//! wrote and nobody follows, so it is told. It is no error: data may be written ahead of the policy that reads it.

use std::collections::BTreeSet;

use super::Data;

/// What this program reads of the data itself, whichever policies there are.
const OURS: [&str; 3] = ["content", "destinations", "roles"];
/// The folder of data that is ours.
const INTERDICT: &str = "interdict";
/// A name this far away is taken for a slip.
const NEAR: usize = 2;

/// One sentence for every member of the data, at the top or below `interdict`, that neither this program nor any of these
/// policies names.
pub(super) fn unread<'t>(data: &Data, policies: impl Iterator<Item = &'t str>) -> Vec<String> {
    let mut top = Names::from([INTERDICT]);
    let mut ours = Names::from(OURS);
    for text in policies {
        for (at, _) in text.match_indices("data") {
            let before = text.get(..at).and_then(|text| text.chars().next_back());
            let rest = text.get(at + "data".len()..).unwrap_or_default();
            if before.is_some_and(is_of_name) || rest.chars().next().is_some_and(is_of_name) {
                continue;
            }
            if let Some((INTERDICT, rest)) = top.read(rest) {
                ours.read(rest);
            }
        }
    }
    let mut said = top.missing(data, &[]);
    said.extend(ours.missing(data, &[INTERDICT]));
    said
}

/// Names that are read at one place of the data.
struct Names<'t> {
    known: BTreeSet<&'t str>,
    /// Somebody reads whatever is there.
    any: bool,
}

impl<'t> Names<'t> {
    fn from(known: impl IntoIterator<Item = &'t str>) -> Self {
        Self { known: known.into_iter().collect(), any: false }
    }

    /// Notes what `rest`, the text behind a reference, goes on with: a name, or something that may be any. The name and
    /// what stands behind it.
    fn read(&mut self, rest: &'t str) -> Option<(&'t str, &'t str)> {
        let Some(rest) = rest.strip_prefix('.') else {
            self.any = true;
            return None;
        };
        let end = rest.find(|character| !is_of_name(character)).unwrap_or(rest.len());
        let (name, rest) = rest.split_at_checked(end)?;
        self.known.insert(name);
        Some((name, rest))
    }

    /// The members of the data below `path` that are none of these.
    fn missing(&self, data: &Data, path: &[&str]) -> Vec<String> {
        let strange = data.members(path).filter(|(name, _)| !self.any && !self.known.contains(name));
        strange.map(|(name, file)| self.sentence(path, name, &file.display().to_string())).collect()
    }

    fn sentence(&self, path: &[&str], name: &str, file: &str) -> String {
        let path = path.iter().map(|part| format!("{part}.")).collect::<String>();
        let near = self.known.iter().map(|known| (distance(known, name), known)).min();
        let hint = match near {
            Some((far, known)) if far <= NEAR && far < name.chars().count() => {
                format!("did you mean `{path}{known}`?")
            }
            _ => format!("what is read there: {}", self.known.iter().copied().collect::<Vec<_>>().join(", ")),
        };
        format!("{file}: nothing in this bundle reads `{path}{name}`; {hint}")
    }
}

fn is_of_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// How many characters have to be put in, taken out or replaced to make one of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, left) in one.chars().enumerate() {
        let mut corner = std::mem::replace(row.first_mut().unwrap_or(&mut 0), line + 1);
        for (at, right) in other.iter().enumerate() {
            let (before, above) = (row.get(at).copied(), row.get(at + 1).copied());
            let replaced = corner + usize::from(left != *right);
            let beside = before.unwrap_or_default().min(above.unwrap_or_default()) + 1;
            if let Some(cell) = row.get_mut(at + 1) {
                corner = std::mem::replace(cell, replaced.min(beside));
            }
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::files::{Kind, SourceFile};

    fn said(data: &str, rego: &str) -> Vec<String> {
        let mut read = Data::default();
        let file = SourceFile {
            kind: Kind::DataYaml,
            path: "data.yaml".into(),
            root: String::new(),
            name: "data.yaml".to_owned(),
            text: data.to_owned(),
        };
        read.add(&file, None).unwrap();
        unread(&read, [rego].into_iter())
    }

    #[test]
    fn a_name_of_data_that_nobody_reads_is_told_with_the_nearest_one_that_somebody_does() {
        let rego = "limit := data.interdict.limits[input.server.id]\nother := data.house.list";
        let said =
            said("interdict: {limitz: {}, limits: {}, content: {}, weather: 1}\nhome: 1\nhouse: 1\n", rego);
        assert_eq!(
            said,
            [
                "data.yaml: nothing in this bundle reads `home`; did you mean `house`?",
                "data.yaml: nothing in this bundle reads `interdict.limitz`; did you mean `interdict.limits`?",
                "data.yaml: nothing in this bundle reads `interdict.weather`; what is read there: content, \
                 destinations, limits, roles",
            ]
        );
    }

    #[test]
    fn where_a_name_is_computed_everything_may_be_read() {
        assert!(said("interdict: {x: 1}", "a := data.interdict[input.name]").is_empty());
        assert!(said("x: 1", "a := data[input.name]").is_empty());
        assert!(said("interdict: {x: 1}", "import data.interdict as settings").is_empty());
        assert_eq!(said("interdict: {x: 1}", "a := metadata.interdict.x\nb := data_of.x").len(), 1);
    }

    #[test]
    fn the_distance_of_two_names_is_counted_in_characters() {
        for (one, other, far) in [
            ("", "", 0),
            ("limits", "limitz", 1),
            ("limits", "limit", 1),
            ("häuser", "hauser", 1),
            ("ab", "ba", 2),
            ("", "abc", 3),
        ] {
            assert_eq!(distance(one, other), far, "{one} {other}");
        }
    }
}
