//! The closed table of methods a client may send.

/// How a method travels and in which revisions it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wire {
    /// A request in every revision.
    Both,
    /// A request up to 2025-11-25.
    Legacy,
    /// A request from 2026-07-28 on.
    Modern,
    /// A notification up to 2025-11-25.
    LegacyNotification,
    /// A notification in every revision.
    Notification,
}

macro_rules! methods {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $wire:ident;)*) => {
        /// A method that a client may send to a server. Anything else is refused: an unknown method is never passed on.
        ///
        /// Sources: MCP schemas 2024-11-05 to 2026-07-28 and the tasks extension (SEP-2663).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Method { $($(#[$doc])* $variant,)* }

        impl Method {
            /// Every method of the table.
            pub const ALL: &[Method] = &[$(Method::$variant,)*];

            /// The method's name on the wire.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Method::$variant => $name,)* }
            }

            /// The method with exactly this name, in whatever revision it exists.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Method> {
                match name { $($name => Some(Method::$variant),)* _ => None }
            }

            const fn wire(self) -> Wire {
                match self { $(Method::$variant => Wire::$wire,)* }
            }
        }
    };
}

methods! {
    /// Handshake of the revisions up to 2025-11-25.
    Initialize = "initialize", Legacy;
    /// Handshake of 2026-07-28.
    ServerDiscover = "server/discover", Modern;
    /// Liveness, up to 2025-11-25.
    Ping = "ping", Legacy;
    /// Lists tools.
    ToolsList = "tools/list", Both;
    /// Calls a tool.
    ToolsCall = "tools/call", Both;
    /// Lists resources.
    ResourcesList = "resources/list", Both;
    /// Lists resource templates.
    ResourcesTemplatesList = "resources/templates/list", Both;
    /// Reads a resource.
    ResourcesRead = "resources/read", Both;
    /// Subscribes to a resource, up to 2025-11-25.
    ResourcesSubscribe = "resources/subscribe", Legacy;
    /// Ends such a subscription.
    ResourcesUnsubscribe = "resources/unsubscribe", Legacy;
    /// Long-lived subscription stream of 2026-07-28.
    SubscriptionsListen = "subscriptions/listen", Modern;
    /// Lists prompts.
    PromptsList = "prompts/list", Both;
    /// Renders a prompt.
    PromptsGet = "prompts/get", Both;
    /// Completes an argument of a prompt or a resource template.
    CompletionComplete = "completion/complete", Both;
    /// Sets the log level, up to 2025-11-25.
    LoggingSetLevel = "logging/setLevel", Legacy;
    /// State of a task (2025-11-25 and the tasks extension).
    TasksGet = "tasks/get", Both;
    /// Input for a task (tasks extension).
    TasksUpdate = "tasks/update", Modern;
    /// Result of a task (2025-11-25).
    TasksResult = "tasks/result", Legacy;
    /// Lists tasks (2025-11-25).
    TasksList = "tasks/list", Legacy;
    /// Cancels a task.
    TasksCancel = "tasks/cancel", Both;
    /// End of the handshake.
    NotificationsInitialized = "notifications/initialized", LegacyNotification;
    /// Cancels a request.
    NotificationsCancelled = "notifications/cancelled", Notification;
    /// Progress on a request of the server.
    NotificationsProgress = "notifications/progress", LegacyNotification;
    /// The client's roots changed.
    NotificationsRootsListChanged = "notifications/roots/list_changed", LegacyNotification;
    /// State of a task that the client runs (2025-11-25).
    NotificationsTasksStatus = "notifications/tasks/status", LegacyNotification;
}

impl Method {
    /// Whether the method has no answer.
    #[must_use]
    pub const fn is_notification(self) -> bool {
        matches!(self.wire(), Wire::Notification | Wire::LegacyNotification)
    }

    /// Whether the answer is a list that a gateway trims instead of denying.
    #[must_use]
    pub const fn is_list(self) -> bool {
        self.list_member().is_some()
    }

    /// The result member that holds the entries of a list, such as `tools`.
    #[must_use]
    pub const fn list_member(self) -> Option<&'static str> {
        match self {
            Method::ToolsList => Some("tools"),
            Method::ResourcesList => Some("resources"),
            Method::ResourcesTemplatesList => Some("resourceTemplates"),
            Method::PromptsList => Some("prompts"),
            Method::TasksList => Some("tasks"),
            _ => None,
        }
    }

    /// Whether the method exists in revisions like `era`. The revisions up to 2025-11-25 count as one group: a
    /// stateless server is never told which of them a client negotiated.
    #[must_use]
    pub const fn exists_in(self, era: crate::Era) -> bool {
        match self.wire() {
            Wire::Both | Wire::Notification => true,
            Wire::Legacy | Wire::LegacyNotification => !era.is_modern(),
            Wire::Modern => era.is_modern(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Era;

    #[test]
    fn names_are_unique_and_exact() {
        for method in Method::ALL {
            assert_eq!(Method::from_name(method.name()), Some(*method));
            assert_eq!(Method::from_name(&method.name().to_uppercase()), None);
            assert_eq!(method.is_notification(), method.name().starts_with("notifications/"));
        }
    }

    #[test]
    fn handshakes_belong_to_one_era_each() {
        assert!(
            Method::Initialize.exists_in(Era::V2025_11_25) && !Method::Initialize.exists_in(Era::V2026_07_28)
        );
        assert!(!Method::ServerDiscover.exists_in(Era::V2025_11_25));
        assert!(Method::ServerDiscover.exists_in(Era::V2026_07_28));
    }
}
