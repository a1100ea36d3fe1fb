//! Several types of one kind, and copies that one of them does not read.

use jwtauth::store::{LoginEffects, SessionStore as _, UserUpdate};
use jwtauth::{Device, SessionId};
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Clone, Serialize, Deserialize, AuthUser)]
#[auth(kind = "Member of staff")]
struct Short {
    id: u64,
}

#[derive(Clone, Serialize, Deserialize, AuthUser)]
#[auth(kind = "Member of staff")]
struct Long {
    id: u64,
    badge: String,
}

/// Its subject is another field.
#[derive(Clone, Serialize, Deserialize, AuthUser)]
#[auth(kind = "Member of staff")]
struct Mail {
    id: u64,
    #[auth(id)]
    mail: String,
}

/// Looked up, so it keeps no copy.
#[derive(Clone)]
struct Listed;

impl AuthUser for Listed {
    type Store = ();

    const KIND: Option<&'static str> = Some("Member of staff");

    fn subject(&self) -> String {
        "4".into()
    }

    async fn load((): &(), _: &Identity) -> Result<Option<Self>, BoxError> {
        Ok(Some(Self))
    }
}

/// Reads the copy by itself.
#[derive(Clone)]
struct ByHand(Long);

impl AuthUser for ByHand {
    type Store = ();

    const KIND: Option<&'static str> = Some("Member of staff");

    fn subject(&self) -> String {
        self.0.subject()
    }

    async fn load((): &(), who: &Identity) -> Result<Option<Self>, BoxError> {
        Ok(who.session().ok_or("no session")?.user_as()?.map(Self))
    }
}

#[require_auth]
async fn short(user: Short) -> String {
    user.id.to_string()
}

#[require_auth]
async fn long(user: Long) -> String {
    user.badge
}

#[require_auth(redirect = "/login")]
async fn page(user: Long) -> String {
    user.badge
}

#[require_auth]
async fn by_hand(user: CurrentUser<ByHand>) -> String {
    user.0.0.badge
}

#[require_auth(optional)]
async fn maybe(user: Option<Long>) -> String {
    user.map_or("nobody".into(), |user| user.badge)
}

fn routes() -> Route {
    let routes = Route::new().at("/short", get(short)).at("/long", get(long));
    routes.at("/page", get(page)).at("/by-hand", get(by_hand)).at("/maybe", get(maybe))
}

async fn log_in<U: AuthUser>(app: &TestApp, user: &U) -> Tokens {
    let tokens = app.jwtauth.sessions().login(user, Device::default()).await.unwrap();
    let refresh = tokens.refresh().expect("it has one");
    Tokens { access: tokens.access().to_owned(), refresh: refresh.to_owned() }
}

/// N-9: a copy that a type of its kind does not read is one of another type. The session is good: it stays so, with its
/// cookies, and the log names both types.
#[test]
fn n_9_a_copy_that_a_type_of_its_kind_does_not_read_ends_nothing() {
    logged(async |log| {
        let app = TestApp::new();
        let client = client(&app, routes());
        let of_short = log_in(&app, &Short { id: 1 }).await;
        let of_long = log_in(&app, &Long { id: 2, badge: "secret".into() }).await;
        let of_mail = log_in(&app, &Mail { id: 3, mail: "mail@example.com".into() }).await;
        let of_listed = log_in(&app, &Listed).await;
        for (tokens, refused, let_in) in [
            (&of_short, &["/long", "/page", "/by-hand", "/long"][..], "/short"),
            (&of_mail, &["/short", "/long"], ""),
            (&of_listed, &["/short", "/long"], ""),
            (&of_long, &[], "/by-hand"),
        ] {
            for &path in refused {
                let answered = answer(client.get(path), Some(&tokens.cookies())).await;
                assert_eq!(
                    (answered.status().as_u16(), set_cookies(answered.headers())),
                    (403, vec![]),
                    "{path}"
                );
                assert_eq!(code(answered).await, "permission_denied", "{path}");
            }
            if !refused.is_empty() {
                let nobody = answer(client.get("/maybe"), Some(&tokens.cookies())).await;
                assert_eq!(set_cookies(nobody.headers()), Vec::<String>::new());
                assert_eq!(text(nobody).await, "nobody");
            }
            if !let_in.is_empty() {
                assert_eq!(
                    answer(client.get(let_in), Some(&tokens.cookies())).await.status(),
                    200,
                    "{let_in}"
                );
            }
            assert_eq!(app.jwtauth.sessions().list(&claims_of(tokens)).await.unwrap().len(), 1);
        }
        let text = log.text();
        let lines: Vec<_> = text.lines().filter(|line| line.contains("WARN")).collect();
        assert_eq!(lines.len(), 2, "one for each type that was asked for: {text}");
        for (line, asked) in lines.iter().zip(["::Long` is asked for", "::Short` is asked for"]) {
            for says in ["one of a `Member of staff`", asked, "the session is one of `it::guard::same_kind::"]
            {
                assert!(line.contains(says), "{says}: {line}");
            }
        }
        assert!(
            lines[0].contains("field `badge`: it is missing")
                && lines[0].contains("`it::guard::same_kind::Short`"),
            "{text}"
        );
        assert!(!text.contains("ERROR") && !text.contains("secret"), "{text}");
    });
}

fn claims_of(tokens: &Tokens) -> String {
    tests::wire::claims(&tokens.access)["sub"].as_str().unwrap().to_owned()
}

/// N-9: an update by a type that keeps no copy takes none away: the users of another type of its kind stay logged in, with
/// the roles of the update. So does the copy of a record that does not say its kind.
#[test]
fn n_9_an_update_by_a_type_without_copies_leaves_the_copies_there() {
    bounded(async {
        let store = Faulty::default();
        let app = TestApp::with(store.clone(), |builder| builder);
        let (client, sessions) = (client(&app, routes()), app.jwtauth.sessions());
        let tokens = log_in(&app, &Long { id: 4, badge: "B".into() }).await;
        let mut former = sessions.list("4").await.unwrap().remove(0);
        (former.id, former.user_kind) = (SessionId::from_bytes([7; 16]), None);
        store.insert(former.clone(), LoginEffects::default()).await.unwrap();
        let mut update = UserUpdate::default();
        (update.roles, update.user_kind) = (vec!["clerk".into()], Some("Member of staff".into()));
        assert_eq!(store.update_user("4".into(), update).await.unwrap(), 2);
        let kept = store.load(former.id).await.unwrap().unwrap();
        assert_eq!((&kept.user, &kept.user_kind), (&former.user, &None));
        assert_eq!(kept.roles, ["clerk"]);
        assert_eq!(sessions.update_user(&Listed).await.unwrap(), 2);
        let answered = answer(client.get("/long"), Some(&tokens.cookies())).await;
        assert_eq!(answered.status(), 200);
        assert_eq!(text(answered).await, "B");
    });
}

/// The type that wrote the copy is in another program, or was not met since the start of this one.
#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct Alone {
    id: u64,
    badge: String,
}

#[require_auth]
async fn alone(user: Alone) -> String {
    user.badge
}

/// N-9: what a process remembers of types has no part in it: after a restart the answer is the same.
#[test]
fn n_9_a_copy_of_a_type_that_was_not_met_ends_nothing_either() {
    logged(async |log| {
        let store = Faulty::default();
        let app = TestApp::with(store.clone(), |builder| builder);
        let client = client(&app, Route::new().at("/", get(alone)));
        let tokens = log_in(&app, &Alone { id: 5, badge: "B".into() }).await;
        let mut update = UserUpdate::default();
        (update.user, update.user_kind) = (Some(br#"{"id":5}"#.to_vec()), Some("Alone".into()));
        assert_eq!(store.update_user("5".into(), update).await.unwrap(), 1);
        let answered = answer(client.get("/"), Some(&tokens.cookies())).await;
        assert_eq!((answered.status().as_u16(), set_cookies(answered.headers())), (403, vec![]));
        let text = log.text();
        let [line] = text.lines().filter(|line| line.contains("WARN")).collect::<Vec<_>>()[..] else {
            panic!("{text}")
        };
        for says in ["one of a `Alone`", "::Alone` is asked for", "the session is of another type"] {
            assert!(line.contains(says), "{says}: {line}");
        }
        // It heals with the next login, or with a type that reads it.
        assert_eq!(app.jwtauth.sessions().update_user(&Alone { id: 5, badge: "C".into() }).await.unwrap(), 1);
        assert_eq!(text_of(&client, &tokens).await, "C");
    });
}

async fn text_of<E: Endpoint>(client: &TestClient<E>, tokens: &Tokens) -> String {
    text(answer(client.get("/"), Some(&tokens.cookies())).await).await
}

/// Keeps a copy by hand, and has no kind.
#[derive(Clone, Serialize, Deserialize)]
struct Shaped {
    id: u64,
}

impl AuthUser for Shaped {
    type Store = ();

    fn subject(&self) -> String {
        self.id.to_string()
    }

    fn session_copy(&self) -> Result<Option<Vec<u8>>, BoxError> {
        Ok(Some(serde_json::to_vec(self)?))
    }

    async fn load((): &(), who: &Identity) -> Result<Option<Self>, BoxError> {
        who.session().ok_or("no session")?.user_as()
    }
}

#[require_auth]
async fn shaped(user: CurrentUser<Shaped>) -> String {
    user.id.to_string()
}

#[test]
fn n_9_a_type_that_keeps_copies_and_has_no_kind_is_told_of_once() {
    logged(async |log| {
        let app = TestApp::new();
        let client = client(&app, Route::new().at("/", get(shaped)));
        log_in(&app, &Listed).await;
        assert!(!log.text().contains("kind_missing"), "it keeps none: {}", log.text());
        for id in [6, 7] {
            let tokens = log_in(&app, &Shaped { id }).await;
            assert_eq!(text_of(&client, &tokens).await, id.to_string());
        }
        let text = log.text();
        let [line] = text.lines().filter(|line| line.contains("kind_missing")).collect::<Vec<_>>()[..] else {
            panic!("{text}")
        };
        for says in ["WARN", "same_kind::Shaped`", "const KIND: Option<&'static str>"] {
            assert!(line.contains(says), "{says}: {line}");
        }
    });
}
