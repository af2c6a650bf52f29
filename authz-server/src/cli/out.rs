//! Standard output. `interdict audit show … | head` is no failure: when nobody reads any more the command ends, without
//! the panic of the standard macros. These here have their names, so that nobody has to think of it.

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

/// Writes, or ends the process.
pub(in crate::cli) fn write(text: Arguments<'_>) {
    match std::io::stdout().lock().write_fmt(text) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => {
            eprintln!("interdict: standard output: {error}");
            std::process::exit(1);
        }
    }
}
