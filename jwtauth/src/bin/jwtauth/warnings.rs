//! Warnings of the library, which a server has in its log: here they go to standard error.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::output;

/// Shows each warning as a line. Errors come back to whoever has asked, and are said there.
pub(crate) struct Warnings;

impl Warnings {
    /// From now on, in the whole program.
    pub(crate) fn show() {
        // OK because nobody else has set one.
        let _ = tracing::subscriber::set_global_default(Self);
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() == Level::WARN && metadata.target().starts_with("jwtauth")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = WarningLine::default();
        event.record(&mut line);
        let WarningLine { message, fields } = line;
        output::say(&if fields.is_empty() { message } else { format!("{message} ({fields})") });
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// A message and what stands beside it.
#[derive(Default)]
struct WarningLine {
    message: String,
    fields: String,
}

impl Visit for WarningLine {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // OK because a text takes everything.
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            let comma = if self.fields.is_empty() { "" } else { ", " };
            write!(self.fields, "{comma}{}: {value:?}", field.name())
        };
    }
}
