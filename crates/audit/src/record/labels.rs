//! The closed vocabularies of a record. A word outside of them is an entry of another version and is refused.

/// An enumeration whose values are words on the wire, here and in the schema.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident = $label:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$word_doc])* #[serde(rename = $label)] $word,)*
        }

        impl $name {
            /// Every value, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$word),*];

            /// The word on the wire.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$word => $label,)* }
            }

            /// The value of a word; `None` for any other word.
            #[must_use]
            pub fn from_label(label: &str) -> Option<Self> {
                match label { $($label => Some(Self::$word),)* _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.label())
            }
        }
    };
}

words! {
    /// What an entry is about.
    Kind {
        /// A request was decided.
        Decision = "decision",
        /// What became of an allowed request.
        Outcome = "outcome",
        /// Nobody said what became of an allowed request.
        OutcomeMissing = "outcome_missing",
        /// A question for a person moved.
        Approval = "approval",
        /// A policy bundle was loaded, refused, put back, or got too old.
        Bundle = "bundle",
        /// A definition of a server was seen, approved, revoked, or is not as it was approved.
        Pin = "pin",
        /// A person lifted what held an agent back.
        Lift = "lift",
        /// A key appeared, changed or was destroyed.
        Key = "key",
        /// A server began to write.
        Start = "start",
        /// A server stopped writing.
        Stop = "stop",
        /// A decision, computed again from its sealed input, came out different.
        ReplayDifference = "replay_difference",
        /// Something happened that could not be recorded at its time.
        Gap = "gap",
        /// The log itself stopped or went on.
        Health = "health",
    }
}

words! {
    /// What was decided, from mild to strict.
    Verdict {
        /// The request went on.
        Allow = "allow",
        /// A person decides; the request did not go on.
        Intercept = "intercept",
        /// The request did not go on.
        Deny = "deny",
    }
}

words! {
    /// The set of a policy that a reason comes from.
    ReasonKind {
        /// Evaluation failed; always a Deny.
        Error = "error",
        /// A `deny` set.
        Deny = "deny",
        /// An `intercept` set.
        Intercept = "intercept",
        /// An `allow` set.
        Allow = "allow",
    }
}

words! {
    /// Where the way of a request ended.
    Stage {
        /// The body was not whole.
        Body = "body",
        /// A metadata document of ours was asked for.
        Metadata = "metadata",
        /// Which server is meant was not clear.
        Server = "server",
        /// The message has no single reading.
        Read = "read",
        /// Who asks was not clear.
        Identity = "identity",
        /// What the messages hold was looked at.
        Content = "content",
        /// Registry and policy judged.
        Policy = "policy",
        /// The tool was held against what is approved of it.
        Pins = "pins",
        /// A person was asked, or had answered.
        Approval = "approval",
        /// What the policy asked for could not be carried out.
        Obligations = "obligations",
        /// The last stage: the way ended where it should, or the record could not be written.
        Record = "record",
        /// A failure of ours.
        Internal = "internal",
    }
}

words! {
    /// Who carried the decision out.
    EnforcerKind {
        /// Envoy's native ext_authz filter and nothing after it.
        Native = "native",
        /// The native filter asked, our filter after it carried out.
        Split = "split",
        /// Our filter asked and carried out.
        Call = "call",
    }
}

words! {
    /// What a request was in terms of MCP.
    ActionKind {
        /// A JSON-RPC request.
        Request = "request",
        /// A JSON-RPC notification.
        Notification = "notification",
        /// A JSON-RPC response of the client.
        Response = "response",
        /// Several messages in one body.
        Batch = "batch",
        /// GET: the server's stream.
        OpenStream = "open_stream",
        /// DELETE: the end of a session.
        EndSession = "end_session",
    }
}

words! {
    /// How an HTTP exchange ended.
    Ended {
        /// With the last byte of the response.
        Complete = "complete",
        /// In the middle.
        Reset = "reset",
        /// With an answer of the enforcement point itself.
        LocalReply = "local_reply",
    }
}

words! {
    /// What the JSON-RPC response was.
    Rpc {
        /// A result.
        Result = "result",
        /// A result with `isError`.
        ToolError = "tool_error",
        /// An error.
        Error = "error",
        /// There was none to expect, or none came.
        None = "none",
        /// It was not read.
        Unread = "unread",
    }
}

words! {
    /// What happened to a question for a person.
    ApprovalEvent {
        /// It was asked.
        Opened = "opened",
        /// The answer is yes.
        Approved = "approved",
        /// The answer is no.
        Denied = "denied",
        /// The approved call ran.
        Consumed = "consumed",
        /// Its time passed.
        Expired = "expired",
        /// It was withdrawn.
        Cancelled = "cancelled",
        /// Another question took its place.
        Superseded = "superseded",
        /// A person's answer, recorded before it was given effect, could not be given effect (an approval of one's own
        /// call among them).
        NotApplied = "not_applied",
    }
}

words! {
    /// What happened to a response that was looked into.
    Treated {
        /// It passed byte for byte.
        Untouched = "untouched",
        /// Parts of it were changed.
        Edited = "edited",
        /// It, or a message of it, was replaced by an error.
        Refused = "refused",
        /// A result was replaced by a handle.
        Quarantined = "quarantined",
    }
}

words! {
    /// What happened to a policy bundle.
    BundleEvent {
        /// It is in force.
        Loaded = "loaded",
        /// It was not taken.
        Refused = "refused",
        /// The kept bundle of an earlier run is in force.
        Restored = "restored",
        /// It is older than allowed.
        Stale = "stale",
        /// It is no longer too old.
        Fresh = "fresh",
    }
}

words! {
    /// What happened to a definition.
    PinEvent {
        /// It was seen for the first time, or differently while it waits for a person.
        Seen = "seen",
        /// It is not as it was approved.
        Drift = "drift",
        /// It is approved, by a person or by first use.
        Approved = "approved",
        /// The approval was taken back, or refused.
        Revoked = "revoked",
        /// What stands behind it was replaced: it has to be approved again.
        Stale = "stale",
        /// A person's answer, recorded before it was given effect, could not be given effect.
        NotApplied = "not_applied",
    }
}

words! {
    /// What a person lifted.
    LiftEvent {
        /// A total over calls begins at zero again.
        TotalReset = "total_reset",
        /// A label of a session is gone.
        LabelCleared = "label_cleared",
        /// It was recorded before it was given effect, and could not be given effect.
        NotApplied = "not_applied",
    }
}

words! {
    /// What a definition is of.
    Defined {
        /// A tool.
        Tool = "tool",
        /// A prompt.
        Prompt = "prompt",
        /// A resource.
        Resource = "resource",
        /// A template of resources.
        Template = "template",
        /// The instructions of the server.
        Instructions = "instructions",
    }
}

words! {
    /// What happened to a key.
    KeyEvent {
        /// The log has a key.
        Created = "created",
        /// The log has another key.
        Rotated = "rotated",
        /// The key of a day's sealed inputs is gone, and with it the inputs.
        InputsDestroyed = "inputs_destroyed",
    }
}

words! {
    /// What happened to the log.
    HealthEvent {
        /// Nothing can be written.
        Down = "down",
        /// Writing goes on.
        Up = "up",
    }
}

words! {
    /// When an entry is safe from a loss of power.
    Durability {
        /// Those of calls with consequences before the answer leaves, the others soon after.
        Consequential = "consequential",
        /// Every entry before the answer leaves.
        Every = "every",
    }
}
