//! Panics of the engine are caught and denied; their text may quote argument values, so it is not printed.

use std::cell::Cell;
use std::panic;
use std::sync::Once;

thread_local! {
    static EVALUATING: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// Runs `work` with the process's panic hook silent for this thread. Everybody else's panics go to the hook that was
/// there before.
pub(crate) fn during<T>(work: impl FnOnce() -> T) -> T {
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !EVALUATING.try_with(Cell::get).unwrap_or(false) {
                before(info);
            }
        }));
    });
    EVALUATING.set(true);
    let result = work();
    EVALUATING.set(false);
    result
}
