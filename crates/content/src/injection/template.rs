//! The frame of a conversation inside a text: special tokens of chat templates, turns.
//!
//! A token that stands alone in quotes or backticks is a mention ("the `<|im_start|>` token") and not marked: without
//! text behind it in the same quotes it opens no turn. Documentation that shows a whole template is marked; it cannot
//! be told from an attack.

use super::Found;
use super::pattern::Pattern;
use super::triggers::{Candidates, Groups};

/// Tokens that have no other use.
static TOKEN: Pattern = Pattern::new(concat!(
    r"<\|(?:im_start|im_end|im_sep|endoftext|startoftext|begin_of_text|end_of_text|start_header_id|end_header_id|eot_id|eom_id|python_tag|system|user|assistant|human|bot|tool|end|endofprompt|channel|message|start|return|constrain|call|start_of_role|end_of_role|start_of_turn|end_of_turn|tool_call|tool_calls_begin|tool_response|im_user|im_assistant|im_system|sep|pad|bos|eos|fim_prefix|beginofsystem|beginofuser|header_start|header_end|turn_start|turn_end)\|>",
    r"|<\| ?(?:begin|end)[^a-z>]{1,9}of[^a-z>]{1,9}sentence ?\|>",
    r"|<(?:start|end)_of_turn>|\[/?INST\]|<</?SYS>>|\[/?(?:SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_RESULTS)\]",
    r"|</s>\s{0,3}(?:<s>|\[INST\]|<\||human:|user:|system:|assistant:)",
));

/// A turn of an older format on a line of its own, behind an empty one.
static TURN: Pattern = Pattern::new(r"\n[ \t]*\r?\n(?:(?-i)Human|Assistant): ?\S");

/// Both headings of an instruction template.
static INSTRUCTION: Pattern = Pattern::new(r"^### ?Instructions?:\s");
static RESPONSE: Pattern = Pattern::new(r"^### ?Response:");

pub(super) fn find(text: &[u8], candidates: &Candidates, found: &mut Found) {
    let parts = || candidates.parts(Groups::TEMPLATE, text);
    let instructed =
        || parts().any(|part| INSTRUCTION.is_in(part)) && parts().any(|part| RESPONSE.is_in(part));
    if parts().any(opens_turn) || instructed() {
        found.structural("chat_template");
    }
}

fn opens_turn(text: &[u8]) -> bool {
    TURN.is_in(text) || TOKEN.spans(text).any(|span| !is_mention(text, span.start, span.end))
}

/// Whether the same quote stands right before and right behind.
fn is_mention(text: &[u8], start: usize, end: usize) -> bool {
    let before = start.checked_sub(1).and_then(|at| text.get(at));
    matches!(before, Some(b'`' | b'"' | b'\'')) && before == text.get(end)
}

#[cfg(test)]
pub(super) fn patterns() -> [&'static Pattern; 4] {
    [&TOKEN, &TURN, &INSTRUCTION, &RESPONSE]
}
