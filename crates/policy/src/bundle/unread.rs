//! Data that nothing reads. A typing mistake in a name of data (`interdict: {limitz: …}`) would be a rule that somebody
//! wrote and nobody follows, so it is told. It is no error: data may be written ahead of the policy that reads it.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Data, INTERDICT};

/// What this program reads of the data itself, whichever policies there are.
const OURS: [&str; 3] = ["content", "destinations", "roles"];
/// A name this far away is taken for a slip.
const NEAR: usize = 2;

/// One sentence for every member of the data, at the top or below `interdict`, that neither this program nor any of these
/// policies names.
pub(super) fn unread<'t>(data: &Data, policies: impl Iterator<Item = &'t str>) -> Vec<String> {
    let policies: Vec<String> = policies.map(code).collect();
    let mut top = Names::from([INTERDICT]);
    let mut ours = Names::from(OURS);
    for text in &policies {
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
    let indented = |name: &str| ours.known.contains(name).then(|| format!("{INTERDICT}.{name}"));
    let mut said = top.missing(data, &[], &indented);
    said.extend(ours.missing(data, &[INTERDICT], &|_| None));
    said
}

/// The Rego without its comments and what is in its strings: prose speaks of data, too.
fn code(text: &str) -> String {
    let (mut kept, mut inside) = (String::with_capacity(text.len()), None);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (inside, character) {
            (None, '#' | '"' | '`') => inside = Some(character),
            (None, _) => kept.push(character),
            (Some('"'), '\\') => drop(characters.next()),
            (Some('#' | '"'), '\n') => {
                inside = None;
                kept.push(character);
            }
            (Some(end), _) if end == character && end != '#' => inside = None,
            _ => {}
        }
    }
    kept
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

    /// The members of the data below `path` that are none of these. `elsewhere`: where such a name is read instead.
    fn missing(&self, data: &Data, path: &[&str], elsewhere: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
        let strange = data.members(path).filter(|(name, _)| !self.any && !self.known.contains(name));
        let prefix = path.iter().map(|part| format!("{part}.")).collect::<String>();
        let sentence = |(name, file): (&str, &Path)| {
            let meant = elsewhere(name)
                .or_else(|| near(&self.known, name).map(|known| format!("{prefix}{known}")))
                .map_or_else(|| self.all(), |meant| format!("did you mean `{meant}`?"));
            format!("{}: nothing in this bundle reads `{prefix}{name}`; {meant}", file.display())
        };
        strange.map(sentence).collect()
    }

    fn all(&self) -> String {
        let known: Vec<&str> = self.known.iter().copied().filter(|name| !name.is_empty()).collect();
        format!("what is read there: {}", known.join(", "))
    }
}

/// The known name that `name` may be a slip of.
pub(super) fn near<'k>(known: &BTreeSet<&'k str>, name: &str) -> Option<&'k str> {
    let (far, known) = known.iter().map(|known| (distance(known, name), *known)).min()?;
    (far <= NEAR && far < name.chars().count()).then_some(known)
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
    fn a_section_that_lost_its_indentation_is_told_whatever_comments_and_texts_say_of_data() {
        let rego = "# How data is read\nlimit := data.interdict.limits[x]\ntext := `data\n of`\ny := \"a \\\" data x\"";
        assert_eq!(
            said("interdict: {limits: {}}\ncontent: 1\n", rego),
            ["data.yaml: nothing in this bundle reads `content`; did you mean `interdict.content`?"]
        );
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
