//! The strings below a value, with their places.

use interdict_mcp::json::{Kind, Value};

/// Calls `each` with the RFC 6901 pointer and the value of every string, in order, until it says stop.
pub(super) fn walk<'d>(
    value: Value<'d>,
    path: &mut String,
    each: &mut impl FnMut(&str, Value<'d>) -> bool,
) -> bool {
    let length = path.len();
    match value.kind() {
        Kind::String(_) => return each(path, value),
        Kind::Array => {
            for (index, element) in value.elements().enumerate() {
                path.push_str(&format!("/{index}"));
                let goes_on = walk(element, path, each);
                path.truncate(length);
                if !goes_on {
                    return false;
                }
            }
        }
        Kind::Object => {
            for (name, _, member) in value.members() {
                path.push('/');
                path.push_str(&name.replace('~', "~0").replace('/', "~1"));
                let goes_on = walk(member, path, each);
                path.truncate(length);
                if !goes_on {
                    return false;
                }
            }
        }
        Kind::Null | Kind::Bool(_) | Kind::Number(_) => {}
    }
    true
}
