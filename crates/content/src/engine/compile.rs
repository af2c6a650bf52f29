//! From a profile to an engine.

use std::collections::BTreeMap;

use super::{Active, CLASSES, Engine, ProfileError};
use crate::detect::classes::{ClassInfo, members};
use crate::detect::exact::Exact;
use crate::detect::{Bad, Detectors, Patterns, knows_phones_of};
use crate::profile::{Action, Profile};

/// Most classes of an operator and most exact sets.
const MOST: usize = 256;

pub(super) fn engine(profile: &Profile) -> Result<Engine, ProfileError> {
    if profile.v != Profile::VERSION {
        return Err(error("content.bad_version", format!("a profile of version {}", profile.v)));
    }
    if profile.classes.len() > MOST || profile.exact.len() > MOST {
        return Err(error("content.too_large", format!("more than {MOST} classes or exact sets")));
    }
    let own = own_classes(profile)?;
    check_names(profile, &own)?;
    let regions = regions(profile)?;
    let mut classes: Vec<Option<Active>> = CLASSES.iter().map(|info| built_in(info, profile)).collect();
    let mut places = BTreeMap::new();
    for name in own {
        places.insert(name, classes.len());
        classes.push(profile.classes.get(name).map(|action| active(name, *action)));
    }
    let place = |name: &str| {
        let built_in = CLASSES.iter().position(|info| info.name == name);
        built_in.or_else(|| places.get(name).copied()).unwrap_or(usize::MAX)
    };
    let patterns = patterns(profile, place)?;
    let exact = exact(profile, &classes, place)?;
    let wanted = |class: crate::detect::classes::Builtin| {
        classes.get(usize::from(class.0)).is_some_and(Option::is_some)
    };
    let tail = tail(&classes);
    let detectors = Detectors::new(wanted, regions, patterns, exact);
    Ok(Engine { classes, detectors, tail })
}

fn error(code: &'static str, message: String) -> ProfileError {
    ProfileError { code, message }
}

fn active(name: &str, action: Action) -> Active {
    Active { name: name.into(), action }
}

/// What the profile says about a built-in class: by its name, by its family, or by `identity`. National numbers are
/// looked for in their regions only, unless they are named themselves.
fn built_in(info: &ClassInfo, profile: &Profile) -> Option<Active> {
    if let Some(action) = profile.classes.get(info.name) {
        return Some(active(info.name, *action));
    }
    let here = info.country.is_empty() || profile.regions.iter().any(|region| region == info.country);
    let by_family = profile.classes.get(info.family);
    let by_identity = profile.classes.get("identity").filter(|_| info.family == "national_id");
    by_family.or(by_identity).filter(|_| here).map(|action| active(info.name, *action))
}

/// The names of the operator's classes, each once.
fn own_classes(profile: &Profile) -> Result<Vec<&str>, ProfileError> {
    let of_patterns = profile.patterns.iter().map(|pattern| pattern.class.as_str());
    let of_sets = profile.exact.iter().map(|set| set.class.as_str()).filter(|class| *class != "canary");
    let mut names: Vec<&str> = of_patterns.chain(of_sets).collect();
    names.sort_unstable();
    names.dedup();
    for name in &names {
        let fits = (1..=64).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if !fits {
            return Err(error(
                "content.bad_class",
                "a class is named by lower-case letters, digits and _".into(),
            ));
        }
        if is_known(name) {
            return Err(error("content.bad_class", format!("{name} is a built-in class")));
        }
    }
    Ok(names)
}

fn is_known(name: &str) -> bool {
    name == "identity" || members(name).next().is_some()
}

fn check_names(profile: &Profile, own: &[&str]) -> Result<(), ProfileError> {
    match profile.classes.keys().find(|name| !is_known(name) && !own.contains(&name.as_str())) {
        Some(name) => Err(error("content.unknown_class", format!("{name} is no class"))),
        None => Ok(()),
    }
}

fn regions(profile: &Profile) -> Result<Vec<String>, ProfileError> {
    let known = |region: &str| knows_phones_of(region) || CLASSES.iter().any(|info| info.country == region);
    match profile.regions.iter().find(|region| region.is_empty() || !known(region)) {
        Some(region) => {
            let shown: String = region.chars().take(8).collect();
            Err(error("content.unknown_region", format!("nothing is known about the region {shown}")))
        }
        None => Ok(profile.regions.clone()),
    }
}

fn patterns(profile: &Profile, place: impl Fn(&str) -> usize) -> Result<Option<Patterns>, ProfileError> {
    // What is in no class is not looked for.
    let wanted: Vec<_> = profile
        .patterns
        .iter()
        .filter(|pattern| profile.classes.contains_key(&pattern.class))
        .cloned()
        .collect();
    Patterns::new(&wanted, place).map_err(|bad| match bad {
        Bad::Pattern(at, why) => {
            let class = wanted.get(at).map_or("", |pattern| pattern.class.as_str());
            error("content.bad_pattern", format!("a pattern of {class} {why}"))
        }
        Bad::TooLarge => error("content.too_large", "the patterns need too much memory".into()),
    })
}

fn exact(
    profile: &Profile,
    classes: &[Option<Active>],
    place: impl Fn(&str) -> usize,
) -> Result<Vec<Exact>, ProfileError> {
    let mut sets = Vec::new();
    for set in &profile.exact {
        let class = place(&set.class);
        if classes.get(class).is_some_and(Option::is_some) {
            let read = Exact::new(set, class);
            sets.push(
                read.ok_or_else(|| {
                    error("content.bad_exact_set", format!("a set of {} is none", set.class))
                })?,
            );
        }
    }
    Ok(sets)
}

/// Telephone numbers and cards are short; keys, exact values and patterns may be long.
fn tail(classes: &[Option<Active>]) -> usize {
    let long = |(at, class): (usize, &Option<Active>)| {
        let short =
            CLASSES.get(at).is_some_and(|info| matches!(info.family, "card" | "national_id" | "network"));
        class.is_some() && !short
    };
    match (classes.iter().enumerate().any(long), classes.iter().any(Option::is_some)) {
        (true, _) => 256,
        (false, true) => 128,
        (false, false) => 0,
    }
}
