//! The page with which people make keys and end them.

use jwtauth::store::EventStore as _;
use jwtauth::{AccountsConfig, Event};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response};
use tests::faulty::{Fault, Faulty};
use tests::serve::{Served, serve};

use super::*;
use crate::examples::encoded;

const PASSWORD: &str = "through the looking glass";

/// A browser of somebody who is logged in.
struct Person {
    site: Served,
    client: Client,
    jwtauth: JwtAuth,
    clock: ManualClock,
}

impl Person {
    async fn new(set: impl FnOnce(JwtAuthBuilder) -> JwtAuthBuilder) -> Self {
        Self::on(TestStore::new(), set).await
    }

    async fn on(store: impl SessionStore, set: impl FnOnce(JwtAuthBuilder) -> JwtAuthBuilder) -> Self {
        let set = |builder: JwtAuthBuilder| {
            set(builder.accounts(AccountsConfig::default().hashers(1)).insecure_cookies())
        };
        let TestApp { jwtauth, clock, .. } = TestApp::with(store, set);
        let accounts = jwtauth.accounts().unwrap();
        let account = accounts.register("olga", PASSWORD).await.unwrap();
        accounts.set_roles(account.id, ["admin", "editor"]).await.unwrap();
        let app = Route::new()
            .nest("/account", jwtauth.pages().unwrap())
            .at("/admin", get(admin))
            .at("/who", get(whose))
            .at("/write", get(write));
        let site = serve(app.with(jwtauth.clone())).await;
        let client =
            Client::builder().no_proxy().cookie_store(true).redirect(Policy::none()).build().unwrap();
        let person = Self { site, client, jwtauth, clock };
        let login = person.send("login", &[("username", "olga"), ("password", PASSWORD)]).await;
        assert_eq!(login.status(), 303);
        person
    }

    async fn open(&self, page: &str) -> (u16, String) {
        let answer = self.client.get(self.site.at(&format!("/account/{page}"))).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn send(&self, page: &str, form: &[(&str, &str)]) -> Response {
        self.post(page, form).header("sec-fetch-site", "same-origin").send().await.unwrap()
    }

    fn post(&self, page: &str, form: &[(&str, &str)]) -> RequestBuilder {
        let request = self.client.post(self.site.at(&format!("/account/{page}")));
        request
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "text/html")
            .body(encoded_form(form))
    }

    async fn make(&self, form: &[(&str, &str)]) -> (u16, String) {
        let answer = self.send("api-keys", form).await;
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn with_key(&self, path: &str, key: &str) -> u16 {
        let client = Client::builder().no_proxy().build().unwrap();
        client.get(self.site.at(path)).bearer_auth(key).send().await.unwrap().status().as_u16()
    }
}

fn encoded_form(fields: &[(&str, &str)]) -> String {
    fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&")
}

fn keyed(builder: JwtAuthBuilder) -> JwtAuthBuilder {
    builder.api_keys(ApiKeyConfig::default())
}

/// K-7: without a script, from an empty list to an empty list.
#[test]
fn k_7_a_person_makes_a_key_and_ends_it() {
    bounded(async {
        let person = Person::new(keyed).await;
        let (status, empty) = person.open("api-keys").await;
        assert!(status == 200 && empty.contains("You have no API keys."), "{empty}");
        assert!(empty.contains(r#"value="editor""#) && empty.contains(r#"value="90""#), "{empty}");
        let script = "\"'><script>alert(1)</script>";
        let answer = person.send("api-keys", &[("name", script), ("roles", "admin"), ("days", "30")]).await;
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let made = answer.text().await.unwrap();
        let key = made.split("<code>").nth(1).unwrap().split("</code>").next().unwrap().to_owned();
        assert!(key.starts_with("jwtauth_") && !made.contains("<script>"), "{made}");
        assert_eq!((person.with_key("/admin", &key).await, person.with_key("/who", &key).await), (200, 200));

        let (_, listed) = person.open("api-keys").await;
        assert!(
            !listed.contains(&key) && listed.contains("alert(1)") && !listed.contains("<script>"),
            "{listed}"
        );
        let (_, devices) = person.open("devices").await;
        assert!(!devices.contains("alert(1)") && devices.contains("ends your API keys too"), "{devices}");
        assert!(person.open("password").await.1.contains("API keys stay good"));
        // With the key itself nothing of this is to be had.
        assert_eq!(person.with_key("/account/api-keys", &key).await, 403);

        let id = listed.split(r#"name="end" value=""#).nth(1).unwrap().split('"').next().unwrap();
        let ended = person.send("api-keys", &[("end", id)]).await;
        assert_eq!(
            (ended.status().as_u16(), &ended.headers()["location"]),
            (303, &"api-keys?ended".parse().unwrap())
        );
        assert_eq!(person.with_key("/who", &key).await, 401);
        assert!(person.open("api-keys?ended").await.1.contains("That key has ended."));
    });
}

/// K-9: the page offers the scopes of the account, and a key has those that were chosen.
#[test]
fn k_9_the_page_gives_a_key_scopes() {
    bounded(async {
        let scopes = AccountsConfig::default().hashers(1).scopes_of("editor", ["read", "write"]);
        let person = Person::new(|builder| keyed(builder.accounts(scopes))).await;
        let page = person.open("api-keys").await.1;
        assert!(page.contains(r#"name="scopes" value="write">"#), "{page}");
        let make = async |fields: &[(&str, &str)]| {
            let (status, made) = person.make(&[&[("name", "ci"), ("days", "30")], fields].concat()).await;
            let key = made.split("<code>").nth(1).map(|key| key.split("</code>").next().unwrap().to_owned());
            (status, key.unwrap_or(made))
        };
        let (reads, writes) = (make(&[("scopes", "read")]).await, make(&[("scopes", "write")]).await);
        assert_eq!((reads.0, writes.0), (200, 200), "{reads:?}");
        let answers = (person.with_key("/write", &reads.1).await, person.with_key("/write", &writes.1).await);
        assert_eq!(answers, (403, 200));
        let (status, page) = make(&[("scopes", "delete")]).await;
        assert!(status == 422 && page.contains("A key may do no more than you may."), "{page}");
    });
}

/// K-3, K-7: what is wrong stands at its field, and an old login is asked for its password.
#[test]
fn k_3_k_7_the_page_says_what_is_wrong() {
    bounded(async {
        let person = Person::new(|builder| {
            builder.api_keys(
                ApiKeyConfig::default().max_keys(1).max_ttl(60 * DAY).login_age(Duration::from_secs(120)),
            )
        })
        .await;
        assert!(person.open("api-keys").await.1.contains(r#"value="60""#));
        for (form, says) in [
            (&[("name", " "), ("days", "1")][..], "Fill this in."),
            (&[("name", "a\u{202e}"), ("days", "1")], "It has a control character."),
            (&[("name", "\u{200b}\u{2800}"), ("days", "1")], "It has no character that can be seen."),
            (&[("name", "ci"), ("days", "61")], "Write a whole number of days: at least 1, and at most 60."),
            (&[("name", "ci"), ("days", "soon")], "Write a whole number of days"),
            (&[("name", "ci"), ("days", "0")], "Write a whole number of days"),
        ] {
            let (status, page) = person.make(form).await;
            assert!(
                status == 422 && page.contains(says) && page.contains("aria-invalid"),
                "{form:?}: {page}"
            );
        }
        // A form that was changed asks for what its sender does not have.
        let roles = [("roles", "editor"), ("roles", "root")];
        let form: Vec<_> = [("name", "ci"), ("days", "1")].into_iter().chain(roles).collect();
        let (status, page) = person.make(&form).await;
        assert!(status == 422 && page.contains("A key may do no more than you may."), "{page}");
        assert!(page.contains("value=\"editor\" checked") && !page.contains("root"), "{page}");
        assert_eq!(person.make(&[("name", "ci"), ("days", "1")]).await.0, 200);
        let (status, page) = person.make(&[("name", "two"), ("days", "1")]).await;
        assert!(status == 409 && page.contains("End one first."), "{page}");
        let says = "To make a key, log in again first.";
        assert!(!person.open("api-keys").await.1.contains(says));
        person.clock.advance(Duration::from_secs(121));
        let (_, late) = person.open("api-keys").await;
        assert!(late.contains(says) && late.contains("href=\"login?next=/account/api-keys\""), "{late}");
        let late = person.send("api-keys", &[("name", "two"), ("days", "1")]).await;
        assert_eq!(late.status(), 303);
        assert!(late.headers()["location"].to_str().unwrap().starts_with("login?next="), "{late:?}");
        let refused = person
            .post("api-keys", &[("name", "x")])
            .header("sec-fetch-site", "cross-site")
            .send()
            .await
            .unwrap();
        assert_eq!(refused.status(), 403);
        assert_eq!(person.jwtauth.sessions().now(), START + 121);
    });
}

/// K-7: a form that is sent twice, such as by a second click, makes one key.
#[test]
fn k_7_a_form_that_is_sent_twice_makes_one_key() {
    bounded(async {
        let person = Person::new(keyed).await;
        let (_, page) = person.open("api-keys").await;
        let once = page.split(r#"name="once" value=""#).nth(1).unwrap().split('"').next().unwrap().to_owned();
        let form = [("name", "ci"), ("days", "30"), ("once", &*once)];
        let both = tokio::join!(person.make(&form), person.make(&form));
        let mut statuses = [both.0.0, both.1.0];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409]);
        let (status, page) = person.make(&form).await;
        assert!(status == 409 && page.contains("This form was sent already"), "{page}");
        assert!(page.matches("<h2>ci</h2>").count() == 1 && !page.contains("<code>"), "{page}");
        // Also where no more keys may be made, and when the first one is over.
        let end = page.split(r#"name="end" value=""#).nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(person.send("api-keys", &[("end", end)]).await.status(), 303);
        assert_eq!(person.make(&form).await.0, 409);
        // The page that refuses it has a new form.
        let next = page.split(r#"name="once" value=""#).nth(1).unwrap().split('"').next().unwrap();
        assert_ne!(next, once);
        assert_eq!(person.make(&[("name", "ci"), ("days", "30"), ("once", next)]).await.0, 200);
    });
}

/// K-5: where no key may live for a day, the form makes one that lives as long as it may.
#[test]
fn k_5_the_page_makes_a_key_that_lives_for_hours() {
    bounded(async {
        let half = Duration::from_secs(12 * 60 * 60);
        let person = Person::new(|builder| builder.api_keys(ApiKeyConfig::default().max_ttl(half))).await;
        assert!(person.open("api-keys").await.1.contains(r#"value="1""#));
        assert_eq!(person.make(&[("name", "ci"), ("days", "2")]).await.0, 422);
        let (status, made) = person.make(&[("name", "ci"), ("days", "1")]).await;
        assert_eq!(status, 200, "{made}");
        let key = made.split("<code>").nth(1).unwrap().split("</code>").next().unwrap().to_owned();
        person.clock.advance(half - Duration::from_secs(1));
        assert_eq!(person.with_key("/who", &key).await, 200);
        person.clock.advance(Duration::from_secs(2));
        assert_eq!(person.with_key("/who", &key).await, 401);
    });
}

/// K-7: the one answer that has the key has it, also if the other keys cannot be listed then.
#[test]
fn k_7_a_key_is_shown_also_if_the_others_cannot_be_listed() {
    bounded(async {
        let store = Faulty::without_size();
        let failing = store.clone();
        let person = Person::on(store.clone(), move |builder| {
            keyed(builder).on_event(move |event: Event| {
                if event.name() == "api_key_created" {
                    failing.set(Fault::Error, Fault::None);
                }
                std::future::ready(())
            })
        })
        .await;
        let (status, made) = person.make(&[("name", "ci"), ("days", "30")]).await;
        assert_eq!(status, 200, "{made}");
        let key = made.split("<code>").nth(1).unwrap().split("</code>").next().unwrap().to_owned();
        assert!(made.contains("<h2>ci</h2>") && made.matches("name=\"end\"").count() == 1, "{made}");
        assert_eq!(person.open("api-keys").await.0, 503, "a list alone is refused");
        store.set(Fault::None, Fault::None);
        assert_eq!(person.with_key("/who", &key).await, 200);
    });
}

/// K-7: whoever looks into a stolen account sees which login made a key, and from where.
#[test]
fn k_7_the_trail_says_which_login_made_a_key_and_from_where() {
    bounded(async {
        let store = Faulty::without_size();
        let person = Person::on(store.clone(), |builder| {
            keyed(builder).storage(StorageConfig::default().keep_events(100))
        })
        .await;
        assert_eq!(person.make(&[("name", "geheim"), ("days", "30")]).await.0, 200);
        let events = store.events_after(0, usize::MAX).await.unwrap();
        let of = |name: &str| &events.iter().find(|record| record.event.event == name).unwrap().event;
        let (login, created) = (of("login"), of("api_key_created"));
        assert_eq!(created.address, "127.0.0.1".parse().ok());
        assert_ne!(created.session, login.session, "it is that of the key");
        let by = ("login".to_owned(), login.session.unwrap().to_string());
        assert!(created.details.contains(&by), "{created:?}");
        assert!(!format!("{created:?}").contains("geheim"));
    });
}

/// K-7: where no keys are, there is no page of them and no word about them.
#[test]
fn k_7_without_keys_there_is_no_page() {
    bounded(async {
        let person = Person::new(|builder| builder).await;
        assert_eq!(person.open("api-keys").await.0, 404);
        for page in ["devices", "password", "logout"] {
            let (status, text) = person.open(page).await;
            assert!(status == 200 && !text.contains("API key"), "{text}");
        }
    });
}
