//! Standard output and standard error. `interdict audit show … | head` is no failure: when nobody reads any more the command
//! goes on in silence and ends with the code that it would have ended with. Nothing may turn the end of a reader into the code
//! of an allow. The macros have the names of the standard ones, which panic, so that nobody has to think of it.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write as _};

/// As that of the standard library, for a reader that may go away.
macro_rules! println {
    () => { $crate::cli::out::write(format_args!("\n")) };
    ($($arg:tt)*) => { $crate::cli::out::write(format_args!("{}\n", format_args!($($arg)*))) };
}

/// As that of the standard library, for a reader that may go away.
macro_rules! print {
    ($($arg:tt)*) => { $crate::cli::out::write(format_args!($($arg)*)) };
}

/// As that of the standard library, for a reader that may go away.
macro_rules! eprintln {
    ($($arg:tt)*) => { $crate::cli::out::complain(format_args!("{}\n", format_args!($($arg)*))) };
}

/// Writes; what nobody reads is dropped. Anything else that keeps an answer from being written ends the process.
pub(in crate::cli) fn write(text: Arguments<'_>) {
    match std::io::stdout().lock().write_fmt(text) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        Err(error) => {
            complain(format_args!("interdict: standard output: {error}\n"));
            std::process::exit(1);
        }
    }
}

/// Writes to standard error. When that cannot be written there is nobody left to tell.
pub(in crate::cli) fn complain(text: Arguments<'_>) {
    let _ = std::io::stderr().lock().write_fmt(text);
}
