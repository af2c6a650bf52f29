//! Phrases of people who talk to a model in somebody else's text. Noisy: honest mails say some of it.

use super::Found;
use super::collapse::collapse;
use super::pattern::Pattern;
use super::triggers::{Candidates, Groups};

/// "Ignore all previous instructions" and what else puts a new task in place of the user's.
static OVERRIDE: Pattern = Pattern::new(concat!(
    r"\b(?:ignor\w*|disregard\w*|forget\w*|overrid\w*|bypass\w*|neglect|overlook|discard|abandon|dismiss|nullify|supersedes?|skip|delete|erase|pay no (?:attention|heed|mind) to|(?:do not|don't|stop) (?:follow|obey|listen)\w*(?: to)?)\b[^.!?\n]{0,30}\b(?:previous\w*|prior|above|earlier|preceding|foregoing|existing|original|initial|current|former|past|system|your|my last|other|everything|anything|all)\b[^.!?\n]{0,30}\b(?:instruct\w*|i\w?nstructions?|prompts?|directions?|directives?|rules?|guidelines?|guidance|commands?|orders|context|messages?|programming|training|constraints?|requests?|tasks?|polic(?:y|ies)|safeguards?|restrictions?|conversations?|told|said|assignments?)\b",
    r"|\b(?:ignore|disregard|forget|override)\b[^.!?\n]{0,30}\b(?:instructions?|prompts?|directions?|directives?|rules|guidelines|commands?|task)\b[^.!?\n]{0,20}\b(?:above|before|earlier|previously|given|so far|user)\b",
    r"|\b(?:ignore|disregard|forget) (?:everything|anything|all|what)(?: (?:of )?(?:the|that|you|i|we))?\b[^.!?\n]{0,20}\b(?:above|before|earlier|previous\w*|said|told|know|were|was|learned)\b",
    r"|\b(?:new|updated|revised|real|actual|true|additional|following|important) (?:set of )?(?:instructions?|directives?|system prompt|objective)(?: (?:for you|from the user|from the system))?\s{0,2}:",
    r"|\byour (?:new|real|actual|true|only|primary|main|next) (?:task|goal|objective|instructions?|purpose|mission|job|role|directive) (?:is|are|now|will)\b",
    r"|\b(?:adhere to|follow|obey|execute|comply with) (?:only )?(?:the|these|this|my) (?:following|new) (?:instructions?|commands?|orders?|directives?|steps?)\b",
    r"|\bbefore (?:you )?(?:can )?(?:solv|do|complet|continu|answer|proceed|respond|perform|finish|help)\w*\b[^.!?\n]{0,60}\b(?:please|first|must|you need to)\b",
    r"|\bafter (?:you )?(?:do|done|doing|complet\w*|finish\w*) (?:that|this|it|so),? (?:you )?(?:can|may|continue|resume|proceed)\b",
    r"|\bfrom (?:now|this (?:point|moment|message)) on(?:ward)?s?,? (?:you|your|always|every|all|i want|do|answer|respond)\b",
    r"|\binstead of (?:the|your|answering|doing|following)\b[^.!?\n]{0,30}\b(?:original|previous|user|task|request|instructions?|question)\b",
));

/// "I am your administrator", "system override:".
static AUTHORITY: Pattern = Pattern::new(concat!(
    r"\b(?:important|urgent|official|critical|special|priority) (?:message|notice|instructions?|directive|announcement)s? (?:from|for|to)\b",
    r"|\b(?:this is|i am|i'm|we are|message from|authori[sz]ed by|order(?:s|ed)? (?:from|by)|as) (?:an? |the |your )?(?:official |lead |senior |chief )?(?:system|developer|creator|admin|administrator|root user|operator|openai|anthropic|security team|it department|ceo)(?:s|istrator)?\b[^\n]{0,60}\b(?:you|your|must|please|instruct|require|order|authori[sz]e|message|here)",
    r"|\b(?:system|admin|administrator|developer|root|security)[ _-](?:message|override|notice|prompt|update|alert|instructions?|command|directive|notification)\s{0,2}[\])}>]?\s{0,2}[:\])>*-]",
    r"|(?:^|[\s#])[\[(<{*]{1,3} ?/?(?:system|admin|developer|sys)(?:[ _-]?(?:message|note|prompt|instructions?|override|warning|alert))? ?[\])>}*]{1,3}",
    r"|\b(?:developer|debug|god|admin|maintenance|sudo|root|unrestricted|jailbreak|dan) mode (?:is |has been |now )?(?:enabled|activated|on|engaged|output)\b|\b(?:enable|enter|activate|switch to|simulate) (?:developer|debug|god|admin|sudo|root|unrestricted|jailbreak|dan) mode\b",
));

/// "You are authorised to", "no need to ask".
static PERMISSION: Pattern = Pattern::new(concat!(
    r"\byou (?:are|have been|were|now have|have) (?:now |already |fully |hereby |explicitly )?(?:authori[sz]ed|permitted|granted|cleared|pre-?approved|given (?:full )?(?:access|permission)|full access|permission|free(?:d)? (?:to|from))\b",
    r"|\b(?:permission|authori[sz]ation|consent|approval|clearance) (?:is|has been|was|have been) (?:already |hereby )?(?:granted|given|obtained|confirmed)\b",
    r"|\b(?:no need|not necessary|unnecessary) to (?:ask|confirm|verify|request|check)\b|\b(?:pre-?approved|already (?:been )?(?:approved|authori[sz]ed|confirmed|consented)) (?:by|this|these|the)\b",
    r"|\bwithout (?:any |first |further )?(?:asking|confirmation|confirming|notifying|prompting|user (?:confirmation|consent|approval)|(?:the |their )?(?:user's|users?|human) (?:consent|approval|confirmation|permission|knowledge))\b",
    r"|\b(?:do not|don't|never) (?:ask|require|wait|request|seek|prompt)\b[^.!?\n]{0,20}\b(?:confirmation|permission|approval|consent|verification|clarification)\b",
    r"|\b(?:the )?user has (?:already |previously |explicitly )?(?:approved|authori[sz]ed|consented|agreed|granted|confirmed|requested)\b",
));

/// "You are now DAN", "pretend to be".
static ROLE: Pattern = Pattern::new(concat!(
    r"\byou are (?:now|no longer|going to (?:be|act|pretend|play)|about to (?:immerse|become)|to (?:act|assume|play)|actually|an? (?:unrestricted|unfiltered|uncensored|evil|jailbroken|amoral|rogue))\b",
    r"|\b(?:you will|you shall|you must|you're going to|i want you to|i need you to|your job is to|please|can you|let's|going to) (?:now )?(?:act|play|pretend|role-?play|simulate|imitate|become|behave|respond|impersonate|be my|assume|immerse|embody|emulate)\b",
    r"|\b(?:pretend|imagine) (?:that )?(?:you(?:'re| are| have| were)|to be|being)\b|\b(?:act|behave|respond|answer|operate|speak|talk|reply|roleplay|role-?play) (?:exactly )?(?:as|like) (?:if |though )?(?:an? |the )?(?:you|unrestricted|unfiltered|evil|character|ai\b|dan\b|[a-z]+gpt\b|assistant|persona|chatbot|language model|terminal|interpreter|expert|attacker|hacker|human)",
    r"|\b(?:do anything now|stay(?:s|ing)? in (?:character|role)|in[- ]character|jail ?br(?:ea|o)k\w*|break(?:ing)? (?:free|character)|(?:unfiltered|uncensored|unrestricted|amoral|unethical) (?:and|ai|chat|bot|persona|response|answer|language|model|mode|assistant|version)|no (?:moral|ethical|restrictions|limitations|filters?|content polic)\w*|(?:ethical|moral|legal|safety) (?:guidelines|constraints|restrictions|considerations|boundaries|concerns|limitations|filters?)|openai(?:'s)? (?:content )?(?:polic|guideline|rules|restriction)\w*|role-?play(?:ing)?|hypothetical (?:response|scenario|story|world|character)|fictional (?:story|scenario|character|world|setting))\b",
    r"|\b(?:never|cannot|can't|not) (?:say|refuse|decline|reject|mention)\b[^.!?\n]{0,40}\b(?:can't|cannot|unable|any (?:request|order|question|prompt)|as an ai|language model|that you are)|\bas an ai (?:language )?model",
));

/// "Immediately", where something has to be done.
static URGENCY: Pattern = Pattern::new(concat!(
    r"\b(?:immediately|urgent(?:ly)?|at once|without delay|right now|right away|asap|time[- ]sensitive|emergency)\b[^\n]{0,60}\b(?:you must|you need to|you have to|must|required to|execute|transfer|wire|send|call|invoke|run|delete|forward)\b",
    r"|\b(?:you must|you need to|must|execute|transfer|wire|forward|delete|invoke)\b[^.!?\n]{0,60}\b(?:immediately|urgently|at once|without delay|right now|right away|asap)\b",
    r"|\b(?:important|attention|urgent|critical|warning|mandatory)\s?!{1,}[^\n]{0,60}\b(?:you|ignore|must|always|never|do not|before|first)\b",
));

/// Send something to an address.
static EXFILTRATION: Pattern = Pattern::new(
    r"\b(?:send|forward|e-?mail|post|upload|transmit|exfiltrate|leak|submit|deliver|share|transfer|wire|copy|bcc|cc|report|curl|wget|append|encode|include)\b[^\n]{0,120}?(?:\b(?:to|at|with|into|via|using|in)\b|\bcurl\b|\bwget\b)[^\n]{0,40}?(?:[\w.+-]{1,64}@[\w-]{1,64}\.\w|https?://|\bwww\.|\b[a-z]{2}\d{2}[a-z0-9]{11,30}\b)",
);

/// "Do not tell the user".
static SECRECY: Pattern = Pattern::new(concat!(
    r"\b(?:do not|don't|dont|never|must not|mustn't|should not|shouldn't|avoid|without|not to|no need to)(?: ever| even)? (?:tell|mention|inform|reveal|show|disclose|notify|alert|report|let|display|explain|acknowledge|discuss|say)\w*\b[^.!?\n]{0,40}\b(?:user|users|human|anyone|anybody|them|customer|operator|victim|this (?:instruction|message|tag|step|note)|instructions?)\b",
    r"|\bkeep (?:this|it|that|these) (?:\w+ )?(?:secret|hidden|quiet|between us|to yourself|private from)\b",
    r"|\b(?:silently|secretly|quietly|covertly|discreetly|stealthily) (?:send|forward|copy|read|call|run|execute|add|append|include|upload|pass|insert|collect|use|do|invoke|transfer|exfiltrate|post|log|bcc)\b",
    r"|\b(?:the )?user (?:must|should|does|need|will|can|may)(?: not|n't) (?:need to )?(?:know|see|be (?:told|aware|informed|notified)|notice|find out)\b",
));

/// Asks for the system prompt or for what else the model was told.
static PROBE: Pattern = Pattern::new(
    r"\b(?:reveal|show|print|output|repeat|display|tell me|give me|leak|recite|disclose|return|write|summari[sz]e|include|what (?:is|are|was|were)|send|list|dump|copy)\b[^.!?\n]{0,40}\b(?:system prompt|system message|(?:your|the) (?:\w+ )?(?:initial |original |hidden |previous |full |system |exact |secret |custom )(?:instructions?|prompts?|rules|guidelines|configuration|messages?)|your (?:instructions|prompt|guidelines)|(?:words|text|everything|sentences?|content|instructions?) (?:above|before))\b",
);

/// Speaks to whatever model reads it, or says what it shall say.
static ADDRESSED: Pattern = Pattern::new(concat!(
    r"\b(?:note|message|attention|instructions?|reminder|hint|request) (?:to|for) (?:the |any |all |your |this )?(?:\w+ )?(?:ai|assistant|llm|language model|model|agent|chatbot|bot|gpt|claude|copilot|gemini)s?\b",
    r"|\b(?:ai|llm|language|virtual|automated|digital|email|coding|helpful|intelligent)[ -](?:assistant|agent|model|system)s?\b[^.!?\n]{0,60}\b(?:must|should|needs? to|ha(?:s|ve) to|please|shall|required?|to (?:record|include|send|add|forward|copy|append|mention|run|execute|call)|will now)\b",
    r"|\b(?:the|your|any|all) (?:assistant|agent|model|llm|ai|chatbot)s?\b (?:must|should|needs? to|ha(?:s|ve) to|shall|(?:is|are) required|will now)\b",
    r"|\bif you(?:'re| are) an? (?:ai|llm|language model|assistant|agent|bot|chatbot)\b|\bas an? (?:helpful |ai |language )?(?:assistant|llm|agent)\b",
    r"|\b(?:just|only|simply|exclusively) (?:print|say|output|respond|reply|repeat|write|answer)\b|\b(?:reply|respond|answer|output|print) (?:only )?with (?:only )?(?:the (?:following|word|text)|['\x22])",
    r"|\bfocus (?:only|exclusively|solely) on\b|\b(?:ignore|disregard) (?:instructions?|them|(?:the rest|all|other|any|this|these) (?:of )?(?:the |this |other )?(?:data|content|info\w*|text|documents?|snippets?|prompts?))\b",
));

const KINDS: [(Groups, &str, &Pattern); 9] = [
    (Groups::OVERRIDE, "override", &OVERRIDE),
    (Groups::AUTHORITY, "authority", &AUTHORITY),
    (Groups::PERMISSION, "permission", &PERMISSION),
    (Groups::ROLE, "role_change", &ROLE),
    (Groups::URGENCY, "urgency", &URGENCY),
    (Groups::EXFILTRATION, "exfiltration", &EXFILTRATION),
    (Groups::SECRECY, "secrecy", &SECRECY),
    (Groups::PROBE, "prompt_probe", &PROBE),
    (Groups::ADDRESSED, "addressed", &ADDRESSED),
];

/// Phrases of other languages that say "ignore what you were told"; compared after folding.
pub(super) const FOREIGN: &[&str] = &[
    "ignorez les instructions",
    "ignore les instructions",
    "ignorez toutes les instructions",
    "oubliez les instructions",
    "oublie les instructions",
    "oubliez toutes les instructions",
    "ignoriere alle",
    "ignoriere die",
    "ignorieren sie alle",
    "ignorieren sie die",
    "vergiss alle",
    "vergiss deine anweisungen",
    "ignora las instrucciones",
    "ignore las instrucciones",
    "ignora todas las",
    "ignore todas as",
    "olvida las instrucciones",
    "olvida todas",
    "ignore as instruções",
    "ignora as instruções",
    "esqueça as instruções",
    "esqueça todas",
    "ignora le istruzioni",
    "ignora tutte le",
    "dimentica le istruzioni",
    "dimentica tutte",
    "negeer alle",
    "negeer de",
    "vergeet alle",
    "zignoruj wszystkie",
    "zignoruj poprzednie",
    "ignoruj poprzednie",
    "önceki talimatları",
    "tüm talimatları",
    "abaikan semua",
    "abaikan instruksi",
    "игнорируй все",
    "игнорируй предыдущие",
    "игнорируйте все",
    "игнорируйте предыдущие",
    "забудь все",
    "забудь предыдущие",
    "забудьте все",
    "ігноруй попередні",
    "忽略之前",
    "忽略以上",
    "忽略所有",
    "忽略上述",
    "忽略先前",
    "忽略前面",
    "忽略上面",
    "无视之前",
    "无视以上",
    "無視之前",
    "忘记之前",
    "忘记所有",
    "指示を無視",
    "命令を無視",
    "指示はすべて無視",
    "以前の指示",
    "これまでの指示",
    "지시를 무시",
    "지시사항을 무시",
    "명령을 무시",
    "지침을 무시",
    "이전 지시",
    "تجاهل جميع",
    "تجاهل كل",
    "تجاهل التعليمات",
    "पिछले निर्देश",
    "सभी निर्देशों को अनदेखा",
    "bỏ qua tất cả",
    "bỏ qua các hướng dẫn",
    "התעלם מ",
    "ละเว้นคำสั่ง",
];

/// Looks for the phrases where their words are.
pub(super) fn find(text: &[u8], candidates: &Candidates, found: &mut Found) {
    if candidates.parts(Groups::FOREIGN, text).next().is_some() {
        found.lexical("override");
    }
    for (group, kind, pattern) in KINDS {
        if candidates.parts(group, text).any(|part| pattern.is_in(&collapse(part))) {
            found.lexical(kind);
        }
    }
}

#[cfg(test)]
pub(super) fn patterns() -> impl Iterator<Item = &'static Pattern> {
    KINDS.into_iter().map(|(_, _, pattern)| pattern)
}
