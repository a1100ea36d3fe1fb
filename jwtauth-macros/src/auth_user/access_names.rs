//! Names of fields that look as if they decided about access.
//!
//! A field of such a name is read, or has a mark, or is an error (`fields` decides). The lists say what
//! people call such fields, in words: `is_active`, `isActive` and `Active` are one name. A name that is
//! missing here is a field that is left out without a word.
//!
//! A name with any other word in it says something else: `status_code`, `role_description`, `last_active_at`.
//! Who means something else with a name of these lists writes `#[auth(skip)]`.

use super::sources::{ON_FIELD, Source, Sources};

/// Words that say who may log in.
const ACTIVE: [&str; 3] = ["active", "enabled", "activated"];

/// What may stand beside such a word, and the field still says the same: `is_active`, `account_enabled`.
const BESIDE_ACTIVE: [&str; 13] = [
    "is",
    "was",
    "from",
    "until",
    "account",
    "user",
    "login",
    "flag",
    "state",
    "status",
    "currently",
    "now",
    "still",
];

/// Words that say who may not.
const OPPOSITE: [&str; 15] = [
    "inactive",
    "disabled",
    "deactivated",
    "blocked",
    "banned",
    "suspended",
    "locked",
    "frozen",
    "deleted",
    "removed",
    "archived",
    "revoked",
    "terminated",
    "closed",
    "expired",
];

/// What may stand beside those: `is_locked_out`, `banned_until`, `deleted_at`, `account_disabled_by`.
const BESIDE_OPPOSITE: [&str; 27] = [
    "is",
    "was",
    "has",
    "been",
    "out",
    "at",
    "on",
    "since",
    "from",
    "until",
    "till",
    "by",
    "date",
    "time",
    "account",
    "user",
    "login",
    "credentials",
    "soft",
    "reason",
    "permanently",
    "temporarily",
    "currently",
    "now",
    "flag",
    "state",
    "status",
];

/// Words that turn the others round: `is_not_active`, `account_non_locked`, `no_login`.
const NOT: [&str; 4] = ["not", "non", "no", "never"];

/// Words for what a user does at the door.
const LOGIN: [&str; 4] = ["login", "logon", "signin", "authenticate"];

/// With one of these they say who may: `can_login`, `login_allowed`.
const ALLOWED: [&str; 6] = ["can", "may", "allow", "allowed", "allows", "permitted"];

/// A word that may say who may log in, if nothing beside it says otherwise.
const STATUS: [&str; 1] = ["status"];
const BESIDE_STATUS: [&str; 3] = ["account", "user", "login"];

/// Words for roles and for scopes.
const ROLES: [&str; 6] = ["role", "roles", "group", "groups", "authority", "authorities"];
const SCOPES: [&str; 9] =
    ["scope", "scopes", "permission", "permissions", "perm", "perms", "privilege", "privileges", "scp"];
const BESIDE_ROLES: [&str; 9] =
    ["user", "users", "account", "granted", "assigned", "name", "names", "list", "set"];

/// Roles that people keep as a `bool`.
const ONE_ROLE: [&str; 6] = ["admin", "administrator", "staff", "superuser", "superadmin", "moderator"];
const BESIDE_ONE_ROLE: [&str; 4] = ["is", "user", "account", "super"];

/// What a name says about access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NameMeaning {
    /// Who may log in.
    Active,
    /// Who may not.
    Opposite,
    /// Perhaps who may.
    Status,
    Roles,
    /// Whether the user has this role.
    OneRole(&'static str),
    Scopes,
}

/// Returns what to say of a field that is not read and looks as if it were. What it says would have no
/// effect.
pub(super) fn near_miss(name: &str, sources: &Sources) -> Option<String> {
    // Another field is marked in its place.
    if ON_FIELD.rows.iter().any(|row| row.name == name) {
        return None;
    }
    let skip = "help: if it has nothing to do with access, mark it with `#[auth(skip)]`";
    let by_hand = "or implement `AuthUser` by hand with an `is_active` of its own";
    let read = sources.active.as_ref().map(Source::name);
    let too = read.as_ref().map(|active| format!("let `{active}` say it too"));
    let meaning = meaning_of(name)?;
    let (effect, help) = match (meaning, read) {
        (NameMeaning::Opposite, _) => {
            let keep = too.unwrap_or_else(|| "keep the opposite, `active: bool`".to_owned());
            ("such users could log in".to_owned(), format!("{keep}, {by_hand}"))
        }
        (NameMeaning::Active | NameMeaning::Status, Some(active)) => {
            (format!("only `{active}` says who can log in"), format!("let `{active}` say it too, {by_hand}"))
        }
        (NameMeaning::Active, None) => (
            "everyone could log in".to_owned(),
            "make it `active: bool`, or mark it with `#[auth(active)]`".to_owned(),
        ),
        (NameMeaning::Status, None) => (
            "everyone could log in".to_owned(),
            format!("if it says who may log in, keep `active: bool` beside it, {by_hand}"),
        ),
        (NameMeaning::Roles, _) if sources.roles.is_none() => (
            "`#[require_auth(role = \"..\")]` would refuse everyone".to_owned(),
            "make it `roles: Vec<String>`, or mark a collection with `#[auth(roles)]`".to_owned(),
        ),
        (NameMeaning::OneRole(role), _) if sources.roles.is_none() => (
            "`#[require_auth(role = \"..\")]` would refuse everyone".to_owned(),
            format!(
                "keep `roles: Vec<String>`, with \"{role}\" in it, or implement `AuthUser` by hand with a \
                 `roles` of its own"
            ),
        ),
        (NameMeaning::Scopes, _) if sources.scopes.is_none() => (
            "`#[require_auth(scope = \"..\")]` would refuse everyone".to_owned(),
            "make it `scopes: Vec<String>`, or mark a collection with `#[auth(scopes)]`".to_owned(),
        ),
        (NameMeaning::Roles | NameMeaning::OneRole(_) | NameMeaning::Scopes, _) => return None,
    };
    Some(format!("`{name}` is not read, so {effect}\nhelp: {help}\n{skip}"))
}

/// Returns what a name says about access, or `None` if it says something else.
fn meaning_of(name: &str) -> Option<NameMeaning> {
    let mut words = words_of(name);
    let all = words.len();
    words.retain(|word| !NOT.contains(&word.as_str()));
    let is_turned = (all - words.len()) % 2 == 1;
    let who = |may: bool| Some(if may == is_turned { NameMeaning::Opposite } else { NameMeaning::Active });
    if is_about(&words, &OPPOSITE, &BESIDE_OPPOSITE) {
        return who(false);
    }
    if is_about(&words, &ACTIVE, &BESIDE_ACTIVE) {
        return who(true);
    }
    let beside_login: Vec<_> = ALLOWED.into_iter().chain(["is", "to", "user", "account"]).collect();
    let has = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
    if is_about(&words, &LOGIN, &beside_login) && (has(&ALLOWED) || is_turned) {
        return who(true);
    }
    if is_turned {
        return None;
    }
    if is_about(&words, &STATUS, &BESIDE_STATUS) {
        return Some(NameMeaning::Status);
    }
    if is_about(&words, &ROLES, &BESIDE_ROLES) {
        return Some(NameMeaning::Roles);
    }
    if is_about(&words, &SCOPES, &BESIDE_ROLES) {
        return Some(NameMeaning::Scopes);
    }
    let role = ONE_ROLE.into_iter().find(|role| words.iter().any(|word| word == role))?;
    is_about(&words, &ONE_ROLE, &BESIDE_ONE_ROLE).then_some(NameMeaning::OneRole(role))
}

/// Returns the words of a name in snake case, camel case or capitals, in lower case.
fn words_of(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = '_';
    let mut letters = name.chars().peekable();
    while let Some(letter) = letters.next() {
        let ends_capitals = before.is_uppercase() && letters.peek().is_some_and(|next| next.is_lowercase());
        if letter == '_' || letter.is_uppercase() && (!before.is_uppercase() || ends_capitals) {
            words.push(String::new());
        }
        if letter != '_'
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
        before = letter;
    }
    words.retain(|word| !word.is_empty());
    // `log_in` is one word more than `login`, and says the same.
    if let Some(at) = words.windows(2).position(|two| LOGIN.contains(&&*two.concat())) {
        let rest = words.remove(at + 1);
        words[at].push_str(&rest);
    }
    // Columns of a database have no capitals: `isactive`.
    if let [only] = &words[..]
        && let Some(rest) = only.strip_prefix("is").map(str::to_owned)
    {
        let known = [&ACTIVE[..], &OPPOSITE, &ONE_ROLE].concat();
        if known.contains(&rest.as_str()) {
            words = vec!["is".to_owned(), rest];
        }
    }
    words
}

/// Tells whether a name is one of these words, with nothing beside it that makes it say something else.
fn is_about(name: &[String], words: &[&str], beside: &[&str]) -> bool {
    name.iter().any(|part| words.contains(&part.as_str()))
        && name.iter().all(|part| words.contains(&part.as_str()) || beside.contains(&part.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n_15_names_that_decide_about_access_are_known_in_every_spelling() {
        for (meaning, names) in [
            (
                Some(NameMeaning::Active),
                "is_active active_until isActive Active isactive account_enabled login_enabled can_login \
                 canLogin may_log_in login_allowed allowed_to_sign_in account_non_locked accountNonExpired \
                 active_flag is_currently_active not_banned IS_ACTIVE is_activated",
            ),
            (
                Some(NameMeaning::Opposite),
                "login_disabled soft_deleted is_soft_deleted permanently_banned disabled_reason \
                 blocked_reason is_not_active isBlocked deletedAt no_login \
                 account_closed is_expired user_locked_out BANNED isBannedNow",
            ),
            (Some(NameMeaning::Status), "status account_status accountStatus userStatus Status"),
            (
                Some(NameMeaning::Roles),
                "role user_role user_roles Roles authorities granted_authorities groups userGroups role_names",
            ),
            (Some(NameMeaning::OneRole("admin")), "is_admin admin isAdmin isadmin"),
            (Some(NameMeaning::OneRole("staff")), "is_staff staff"),
            (Some(NameMeaning::OneRole("superuser")), "is_superuser"),
            (Some(NameMeaning::Scopes), "scope permissions privileges perms user_permissions scp"),
            (
                None,
                "id name email status_code status_message online_status role_description role_color \
                 last_active_at active_sessions last_login login login_count login_at log_level can_sign \
                 blocked_users locked_doors deleted_posts admin_notes admin_email group_chat no_show not_null \
                 notes island issue isbn state country_state scoped_css permission_denied_count closed_deals \
                 expires_at inbox in_stock",
            ),
        ] {
            for name in names.split_whitespace() {
                assert_eq!(meaning_of(name), meaning, "{name}");
            }
        }
    }

    #[test]
    fn n_15_each_meaning_says_what_to_write() {
        for (name, effect, help) in [
            ("login_disabled", "such users could log in", "keep the opposite, `active: bool`"),
            ("canLogin", "everyone could log in", "mark it with `#[auth(active)]`"),
            ("account_status", "everyone could log in", "keep `active: bool` beside it"),
            (
                "userRoles",
                "role = \"..\")]` would refuse everyone",
                "mark a collection with `#[auth(roles)]`",
            ),
            ("isAdmin", "role = \"..\")]` would refuse everyone", "with \"admin\" in it"),
            ("perms", "scope = \"..\")]` would refuse everyone", "mark a collection with `#[auth(scopes)]`"),
        ] {
            let message = near_miss(name, &Sources::default()).unwrap_or_default();
            let starts = format!("`{name}` is not read, so ");
            assert!(message.starts_with(&starts) && message.contains(effect), "{message}");
            assert!(message.contains(help) && message.ends_with("`#[auth(skip)]`"), "{message}");
        }
    }
}
