//! What pages say, to people and to programs, when they refuse something, and where they lead.

use jwtauth::clock::ManualClock;
use jwtauth::{JwtAuthBuilder, RequireAuth};

use super::*;

async fn own_site(
    set: impl FnOnce(JwtAuthBuilder) -> JwtAuthBuilder,
    pages: impl FnOnce(Pages) -> Pages,
) -> Served {
    let accounts = AccountsConfig::default().hashers(1).free_failures(2, 2);
    let jwtauth = set(JwtAuth::builder().secret(SECRET).accounts(accounts).insecure_cookies());
    let jwtauth = jwtauth.build(MemoryStore::new()).unwrap();
    serve(Route::new().nest("/account", pages(jwtauth.pages().unwrap())).with(jwtauth)).await
}

/// N-35: the cookies of a login are `Secure`, and browsers drop them where the site was opened over plain http.
#[test]
fn n_35_who_logs_in_over_plain_http_is_told_why_it_does_not_last() {
    bounded(async {
        let said = "Over plain http your browser keeps no login.";
        let builder = JwtAuth::builder().secret(SECRET).accounts(AccountsConfig::default().hashers(1));
        let jwtauth = builder.build(MemoryStore::new()).unwrap();
        let secure = serve(Route::new().nest("/account", jwtauth.pages().unwrap()).with(jwtauth)).await;
        let insecure = own_site(|builder| builder, |pages| pages).await;
        let local = secure.url.replace("127.0.0.1", "localhost");
        let (local, from_local) = (local.strip_prefix("http://").unwrap(), format!("{local}/account/login"));
        for (site, host, from, proto, is_told) in [
            (&secure, "shop.lan", "http://shop.lan/account/login?next=/", "http", true),
            (&secure, "shop.lan:3000", "http://shop.lan:3000/", "http", true),
            // A proxy may not say that the browser has come by https.
            (&secure, "shop.lan", "https://shop.lan/account/login", "http", false),
            (&secure, "shop.lan", "http://shop.lan/account/login", "https", false),
            (&secure, "shop.lan", "http://shop.lan.elsewhere.example/", "http", false),
            (&secure, "shop.lan", "http://elsewhere.example/", "http", false),
            (&secure, "shop.lan", "", "http", false),
            (&secure, local, &*from_local, "http", false),
            (&insecure, "shop.lan", "http://shop.lan/account/login", "http", false),
        ] {
            let person = Person::new(site, FIREFOX);
            let request = person.client.get(site.at("/account/login")).header("host", host);
            let request = request.header("referer", from).header("x-forwarded-proto", proto);
            let shown = text(request.send().await.unwrap()).await;
            assert_eq!(shown.contains(said), is_told, "{host} {from} {proto}: {shown}");
        }
    });
}

/// H-8: the headers of a refusal are there, whoever is refused.
#[test]
fn h_8_a_refused_form_says_how_to_log_in_and_when_to_come_again() {
    bounded(async {
        let site = own_site(|builder| builder, |pages| pages).await;
        let person = Person::new(&site, FIREFOX);
        person.register("ann").await;
        let wrong = [("username", "ann"), ("password", "it is wrong")];
        let refused = person.send("login", &wrong).await;
        assert_eq!(refused.status(), 401);
        assert!(refused.headers().contains_key("www-authenticate"), "{refused:?}");
        let mut late = person.send("login", &wrong).await;
        while late.status() == 401 {
            late = person.send("login", &wrong).await;
        }
        assert_eq!(late.status(), 429);
        let seconds: u64 = late.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!(seconds >= 1, "{late:?}");
        assert!(text(late).await.contains("That was too often."));
    });
}

/// Who is sent to log in again is told so, and finds the way back to the site.
#[test]
fn a_page_that_wants_a_recent_login_is_named() {
    bounded(async {
        let site = own_site(|builder| builder, |pages| pages.home("/start").unwrap()).await;
        let person = Person::new(&site, FIREFOX);
        let answer = person.send("register", &[("username", "ann"), ("password", PASSWORD)]).await;
        assert_eq!(sent_to(&answer), (303, "/start".into()));
        assert!(text(person.open("login").await).await.contains("You are logged in already."));
        let page = text(person.open("login?next=/admin/people").await).await;
        assert!(page.contains("Log in again to go on to that page."), "{page}");
        assert!(!page.contains("You are logged in already."), "{page}");
        for page in ["login?next=/admin/people", "devices", "password"] {
            let page = text(person.open(page).await).await;
            assert!(page.contains("<a href=\"/start\">Home</a>"), "{page}");
        }
    });
}

/// H-13: what is followed after a login is no longer than what this library sends along.
#[test]
fn h_13_a_long_way_back_is_not_taken_along() {
    bounded(async {
        let site = own_site(|builder| builder, |pages| pages).await;
        let person = Person::new(&site, FIREFOX);
        let short = format!("/{}", "a".repeat(2047));
        let long = format!("{short}a");
        for (next, is_kept) in [(&short, true), (&long, false)] {
            let page = text(person.open(&format!("login?next={next}")).await).await;
            assert_eq!(page.contains(&**next), is_kept, "{}", next.len());
        }
        person.register("ann").await;
        let fields = [("username", "ann"), ("password", PASSWORD), ("next", &*long)];
        assert_eq!(sent_to(&person.send("login", &fields).await), (303, "devices".into()));
    });
}

/// A proxy may serve the site below a path that the program does not know: the index leads to a page beside it.
#[test]
fn the_index_leads_to_a_page_beside_it() {
    bounded(async {
        let site = own_site(
            |builder| builder.deny_by_default(RequireAuth::new()).public("/account").public("/account/"),
            |pages| pages,
        )
        .await;
        let person = Person::new(&site, FIREFOX);
        for (index, leads_to) in [("/account", "./account/devices"), ("/account/", "devices")] {
            let answer = person.client.get(site.at(index)).send().await.unwrap();
            assert_eq!(sent_to(&answer), (303, leads_to.into()), "{index}");
        }
        for page in ["devices", "password"] {
            assert_eq!(sent_to(&person.open(page).await).1, format!("login?next=/account/{page}"));
        }
        assert_eq!(person.open("login").await.status(), 200);
    });
}

/// N-24: a refusal in place of a page is a whole page too.
#[test]
fn n_24_a_refusal_is_a_page_that_everybody_can_read() {
    bounded(async {
        let site = own_site(|builder| builder, |pages| pages).await;
        let person = Person::new(&site, FIREFOX);
        let request = person.client.post(site.at("/account/login")).header("sec-fetch-site", "cross-site");
        let request = request.header("sec-fetch-mode", "navigate").header("accept", "text/html");
        let refused = filled_in(request, &[("username", "ann")]).send().await.unwrap();
        assert_eq!(refused.status(), 403);
        let page = text(refused).await;
        for part in
            ["<html lang=\"en\" dir=\"ltr\">", "<h1>That did not work</h1>", "Another site has sent you"]
                .into_iter()
                .chain(["403 cross_origin", "</main>", "content=\"light dark\""])
        {
            assert!(page.contains(part), "{part}: {page}");
        }
    });
}

/// N-1, N-4: nobody is told that they are logged out while a session of theirs goes on: of two in twin cookies, or with an
/// access token that has expired and a refresh cookie that the browser does not send to this page.
#[test]
fn n_1_n_4_nobody_is_told_that_they_are_logged_out_while_a_session_goes_on() {
    bounded(async {
        let clock = ManualClock::at(tests::app::START);
        let site = own_site(|builder| builder.clock(clock.clone()), |pages| pages).await;
        Person::new(&site, FIREFOX).register("ann").await;
        let ask = async |method: Method, page: &str, cookies: &str| {
            let client = Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
            let request =
                client.request(method, site.at(&format!("/account/{page}"))).header("cookie", cookies);
            let request =
                request.header("sec-fetch-mode", "navigate").header("sec-fetch-site", "same-origin");
            let fields = [("username", "ann"), ("password", PASSWORD)];
            filled_in(request.header("accept", "text/html"), &fields).send().await.unwrap()
        };
        let pair = async || {
            let answer = ask(Method::POST, "login", "").await;
            let lines = tests::wire::set_cookies(answer.headers());
            let pairs = lines.iter().map(|line| line.split(';').next().unwrap().to_owned());
            <[String; 2]>::try_from(pairs.collect::<Vec<_>>()).unwrap()
        };
        let (one, two, three) = (pair().await, pair().await, pair().await);
        clock.advance(std::time::Duration::from_secs(300));
        let twins = [&one[..], &two[..]].concat().join("; ");
        for (cookies, pages) in [(&*twins, [&one, &two]), (&*three[0], [&three, &three])] {
            let asked = ask(Method::GET, "logout", cookies).await;
            assert_eq!((asked.status().as_u16(), asked.headers().contains_key("set-cookie")), (200, false));
            let asked = text(asked).await;
            assert!(asked.contains("<form method=\"post\" action=\"logout\">"), "{asked}");
            assert!(!asked.contains("ann"), "{asked}");
            let login = "login?next=/account/devices";
            assert_eq!(sent_to(&ask(Method::GET, "devices", cookies).await), (303, login.into()));
            assert_eq!(sent_to(&ask(Method::POST, "logout", cookies).await), (303, "login?out".into()));
            for pair in pages {
                let devices = ask(Method::GET, "devices", &pair.join("; ")).await;
                assert_eq!(sent_to(&devices), (303, login.into()), "it has ended");
            }
            assert_eq!(sent_to(&ask(Method::GET, "logout", cookies).await), (303, "login?out".into()));
        }
    });
}

/// N-23: a page of another site that shows this one's page for a logout as an image does not empty its cache.
#[test]
fn n_23_another_site_does_not_empty_the_cache() {
    bounded(async {
        let site = own_site(|builder| builder, |pages| pages).await;
        let client = Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        for (from, is_emptied) in
            [("same-origin", true), ("none", true), ("same-site", false), ("cross-site", false)]
        {
            let request = client.get(site.at("/account/logout")).header("accept", "text/html");
            let answer = request.header("sec-fetch-site", from).send().await.unwrap();
            assert_eq!(sent_to(&answer), (303, "login?out".into()), "{from}");
            assert_eq!(answer.headers().contains_key("clear-site-data"), is_emptied, "{from}");
        }
    });
}
