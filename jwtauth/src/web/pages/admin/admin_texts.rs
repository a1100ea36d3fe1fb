//! What the pages for admins say.

use super::super::text_fields::text_fields;

text_fields! {
    /// What the pages for admins say: each text is a field. The default is English.
    AdminTexts {
    /// The title of the list of accounts, and the link to it.
    people = "People";
    /// The label of the field that looks for names.
    name_begins = "Name begins with";
    /// The button that looks for something.
    search = "Search";
    /// Nobody was found.
    nobody = "Nobody has such a name.";
    /// The heading of roles.
    roles = "Roles";
    /// The heading of whether an account may log in.
    state = "State";
    /// An account that may log in.
    active = "active";
    /// An account that may not log in.
    disabled = "disabled";
    /// The heading of the last login.
    last_login = "Last login";
    /// There was no login.
    never = "never";
    /// The link to the next page.
    next_page = "Next page";
    /// The link to the first page.
    first_page = "First page";
    /// When an account was registered.
    registered = "Registered";
    /// When a password was last set.
    password_set = "Password set";
    /// The id of an account.
    id = "Id";
    /// An account has no role.
    no_roles = "No roles.";
    /// The label of a role that is to be added.
    new_role = "New role";
    /// The button that adds a role.
    add_role = "Add role";
    /// The button that takes a role away. The role stands behind it.
    remove_role = "Remove role";
    /// The button that disables an account.
    disable = "Disable";
    /// What that does.
    disable_hint = "Ends all sessions. Nobody can log in to a disabled account.";
    /// The button that enables an account.
    enable = "Enable";
    /// The heading of the sessions.
    sessions = "Sessions";
    /// Nobody is logged in.
    no_sessions = "No sessions.";
    /// How many sessions are not shown. The number stands behind it.
    more_sessions = "Older sessions that are not shown:";
    /// The button that ends a session.
    end_session = "End session";
    /// The button that ends all sessions.
    end_all = "End all sessions";
    /// After an account was disabled.
    was_disabled = "The account is disabled, and its sessions are ended.";
    /// After an account was enabled.
    was_enabled = "The account is enabled.";
    /// After sessions were ended.
    sessions_ended = "What you have chosen is ended.";
    /// After a change of roles.
    roles_changed = "The roles are changed. They count from the next request on.";
    /// Why admins may not lock themselves out.
    not_yourself = "You cannot take this from yourself: ask another admin, so that one always remains.";
    }
}
