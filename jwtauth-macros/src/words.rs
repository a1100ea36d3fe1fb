//! The words that an attribute takes, as one table. Parser, messages and documentation all read it.
//!
//! A table ([`Words`]) has one row for each word ([`Word`]). The row holds everything that is known of the
//! word, with its meaning as a value of the macro's own type. The table in the documentation is a file in
//! `docs/`; a test of each macro compares it with the rows.
//!
//! # Invariants
//!
//! 1. A word without a row is an error. It is never ignored.
//! 2. A mistake costs only the argument that it is in. The others are still read, so that the user sees all
//!    mistakes at once.

use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Expr, Ident, LitBool, Token, parenthesized, token};

use crate::errors::Errors;
use crate::suggest::suggest;

/// The words that are known in one place.
pub(crate) struct Words<M: 'static> {
    /// The place, as messages name it.
    pub(crate) place: &'static str,
    /// The column titles of the documentation's table.
    #[cfg_attr(not(test), expect(dead_code, reason = "the test that compares the documentation reads it"))]
    pub(crate) columns: [&'static str; 3],
    pub(crate) rows: &'static [Word<M>],
}

/// One word: a row of the table.
pub(crate) struct Word<M> {
    /// The word itself. It may be the keyword `crate`.
    pub(crate) name: &'static str,
    /// A whole argument, for messages and documentation.
    pub(crate) example: &'static str,
    /// Words that other libraries use for it, and words that people try first.
    pub(crate) aliases: &'static [&'static str],
    /// The second and third cell of the documentation's table. The first one is the example.
    #[cfg_attr(not(test), expect(dead_code, reason = "the test that compares the documentation reads it"))]
    pub(crate) docs: [&'static str; 2],
    /// What the macro does with it.
    pub(crate) meaning: M,
}

impl<M> Words<M> {
    /// Returns the row of a word. The error for an unknown word suggests one and lists all.
    pub(crate) fn find(&self, word: &Ident) -> syn::Result<&'static Word<M>> {
        let name = word.to_string();
        self.rows.iter().find(|row| row.name == name).ok_or_else(|| {
            let meant = self.meant(word).map(|row| format!(", did you mean `{}`?", row.name));
            self.unknown(word, &meant.unwrap_or_default())
        })
    }

    /// Returns the row that an unknown word most likely means.
    pub(crate) fn meant(&self, word: &Ident) -> Option<&'static Word<M>> {
        let known = self.rows.iter().map(|row| (row.name, row.aliases));
        let meant = suggest(&word.to_string(), known)?;
        self.rows.iter().find(|row| row.name == meant)
    }

    /// Returns the error for an unknown word. `advice` follows the word.
    pub(crate) fn unknown(&self, word: &Ident, advice: &str) -> syn::Error {
        syn::Error::new(word.span(), format!("unknown argument `{word}`{advice}\n{}", self.help()))
    }

    /// Returns the line of a message that lists all words.
    pub(crate) fn help(&self) -> String {
        let names: Vec<_> = self.rows.iter().map(|row| format!("`{}`", row.name)).collect();
        let list = match &names[..] {
            [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
            _ => names.concat(),
        };
        format!("help: {} takes {list}", self.place)
    }
}

impl<M> Word<M> {
    /// Parses `= value` after the word.
    pub(crate) fn value<T>(
        &self,
        input: ParseStream<'_>,
        word: &Ident,
        parse: impl FnOnce(ParseStream<'_>) -> syn::Result<T>,
    ) -> syn::Result<T> {
        if at_end(input) {
            return Err(self.wrong(word, "needs a value"));
        }
        if !input.peek(Token![=]) || input.peek(Token![==]) {
            return Err(self.wrong(word, "takes its value after `=`"));
        }
        input.parse::<Token![=]>()?;
        if at_end(input) {
            return Err(self.wrong(word, "needs a value"));
        }
        parse(input)
    }

    /// Parses `(value, ..)` after the word. There is at least one value.
    pub(crate) fn list(&self, input: ParseStream<'_>, word: &Ident) -> syn::Result<Vec<Expr>> {
        if !input.peek(token::Paren) {
            return Err(self.wrong(word, "takes its values in parentheses"));
        }
        let inside;
        parenthesized!(inside in input);
        let values = Punctuated::<Expr, Token![,]>::parse_terminated(&inside)?;
        if values.is_empty() {
            return Err(self.wrong(word, "needs at least one value"));
        }
        Ok(values.into_iter().collect())
    }

    /// Refuses anything after a word that is a whole argument by itself.
    pub(crate) fn no_value(&self, input: ParseStream<'_>, word: &Ident) -> syn::Result<()> {
        if at_end(input) {
            return Ok(());
        }
        let (name, example) = (self.name, self.example);
        // Whoever writes `= false` wants the opposite of the word.
        let right = match switch(input) {
            Some(false) => "leave it out".to_owned(),
            Some(true) => format!("write `{example}` alone"),
            None => format!("write `{example}` alone, or leave it out"),
        };
        Err(syn::Error::new(word.span(), format!("`{name}` takes no value: {right}")))
    }

    fn wrong(&self, word: &Ident, what: &str) -> syn::Error {
        syn::Error::new(word.span(), format!("`{}` {what}: write `{}`", self.name, self.example))
    }
}

/// Calls `read` at the start of each argument, and collects the errors that it returns.
///
/// Arguments are separated by commas. The last one may have a comma too.
pub(crate) fn for_each_argument(
    tokens: TokenStream,
    mut read: impl FnMut(ParseStream<'_>) -> syn::Result<()>,
) -> Errors {
    let mut errors = Errors::default();
    let read_all = |input: ParseStream<'_>| {
        while !input.is_empty() {
            if let Err(error) = read(input) {
                errors.push(error);
                skip_argument(input);
            } else if !at_end(input) {
                errors.push(input.error("expected `,` between two arguments"));
                skip_argument(input);
            }
            input.parse::<Option<Token![,]>>()?;
        }
        Ok(())
    };
    if let Err(error) = read_all.parse2(tokens) {
        errors.push(error);
    }
    errors
}

/// Parses the word at the start of an argument. It may be the keyword `crate`.
pub(crate) fn word(input: ParseStream<'_>) -> syn::Result<Ident> {
    Ident::parse_any(input)
}

/// Whether nothing follows the word in its argument.
pub(crate) fn is_alone(input: ParseStream<'_>) -> bool {
    at_end(input)
}

/// Returns the value after a word if it is `= false`, `(false)` or `= true`, `(true)`.
pub(crate) fn switch(input: ParseStream<'_>) -> Option<bool> {
    let ahead = input.fork();
    let read = |input: ParseStream<'_>| input.parse::<LitBool>().ok().filter(|_| at_end(input));
    let value = if ahead.peek(token::Paren) {
        let inside = || -> syn::Result<_> {
            let inside;
            parenthesized!(inside in ahead);
            Ok(read(&inside))
        };
        inside().ok()?
    } else {
        ahead.parse::<Token![=]>().ok()?;
        read(&ahead)
    };
    value.map(|value| value.value)
}

/// Whether the argument ends here.
fn at_end(input: ParseStream<'_>) -> bool {
    input.is_empty() || input.peek(Token![,])
}

/// Stops before the comma that ends the argument, or at the end of the input.
fn skip_argument(input: ParseStream<'_>) {
    while !at_end(input) && input.parse::<TokenTree>().is_ok() {}
}

/// The command that writes the documentation's tables again.
#[cfg(test)]
const BLESS: &str = "JWTAUTH_BLESS=1 cargo test -p jwtauth-macros";

#[cfg(test)]
impl<M> Words<M> {
    /// Checks that `docs/{file}` is the table of the rows. With `JWTAUTH_BLESS` set, writes it first.
    pub(crate) fn assert_documented_in(&self, file: &str) {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/docs").join(file);
        let table = self.markdown();
        if std::env::var_os("JWTAUTH_BLESS").is_some() {
            std::fs::write(&path, &table).expect("the documentation can be written");
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == table,
            "src/docs/{file} is not the table of {}. \
             To write it again, run `{BLESS}`",
            self.place
        );
    }

    /// Checks what makes the suggestions clear: each word and each alias stands in the table once.
    pub(crate) fn assert_distinct(&self) {
        let mut seen = std::collections::BTreeSet::new();
        for row in self.rows {
            assert!(row.example.contains(row.name), "{}", row.name);
            for word in row.aliases.iter().chain([&row.name]) {
                assert!(seen.insert(*word), "`{word}` stands twice");
            }
        }
    }

    fn markdown(&self) -> String {
        let row = |cells: [&str; 3]| format!("| {} |\n", cells.join(" | "));
        let mut text = format!("<!-- Written by a test: `{BLESS}` -->\n\n");
        text += &row(self.columns);
        text += &row(["---"; 3]);
        for Word { example, docs: [second, third], .. } in self.rows {
            text += &row([&format!("`{example}`"), second, third]);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: Words<()> = Words {
        place: "`#[a]`",
        columns: ["argument", "meaning", "else"],
        rows: &[
            Word { name: "b", example: "b = 1", aliases: &["x"], docs: ["c", "d"], meaning: () },
            Word { name: "e", example: "e", aliases: &[], docs: ["f", "g"], meaning: () },
        ],
    };

    #[test]
    fn the_help_lists_all_words() {
        assert_eq!(TWO.help(), "help: `#[a]` takes `b` and `e`");
        assert_eq!(Words { rows: &TWO.rows[..1], ..TWO }.help(), "help: `#[a]` takes `b`");
    }

    #[test]
    fn the_documentation_has_a_line_for_each_word() {
        let want = format!(
            "<!-- Written by a test: `{BLESS}` -->\n\n\
             | argument | meaning | else |\n| --- | --- | --- |\n| `b = 1` | c | d |\n| `e` | f | g |\n"
        );
        assert_eq!(TWO.markdown(), want);
    }
}
