//! From the typed input to the Rego value, without JSON text or a JSON tree in between.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use interdict_mcp::json;
use jiff::Timestamp;
use regorus::Value;

use super::{Arguments, Input, content};
use crate::contract::Contracts;
use crate::registry::{Agent, Registry, Server};
use crate::{Contract, TotalFact};

/// Deepest arguments. The reader of messages allows less by default; this protects against callers that do not.
const MAX_DEPTH: usize = 128;
/// Longest number, and largest power of ten, that is turned into a value. Beyond it a few bytes of text would become
/// megabytes (`1e999999999`).
const MAX_NUMBER_DIGITS: usize = 400;

/// Why an input has no document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InputError {
    Number,
    Depth,
}

impl InputError {
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Number => "policy.number_out_of_range",
            Self::Depth => "policy.arguments_too_deep",
        }
    }
}

/// Builds documents; keeps the parts that are the same for every request.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    keys: Keys,
    agents: HashMap<String, (Agent, Value)>,
    servers: HashMap<String, (Server, Value)>,
    /// Server -> tool.
    contracts: HashMap<String, HashMap<String, (Arc<Contract>, Value)>>,
}

macro_rules! keys {
    ($($name:ident)*) => {
        /// Member names as values, made once: a document has the same ones every time.
        #[derive(Debug)]
        pub(super) struct Keys { $(pub(super) $name: Value,)* }

        impl Default for Keys {
            fn default() -> Self {
                Self { $($name: Value::from(stringify!($name)),)* }
            }
        }
    };
}

keys! {
    accumulated action agent approval approved_at approved_by arguments assurance before class consequential content contract
    count counter country covers distinct domain enforcer era family findings host http id incomplete instance issuer kind labels
    last_four mcp method name new owner path place principal resource rfc3339 roles server servers source_address task_ids
    tenant time tool totals unix_ms uri uris version window
}

pub(super) type Members = BTreeMap<Value, Value>;

impl Documents {
    pub(crate) fn new(registry: &Registry, contracts: &Contracts) -> Self {
        let mut documents = Self::default();
        for agent in registry.agents() {
            let value = documents.agent(agent);
            documents.agents.insert(agent.id.clone(), (agent.clone(), value));
        }
        for server in registry.servers() {
            let value = documents.server(server);
            documents.servers.insert(server.id.clone(), (server.clone(), value));
        }
        for contract in contracts.all() {
            let tools = documents.contracts.entry(contract.server.clone()).or_default();
            tools.insert(contract.tool.clone(), (Arc::clone(contract), contract_value(contract)));
        }
        documents
    }

    pub(crate) fn build(&self, input: &Input<'_>) -> Result<Value, InputError> {
        let keys = &self.keys;
        let mut root = Members::new();
        root.insert(keys.time.clone(), self.time(input.time));

        let mut enforcer = Members::new();
        enforcer.insert(keys.kind.clone(), input.enforcer.kind.into());
        enforcer.insert(keys.version.clone(), input.enforcer.version.into());
        root.insert(keys.enforcer.clone(), enforcer.into());

        root.insert(keys.agent.clone(), self.agent_fact(input));
        if let Some(principal) = &input.principal {
            let mut members = Members::new();
            members.insert(keys.id.clone(), principal.id.as_str().into());
            members.insert(keys.issuer.clone(), principal.issuer.as_str().into());
            root.insert(keys.principal.clone(), members.into());
        }
        let server = match self.servers.get(&input.server.id) {
            Some((known, value)) if known == input.server => value.clone(),
            _ => self.server(input.server),
        };
        root.insert(keys.server.clone(), server);

        let mut http = Members::new();
        http.insert(keys.method.clone(), input.http.method.into());
        http.insert(keys.path.clone(), input.http.path.into());
        http.insert(keys.host.clone(), input.http.host.into());
        http.insert(keys.source_address.clone(), input.http.source_address.into());
        root.insert(keys.http.clone(), http.into());

        root.insert(keys.mcp.clone(), self.mcp(input)?);
        if let Some(approval) = &input.approval {
            let mut members = Members::new();
            members.insert(keys.id.clone(), approval.id.as_str().into());
            members.insert(keys.approved_by.clone(), approval.approved_by.as_str().into());
            members.insert(keys.approved_at.clone(), self.time(approval.approved_at));
            members.insert(keys.covers.clone(), strings(&approval.covers));
            root.insert(keys.approval.clone(), members.into());
        }
        if let Some(contract) = input.contract {
            root.insert(keys.contract.clone(), self.contract(contract));
        }
        if let Some(content) = input.content {
            root.insert(keys.content.clone(), content::value(content, input, keys));
        }
        if !input.totals.is_empty() {
            root.insert(keys.totals.clone(), totals(input.totals, keys));
        }
        Ok(root.into())
    }

    fn time(&self, time: Timestamp) -> Value {
        let mut members = Members::new();
        members.insert(self.keys.unix_ms.clone(), time.as_millisecond().into());
        // Whole milliseconds, so that both members say the same.
        let text = format!("{time:.3}");
        members.insert(self.keys.rfc3339.clone(), text.into());
        members.into()
    }

    fn agent(&self, agent: &Agent) -> Value {
        let keys = &self.keys;
        let mut members = Members::new();
        members.insert(keys.id.clone(), agent.id.as_str().into());
        members.insert(keys.owner.clone(), agent.owner.as_str().into());
        members.insert(keys.tenant.clone(), agent.tenant.as_str().into());
        members.insert(keys.roles.clone(), strings(&agent.roles));
        members.insert(keys.servers.clone(), strings(&agent.servers));
        members.into()
    }

    fn agent_fact(&self, input: &Input<'_>) -> Value {
        let mut value = match self.agents.get(&input.agent.agent.id) {
            Some((known, value)) if known == input.agent.agent => value.clone(),
            _ => self.agent(input.agent.agent),
        };
        // The value is an object; were it not, the document would lack the assurance and the decision would fail.
        if let Ok(members) = value.as_object_mut() {
            members.insert(self.keys.assurance.clone(), u64::from(input.agent.assurance).into());
            if let Some(instance) = input.agent.instance {
                members.insert(self.keys.instance.clone(), instance.into());
            }
        }
        value
    }

    fn server(&self, server: &Server) -> Value {
        let keys = &self.keys;
        let mut members = Members::new();
        members.insert(keys.id.clone(), server.id.as_str().into());
        members.insert(keys.owner.clone(), server.owner.as_str().into());
        members.insert(keys.tenant.clone(), server.tenant.as_str().into());
        members.insert(keys.resource.clone(), server.resource.as_str().into());
        members.into()
    }

    fn contract(&self, contract: &Contract) -> Value {
        let known = self.contracts.get(&contract.server).and_then(|tools| tools.get(&contract.tool));
        match known {
            Some((known, value)) if std::ptr::eq(Arc::as_ptr(known), contract) => value.clone(),
            _ => contract_value(contract),
        }
    }

    fn mcp(&self, input: &Input<'_>) -> Result<Value, InputError> {
        let keys = &self.keys;
        let mcp = &input.mcp;
        let mut members = Members::new();
        members.insert(keys.era.clone(), mcp.era.into());
        members.insert(keys.kind.clone(), mcp.kind.label().into());
        for (key, value) in
            [(&keys.method, mcp.method), (&keys.tool, mcp.tool), (&keys.name, mcp.name), (&keys.uri, mcp.uri)]
        {
            if let Some(value) = value {
                members.insert(key.clone(), value.into());
            }
        }
        for (key, list) in [(&keys.uris, mcp.uris), (&keys.task_ids, mcp.task_ids)] {
            if !list.is_empty() {
                members.insert(key.clone(), strings(list));
            }
        }
        let arguments = match mcp.arguments {
            Some(Arguments::Body(value)) => Some(from_body(value, 0)?),
            Some(Arguments::Json(value)) => Some(from_json(value, 0)?),
            // A rule about arguments must not fall silent because a client left an empty object out.
            None if mcp.tool.is_some() || mcp.name.is_some() => Some(Value::new_object()),
            None => None,
        };
        if let Some(arguments) = arguments {
            members.insert(keys.arguments.clone(), arguments);
        }
        Ok(members.into())
    }
}

/// A contract has no value that could fail to be written.
fn contract_value(contract: &Contract) -> Value {
    Value::from(serde_json::to_value(contract).unwrap_or_default())
}

pub(super) fn strings(items: &[impl AsRef<str>]) -> Value {
    items.iter().map(|item| Value::from(item.as_ref())).collect::<Vec<_>>().into()
}

fn totals(totals: &[TotalFact], keys: &Keys) -> Value {
    let values = totals.iter().map(|total| {
        let mut members = Members::new();
        members.insert(keys.counter.clone(), total.counter.as_str().into());
        members.insert(keys.window.clone(), total.window.as_str().into());
        members.insert(keys.before.clone(), total.before.into());
        if let Some(new) = total.new {
            members.insert(keys.new.clone(), new.into());
        }
        Value::from(members)
    });
    values.collect::<Vec<_>>().into()
}

/// Any JSON value as a policy sees it.
pub(crate) fn value_from(value: json::Value<'_>) -> Result<Value, InputError> {
    from_body(value, 0)
}

/// The JSON text of a document. The engine's own writer turns large integers into doubles.
pub(super) fn write(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (index, (key, member)) in members.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                write(key, out);
                out.push(':');
                write(member, out);
            }
            out.push('}');
        }
        Value::Number(number) if number.is_integer() => out.push_str(&number.format_decimal()),
        // Neither sets nor undefined values are in a document; keys are strings.
        other => out.push_str(&other.to_string()),
    }
}

fn from_body(value: json::Value<'_>, depth: usize) -> Result<Value, InputError> {
    if depth > MAX_DEPTH {
        return Err(InputError::Depth);
    }
    Ok(match value.kind() {
        json::Kind::Null => Value::Null,
        json::Kind::Bool(value) => Value::Bool(value),
        json::Kind::Number(text) => number(text)?,
        json::Kind::String(text) => Value::from(&*text),
        json::Kind::Array => {
            value.elements().map(|item| from_body(item, depth + 1)).collect::<Result<Vec<_>, _>>()?.into()
        }
        json::Kind::Object => {
            let mut members = Members::new();
            for (key, _, member) in value.members() {
                members.insert(Value::from(&*key), from_body(member, depth + 1)?);
            }
            members.into()
        }
    })
}

fn from_json(value: &serde_json::Value, depth: usize) -> Result<Value, InputError> {
    if depth > MAX_DEPTH {
        return Err(InputError::Depth);
    }
    Ok(match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(*value),
        serde_json::Value::Number(value) => number(&value.to_string())?,
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Array(items) => {
            items.iter().map(|item| from_json(item, depth + 1)).collect::<Result<Vec<_>, _>>()?.into()
        }
        serde_json::Value::Object(members) => {
            let mut object = Members::new();
            for (key, member) in members {
                object.insert(Value::from(key.as_str()), from_json(member, depth + 1)?);
            }
            object.into()
        }
    })
}

/// The number that the text means: integers exactly, whatever their size; fractions as the nearest double, which is
/// what the policies compare with.
fn number(text: &str) -> Result<Value, InputError> {
    // The way of nearly every number of a real call.
    if text.len() <= 18
        && let Ok(value) = text.parse::<i64>()
    {
        return Ok(value.into());
    }
    let exponent = text.find(['e', 'E']).and_then(|at| text.get(at + 1..));
    let small = exponent.is_none_or(|exponent| {
        exponent.parse::<i64>().is_ok_and(|exponent| exponent.unsigned_abs() <= MAX_NUMBER_DIGITS as u64)
    });
    if text.len() > MAX_NUMBER_DIGITS || !small {
        return Err(InputError::Number);
    }
    Value::from_numeric_string(text).map_err(|_| InputError::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_document_has_every_digit_of_its_integers_and_is_read_as_the_same_document() {
        let huge = format!("1{}", "0".repeat(390));
        let text = format!(
            r#"{{"a":[12345678901234567890123,-9007199254740993,0.1,true,null,"é\u0000\"😀"],"b \\":{{}},"c":{huge}}}"#
        );
        let limits = json::Limits { numbers: json::Numbers::Exact, ..json::Limits::default() };
        let parsed = json::Document::parse(text.as_bytes(), &limits).unwrap();
        let value = value_from(parsed.root()).unwrap();
        let mut written = String::new();
        write(&value, &mut written);
        assert_eq!(written, text);
    }
}
