//! The checks of ranges that all settings of the crate use, and their words.

use std::fmt::Display;
use std::time::Duration;

use crate::error::ConfigError;

pub(crate) fn within(
    name: &'static str,
    got: Duration,
    min: Duration,
    max: Duration,
) -> Result<(), ConfigError> {
    if (min..=max).contains(&got) {
        return Ok(());
    }
    let problem = format!("it must be between {} and {}{}", in_words(min), in_words(max), bound_to(name));
    Err(ConfigError::setting(name, in_words(got), problem))
}

pub(crate) fn number_within<N: PartialOrd + Display>(
    name: &'static str,
    got: N,
    min: N,
    max: N,
) -> Result<(), ConfigError> {
    if (&min..=&max).contains(&&got) {
        return Ok(());
    }
    Err(ConfigError::setting(name, got.to_string(), format!("it must be between {min} and {max}")))
}

pub(crate) fn not_empty(name: &'static str, got: &str) -> Result<(), ConfigError> {
    if got.is_empty() { Err(ConfigError::setting(name, got, "it must not be empty")) } else { Ok(()) }
}

/// Writes a duration in its largest whole unit.
fn in_words(time: Duration) -> String {
    let seconds = time.as_secs();
    if time != Duration::from_secs(seconds) {
        return format!("{time:?}");
    }
    let units = [(24 * 60 * 60, "day"), (60 * 60, "hour"), (60, "minute"), (1, "second")];
    let (length, unit) = units
        .into_iter()
        .find(|(length, _)| seconds > 0 && seconds.is_multiple_of(*length))
        .unwrap_or((1, "second"));
    let count = seconds / length;
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// Says which other setting bounds one. The reader may never have set that other one.
fn bound_to(name: &str) -> &'static str {
    match name {
        "absolute_ttl" => " (no shorter than refresh_ttl)",
        "TokenConfig::leeway" => " (at most a quarter of access_ttl)",
        "refresh_ttl" => " (no shorter than access_ttl)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_has_units_that_people_use_and_names_what_it_depends_on() {
        let days = |days: u64| Duration::from_secs(days * 24 * 60 * 60);
        let refused = |name, min, max, got| within(name, got, min, max).unwrap_err().to_string();
        assert_eq!(
            refused("absolute_ttl", days(60), days(400), days(30)),
            r#"absolute_ttl "30 days" is refused: it must be between 60 days and 400 days (no shorter than refresh_ttl)"#
        );
        assert_eq!(
            refused(
                "StorageConfig::timeout",
                Duration::from_millis(100),
                Duration::from_secs(60),
                Duration::ZERO
            ),
            r#"StorageConfig::timeout "0 seconds" is refused: it must be between 100ms and 1 minute"#
        );
        assert_eq!(
            refused("grace", Duration::ZERO, Duration::from_secs(300), Duration::from_secs(3_660)),
            r#"grace "61 minutes" is refused: it must be between 0 seconds and 5 minutes"#
        );
        assert_eq!(
            number_within("max_sessions", 0, 1, 1_000).unwrap_err().to_string(),
            r#"max_sessions "0" is refused: it must be between 1 and 1000"#
        );
    }
}
