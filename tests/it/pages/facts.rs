//! What each page costs a browser, as a table: `cargo test -p tests --test it -- pages::facts --nocapture`.

use std::path::Path;

use jwtauth::{AccountsConfig, ApiKeyConfig, JwtAuth, MemoryStore, StorageConfig};
use poem::{EndpointExt as _, Route};
use tests::app::SECRET;
use tests::serve::serve;
use tests::{bounded_by, node};

use super::PASSWORD;
use super::chromium::{CHROMIUM, PACKAGES};

#[test]
fn each_page_is_small_and_axe_finds_nothing() {
    let name = "each_page_is_small_and_axe_finds_nothing";
    if !Path::new(CHROMIUM).exists() {
        return eprintln!("skipped {name}: there is no {CHROMIUM} (apt-get install chromium)");
    }
    let home = match node::installed(env!("CARGO_TARGET_TMPDIR"), &PACKAGES) {
        Ok(home) => home,
        Err(why) => return eprintln!("skipped {name}: {why}"),
    };
    bounded_by(std::time::Duration::from_secs(120), async {
        let builder = JwtAuth::builder().secret(SECRET).accounts(AccountsConfig::default().hashers(1));
        let builder = builder.api_keys(ApiKeyConfig::default());
        let builder = builder.storage(StorageConfig::default().keep_events(1_000).token_registry());
        let jwtauth = builder.insecure_cookies().build(MemoryStore::new()).unwrap();
        let accounts = jwtauth.accounts().unwrap();
        let ada = accounts.register("ada", PASSWORD).await.unwrap();
        accounts.set_roles(ada.id, ["admin"]).await.unwrap();
        let app = Route::new()
            .nest("/account", jwtauth.pages().unwrap())
            .nest("/admin", jwtauth.admin_pages().unwrap());
        let served = serve(app.with(jwtauth.clone())).await;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/pages/facts.mjs");
        let mut command = node::command(100, &home, script.to_str().unwrap());
        command.args([&served.url, "ada", PASSWORD]);
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let table = String::from_utf8_lossy(&output.stdout).into_owned();
        println!("{table}");
        assert!(output.status.success(), "{table}{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(table.lines().count(), 14, "two lines of head, and twelve pages");
    });
}
