//! Why something failed, one file for each error. Clients get a [`Rejection`](crate::Rejection); a login
//! route gets a [`LoginError`](crate::LoginError).
//!
//! A function returns the error of its own floor; `From` lifts it to the next. Messages are lower case,
//! without a full stop. They say what was wrong and what to do. They never hold a secret or a token. `Debug`
//! of an error that can have a cause shows the message and all causes, because a `main` that returns the
//! error prints that.

/// Makes `Debug` of an error show its message and causes.
macro_rules! debug_with_causes {
    ($error:ty) => {
        impl std::fmt::Debug for $error {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                crate::error::with_causes(self, f)
            }
        }
    };
}

#[cfg(feature = "accounts")]
mod account_error;
mod api_key_error;
mod config_error;
mod key_error;
#[cfg(feature = "postgres")]
mod postgres_error;
mod session_error;
mod store_error;
mod text_problem;
mod token_error;

use std::error::Error;
use std::fmt;

#[cfg(feature = "accounts")]
pub use self::account_error::AccountError;
pub use self::api_key_error::ApiKeyError;
pub use self::config_error::ConfigError;
pub use self::key_error::KeyError;
#[cfg(feature = "postgres")]
pub use self::postgres_error::PostgresError;
pub use self::session_error::SessionError;
pub use self::store_error::StoreError;
pub use self::text_problem::ApiKeyNameProblem;
#[cfg(feature = "accounts")]
pub use self::text_problem::{NameProblem, PasswordProblem};
pub use self::token_error::TokenError;

/// An error of the application's own code.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The operating system's random number generator failed. There is no fallback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system's random number generator failed")]
pub struct RandomError;

/// The text is not an id: an id has 22 characters of unpadded base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id: expected 22 characters of base64url")]
pub struct ParseIdError;

/// [`JwtAuthBuilder::open`](crate::JwtAuthBuilder::open) failed.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A setting was refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store could not be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
}

debug_with_causes!(OpenError);

/// Returns an error and its causes in one line.
pub(crate) fn in_one_line(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Writes an error and its causes, each on its own line.
fn with_causes(error: &dyn Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{error}")?;
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(f, "\n  caused by: {error}")?;
        cause = error.source();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_main_that_returns_one_prints_what_to_do_and_why() {
        let refused = OpenError::Config(ConfigError::WeakSecret {
            which: "the secret".into(),
            problem: "it repeats itself",
        });
        assert!(format!("{refused:?}").contains("openssl rand -base64 48"), "{refused:?}");
        let source = io::Error::other("no space left");
        let failed = OpenError::Store(StoreError::Io { path: "data".into(), action: "open", source });
        assert_eq!(format!("{failed:?}"), "session store \"data\": cannot open\n  caused by: no space left");
    }
}
