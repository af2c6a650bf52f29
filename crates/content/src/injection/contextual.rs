//! Text that names what the agent has: another of its tools, or a file with secrets, next to an order.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, MatchKind};

use super::Found;
use super::pattern::{Pattern, around, behind};
use super::triggers::{Candidates, Groups};

/// Shorter names are not looked for.
pub(super) const MIN_NAME: usize = 4;

/// How far from the name the order may stand, in bytes.
const REACH: usize = 120;

static PATH: Pattern = Pattern::new(concat!(
    r"\bid_(?:rsa|ed25519|ecdsa|dsa)\b|\.ssh(?:/|\b)|/etc/(?:passwd|shadow|sudoers)\b|(?:^|[\s/\x22'`(=])\.env(?:\.(?:local|prod\w*|dev\w*|staging))?\b|\bmcp\.json\b|\bclaude_desktop_config",
    r"|\.aws/(?:credentials|config)|\.netrc\b|\.npmrc\b|\.pypirc\b|\.pgpass\b|\.git-credentials\b|\.kube/config|\.docker/config|\.gnupg\b|\bwallet\.dat\b|\bapplication_default_credentials",
    r"|/proc/self/environ|\bcookies\.sqlite\b|\blogin data\b|\bkeychain(?:\.db|s/)|\bcredentials\.json\b|\bservice[-_]account[\w-]{0,20}\.json\b|\.bash_history\b|\.cursor/|\bsettings\.local\.json\b",
    r"|/run/secrets/|\bauthorized_keys\b|\b169\.254\.169\.254\b",
));

/// An order to take something: the verb opens a sentence or follows a word that makes it an order. Stands before the path.
static TAKE: Pattern = Pattern::new(concat!(
    r"(?:^|[.!?:;,>*#(`\x22'-]\s{0,3}|\b(?:please|must|should|to first|need to|have to|then|first|also|always|now|and|you|to|can|will|it|assistant|agent|model)\s{1,3})",
    r"(?:read|cat|open|send|upload|exfiltrate|include|pass|attach|paste|dump|extract|output|print|leak|forward|submit|retrieve|fetch|get|access|post|transmit|encode|base64|provide|share|reveal|email|curl|collect|harvest|steal|copy|display|show|echo|verify)\b",
));

/// What a person says who wants the file rather than documents it.
static SOLICITS: Pattern = Pattern::new(
    r"\b(?:(?:the |its? |file )contents?\b|as (?:the |an? )?[\w`'\x22-]{1,30} ?(?:parameter|argument|field|value)|sidenote|before (?:using|calling|you|any|doing|running|executing|making|patching|starting)|assistant|ai agent|llm|do not (?:tell|mention|inform)|don't (?:tell|mention|inform)|exfiltrat\w*|base64|(?:and|then|please|must|to|also) (?:send|upload|forward|post|submit|leak|include|pass|attach|paste|print|output|e-?mail)|(?:upload|send|forward|post|submit|e-?mail|leak) (?:it|them|this|that|the|to|its|~|/|\.|my|your|all)|must (?:read|include|send|first|also)|steal|harvest)",
);

/// An order to use something.
static USE: Pattern = Pattern::new(concat!(
    r"\b(?:must|always|never|first|before (?:using|calling|you|any|doing|running|executing|answering)|instead(?: of)?|do not use|don't use|ignore|you (?:should|need to|have to|can now|will)|make sure|be sure|ensure|required to|whenever|every time|please)\b",
    r"|(?:^|[.!?:;,>*#(-]\s{0,3}|\b(?:please|must|should|need to|have to|then|also|always|now|and|you|to)\s{1,3})(?:call|use|invoke|run|execute|trigger|send|pass|start|perform)\b",
));

/// A block that looks like an instruction to the reader.
static BLOCK: Pattern = Pattern::new(
    r"<(?:very[-_ ]?)?(?:important|information|instructions?|admin|critical|secret|urgent|override|mandatory|priority|attention|system|hidden|assistant|notice)(?:[-_ ](?:info\w*|instructions?|message|note|notice|override|prompt))?:?>",
);

/// What such a block says when it means the model.
static DIRECTIVE: Pattern = Pattern::new(
    r"\b(?:you (?:must|should|need|have to|are|can|may|will)|must|please|ignore|disregard|always|never|before (?:you|using|calling|answering)|do not|don't|read|send|call|invoke|execute|use (?:the|this)|pass|to you,|the following|instruct)\b",
);

/// How far behind its beginning a block says so, in bytes.
const BLOCK_REACH: usize = 400;

/// The tools of the agent, by name.
#[derive(Debug)]
pub(super) struct Tools {
    named: Vec<String>,
    /// Compiled when the first text is read: most answers have none that has to be.
    names: OnceLock<Option<AhoCorasick>>,
    /// Whether the name is an everyday word, which counts only in quotes or as a call.
    plain: Vec<bool>,
}

impl Tools {
    pub(super) fn new(tools: &BTreeSet<String>) -> Self {
        let named: Vec<String> = tools.iter().filter(|name| name.len() >= MIN_NAME).cloned().collect();
        let plain = named.iter().map(|name| is_plain(name)).collect();
        Self { named, names: OnceLock::new(), plain }
    }

    fn names(&self) -> Option<&AhoCorasick> {
        let compile = || {
            let mut builder = AhoCorasick::builder();
            builder.ascii_case_insensitive(true).match_kind(MatchKind::LeftmostLongest);
            builder.build(&self.named).ok().filter(|_| !self.named.is_empty())
        };
        self.names.get_or_init(compile).as_ref()
    }

    pub(super) fn are_in(&self, text: &str) -> bool {
        self.names().is_some_and(|names| names.is_match(text))
    }

    /// Names as words of their own, everyday words only where they can only be meant as names.
    fn spans(&self, text: &[u8]) -> impl Iterator<Item = Range<usize>> {
        let named = move |found: aho_corasick::Match| {
            let plain = self.plain.get(found.pattern().as_usize()).copied().unwrap_or(true);
            (is_word(text, found.range()) && (!plain || is_name(text, found.range()))).then(|| found.range())
        };
        self.names().into_iter().flat_map(move |names| names.find_iter(text).filter_map(named))
    }
}

/// No separator and no capital inside: `search`, `Read`.
pub(super) fn is_plain(name: &str) -> bool {
    !name.contains(['_', '-', '.', '/', ':']) && !name.chars().skip(1).any(char::is_uppercase)
}

fn is_word(text: &[u8], span: Range<usize>) -> bool {
    let letter = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    !letter(span.start.checked_sub(1).and_then(|at| text.get(at))) && !letter(text.get(span.end))
}

fn is_name(text: &[u8], span: Range<usize>) -> bool {
    let before = span.start.checked_sub(1).and_then(|at| text.get(at)).copied().unwrap_or_default();
    match text.get(span.end).copied().unwrap_or_default() {
        b'(' => true,
        quote @ (b'`' | b'"' | b'\'') => before == quote,
        _ => behind(text, span.end, 5).eq_ignore_ascii_case(b" tool"),
    }
}

/// `own`: the name of what is being defined, which may speak of itself.
pub(super) fn find_tools(text: &[u8], tools: &Tools, own: Option<&str>, found: &mut Found) {
    let is_own = |span: &Range<usize>| {
        text.get(span.clone()).zip(own).is_some_and(|(name, own)| name.eq_ignore_ascii_case(own.as_bytes()))
    };
    let mut others = tools.spans(text).filter(|span| !is_own(span));
    if others.any(|span| USE.is_in(around(text, span, REACH))) {
        found.contextual("names_tool");
    }
}

/// Secret paths, and blocks that look like instructions; in a definition the latter need say nothing.
pub(super) fn find(text: &[u8], candidates: &Candidates, definition: bool, found: &mut Found) {
    if candidates.parts(Groups::PATH, text).any(asks_for_secret) {
        found.contextual("secret_path");
    }
    let instructs = |part: &[u8]| {
        let mut directive = DIRECTIVE.nexts(part);
        let mut is_near = |end: usize| directive.at(end).is_some_and(|at| at - end < BLOCK_REACH);
        BLOCK.spans(part).any(|span| definition || is_near(span.end))
    };
    if candidates.parts(Groups::BLOCK, text).any(instructs) {
        found.contextual("instruction_block");
    }
}

fn asks_for_secret(text: &[u8]) -> bool {
    PATH.spans(text).any(|span| {
        let before = text.get(span.start.saturating_sub(REACH)..span.start).unwrap_or_default();
        TAKE.is_in(before) && SOLICITS.is_in(around(text, span, REACH))
    })
}

#[cfg(test)]
pub(super) fn patterns() -> [&'static Pattern; 6] {
    [&PATH, &TAKE, &SOLICITS, &USE, &BLOCK, &DIRECTIVE]
}
