//! What the ready-made pages say.

use std::borrow::Cow;

use super::admin::AdminTexts;
use super::text_fields::text_fields;
use crate::error::{ApiKeyNameProblem, NameProblem, PasswordProblem};
use crate::web::answer::language::direction;

type PageText = Cow<'static, str>;

text_fields! {
    /// What the ready-made pages say: each text is a field. The default is English.
    ///
    /// ```
    /// # #[cfg(feature = "pages")] {
    /// use jwtauth::pages::PageTexts;
    ///
    /// let mut german = PageTexts::default();
    /// german.lang = "de".into();
    /// german.log_in = "Anmelden".into();
    /// german.admin.people = "Leute".into();
    /// # }
    /// ```
    PageTexts {
    /// The language, for the attributes `lang` (BCP 47) and `dir`: Arabic, Hebrew and others are written from
    /// right to left.
    lang = "en";
    /// The title of the login page, and its button.
    log_in = "Log in";
    /// The label of the name of an account.
    name = "Name";
    /// The label of a password.
    password = "Password";
    /// The link from the login page to the registration.
    to_register = "Make an account";
    /// On the login page, to somebody whose browser has dropped the cookies of a login, because the site was
    /// opened over plain http.
    needs_https = "Over plain http your browser keeps no login. Open this site over https.";
    /// The title of the registration, and its button.
    register = "Make an account";
    /// The link from the registration to the login page.
    to_log_in = "Log in with an account that you have";
    /// What a good password is. It stands under the field of a new one. It may be empty.
    password_hint = "A long one is a good one: some words that nobody else would put together.";
    /// The title of the page that changes the password, and its button.
    change_password = "Change password";
    /// The label of the password that was good until now.
    old_password = "Password now";
    /// The label of the next password.
    new_password = "New password";
    /// It stands in the title of a page, before what is wrong was mended.
    error = "Error";
    /// After a login, to somebody whose form came when the login had ended, or was too old.
    nothing_changed = "Nothing was changed, because you had to log in first. Do it again.";
    /// To somebody who sends a form that was made for another account: somebody has logged in meanwhile, in
    /// another tab.
    for_another = "Nothing was changed: that page was made for another account. This is yours.";
    /// The title of a page that refuses something.
    refused = "That did not work";
    /// Why: nobody here may do it, or not so.
    not_allowed = "You may not do this.";
    /// Why: another site has sent the form.
    from_elsewhere = "Another site has sent you here with a form. Nothing was changed.";
    /// Why: there is no such page.
    no_such_page = "There is no such page.";
    /// Why: the browser has sent what no form here sends.
    not_understood = "Your browser has sent something that this page does not take.";
    /// Why: the store cannot be asked, for example.
    unavailable = "That is not possible at the moment. Try again.";
    /// After a change of the password.
    password_changed = "The password is changed. All other devices are logged out.";
    /// The link to the [home](crate::pages::Pages::home) of the application.
    home = "Home";
    /// The title of the list of sessions.
    devices = "Your devices";
    /// The mark of the session that the page is shown in.
    this_device = "this one";
    /// A device of which nothing is known.
    unknown_device = "Unknown device";
    /// What stands between a program and its system: `Firefox 128 on Linux`.
    device_on = "on";
    /// When a session was last used.
    last_used = "Last used";
    /// When a session was opened.
    logged_in = "Logged in";
    /// The address that a session was last used from.
    address = "Address";
    /// The button that ends a session, the link to that page, and its title.
    log_out = "Log out";
    /// The button that ends all other sessions.
    log_out_others = "Log out all other devices";
    /// The button that ends all sessions.
    log_out_everywhere = "Log out everywhere";
    /// The title of the list of API keys, and the link to it.
    api_keys = "API keys";
    /// What API keys are. It stands above the list.
    api_keys_hint = "With an API key a program acts for you, until the key ends.";
    /// There are none.
    no_api_keys = "You have no API keys.";
    /// The title of the form for a new key, and its button.
    make_api_key = "Make an API key";
    /// The label of the name of a key.
    api_key_name = "What it is for";
    /// The label of the roles of a key.
    api_key_roles = "What it may do";
    /// The label of how long a key is valid.
    api_key_days = "For how many days";
    /// A number of days is too large, too small, or no number. The highest one stands behind.
    api_key_days_refused = "Write a whole number of days: at least 1, and at most";
    /// A key was to get a role that its owner does not have, or has no longer.
    api_key_roles_refused = "A key may do no more than you may. Your own roles are other ones now.";
    /// The login is too old to make a key. It is a link to the login page.
    api_key_needs_login = "To make a key, log in again first.";
    /// The form that makes a key was sent a second time.
    api_key_form_sent = "This form was sent already, and no second key was made. The first one is in the list. Nobody can show it again: if you have not seen it, end it and make another one.";
    /// A key was made. The key stands below.
    api_key_made = "This is the key. Keep it now: nobody can show it again.";
    /// When a key ends.
    api_key_ends = "Good until";
    /// When a key was made.
    api_key_since = "Made";
    /// The button that ends a key.
    end_api_key = "End this key";
    /// After the end of a key.
    api_key_ended = "That key has ended.";
    /// There are too many keys.
    too_many_api_keys = "You have as many keys as you may have. End one first.";
    /// What a new password does to API keys.
    password_keeps_api_keys = "API keys stay good. If somebody else knew the password, log out everywhere too.";
    /// What the button that ends all sessions does to API keys.
    everywhere_ends_api_keys = "To log out everywhere ends your API keys too.";
    /// On the login page, for somebody who is logged in.
    is_logged_in = "You are logged in already.";
    /// The same, if a page has sent them here: it needs a recent login.
    log_in_again = "Log in again to go on to that page.";
    /// After a logout.
    logged_out = "You are logged out.";
    /// After the end of another session.
    device_logged_out = "That device is logged out.";
    /// A field was left empty.
    required = "Fill this in.";
    /// A login was refused.
    wrong_credentials = "Name or password is wrong.";
    /// The old password is not right.
    wrong_password = "This is not the password of now.";
    /// A name is too long. The number of bytes stands where `{}` does, here and in the next texts.
    name_too_long = "It has more than {} bytes.";
    /// A name has a space.
    name_has_space = "It has a space: use letters, digits and ASCII punctuation.";
    /// A name has a character that no name has.
    name_has_symbol = "It has a symbol or an invisible character: use letters, digits and ASCII punctuation.";
    /// A name has a character that nobody sees.
    name_has_unseen = "It has an invisible character: use letters, digits and ASCII punctuation.";
    /// A name begins with a combining mark.
    name_begins_with_mark = "It begins with a mark that belongs to a letter before it.";
    /// A new password is too short: the fewest characters.
    password_too_short = "It has fewer than {} characters: a few words make a good one.";
    /// A new password is too long: the most bytes.
    password_too_long = "It has more than {} bytes.";
    /// A new password is the name of the account.
    password_is_name = "It is the name: choose another one.";
    /// A new password has what stands in the place of another charset.
    password_charset = "It came in another charset, and parts of it were replaced: send UTF-8.";
    /// The name of an API key is too long: the most characters.
    api_key_name_too_long = "It has more than {} characters.";
    /// The name of an API key has a control character.
    api_key_name_has_control = "It has a control character.";
    /// The name of an API key has nothing that can be seen.
    api_key_name_is_unseen = "It has no character that can be seen.";
    /// The name of a new account is taken.
    name_taken = "Somebody has this name already. Choose another one.";
    /// Too many attempts.
    too_many = "That was too often. Wait a moment, and try again.";
    /// The server is busy.
    busy = "The server is busy. Try again in a moment.";
}
    /// What is wrong with a name, whatever it is. Default: one of the texts for that.
    name_refused: Option<PageText>;
    /// What is wrong with a new password, whatever it is. Default: one of the texts for that.
    password_refused: Option<PageText>;
    /// What is wrong with the name of an API key, whatever it is. Default: one of the texts for that.
    api_key_name_refused: Option<PageText>;
    /// What the pages for admins say.
    admin: AdminTexts;
}

impl PageTexts {
    /// Says what is wrong with the name of an account.
    pub(super) fn of_name(&self, problem: NameProblem) -> String {
        let (text, number) = match problem {
            NameProblem::BeginsWithMark => (&self.name_begins_with_mark, 0),
            NameProblem::Empty => (&self.required, 0),
            NameProblem::Invisible => (&self.name_has_unseen, 0),
            NameProblem::Space => (&self.name_has_space, 0),
            NameProblem::Symbol => (&self.name_has_symbol, 0),
            NameProblem::TooLong { max } => (&self.name_too_long, max),
        };
        said(self.name_refused.as_ref(), text, number)
    }

    /// Says what is wrong with a new password.
    pub(super) fn of_password(&self, problem: PasswordProblem) -> String {
        let (text, number) = match problem {
            PasswordProblem::Charset => (&self.password_charset, 0),
            PasswordProblem::IsName => (&self.password_is_name, 0),
            PasswordProblem::TooLong { max } => (&self.password_too_long, max),
            PasswordProblem::TooShort { min } => (&self.password_too_short, min),
        };
        said(self.password_refused.as_ref(), text, number)
    }

    /// Says what is wrong with the name of an API key.
    pub(super) fn of_api_key_name(&self, problem: ApiKeyNameProblem) -> String {
        let (text, number) = match problem {
            ApiKeyNameProblem::Control => (&self.api_key_name_has_control, 0),
            ApiKeyNameProblem::Length { got: 0, .. } => (&self.required, 0),
            ApiKeyNameProblem::Length { max, .. } => (&self.api_key_name_too_long, max),
            ApiKeyNameProblem::Unseen => (&self.api_key_name_is_unseen, 0),
        };
        said(self.api_key_name_refused.as_ref(), text, number)
    }

    /// Returns which way the language is written, for the attribute `dir`.
    pub(super) fn dir(&self) -> &'static str {
        direction(&self.lang)
    }
}

/// Returns the text that is always said, or the one for this problem, with its number.
fn said(always: Option<&PageText>, text: &PageText, number: usize) -> String {
    always.map_or_else(|| text.replace("{}", &number.to_string()), PageText::to_string)
}
