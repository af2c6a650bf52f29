//! Text that a page hides from people and shows to models, links that carry data away, and data that is a program.
//!
//! Pages hide much for honest reasons (menus, scripts, licences in comments), so what is hidden is marked only when it
//! talks to a model or gives orders.

use super::Found;
use super::pattern::{Next, Pattern, around};
use super::triggers::{Candidates, Groups};

/// Where hidden text starts.
static HIDDEN: Pattern = Pattern::new(concat!(
    r"<!--",
    r"|style\s{0,3}=[^>]{0,300}?(?:display\s{0,3}:\s{0,3}none|visibility\s{0,3}:\s{0,3}hidden|opacity\s{0,3}:\s{0,3}0(?:\.0{1,4}\d{0,2})?\s{0,3}[;\x22'!]",
    r"|font-size\s{0,3}:\s{0,3}(?:0(?:\.\d)?|1)\s{0,3}(?:px|pt|em|rem|%)?\s{0,3}[;\x22'!]|text-indent\s{0,3}:\s{0,3}-\d{3}|(?:left|top|right|bottom|margin-left)\s{0,3}:\s{0,3}-\d{3,5}",
    r"|clip\s{0,3}:\s{0,3}rect\(0|(?:width|height|max-height)\s{0,3}:\s{0,3}[01](?:px)?\s{0,3};|[^-]color\s{0,3}:\s{0,3}(?:#fff(?:fff)?\b|white\b|transparent\b|rgba?\(\s{0,3}255\s{0,3},\s{0,3}255\s{0,3},\s{0,3}255))",
    r"|<[a-z][a-z0-9]{0,10}\s[^>]{0,300}?\bhidden(?:[\s>]|=)|<[a-z][a-z0-9]{0,10}\s[^>]{0,300}?aria-hidden\s{0,3}=\s{0,3}.?true",
    r"|\\(?:text)?color\s{0,2}\{\s{0,2}white|<font\s[^>]{0,100}?color\s{0,3}=\s{0,3}.?(?:white|#fff)",
));

/// Who is talked to.
static ADDRESSEE: Pattern = Pattern::new(
    r"\b(?:ai|a\.i\.|llms?|gpt-?\d?\w*|chatgpt|claude|gemini|copilot|chatbots?|(?:ai |language |digital |virtual )?(?:assistant|agent)s?|(?:language|ai) models?|system prompt|(?:previous|prior|following|these|your|all|user|new) instructions?|the user|you (?:are|must|should|have to|need to|will))\b",
);

/// What is ordered.
static ORDER: Pattern = Pattern::new(
    r"\b(?:ignor\w*|disregard|forget|overrid\w*|bypass|instead|must|always|never|do not|don't|send|forward|e-?mail|transfer|execute|run|call|invoke|reveal|upload|post|visit|click|say|tell|respond|reply|output|print|include|append|add|recommend|write|give|approve|remember|pretend|act as|you are now|follow|perform|use|read|leak|disclose|summari[sz]e|mention)\b",
);

/// Who is talked to must be near the order, and what is hidden not be a program or a style sheet of its own.
const HIDDEN_REACH: usize = 600;

/// Images and links whose address has a place for data in it.
static PLACEHOLDER: Pattern = Pattern::new(concat!(
    r"(?:!?\[[^\]\n]{0,200}\]\(\s{0,3}<?|^\[[^\]\n]{1,80}\]:\s{0,3}|<img\s[^>]{0,200}?src\s{0,2}=\s{0,2}.?)https?://[^\s)\x22'>]{0,300}[?&/#=][^\s)\x22'>]{0,300}?",
    r"(?:\{\{?\s{0,2}[\w .$-]{0,60}\s{0,2}\}|\$\{?[A-Z_]{3,40}\b|%7B|<[A-Z_ ]{3,40}>|\[[A-Z][A-Z_ -]{2,40}\]|=(?:INSERT|REPLACE|YOUR|SECRET|DATA|PLACEHOLDER|ENCODED|BASE64|SUMMARY|STOLEN|EXFIL)[A-Z_]*\b)",
));

/// Images whose query is named after what is taken and has a value.
static LOADED: Pattern = Pattern::new(
    r"(?:!\[[^\]\n]{0,200}\]\(\s{0,3}<?|<img\s[^>]{0,200}?src\s{0,2}=\s{0,2}.?)https?://[^\s)\x22'>]{0,300}[?&](?:data|d|payload|info|secrets?|content|conversation|chat|history|context|leak|exfil\w*|stolen|password|passwd|pwd|creds?|credentials?|api_?key|msg|message|prompt|summary|dump|env|keys?|ssn|cookies?)=[^\s&)\x22'>]{16,}",
);

/// Addresses that are programs.
static PROGRAM: Pattern = Pattern::new(concat!(
    r"\bdata:(?:text/(?:html|javascript|ecmascript|xml)|application/(?:javascript|x-javascript|ecmascript|xhtml\+xml|x-sh|x-httpd-php))(?:;[\w=-]{1,40}){0,4},[^\s\x22'`)]{8}",
    r"|\bdata:image/svg\+xml(?:;[\w=-]{1,40}){0,4},[^\n]{0,400}?(?:<|%3c)script",
    r"|(?:\]\(\s{0,3}<?|\b(?:href|src|action|formaction|xlink:href)\s{0,3}=\s{0,3}[\x22']\s{0,3})(?:javascript|vbscript):\s{0,3}[a-z(]{3}",
));

/// `javascript:void(0)` and the like do nothing.
static HARMLESS: Pattern =
    Pattern::new(r"javascript:\s{0,3}(?:void|;|//|return|false|history\.|window\.print|print\()");

/// Text that is hidden.
pub(super) fn find_hidden(text: &[u8], candidates: &Candidates, found: &mut Found) {
    if candidates.parts(Groups::MARKUP, text).any(hides_orders) {
        found.structural("hidden_markup");
    }
}

pub(super) fn find(text: &[u8], candidates: &Candidates, found: &mut Found) {
    find_hidden(text, candidates, found);
    let mut links = candidates.parts(Groups::LINK, text);
    if links.any(|part| PLACEHOLDER.is_in(part) || LOADED.is_in(part)) {
        found.structural("data_in_link");
    }
    if candidates.parts(Groups::LINK, text).any(holds_program) {
        found.structural("program_in_address");
    }
}

/// Whatever hides, much of it or little, the text behind it is read once: each search goes on from what it found last.
fn hides_orders(text: &[u8]) -> bool {
    let mut addressee = ADDRESSEE.nexts(text);
    let mut order = ORDER.nexts(text);
    let mut end = Next::new(|from| end_of_hidden(text, from));
    HIDDEN.spans(text).any(|span| {
        let from = span.end;
        let limit = from.saturating_add(HIDDEN_REACH).min(end.at(from).unwrap_or(usize::MAX));
        let is_near = |next: Option<usize>| next.is_some_and(|at| at < limit);
        is_near(addressee.at(from)) && is_near(order.at(from))
    })
}

/// Where the comment or the element ends that `from` is in.
fn end_of_hidden(text: &[u8], from: usize) -> Option<usize> {
    let rest = text.get(from..)?;
    let at = rest.windows(3).position(|bytes| bytes.starts_with(b"</") || bytes == b"-->");
    // At the very end there are not three bytes left.
    at.or_else(|| rest.ends_with(b"</").then(|| rest.len() - 2)).map(|at| from + at)
}

fn holds_program(text: &[u8]) -> bool {
    PROGRAM.spans(text).any(|span| !HARMLESS.is_in(around(text, span, 12)))
}

#[cfg(test)]
pub(super) fn patterns() -> [&'static Pattern; 7] {
    [&HIDDEN, &ADDRESSEE, &ORDER, &PLACEHOLDER, &LOADED, &PROGRAM, &HARMLESS]
}
