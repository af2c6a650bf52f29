//! The words without which a detector has nothing to find. Blanks in them stand for blanks of any kind and number.

use super::triggers::Groups;

/// What a word says about a detector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// It is worth running here.
    One(Groups),
    /// It is, where one of the second words of the same detector is near.
    First(Groups),
    /// It is, where one of the first words is near.
    Second(Groups),
}

/// The words of each detector, in lower case, with semicolons between them.
pub(super) const WORDS: &[(Need, &str)] = &[
    (
        Need::First(Groups::OVERRIDE),
        concat!(
            "ignor;disregard;forget;overrid;bypass;neglect;overlook;discard;abandon;dismiss;nullif;",
            "supersede;skip ;pay no ;delete ;erase ;not follow;n't follow;stop follow;not obey;",
            "n't obey;stop obey;not listen;n't listen;stop listen;your new;your real;your actual;",
            "your true;your only;your primary;your main;your next;adhere;the following;follow these;",
            "follow this;obey th;execute th;comply with;before you;before sol;before comp;",
            "before answ;before cont;before proc;before resp;before perf;before doing;before finish;",
            "before help;before do;after you;after do;after comp;after finish;instead of;",
            "new instruct;updated instruct;revised instruct;real instruct;actual instruct;",
            "true instruct;additional instruct;following instruct;important instruct;new set;",
            "new directive;updated directive;new system prompt;new objective;updated system prompt",
        ),
    ),
    (
        Need::Second(Groups::OVERRIDE),
        concat!(
            "nstruct;prompt;direction;directive;rule;guideline;guidance;command;orders;context;",
            "message;programming;training;constraint;request;task;polic;safeguard;restriction;",
            "conversation;told; said;assignment;above;before;earlier;previous;goal;objective;purpose;",
            "mission;job;role;step;please;first;must;need to;can ;may ;continue;resume;proceed;",
            "original;user;question;know;learned;were;was",
        ),
    ),
    (Need::One(Groups::OVERRIDE), "now on;point on;moment on;message on"),
    (
        Need::First(Groups::AUTHORITY),
        concat!(
            "important ;official;urgent ;critical ;special ;priority ;developer;admin;creator;",
            "operator;openai;anthropic;security;it department;ceo;root user;system;debug;god mode;",
            "maintenance;sudo;jailbreak;unrestricted",
        ),
    ),
    (
        Need::Second(Groups::AUTHORITY),
        concat!(
            "message;notice;instruct;directive;announcement;you are ;you must;your ;must ;please;",
            "override;prompt;update;alert;command;notification; mode;require;order;authori;enable;",
            "activat",
        ),
    ),
    (
        Need::One(Groups::AUTHORITY),
        concat!(
            "[sys;(sys;<sys;{sys;*sys;[admin;(admin;<admin;{admin;[developer;(developer;<developer;",
            "dan mode;developer mode;admin mode;root mode;god mode;debug mode;sudo mode",
        ),
    ),
    (Need::One(Groups::PERMISSION), "authoris;authoriz;consent;pre-approved;preapproved"),
    (
        Need::First(Groups::PERMISSION),
        concat!(
            "you are;you have;you were;have been;has been;no need to;not necessary to;unnecessary to;",
            "without ;not ask;n't ask;never ask;not require;n't require;not wait;n't wait;never wait;",
            "not request;n't request;not seek;n't seek;not prompt;n't prompt;user has;permission;",
            "approval;clearance;already ",
        ),
    ),
    (
        Need::Second(Groups::PERMISSION),
        concat!(
            "permitted;permission;granted;cleared;approved;approval;access;free to;freed to;",
            "free from;freed from;asking;confirm;notifying;prompting;knowledge;to ask;to verify;",
            "to check;to request;verif;clarif;agreed;requested;given;obtained",
        ),
    ),
    (
        Need::One(Groups::ROLE),
        concat!(
            "you are now;you are no longer;you are going to;you are about;you are actually;jailbr;",
            "jail br;pretend;imagine you;imagine that you;imagine to;imagine being;act as ;act like;",
            "acts as;exactly as;exactly like;behave as;behave like;respond as;respond like;answer as;",
            "answer like;operate as;speak as;speak like;talk like;talk as;reply as;reply like;",
            "roleplay;role-play;role play;anything now;in character;in role;in-character;break free;",
            "breaking free;break character;breaking character;unfiltered;uncensored;unrestricted;",
            "amoral;unethical;no moral;no ethical;no restrictions;no limitations;no filter;",
            "no content pol;ethical guid;ethical con;ethical res;ethical bound;moral guid;moral con;",
            "moral res;moral bound;legal con;legal guid;legal res;safety guid;safety con;safety res;",
            "safety filt;openai;hypothetical ;fictional ;as an ai",
        ),
    ),
    (
        Need::First(Groups::ROLE),
        concat!(
            "you will;you shall;you must;you're going;want you to;need you to;job is to;please ;",
            "can you ;let's ;going to;you are to ;you are a;never ;cannot ;can't ;not ",
        ),
    ),
    (
        Need::Second(Groups::ROLE),
        concat!(
            " act; play;simulat;imitat;become;behave;respond;impersonat; assume;immers;embod;emulat;",
            " be my;evil;rogue;unable;any request;any order;any question;any prompt;language model;",
            "that you are; now pretend",
        ),
    ),
    (
        Need::First(Groups::URGENCY),
        concat!(
            "immediately;urgent;at once;without delay;right now;right away;asap;time sens;time-sens;",
            "emergency;important!;important !;attention!;attention !;critical!;warning!;mandatory!",
        ),
    ),
    (
        Need::Second(Groups::URGENCY),
        concat!(
            "must;need to;have to;required;execut;transfer;wire;send; call;invok; run ;delet;forward;",
            "you ;ignore;always;never;do not;before;first",
        ),
    ),
    (
        Need::First(Groups::EXFILTRATION),
        concat!(
            "send ;forward ;email ;e-mail ;post ;upload ;transmit ;exfiltrat;leak ;submit ;deliver ;",
            "share ;transfer ;wire ;copy ;bcc ;cc ;report ;curl ;wget ;append ;encode ;include ",
        ),
    ),
    (Need::Second(Groups::EXFILTRATION), "@;://;www.;transaction;iban;account"),
    (
        Need::One(Groups::SECRECY),
        concat!(
            "not tell;not mention;not inform;not reveal;not disclose;not notify;not alert;",
            "not acknowledge;not discuss;n't tell;n't mention;n't inform;n't reveal;n't disclose;",
            "n't notify;n't alert;n't acknowledge;n't discuss;dont tell;dont mention;dont inform;",
            "dont reveal;dont disclose;dont notify;dont alert;dont acknowledge;dont discuss;",
            "never tell;never mention;never inform;never reveal;never disclose;never notify;",
            "never alert;never acknowledge;never discuss;ever tell;ever mention;ever inform;",
            "ever reveal;ever disclose;ever notify;ever alert;ever acknowledge;ever discuss;",
            "even tell;even mention;even inform;even reveal;even disclose;even notify;even alert;",
            "even acknowledge;even discuss;without tell;without mention;without inform;",
            "without reveal;without notify;without alert;keep this;keep that;keep these;silently;",
            "secretly;quietly;covertly;discreetly;stealthily;user must not;user should not;",
            "user shouldn't;user does not;user doesn't;user need not;user needn't;user will not;",
            "user won't;user can not;user cannot;user may not",
        ),
    ),
    (
        Need::First(Groups::SECRECY),
        concat!(
            "not show;n't show;never show;not report;n't report;never report;not let ;n't let ;",
            "never let ;not display;n't display;never display;not explain;n't explain;not say;",
            "n't say;never say;avoid ;need to tell;need to mention;need to inform;not to ;",
            "without show;keep it",
        ),
    ),
    (
        Need::Second(Groups::SECRECY),
        concat!(
            "user;human;anyone;anybody;them;customer;operator;victim;instruct;secret;hidden;quiet;",
            "between us;yourself;private",
        ),
    ),
    (
        Need::One(Groups::PROBE),
        concat!(
            "system prompt;system message;your instruct;your prompt;your guideline;your rules;",
            "your configuration;text above;words above;everything above;sentence above;",
            "sentences above;content above;instructions above;instruction above;text before;",
            "words before;everything before;instructions before;initial instr;initial prompt;",
            "initial message;original instr;original prompt;hidden instr;hidden prompt;",
            "previous instr;previous prompt;previous message;full instr;full prompt;full system;",
            "full config;exact instr;exact prompt;secret instr;secret prompt;custom instr;",
            "custom prompt;system instr;system rules;system config;hidden rules;initial rules;",
            "original rules",
        ),
    ),
    (
        Need::First(Groups::ADDRESSED),
        concat!(
            " assistant; ai ; ai:; ai,;the ai;an ai;ai-;llm;language model;the agent;any agent;all agents;your agent;the model;",
            "chatbot; gpt;claude;copilot;gemini;an agent;coding agent;ai agent;ignore ;disregard ",
        ),
    ),
    (
        Need::Second(Groups::ADDRESSED),
        concat!(
            "must;should;need;required;please;shall;note;message;attention;instruct;reminder;hint;",
            "request;if you;has to;have to;to record;to include;to send;to add;to forward;will now;",
            "data;content;info;text;document;snippet;prompt;as a; them",
        ),
    ),
    (
        Need::One(Groups::ADDRESSED),
        concat!(
            "just print;just say;just output;just respond;just reply;just repeat;just answer;only print;",
            "only say;only output;only respond;only reply;only repeat;only answer;simply print;simply say;",
            "simply output;simply respond;simply reply;simply repeat;simply answer;exclusively;solely on;",
            "with only;only with;respond with ';respond with \";reply with ';reply with \";answer with ';",
            "answer with \";with the following;with the word;focus only",
        ),
    ),
    (
        Need::One(Groups::TEMPLATE),
        concat!(
            "<|im_;<|end;<|start;<|begin;<| begin;<| end;<|eo;<|python_tag;<|system;<|user;<|assistant;<|human;<|bot;<|tool;",
            "<|channel;<|message;<|return;<|constrain;<|call;<|sep;<|pad;<|bos;<|fim_;<|header_;<|turn_;[inst];[/inst];<<sys;</s>; human:; assistant:;_of_turn>;[system_prompt];",
            "[available_tools];[tool_results];### instruction;### response;<bos>;<eos>",
        ),
    ),
    (Need::One(Groups::MARKUP), "<!--;style=;<style; hidden;aria-hidden;\\color;color:"),
    (
        Need::One(Groups::LINK),
        "](http;](<http;]( http;]( <http;]:http;]: http;<img;data:text/;data:application/;data:image/svg;javascript:;vbscript:",
    ),
    (Need::One(Groups::ESCAPE), "\u{1b}"),
    (
        Need::One(Groups::WRITTEN),
        concat!(
            r"\u003c;\x3c;%3c;%253c;&lt;&#60;&#060;&#x3c;&#x03c;&#x003c;",
            r"<\u007c;<\x7c;<%7c;<&#124;<&#x7c;<|\u00;<|\x;<|%;<|&#;",
            r"\u005b;\x5b;%5binst;%5b/inst;%5b%;&#91;&#x5b;[\u00;[&#",
        ),
    ),
    (
        Need::One(Groups::PATH),
        concat!(
            "id_rsa;id_ed25519;id_ecdsa;id_dsa;.ssh;/etc/passwd;/etc/shadow;/etc/sudoers;.env;",
            "mcp.json;claude_desktop_config;.aws/;.netrc;.npmrc;.pypirc;.pgpass;.git-credentials;",
            ".kube/;.docker/;.gnupg;wallet.dat;application_default_credentials;/proc/self;",
            "cookies.sqlite;login data;keychain;credentials.json;service-account;service_account;",
            ".bash_history;.cursor/;settings.local.json;/var/run/secrets;/run/secrets;",
            "authorized_keys;169.254.169.254",
        ),
    ),
    (
        Need::One(Groups::BLOCK),
        concat!(
            "important>;important:>;information>;instruction>;instructions>;admin>;critical>;secret>;",
            "urgent>;override>;mandatory>;priority>;attention>;system>;hidden>;assistant>;notice>",
        ),
    ),
];
