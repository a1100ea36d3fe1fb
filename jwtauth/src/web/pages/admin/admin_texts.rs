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
    /// The link to the page before.
    previous_page = "Previous page";
    /// The link to the first page.
    first_page = "First page";
    /// The heading of the device of a session.
    device = "Device";
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
    /// The button that ends a session.
    end_session = "End session";
    /// The button that ends all sessions.
    end_all = "End all sessions";
    /// What that does.
    end_all_hint = "API keys end too.";
    /// After an account was disabled.
    was_disabled = "The account is disabled, and its sessions are ended.";
    /// After an account was enabled.
    was_enabled = "The account is enabled.";
    /// After sessions were ended.
    sessions_ended = "What you have chosen is ended.";
    /// After a change of roles.
    roles_changed = "The roles are changed. They count from the next request on.";
    /// The title of the page with charts and the store, and the link to it.
    overview = "Overview";
    /// The heading of the store.
    store = "Store";
    /// How many sessions are live.
    live_sessions = "Live sessions";
    /// In front of a number that was estimated.
    about = "about";
    /// How many sessions are kept, dead or alive.
    kept_sessions = "Sessions kept, those that are over too";
    /// How many accounts there are.
    accounts = "Accounts";
    /// How large the files of the store are.
    size = "Size of the files";
    /// When it was counted what the store keeps. That is done every five minutes.
    counted = "Kept sessions and accounts counted";
    /// In place of a number that could not be counted.
    unknown = "unknown";
    /// When the store was last swept.
    last_sweep = "Last sweep";
    /// How many records a sweep removed. The number stands in front.
    removed = "removed";
    /// When the last backup was taken, by this program or by `jwtauth backup`.
    last_backup = "Last backup";
    /// It has not happened since the program started.
    not_since_start = "none since its start";
    /// No backup was taken yet.
    not_yet = "none yet";
    /// Since when the program runs and counts.
    since = "Running and counting since";
    /// The version of the library.
    version = "Version of jwtauth";
    /// The heading of the charts.
    charts = "What happens";
    /// The last hour.
    last_hour = "1 hour";
    /// The last day.
    last_day = "24 hours";
    /// The last week.
    last_week = "7 days";
    /// The title of the chart of logins.
    logins = "Logins";
    /// The title of the chart of logins that failed.
    failed_logins = "Failed logins";
    /// The title of the chart of refreshes.
    refreshes = "Refreshes";
    /// The title of the chart of spent tokens that came back.
    reuse = "Reuse of spent tokens";
    /// What opens the table of a chart.
    as_table = "As a table";
    /// The heading of numbers.
    count = "Number";
    /// It was not counted.
    not_counted = "not counted";
    /// The highest number of a chart. It stands behind.
    at_most = "At most";
    /// The title of the list of keys, and the link to it.
    keys = "Keys";
    /// What the page of keys is about.
    keys_hint = "Keys that sign and verify access tokens. Secrets are shown nowhere.";
    /// The name of a key.
    key_name = "Name (kid)";
    /// The algorithm of a key.
    algorithm = "Algorithm";
    /// What a key is for.
    used_for = "Used to";
    /// A key that signs.
    signs = "sign and verify";
    /// A key that only verifies.
    verifies = "verify";
    /// Until when it is good.
    until = "Until";
    /// It is good without end.
    no_end = "no end";
    /// The title of the audit trail, and the link to it.
    events = "Events";
    /// That no events are kept.
    events_off = "No events are kept: the program does not call keep_events.";
    /// No event was found.
    no_events = "No such events.";
    /// No event was found among the newest, of which a number was looked at. It stands behind.
    none_among = "No such events among the newest:";
    /// The link that looks at older events.
    look_further = "Look further";
    /// The label of whom events are about.
    person = "Person";
    /// The label of the name of events.
    event = "Event";
    /// When something happened.
    time = "Time";
    /// What else is known of an event.
    details = "Details";
    /// Who has caused an event in the place of the person.
    by = "By";
    /// The link to older events.
    older = "Older";
    /// The link to the newest ones.
    newest = "Newest";
    /// The link to a page that follows what happens.
    follow = "Follow: reload every 5 seconds";
    /// The link that stops that.
    stop_following = "Stop following";
    /// An API key among the sessions. Its name stands behind.
    api_key = "API key";
    /// The title of the page of one session, and the link to it.
    session = "Session";
    /// The link to sessions that are over, too.
    with_ended = "Show sessions that are over, too";
    /// The link to live sessions only.
    only_live = "Show live sessions only";
    /// A session that may be used.
    live = "live";
    /// A session or token that has reached its limit.
    expired = "expired";
    /// A session that was revoked. The reason stands behind.
    revoked = "revoked";
    /// Why a session was revoked: the user had too many.
    evicted = "too many sessions";
    /// Why a session was revoked: the account was disabled or removed.
    inactive = "account disabled or removed";
    /// Why a session was revoked: a logout.
    logout = "logout";
    /// Why a session was revoked: a logout everywhere.
    logout_all = "all sessions were ended";
    /// Why a session was revoked: the same browser logged in anew.
    replaced = "new login in the same browser";
    /// Why a session was revoked: somebody asked for it.
    requested = "ended on request";
    /// Why a session was revoked: reuse.
    reused = "a spent token came back";
    /// When a session or token was revoked or has expired.
    ended = "Ended";
    /// When a session expires if nobody uses it.
    expires = "Expires";
    /// How often the tokens of a session were renewed.
    generation = "Renewed (generation)";
    /// What the client says of itself.
    user_agent = "User-Agent";
    /// The heading of tokens.
    tokens = "Tokens";
    /// That no records of tokens are kept.
    tokens_off = "No records of tokens are kept: the program does not call token_registry.";
    /// The number of a token.
    number = "No.";
    /// The kind of a token.
    kind = "Kind";
    /// An access token.
    access_token = "access";
    /// A refresh token.
    refresh_token = "refresh";
    /// A token that slides.
    sliding_token = "sliding";
    /// The number of the token that another one was issued for.
    issued_for = "Issued for";
    /// A token of a login.
    of_login = "login";
    /// When a token was issued.
    issued = "Issued";
    /// A token that is good.
    good = "good";
    /// A token that was spent. The number of the next one stands behind.
    spent_for = "spent for";
    /// A token that was revoked alone.
    revoked_alone = "revoked alone";
    /// A token that ended with its session. The reason stands behind.
    ended_with_session = "ended with its session:";
    /// An access token that ended because the next one was issued.
    replaced_by_refresh = "replaced by the next one";
    /// Why admins may not lock themselves out.
    not_yourself = "You cannot take this from yourself: ask another admin, so that one always remains.";
    }
    /// What is wrong with a role. Default: the text of the [error](crate::error::AccountError::Role), which
    /// says what.
    role_refused: Option<std::borrow::Cow<'static, str>>;
}

impl AdminTexts {
    /// The words for the times that charts show, the shortest first.
    pub(super) fn spans(&self) -> [&str; 3] {
        [&self.last_hour, &self.last_day, &self.last_week]
    }
}
