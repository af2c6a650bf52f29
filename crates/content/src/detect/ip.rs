//! Internet addresses, private and public.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use super::classes::Builtin;
use super::digits::Cluster;
use super::hit::{Certainty, Found};
use super::text::Text;
use crate::finding::Facet;

/// Looks for four numbers with dots between them.
pub(crate) fn find_v4(cluster: &Cluster<'_>, found: &mut Found) {
    let text = &cluster.text;
    for groups in cluster.groups.windows(4) {
        let [first, .., last] = groups else { continue };
        let range = first.start..last.end;
        // In a long row of numbers only the first ones are not behind a dot.
        if text.before(range.start) == b'.' {
            continue;
        }
        let Ok(address) = text.slice(range.clone()).parse::<Ipv4Addr>() else { continue };
        let dotted = text.byte(range.end) == b'.' && text.byte(range.end + 1).is_ascii_digit();
        if dotted || !text.stands_alone(&range) || text.near(range.start, &["version"]) {
            continue;
        }
        let private =
            address.is_private() || address.is_loopback() || address.is_link_local() || shared(address);
        add(range, address.to_string(), private, found);
    }
}

/// Carrier-grade NAT, RFC 6598.
fn shared(address: Ipv4Addr) -> bool {
    matches!(address.octets(), [100, 64..=127, ..])
}

/// Looks for an IPv6 address around the colon at `at`; returns where it has looked up to.
pub(crate) fn find_v6(text: &Text<'_>, at: usize, found: &mut Found) -> usize {
    let is_part = |byte: u8| byte.is_ascii_hexdigit() || byte == b':';
    let start = text.run_back(at, 40, is_part);
    let end = text.run(at, 40, |byte| is_part(byte) || byte == b'.');
    let inside = text.slice(start..end).trim_end_matches(['.', ':']);
    let inside = if text.slice(start..end).ends_with("::") { text.slice(start..end) } else { inside };
    let range = start..start + inside.len();
    let colons = inside.bytes().filter(|byte| *byte == b':').count();
    if colons < 2 || !text.stands_alone(&range) {
        return end;
    }
    let Ok(address) = inside.parse::<Ipv6Addr>() else { return end };
    // `a::b` is also a name in a program.
    let digits = inside.bytes().filter(u8::is_ascii_digit).count();
    if address.is_loopback() || (digits >= 2 && colons >= 2 && inside.len() >= 6) {
        let private =
            address.is_loopback() || matches!(address.segments(), [0xfc00..=0xfdff | 0xfe80..=0xfebf, ..]);
        add(range, address.to_string(), private, found);
    }
    end
}

fn add(range: Range<usize>, value: String, private: bool, found: &mut Found) {
    let reach = if private { "private" } else { "public" };
    let facet = Facet { domain: Some(reach.to_owned()), ..Facet::default() };
    found.add(Builtin::IP, range, value, Certainty::Shape, facet);
}
