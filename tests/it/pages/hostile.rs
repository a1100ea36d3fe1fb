//! The pages under attack: the public table of cross-origin requests over every form, and texts of clients that are no
//! form's.

use std::path::Path;

use jwtauth::{Account, AccountsConfig, ApiKeyConfig, Device, JwtAuth, MemoryStore, StorageConfig};
use poem::http::Method;
use poem::test::TestClient;
use poem::{Endpoint, EndpointExt as _, Route};
use serde_json::Value;
use tests::app::SECRET;
use tests::bounded;

use super::{FIREFOX, PASSWORD, Person, site, text};

/// Every form, with fields that would change something. `ID` is an account.
const FORMS: [(&str, &str); 10] = [
    ("/account/login", "username=ada&password=through+the+looking+glass"),
    ("/account/register", "username=eve&password=through+the+looking+glass"),
    ("/account/devices", "end=others"),
    ("/account/password", "old_password=wrong+password&new_password=another+long+password"),
    ("/account/api-keys", "name=ci&days=1"),
    ("/account/logout", ""),
    ("/admin/person?id=ID", "do=add_role&role=editor"),
    ("/admin/person?id=ID", "do=end_all"),
    ("/admin/person?id=ID", "do=disable"),
    ("/admin/session?of=ID&mark=0", "do=end"),
];

async fn app(trusted: &[Value]) -> (JwtAuth, Account, TestClient<impl Endpoint>) {
    let builder = JwtAuth::builder().secret(SECRET).accounts(AccountsConfig::default().hashers(1));
    let builder = builder.api_keys(ApiKeyConfig::default()).insecure_cookies();
    let builder = builder.storage(StorageConfig::default().keep_events(1_000).token_registry());
    let builder =
        trusted.iter().fold(builder, |builder, origin| builder.trusted_origin(origin.as_str().unwrap()));
    let jwtauth = builder.build(MemoryStore::new()).unwrap();
    let accounts = jwtauth.accounts().unwrap();
    let ada = accounts.register("ada", PASSWORD).await.unwrap();
    let ada = accounts.set_roles(ada.id, ["admin"]).await.unwrap();
    let app = Route::new()
        .nest("/account", jwtauth.pages().unwrap())
        .nest("/admin", jwtauth.admin_pages().unwrap());
    let client = TestClient::new(app.with(jwtauth.clone()));
    (jwtauth, ada, client)
}

/// H-10: each row of the public table that posts something, over each form, for an admin.
#[test]
fn h_10_the_public_vectors_hold_for_every_form() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors/csrf_vectors.jsonl");
    let Ok(vectors) = std::fs::read_to_string(path) else {
        println!("skipped: no vectors/csrf_vectors.jsonl beside the project");
        return;
    };
    bounded(async {
        let (mut refused, mut taken) = (0, 0);
        for row in vectors.lines().map(|row| serde_json::from_str::<Value>(row).unwrap()) {
            let is_about_forms = row["method"] == "POST" && row.get("bypass").is_none();
            if !is_about_forms || !row["expect"].is_u64() {
                continue;
            }
            let trusted = row.get("trusted").and_then(Value::as_array).cloned().unwrap_or_default();
            let (jwtauth, ada, client) = app(&trusted).await;
            for (form, fields) in FORMS {
                // One of the forms before may have disabled her.
                let ada = jwtauth.accounts().unwrap().enable(ada.id).await.unwrap();
                let tokens = jwtauth.sessions().login(&ada, Device::default()).await.unwrap();
                let refresh = tokens.refresh().unwrap();
                let cookies = format!("access_token={}; refresh_token={refresh}", tokens.access());
                let form = form.replace("ID", &ada.id.to_string());
                let mut request = client.request(Method::POST, &form).header("cookie", cookies);
                request = request.header("host", row["host"].as_str().unwrap());
                request = request.content_type("application/x-www-form-urlencoded");
                for (name, value) in row["headers"].as_object().unwrap() {
                    request = request.header(name.as_str(), value.as_str().unwrap());
                }
                let before = jwtauth.sessions().list(&ada.id.to_string()).await.unwrap();
                let status = request.body(fields).send().await.0.status().as_u16();
                assert_eq!(status == 403, row["expect"] == 403, "{form}: {row}: {status}");
                if status == 403 {
                    let after = jwtauth.sessions().list(&ada.id.to_string()).await.unwrap();
                    let account = jwtauth.accounts().unwrap().by_id(ada.id).await.unwrap().unwrap();
                    assert!(after.len() == before.len() && account.active && account.roles == ["admin"]);
                    refused += 1;
                } else {
                    taken += 1;
                }
            }
            assert!(
                row["expect"] != 403 || jwtauth.accounts().unwrap().by_name("eve").await.unwrap().is_none()
            );
        }
        println!("{refused} refused, {taken} taken");
        assert!(refused >= 100 && taken >= 60, "{refused} and {taken}");
    });
}

/// What browsers say of themselves in other headers is text too.
#[test]
fn no_hint_of_a_client_becomes_html() {
    bounded(async {
        let site = site(|pages| pages).await;
        let person = Person::new(&site, FIREFOX);
        person.register("ann").await;
        let script = "<script>alert(1)</script>";
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let form = [("username", "ann"), ("password", PASSWORD), ("device_id", script)];
        let request = client.build().unwrap().post(site.at("/account/login"));
        let login = super::filled_in(request, &form)
            .header("user-agent", format!("{script}/1.0 (\u{22}>{script})"))
            .header("sec-ch-ua", format!("\"{script}\";v=\"1\""))
            .header("sec-ch-ua-platform", format!("\"{script}\""))
            .header("sec-ch-ua-model", format!("\"{script}\""))
            .header("x-forwarded-for", script)
            .header("accept-language", script)
            .send()
            .await
            .unwrap();
        assert_eq!(login.status(), 303);
        let page = text(person.open("devices").await).await;
        assert!(!page.contains("<script") && page.contains("&#60;script&#62;"), "{page}");
    });
}
