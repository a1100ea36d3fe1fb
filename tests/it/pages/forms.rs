//! Forms that are sent twice, too late, or for another account than the one that is logged in.

use std::time::Duration;

use jwtauth::clock::ManualClock;
use tests::app::START;

use super::admins::{Office, between, open, send};
use super::*;

/// Gives a form for whom its page was made.
fn made_for(page: &str) -> String {
    between(page, "name=\"for\" value=\"", "\"")[0].to_owned()
}

/// A second click on a slow line: the browser has never seen the answer to the first.
#[test]
fn a_registration_that_is_sent_twice_is_a_login() {
    bounded(async {
        let site = site(|pages| pages).await;
        Person::new(&site, FIREFOX).register("ann").await;
        let second = Person::new(&site, FIREFOX);
        second.register("ANN").await;
        assert_eq!(second.open("devices").await.status(), 200);
        // Whoever has another password learns what was always told, and gets nothing.
        let eve = Person::new(&site, FIREFOX);
        let refused = eve.send("register", &[("username", "ann"), ("password", "it is wrong")]).await;
        assert_eq!((refused.status().as_u16(), refused.headers().get("set-cookie")), (409, None));
        assert!(text(refused).await.contains("Somebody has this name already."));
    });
}

/// N-33: whoever clicks twice has seen no answer to the first click, so no cookie of it comes with the second. Which answer
/// the browser takes is known when it comes back with the cookies.
#[test]
fn n_33_a_login_form_that_is_sent_twice_leaves_one_session() {
    bounded(async {
        let site = site(|pages| pages).await;
        let click = || Person::new(&site, FIREFOX);
        let form = async |page: &str| {
            let page = text(click().open(page).await).await;
            between(&page, "name=\"once\" value=\"", "\"")[0].to_owned()
        };
        // Buttons: one for each session, one for all, and one for the others if there are any.
        let devices = async |person: &Person<'_>| match ends(&text(person.open("devices").await).await).len()
        {
            2 => 1,
            buttons => buttons - 2,
        };
        let is_inside = async |person: &Person<'_>| person.open("devices").await.status() == 200;
        let sent = async |person: &Person<'_>, page: &str, once: &str| {
            let fields = [("username", "ann"), ("password", PASSWORD), ("once", once)];
            assert_eq!(sent_to(&person.send(page, &fields).await), (303, "devices".into()));
        };
        let (registration, login) = (form("register").await, form("login").await);
        assert_ne!(login, form("login").await);
        let mut rows = 0;
        for (page, once) in [("register", &registration), ("login", &login)] {
            let clicks = [click(), click(), click()];
            for person in &clicks {
                sent(person, page, once).await;
            }
            rows += 1;
            assert_eq!(devices(&clicks[0]).await, rows, "the first answer will do: {page}");
            assert!(!is_inside(&clicks[1]).await && !is_inside(&clicks[2]).await, "{page}");
        }
        // At once, and each of the answers may be the one.
        for taken in 0..3 {
            let (once, clicks) = (form("login").await, [click(), click(), click()]);
            let [first, second, third] = clicks.each_ref().map(|person| sent(person, "login", &once));
            tokio::join!(first, second, third);
            rows += 1;
            assert_eq!(devices(&clicks[taken]).await, rows);
            for (number, person) in clicks.iter().enumerate() {
                assert_eq!(is_inside(person).await, number == taken, "{number} {taken}");
            }
            // The packets of one click come when its client is gone: it throws nobody out, and nobody has its session.
            sent(&click(), "login", &once).await;
            assert_eq!(devices(&clicks[taken]).await, rows);
        }
        // A form without a name is another one each time.
        let last = click();
        for person in [&click(), &last] {
            person.log_in("ann").await;
        }
        assert_eq!(devices(&last).await, rows + 2);
    });
}

/// N-33: nor does one click of a form crowd out another one, where sessions are limited. One whose client has closed its
/// connection stands until a page is opened.
#[test]
fn n_33_clicks_crowd_each_other_out_no_more_than_they_replace_each_other() {
    bounded(async {
        let accounts = AccountsConfig::default().hashers(1);
        let builder = JwtAuth::builder().secret(SECRET).accounts(accounts).insecure_cookies().max_sessions(1);
        let jwtauth = builder.build(MemoryStore::new()).unwrap();
        jwtauth.accounts().unwrap().register("ann", PASSWORD).await.unwrap();
        let app = Route::new().nest("/account", jwtauth.pages().unwrap());
        let site = serve(app.with(jwtauth)).await;
        let page = text(Person::new(&site, FIREFOX).open("login").await).await;
        let once = between(&page, "name=\"once\" value=\"", "\"")[0].to_owned();
        let fields = [("username", "ann"), ("password", PASSWORD), ("once", &*once)];
        let [taken, gone] = [Person::new(&site, FIREFOX), Person::new(&site, FIREFOX)];
        for person in [&taken, &gone] {
            assert_eq!(sent_to(&person.send("login", &fields).await), (303, "devices".into()));
        }
        assert_eq!(taken.open("devices").await.status(), 200);
        assert_eq!(gone.open("devices").await.status(), 303);
        let other = Person::new(&site, FIREFOX);
        other.log_in("ann").await;
        assert_eq!(taken.open("devices").await.status(), 303, "the limit holds");
    });
}

/// S-16: to register is no way around the brakes of a login, and tells nothing of a password.
#[test]
fn s_16_a_registration_with_a_taken_name_counts_as_a_login() {
    bounded(async {
        let accounts = AccountsConfig::default().hashers(1).free_failures(2, 2);
        let builder = JwtAuth::builder().secret(SECRET).accounts(accounts).insecure_cookies();
        let jwtauth = builder.build(MemoryStore::new()).unwrap();
        jwtauth.accounts().unwrap().register("ann", PASSWORD).await.unwrap();
        let app = Route::new().nest("/account", jwtauth.pages().unwrap());
        let site = serve(app.with(jwtauth.clone())).await;
        let eve = Person::new(&site, FIREFOX);
        for _ in 0..3 {
            let refused = eve.send("register", &[("username", "ann"), ("password", "it is wrong")]).await;
            assert_eq!(refused.status(), 409);
        }
        let login = eve.send("login", &[("username", "ann"), ("password", PASSWORD)]).await;
        assert_eq!(login.status(), 429, "these were attempts");
        let hashes = jwtauth.accounts().unwrap().hashes_computed();
        let right = eve.send("register", &[("username", "ann"), ("password", PASSWORD)]).await;
        assert_eq!((right.status().as_u16(), right.headers().get("set-cookie")), (409, None));
        assert!(text(right).await.contains("Somebody has this name already."), "as with a wrong password");
        assert_eq!(jwtauth.accounts().unwrap().hashes_computed(), hashes, "no password was tried");
    });
}

/// The name of the form that changes the password.
async fn password_form(person: &Person<'_>) -> String {
    between(&text(person.open("password").await).await, "name=\"once\" value=\"", "\"")[0].to_owned()
}

/// N-34: at once, and later.
#[test]
fn n_34_a_change_of_the_password_that_is_sent_twice_was_made() {
    bounded(async {
        let office = Office::open().await;
        let (ann, _) = office.person("ann", &[]).await;
        let once = password_form(&ann).await;
        let form = [("old_password", PASSWORD), ("new_password", "a new long password"), ("once", &*once)];
        let (first, second) = tokio::join!(ann.send("password", &form), ann.send("password", &form));
        for answer in [first, second, ann.send("password", &form).await] {
            assert_eq!(sent_to(&answer), (303, "password?changed".into()));
        }
        // Another new one was not set, so the old one is what is wrong.
        let other = [form[0], ("new_password", "another long password"), form[2]];
        assert_eq!(ann.send("password", &other).await.status(), 422);
        // And the same form changes it again if it can.
        let again =
            [("old_password", "a new long password"), ("new_password", "another long password"), form[2]];
        for _ in 0..2 {
            assert_eq!(sent_to(&ann.send("password", &again).await), (303, "password?changed".into()));
        }
        office.clock.advance(Duration::from_secs(601));
        let form = again;
        let late = ann.send("password", &form).await;
        assert_eq!(late.status(), 422, "that is no second click");
        assert!(text(late).await.contains("This is not the password of now."));
    });
}

/// N-34: after a registration, or a change by another form, nobody is told of a change that was not made. Each
/// form is one attempt.
#[test]
fn n_34_a_wrong_old_password_is_told_of_and_counts_once() {
    bounded(async {
        let accounts = AccountsConfig::default().hashers(1).free_failures(4, 100);
        let builder = JwtAuth::builder().secret(SECRET).accounts(accounts).insecure_cookies();
        let jwtauth = builder.clock(ManualClock::at(START)).build(MemoryStore::new()).unwrap();
        let app = Route::new().nest("/account", jwtauth.pages().unwrap());
        let site = serve(app.with(jwtauth)).await;
        let (ann, phone) = (Person::new(&site, FIREFOX), Person::new(&site, SAFARI));
        ann.register("ann").await;
        phone.log_in("ann").await;
        let (once, other) = (password_form(&ann).await, password_form(&ann).await);
        for once in ["", &*once, &*once, &*other] {
            let fields = [("old_password", "it is wrong"), ("new_password", PASSWORD), ("once", once)];
            let refused = ann.send("password", &fields).await;
            assert_eq!(refused.status(), 422, "{once}");
            assert!(text(refused).await.contains("This is not the password of now."));
        }
        let fields = [("old_password", "it is wrong"), ("new_password", PASSWORD)];
        assert_eq!(ann.send("password", &fields).await.status(), 429, "there were four attempts");
        assert_eq!(phone.open("devices").await.status(), 200, "it is logged in as before");
    });
}

/// M-28: two tabs of one browser, and the cookies of the one who has logged in last.
#[test]
fn m_28_a_form_is_for_the_account_that_it_was_made_for() {
    bounded(async {
        let office = Office::open().await;
        let (browser, _) = office.person("ann", &["admin"]).await;
        let (bobs_phone, of_bob) = office.person("bob", &[]).await;
        let person = format!("person?id={}", of_bob.id);
        let made_for_ann = made_for(&text(browser.open("devices").await).await);
        // Bob logs in, in another tab of the same browser.
        browser.log_in("bob").await;
        let keys = text(browser.open("api-keys").await).await;
        let made_for_bob = made_for(&keys);
        assert_ne!(made_for_ann, made_for_bob);
        for (page, fields) in [
            ("devices", &[("end", "all")][..]),
            ("password", &[("old_password", PASSWORD), ("new_password", "a new long password")]),
            ("api-keys", &[("name", "ci"), ("days", "5")]),
            ("logout", &[]),
        ] {
            let fields: Vec<_> = fields.iter().copied().chain([("for", &*made_for_ann)]).collect();
            let refused = browser.send(page, &fields).await;
            assert_eq!(refused.status(), 409, "{page}");
            let shown = text(refused).await;
            assert!(shown.contains("that page was made for another account"), "{page}: {shown}");
            assert!(
                shown.contains("<title>Error: ") && shown.contains("<span>bob</span>"),
                "{page}: {shown}"
            );
            assert_eq!(made_for(&shown), made_for_bob, "{page}");
        }
        for who in [&browser, &bobs_phone] {
            assert_eq!(who.open("devices").await.status(), 200, "nothing was ended");
        }
        assert!(text(browser.open("api-keys").await).await.contains("You have no API keys."));
        // Admins are people too.
        let accounts = office.jwtauth.accounts().unwrap();
        accounts.set_roles(of_bob.id, ["admin"]).await.unwrap();
        let fields = [("do", "add_role"), ("role", "editor"), ("for", &*made_for_ann)];
        let refused = send(&browser, &person, &fields).await;
        assert_eq!(refused.status(), 409);
        assert_eq!(accounts.by_id(of_bob.id).await.unwrap().unwrap().roles, ["admin"]);
        // For whom it was made it is done. Twice the same field is one too many.
        let twice = [("end", "others"), ("for", &*made_for_bob), ("for", &*made_for_ann)];
        assert_eq!(browser.send("devices", &twice).await.status(), 409);
        let fields = [("end", "others"), ("for", &*made_for_bob)];
        assert_eq!(sent_to(&browser.send("devices", &fields).await), (303, "devices".into()));
        assert_eq!(bobs_phone.open("devices").await.status(), 303);
        let fields = [("for", &*made_for_bob)];
        assert_eq!(sent_to(&browser.send("logout", &fields).await), (303, "login?out".into()));
    });
}

#[test]
fn whose_form_came_too_late_is_told_that_nothing_was_changed() {
    bounded(async {
        let office = Office::open().await;
        let (ada, account) = office.person("ada", &["admin"]).await;
        let said = "Nothing was changed, because you had to log in first.";
        office.clock.advance(Duration::from_secs(30 * 60 + 1));
        let page = format!("person?id={}", account.id);
        let answer = send(&ada, &page, &[("do", "add_role"), ("role", "editor")]).await;
        let (status, location) = sent_to(&answer);
        assert_eq!(status, 303);
        let next = location.split("next=").nth(1).unwrap();
        let next = next.replace("%3F", "?").replace("%3D", "=").replace("%26", "&");
        assert_eq!(next, format!("/admin/{page}&again"));
        let fields = [("username", "ada"), ("password", PASSWORD), ("next", &*next)];
        assert_eq!(sent_to(&ada.send("login", &fields).await), (303, next.clone()));
        let again = format!("..{next}");
        assert!(text(ada.open(&again).await).await.contains(said));
        assert!(
            !text(ada.open_from(&again, "cross-site").await).await.contains(said),
            "a link from elsewhere"
        );
        assert!(!text(open(&ada, &page).await).await.contains(said));
        // What was only looked at has nothing to repeat.
        office.clock.advance(Duration::from_secs(30 * 60 + 1));
        assert!(!sent_to(&open(&ada, &page).await).1.contains("again"));
        // A login that is over, on the pages for everybody.
        let stranger = Person::new(&office.site, FIREFOX);
        let answer = stranger.send("password", &[("old_password", PASSWORD)]).await;
        assert_eq!(sent_to(&answer), (303, "login?next=/account/password%3Fagain".into()));
        stranger.log_in("ada").await;
        assert!(text(stranger.open("password?again").await).await.contains(said));
    });
}

#[test]
fn what_was_so_already_is_told_of_as_nothing() {
    bounded(async {
        let office = Office::open().await;
        let (ada, _) = office.person("ada", &["admin"]).await;
        let (_, of_bob) = office.person("bob", &["editor"]).await;
        let page = format!("person?id={}", of_bob.id);
        for fields in [[("do", "add_role"), ("role", "editor")], [("do", "remove_role"), ("role", "nothing")]]
        {
            assert_eq!(sent_to(&send(&ada, &page, &fields).await), (303, page.clone()), "{fields:?}");
        }
        let fields = [("do", "add_role"), ("role", "writer")];
        assert_eq!(sent_to(&send(&ada, &page, &fields).await), (303, format!("{page}&done=roles")));
        // An account that is so already, and sessions that are over: told once, and one event each.
        let shown = text(open(&ada, &page).await).await;
        let session = between(&shown, "<a href=\"session?", "\"")[0].replace("&amp;", "&");
        for (path, what, told) in [
            (&*format!("session?{session}"), "end", "ended"),
            (&*page, "end_all", ""),
            (&*page, "enable", ""),
            (&*page, "disable", "disabled"),
            (&*page, "enable", "enabled"),
        ] {
            let done =
                |told: &str| (303, format!("{path}{}{told}", if told.is_empty() { "" } else { "&done=" }));
            assert_eq!(sent_to(&send(&ada, path, &[("do", what)]).await), done(told), "{what}");
            assert_eq!(sent_to(&send(&ada, path, &[("do", what)]).await), done(""), "{what} again");
        }
        let events = office.events().await;
        for name in ["account_disabled", "account_enabled"] {
            assert_eq!(events.iter().filter(|event| event.event.event == name).count(), 1, "{name}");
        }
        let unseen = send(&ada, &page, &[("do", "add_role"), ("role", "\u{3164}")]).await;
        assert_eq!(unseen.status(), 422);
        let shown = text(unseen).await;
        assert!(shown.contains("no character that can be seen") && shown.contains(" autofocus"), "{shown}");
    });
}

#[test]
fn the_first_field_that_is_wrong_has_the_focus() {
    bounded(async {
        let site = site(|pages| pages).await;
        let person = Person::new(&site, FIREFOX);
        for (page, name, password, focused) in [
            ("register", "", "", "username"),
            ("register", "a b", PASSWORD, "username"),
            ("register", "ann", "short", "password"),
            ("login", "ann", "it is wrong", "password"),
            ("login", "", "it is wrong", "username"),
        ] {
            let shown = text(person.send(page, &[("username", name), ("password", password)]).await).await;
            assert!(shown.contains("<title>Error: ") && shown.contains("role=\"alert\""), "{page}: {shown}");
            let fields = between(&shown, "<input id=\"", ">");
            let focus: Vec<_> = fields.iter().filter(|field| field.contains(" autofocus")).collect();
            assert!(focus.len() == 1 && focus[0].starts_with(&format!("{focused}\"")), "{page}: {shown}");
        }
        for page in ["login", "register"] {
            let shown = text(person.open(page).await).await;
            assert!(!shown.contains("Error") && !shown.contains("autofocus"), "{shown}");
        }
    });
}
