//! What is wrong with a text that somebody has chosen, so that a page can say it in another language.

/// What is wrong with the name of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[cfg(feature = "accounts")]
pub enum NameProblem {
    /// It begins with a combining mark.
    #[error("it begins with a mark that belongs to a letter before it")]
    BeginsWithMark,
    /// There is none.
    #[error("it is empty")]
    Empty,
    /// It has a character that nobody sees.
    #[error("it has an invisible character: use letters, digits and ASCII punctuation")]
    Invisible,
    /// It has white space.
    #[error("it has a space: use letters, digits and ASCII punctuation")]
    Space,
    /// It has another character that no name has.
    #[error("it has a symbol or an invisible character: use letters, digits and ASCII punctuation")]
    Symbol,
    /// It is too long.
    #[error("it has more than {max} bytes")]
    TooLong {
        /// The most bytes.
        max: usize,
    },
}

/// What is wrong with a new password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[cfg(feature = "accounts")]
pub enum PasswordProblem {
    /// It has U+FFFD, which decoders put in the place of what is no UTF-8.
    #[error("it came in another charset, and parts of it were replaced: send UTF-8")]
    Charset,
    /// It is the name of the account.
    #[error("it is the name: choose another one")]
    IsName,
    /// It is too long.
    #[error("it has more than {max} bytes")]
    TooLong {
        /// The most bytes.
        max: usize,
    },
    /// It is too short.
    #[error("it has fewer than {min} characters: a few words make a good one")]
    TooShort {
        /// The fewest characters.
        min: usize,
    },
}

/// What is wrong with the name of an API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiKeyNameProblem {
    /// It has a control character.
    #[error("it has a control character")]
    Control,
    /// It is empty or too long.
    #[error("it has {got} characters, and 1 to {max} are allowed")]
    Length {
        /// How many characters it has.
        got: usize,
        /// The most characters.
        max: usize,
    },
    /// It has no character that can be seen.
    #[error("it has no character that can be seen")]
    Unseen,
}
