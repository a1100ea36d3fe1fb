//! The copy of a user in the session: what cannot be read back is an error of the login, and names the field.

use std::collections::{BTreeMap, HashSet};

use jwtauth::error::SessionError;
use jwtauth::store::{SessionStore as _, UserUpdate};
use jwtauth::{Auth, Device};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::*;

/// Declares user types with one more field, and logs in a user of each.
macro_rules! logins {
    ($app:expr; $($(#[$on_field:meta])* $field:ident: $type:ty = $value:expr),+ $(,)?) => {
        vec![$({
            #[derive(Clone, Serialize, Deserialize, AuthUser)]
            struct Kept {
                id: u64,
                $(#[$on_field])*
                $field: $type,
            }
            let user = Kept { id: 7, $field: $value };
            let _ = &user.$field;
            (stringify!($field), refused($app, &user).await)
        }),+]
    };
}

/// Returns why a user is not kept, at a login and at an update.
async fn refused<U: AuthUser>(app: &TestApp, user: &U) -> Option<String> {
    let cause = |error| match error {
        SessionError::User(cause) => {
            assert!(cause.source().is_none(), "{cause}");
            cause.to_string()
        }
        error => panic!("{error:?}"),
    };
    let login = app.jwtauth.sessions().login(user, Device::default()).await.err().map(cause);
    let sliding = app.jwtauth.sessions().login_sliding(user, Device::default()).await.err().map(cause);
    let update = app.jwtauth.sessions().update_user(user).await.err().map(cause);
    assert_eq!((&login, &login), (&sliding, &update));
    login
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Quota {
    Limit(f64),
    Name(String),
}

#[derive(Clone, Serialize, Deserialize)]
struct Profile {
    lines: Vec<Score>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Score {
    points: f32,
}

#[derive(Clone, Serialize)]
struct Tree(Vec<Tree>);

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self)
    }
}

fn as_text<S: Serializer>(number: &u64, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

fn never<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    Err(serde::de::Error::custom(format!("{text} is refused")))
}

fn deep(levels: usize) -> Tree {
    (0..levels).fold(Tree(Vec::new()), |inner, _| Tree(vec![inner]))
}

#[test]
fn n_10_a_copy_that_cannot_be_read_back_is_no_login_and_names_the_field() {
    bounded(async {
        let app = &TestApp::new();
        let points = |points| Profile { lines: vec![Score { points: 1.0 }, Score { points }] };
        let found = logins!(app;
            #[serde(skip_serializing)] password_hash: String = "$argon2id$secret".into(),
            #[serde(skip_serializing_if = "Vec::is_empty")] tags: Vec<String> = Vec::new(),
            #[serde(rename(serialize = "mail"))] email: String = "secret".into(),
            #[serde(rename(deserialize = "mail"))] e_mail: String = "secret".into(),
            #[serde(serialize_with = "as_text")] phone: u64 = 4930,
            #[serde(deserialize_with = "never")] note: String = "secret".into(),
            score: f64 = f64::NAN,
            quota: Quota = Quota::Limit(f64::INFINITY),
            profile: Profile = points(f32::NEG_INFINITY),
            #[serde(flatten)] extra: BTreeMap<u64, String> = [(5, "secret".into())].into(),
            #[serde(flatten)] more: Profile = points(f32::NAN),
            by_pair: BTreeMap<(u8, u8), u8> = [((1, 2), 3)].into(),
            tree: Tree = deep(200),
        );
        for (field, refused) in &found {
            let cause = refused.as_ref().unwrap_or_else(|| panic!("{field}: it is kept"));
            let name = if *field == "e_mail" { "mail" } else { field };
            assert!(cause.contains(&format!("field `{name}")), "{field}: {cause}");
            assert!(cause.contains("::Kept`") && !cause.contains("secret"), "{field}: {cause}");
        }
        let cause = |name| found.iter().find(|(field, _)| *field == name).unwrap().1.as_deref().unwrap();
        assert!(cause("password_hash").contains("it is missing"), "{}", cause("password_hash"));
        assert!(cause("score").contains("field `score`: expected f64"), "{}", cause("score"));
        assert!(cause("profile").contains("field `profile.lines[1].points`"), "{}", cause("profile"));
        assert!(app.jwtauth.sessions().list("7").await.unwrap().is_empty(), "nobody is logged in");
    });
}

/// A token writes scopes as one text: one with a space would be two everywhere else.
#[test]
fn n_15_a_right_that_is_not_one_name_is_no_login_and_names_the_field() {
    #[derive(Clone, Serialize, Deserialize, AuthUser)]
    struct Entitled {
        id: u64,
        roles: Vec<String>,
        #[auth(scopes)]
        may: Vec<String>,
    }
    let user = |roles: &[&str], may: &[&str]| {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Entitled { id: 7, roles: names(roles), may: names(may) }
    };
    bounded(async {
        let app = &TestApp::new();
        let sessions = app.jwtauth.sessions();
        let good = user(
            &["admin", "Team Lead", "R&D", "cn=ops,dc=example", "größe"],
            &["posts:read", "", "a'b", "*"],
        );
        assert_eq!(refused(app, &good).await, None);
        for bad in ["a b", "a\tb", "a\u{a0}b", "größe", "a\"b", "a\\b", "a,b", "a|b", "a;b", "a&&b"] {
            let cause = refused(app, &user(&[], &["posts:read", bad])).await;
            let cause = cause.unwrap_or_else(|| panic!("{bad:?} is a scope"));
            assert!(cause.contains("`scopes`") && cause.contains(&format!("{bad:?}")), "{bad:?}: {cause}");
        }
        for bad in [
            " admin",
            "admin ",
            "\u{a0}admin",
            "admin\u{3000}",
            "a\nb",
            "a\u{85}b",
            "a,b",
            "a, b",
            "a|b",
            "a;b",
            "a && b",
        ] {
            let cause = refused(app, &user(&["editor", bad], &[])).await;
            let cause = cause.unwrap_or_else(|| panic!("{bad:?} is a role"));
            assert!(cause.contains("`roles`") && cause.contains(&format!("{bad:?}")), "{bad:?}: {cause}");
        }
        for session in sessions.list("7").await.unwrap() {
            assert_eq!(
                session.scopes,
                ["posts:read", "a'b", "*"],
                "empty ones are none, and nothing was changed"
            );
        }
        assert_eq!(sessions.list("7").await.unwrap().len(), 2, "nobody else is logged in");
    });
}

/// What comes back is kept, whatever else is lost on the way.
#[test]
fn n_10_a_copy_that_can_be_read_back_is_kept() {
    bounded(async {
        let app = &TestApp::new();
        let found = logins!(app;
            #[serde(skip)] password_hash: String = "$argon2id$".into(),
            #[serde(skip_serializing, default)] pin: String = "1234".into(),
            #[serde(skip_serializing_if = "Option::is_none")] phone: Option<String> = None,
            #[serde(rename = "mail")] email: String = "a@b".into(),
            #[serde(flatten)] extra: BTreeMap<String, u64> = [("a".into(), 1)].into(),
            score: Option<f64> = Some(f64::NAN),
            number: u128 = u128::MAX,
            // In another order each time.
            roles: HashSet<String> = (0..9).map(|number| format!("role {number}")).collect(),
            active: bool = true,
        );
        for (field, refused) in found {
            assert_eq!(refused, None, "{field}");
        }
    });
}

#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct WithoutId {
    #[serde(skip)]
    id: u64,
}

#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct Subject(
    #[serde(skip)] (),
    #[auth(id)]
    #[serde(with = "upper")]
    String,
);

mod upper {
    use super::*;

    pub(super) fn serialize<S: Serializer>(
        text: &str,
        serializer: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&text.to_uppercase())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<String, D::Error> {
        String::deserialize(from)
    }
}

#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct WithoutRoles {
    id: u64,
    #[auth(roles)]
    #[serde(skip)]
    groups: Vec<String>,
    #[serde(skip_serializing, default)]
    scopes: Vec<String>,
}

#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct WithoutActive {
    id: u64,
    #[serde(skip)]
    active: bool,
}

#[test]
fn n_10_a_copy_about_somebody_else_or_with_other_rights_is_no_login() {
    bounded(async {
        let app = TestApp::new();
        let groups = |groups: &[&str], scopes: &[&str]| WithoutRoles {
            id: 7,
            groups: groups.iter().map(ToString::to_string).collect(),
            scopes: scopes.iter().map(ToString::to_string).collect(),
        };
        for (refused, field) in [
            (refused(&app, &WithoutId { id: 7 }).await, "id"),
            (refused(&app, &Subject((), "bob".into())).await, "1"),
            (refused(&app, &groups(&["admin"], &[])).await, "groups"),
            (refused(&app, &groups(&[], &["read"])).await, "scopes"),
            (refused(&app, &WithoutActive { id: 7, active: true }).await, "active"),
        ] {
            let cause = refused.expect("a refusal");
            assert!(cause.contains(&format!("another value of field `{field}`")), "{cause}");
        }
        assert_eq!(refused(&app, &Subject((), "BOB".into())).await, None);
        assert_eq!(refused(&app, &groups(&[], &[])).await, None);
        // The one id that comes back is 0.
        assert_eq!(refused(&app, &WithoutId { id: 0 }).await, None);
    });
}

#[handler]
async fn login_without_id(auth: Auth) -> Result<()> {
    Ok(auth.login(&WithoutId { id: 7 }).await.map(drop)?)
}

#[require_auth]
async fn without_id(user: WithoutId) -> String {
    user.id.to_string()
}

#[test]
fn n_10_such_a_login_is_an_error_of_the_server_with_the_field_in_the_log() {
    logged(async |log| {
        let app = TestApp::new();
        let client = client(&app, Route::new().at("/login", post(login_without_id)));
        let answered = answer(client.post("/login"), None).await;
        assert_eq!(
            (answered.status(), set_cookies(answered.headers())),
            (500.try_into().unwrap(), Vec::new())
        );
        let text = log.text();
        assert!(text.contains("ERROR") && text.contains("field `id`"), "{text}");
    });
}

/// A record with a copy about somebody else: written by an older release, or by another program.
#[test]
fn n_10_a_copy_about_another_subject_is_no_user() {
    logged(async |log| {
        let store = Faulty::default();
        let app = TestApp::with(store.clone(), |builder| builder);
        let client = client(&app, Route::new().at("/", get(without_id)));
        let bob = login(&app, "bob").await;
        let mut update = UserUpdate::default();
        update.user = Some(b"{}".to_vec());
        store.update_user("bob".into(), update).await.unwrap();
        let refused = answer(client.get("/"), Some(&bob.cookies())).await;
        assert_eq!(refused.status(), 401);
        assert_eq!(code(refused).await, "user_not_found");
        let text = log.text();
        assert!(text.contains("ERROR") && text.contains("another subject"), "{text}");
        assert!(app.jwtauth.sessions().list("bob").await.unwrap()[0].user_as::<WithoutId>().is_err());
    });
}
