//! What is wrong with a contract, beyond its form.

use std::collections::BTreeSet;

use super::{Contract, TotalTerm};
use crate::{BundleError, Registry, window_seconds};

/// Largest number that every reader of JSON keeps.
const MAX_INTEGER: u64 = (1 << 53) - 1;
/// Most parts of a path.
const MAX_PARTS: usize = 16;
/// Most decimal places that a currency has.
const MAX_MINOR_UNITS: u8 = 4;
/// Most totals of one term.
const MAX_TOTALS: usize = 4;
/// Most distinct things that are told apart over calls, by any one counter.
const MAX_DISTINCT: u64 = 10_000;

/// Refuses a contract with a mistake in it: it would bound nothing.
pub(super) fn contract(contract: &Contract, registry: &Registry, has_hosts: bool) -> Result<(), BundleError> {
    if registry.server(&contract.server).is_none() {
        let message = format!(
            "The contract of tool `{}` names server `{}`, which no file declares.",
            contract.tool, contract.server
        );
        return Err(BundleError::new("bundle.unknown_server", message));
    }
    let name = &contract.tool;
    if name.is_empty() || name.len() > 256 || name.chars().any(char::is_control) {
        return Err(wrong(contract, "`tool` is the exact name of one tool."));
    }
    let signed_by = &contract.signed_by;
    if signed_by.trim().is_empty() || signed_by.len() > 256 || signed_by.chars().any(char::is_control) {
        return Err(wrong(contract, "`signed_by` names the person who read and approved it."));
    }
    let effects: BTreeSet<_> = contract.effects.iter().collect();
    if effects.is_empty() || effects.len() != contract.effects.len() {
        return Err(wrong(
            contract,
            "`effects` names everything that a call may do, each once; `read` when that is all.",
        ));
    }
    value(contract)?;
    counts(contract)?;
    places(contract, has_hosts)
}

fn wrong(contract: &Contract, text: &str) -> BundleError {
    let message =
        format!("In the contract of tool `{}` of server `{}`: {text}", contract.tool, contract.server);
    BundleError::new("bundle.contract", message)
}

fn value(contract: &Contract) -> Result<(), BundleError> {
    let Some(value) = &contract.value else { return Ok(()) };
    path(contract, "value.path", &value.path, 1)?;
    if let Some(currency_path) = &value.currency_path {
        path(contract, "value.currency_path", currency_path, 1)?;
        if value.currency.is_none() {
            return Err(wrong(contract, "`value.currency_path` needs the `currency` that must be there."));
        }
    }
    let code = |code: &String| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    if value.currency.as_ref().is_some_and(|currency| !code(currency)) {
        return Err(wrong(contract, "`value.currency` is an ISO 4217 code, as `EUR`."));
    }
    if value.minor_units.is_some_and(|digits| digits > MAX_MINOR_UNITS) {
        return Err(wrong(contract, "`value.minor_units` is the number of decimal places, at most 4."));
    }
    bounds(contract, "value", value.ask_above, value.max, value.totals.is_empty())?;
    totals(contract, "value", &value.totals, MAX_INTEGER)?;
    for per in value.totals.iter().filter_map(|term| term.per.as_ref()) {
        path(contract, "value.totals.per", per, 0)?;
    }
    Ok(())
}

/// Counts over calls: each window once, or two bounds would be of one counter.
fn totals(contract: &Contract, name: &str, totals: &[TotalTerm], most: u64) -> Result<(), BundleError> {
    let mut seen = BTreeSet::new();
    if totals.len() > MAX_TOTALS {
        return Err(wrong(contract, &format!("`{name}.totals` are at most {MAX_TOTALS}.")));
    }
    for term in totals {
        let Some(seconds) = window_seconds(&term.window) else {
            let text =
                format!("`{name}.totals.window` is `1m` to `31d`, in whole minutes, hours (`h`) or days.");
            return Err(wrong(contract, &text));
        };
        if term.per.is_some() && name != "value" {
            return Err(wrong(contract, "`totals.per` is of `value` alone."));
        }
        if !seen.insert((seconds, term.per.is_some())) {
            return Err(wrong(contract, &format!("`{name}.totals` has two of one window.")));
        }
        if term.ask_above.iter().chain(&term.max).any(|bound| *bound > most) {
            return Err(wrong(contract, &format!("The bounds of `{name}.totals` are at most {most}.")));
        }
        bounds(contract, &format!("{name}.totals"), term.ask_above, term.max, true)?;
    }
    Ok(())
}

fn counts(contract: &Contract) -> Result<(), BundleError> {
    if let Some(recipients) = &contract.recipients {
        paths(contract, "recipients.paths", &recipients.paths)?;
        let needed = recipients.totals.is_empty();
        bounds(contract, "recipients", recipients.ask_above, recipients.max, needed)?;
        totals(contract, "recipients", &recipients.totals, MAX_DISTINCT)?;
    }
    if let Some(cardinality) = &contract.cardinality {
        // Conditions alone are enough: then nothing is counted.
        if cardinality.filters.is_empty() || !cardinality.paths.is_empty() {
            paths(contract, "cardinality.paths", &cardinality.paths)?;
        }
        for filter in &cardinality.filters {
            path(contract, "cardinality.filters", filter, 1)?;
        }
        bounds(contract, "cardinality", cardinality.ask_above, cardinality.max, false)?;
        totals(contract, "cardinality", &cardinality.totals, MAX_DISTINCT)?;
        if !cardinality.totals.is_empty() && cardinality.paths.is_empty() {
            return Err(wrong(contract, "`cardinality.totals` need `paths`: conditions are not counted."));
        }
    }
    if let Some(rows) = &contract.rows {
        path(contract, "rows.path", &rows.path, MAX_PARTS)?;
        bounds(contract, "rows", None, Some(rows.max), true)?;
    }
    Ok(())
}

fn places(contract: &Contract, has_hosts: bool) -> Result<(), BundleError> {
    for destination in &contract.destinations {
        path(contract, "destinations.path", &destination.path, 1)?;
    }
    if !contract.destinations.is_empty() && !has_hosts {
        let text =
            "`destinations` need `interdict.destinations.hosts` in the data, where the approved hosts are.";
        return Err(wrong(contract, text));
    }
    if let Some(depth) = &contract.path_depth {
        path(contract, "path_depth.path", &depth.path, 1)?;
        if !(1..=32).contains(&depth.min) {
            return Err(wrong(contract, "`path_depth.min` is 1 to 32."));
        }
    }
    Ok(())
}

fn paths(contract: &Contract, name: &str, list: &[Vec<String>]) -> Result<(), BundleError> {
    if list.is_empty() {
        return Err(wrong(contract, &format!("`{name}` needs at least one path.")));
    }
    list.iter().try_for_each(|one| path(contract, name, one, 1))
}

fn path(contract: &Contract, name: &str, path: &[String], stars: usize) -> Result<(), BundleError> {
    let found = path.iter().filter(|part| *part == "*").count();
    if path.is_empty() || path.len() > MAX_PARTS || found > stars {
        let text =
            format!("`{name}` is a list of 1 to {MAX_PARTS} member names, with `*` at most {stars} times.");
        return Err(wrong(contract, &text));
    }
    Ok(())
}

/// A term that bounds nothing is a mistake, and so is a person asked beyond what is refused.
fn bounds(
    contract: &Contract,
    name: &str,
    ask_above: Option<u64>,
    max: Option<u64>,
    needed: bool,
) -> Result<(), BundleError> {
    if needed && ask_above.is_none() && max.is_none() {
        return Err(wrong(contract, &format!("`{name}` needs `max`, `ask_above` or both.")));
    }
    if ask_above.iter().chain(&max).any(|bound| *bound > MAX_INTEGER) {
        return Err(wrong(contract, &format!("The bounds of `{name}` are at most {MAX_INTEGER}.")));
    }
    if ask_above.zip(max).is_some_and(|(ask, max)| ask >= max) {
        return Err(wrong(contract, &format!("`{name}.ask_above` is below `max`.")));
    }
    Ok(())
}
