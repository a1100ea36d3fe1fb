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
const ACTIVE: &str =
    "active enabled activated approved verified confirmed authorized authorised allowed permitted valid";

/// What may stand beside such a word, and the field still says the same: `is_active`, `account_enabled`.
const BESIDE_ACTIVE: &str =
    "is was has been at by since from until account user login flag state status currently now still";

/// Words that say who may not.
const OPPOSITE: &str = "inactive disabled deactivated blocked banned suspended locked frozen deleted removed archived \
     revoked terminated closed expired ban barred blacklisted blocklisted canceled cancelled denied \
     disallowed erased expelled forbidden lock lockout pending purged quarantined rejected suspension \
     trashed unapproved unconfirmed unverified";

/// What may stand beside those: `is_locked_out`, `banned_until`, `deleted_at`, `account_disabled_by`.
const BESIDE_OPPOSITE: &str = "is was has been out at on since from until till by date time account user login credentials soft \
     reason permanently temporarily currently now flag state status end ends expires expiry shadow \
     admin approval activation verification";

/// Words that turn the others round: `is_not_active`, `account_non_locked`, `no_login`.
const NOT: &str = "not non no never";

/// Words for what a user does at the door.
const LOGIN: &str = "login logon signin authenticate";

/// With one of these they say who may: `can_login`, `login_allowed`.
const ALLOWED: &str = "can may allow allowed allows permitted";
const BESIDE_LOGIN: &str = "can may allow allowed allows permitted is to user account";

/// A word that may say who may log in, if nothing beside it says otherwise. `state` alone is a part of an
/// address.
const STATUS: &str = "status state";
const BESIDE_STATUS: &str = "account user login";

/// Words for roles and for scopes.
const ROLES: &str = "role roles group groups authority authorities";
const SCOPES: &str = "scope scopes permission permissions perm perms privilege privileges scp abilities acl capabilities \
     entitlement entitlements grants privs rights authorizations";
const BESIDE_ROLES: &str = "user users account granted assigned name names list set access id ids level code";

/// What says of a user how far the rights reach, as one role does.
const LEVEL: &str = "access security clearance admin";

/// Roles that people keep as a `bool`.
const ONE_ROLE: &str = "admin administrator staff superuser superadmin sysadmin moderator";
const BESIDE_ONE_ROLE: &str = "is user account super site";

/// Roles that they keep so behind `is`. Alone such a word is somebody else: the manager of this user.
const ONE_ROLE_BEHIND_IS: &str = "owner manager editor operator employee root mod";

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
    words.retain(|word| !is_one_of(NOT, word));
    let is_turned = (all - words.len()) % 2 == 1;
    let who = |may: bool| Some(if may == is_turned { NameMeaning::Opposite } else { NameMeaning::Active });
    if is_about(&words, OPPOSITE, BESIDE_OPPOSITE) {
        return who(false);
    }
    if is_about(&words, ACTIVE, BESIDE_ACTIVE) {
        return who(true);
    }
    let is_allowed = words.iter().any(|word| is_one_of(ALLOWED, word));
    if is_about(&words, LOGIN, BESIDE_LOGIN) && (is_allowed || is_turned) {
        return who(true);
    }
    if is_turned {
        return None;
    }
    if is_about(&words, STATUS, BESIDE_STATUS) && words != ["state"] {
        return Some(NameMeaning::Status);
    }
    let is_level = matches!(&words[..], [of, level] if is_one_of(LEVEL, of) && level == "level");
    if is_level || is_about(&words, ROLES, BESIDE_ROLES) {
        return Some(NameMeaning::Roles);
    }
    if is_about(&words, SCOPES, BESIDE_ROLES) {
        return Some(NameMeaning::Scopes);
    }
    let is_behind_is = matches!(&words[..], [is, role] if is == "is" && is_one_of(ONE_ROLE_BEHIND_IS, role));
    let is_role = is_behind_is || is_about(&words, ONE_ROLE, BESIDE_ONE_ROLE);
    let mut known = ONE_ROLE.split(' ').chain(ONE_ROLE_BEHIND_IS.split(' ')).filter(|_| is_role);
    known.find(|role| words.iter().any(|word| word == role)).map(NameMeaning::OneRole)
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
    // `log_in` and `super_user` are one word more than `login` and `superuser`, and say the same.
    let is_known = |word: &str, lists: &[&str]| lists.iter().any(|list| is_one_of(list, word));
    let is_one = |two: &[String]| is_known(&two.concat(), &[LOGIN, OPPOSITE, ONE_ROLE]);
    if let Some(at) = words.windows(2).position(is_one) {
        let rest = words.remove(at + 1);
        words[at].push_str(&rest);
    }
    // Columns of a database have no capitals: `isactive`.
    if let [only] = &words[..]
        && let Some(rest) = only.strip_prefix("is")
        && is_known(rest, &[ACTIVE, OPPOSITE, ONE_ROLE, ONE_ROLE_BEHIND_IS])
    {
        words = vec!["is".to_owned(), rest.to_owned()];
    }
    words
}

/// Tells whether a name is one of these words, with nothing beside it that makes it say something else.
fn is_about(name: &[String], words: &str, beside: &str) -> bool {
    name.iter().any(|part| is_one_of(words, part))
        && name.iter().all(|part| is_one_of(words, part) || is_one_of(beside, part))
}

fn is_one_of(list: &str, word: &str) -> bool {
    list.split(' ').any(|known| known == word)
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
                 active_flag is_currently_active not_banned IS_ACTIVE is_activated activated_at approved \
                 is_approved approved_by verified is_verified accountVerified confirmed_at is_authorized \
                 authorised is_allowed permitted is_valid valid_until isvalid",
            ),
            (
                Some(NameMeaning::Opposite),
                "login_disabled soft_deleted is_soft_deleted permanently_banned disabled_reason \
                 blocked_reason is_not_active isBlocked deletedAt no_login \
                 account_closed is_expired user_locked_out BANNED isBannedNow ban ban_reason banExpires \
                 LockoutEnd lock_until lockUntil lock_out blacklisted is_cancelled rejected \
                 pending is_pending pending_approval unverified shadow_banned trashed_at \
                 blocked_by_admin suspension_ends is_barred login_denied",
            ),
            (
                Some(NameMeaning::Status),
                "status account_status accountStatus userStatus Status account_state userState",
            ),
            (
                Some(NameMeaning::Roles),
                "role user_role user_roles Roles authorities granted_authorities groups userGroups role_names \
                 role_id roleIds group_ids role_level access_level AccessLevel clearance_level role_code",
            ),
            (Some(NameMeaning::OneRole("admin")), "is_admin admin isAdmin isadmin"),
            (Some(NameMeaning::OneRole("staff")), "is_staff staff"),
            (Some(NameMeaning::OneRole("superuser")), "is_superuser super_user isSuperUser"),
            (Some(NameMeaning::OneRole("owner")), "is_owner isOwner isowner"),
            (Some(NameMeaning::OneRole("manager")), "is_manager"),
            (
                Some(NameMeaning::Scopes),
                "scope permissions privileges perms user_permissions scp rights access_rights entitlements \
                 abilities capabilities grants acl privs",
            ),
            (
                None,
                "id name email status_code status_message online_status role_description role_color \
                 last_active_at active_sessions last_login login login_count login_at log_level can_sign \
                 blocked_users locked_doors deleted_posts admin_notes admin_email group_chat no_show not_null \
                 notes island issue isbn state country_state scoped_css permission_denied_count closed_deals \
                 expires_at inbox in_stock email_verified phone_confirmed verified_email owner manager editor \
                 root copyrights right state level experience_level lockout_enabled pending_orders block \
                 access_token valid_from_address allowed_origins is_new is_online is_mobile mod_count \
                 grants_received lock_screen bank banner",
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
