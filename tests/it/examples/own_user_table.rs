//! The example `own_user_table`: users come from SQLite, afresh for each request.

use reqwest::Method;
use serde_json::json;
use tests::bounded;
use tests::browser::Browser;
use tests::program::Program;

#[test]
fn s_16_a_user_of_a_table_logs_in_and_is_out_once_blocked() {
    bounded(async {
        let data = tempfile::tempdir().unwrap();
        let program = Program::new(env!("CARGO_BIN_EXE_own_user_table"));
        let server = program.data(data.path()).start();
        let [alice, bob] = [(); 2].map(|()| Browser::new(&server.url));
        let login = async |browser: &Browser, name: &str, password: &str| {
            let form = json!({"name": name, "password": password});
            let answer = browser.request(Method::POST, "/login").json(&form).send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        };
        assert_eq!(alice.me().await, 401);
        assert_eq!(login(&alice, "alice", "wonderland").await.0, 200);
        assert_eq!(login(&bob, "bob", "builder").await.0, 200);
        assert_eq!(bob.get("/me").await.text().await.unwrap(), "bob\n");

        // The table is the application's own: another program changes it.
        let db = rusqlite::Connection::open(data.path().join("users.sqlite")).unwrap();
        assert_eq!(db.execute("UPDATE users SET is_blocked = 1 WHERE name = 'bob'", []).unwrap(), 1);
        let answer = bob.get("/me").await;
        assert_eq!(answer.status(), 401);
        assert!(answer.text().await.unwrap().contains("user_not_found"));
        assert_eq!(alice.me().await, 200);

        // Blocked, unknown, or with a wrong password: all are told the same.
        let refused = login(&Browser::new(&server.url), "alice", "wrong").await;
        assert!(refused.0 == 401 && refused.1.contains("invalid_credentials"), "{refused:?}");
        for (name, password) in [("bob", "builder"), ("nobody", "wonderland"), ("' OR 1=1 --", ""), ("", "")]
        {
            assert_eq!(login(&Browser::new(&server.url), name, password).await, refused, "{name}");
        }
        // Whoever is gone altogether, too.
        assert_eq!(db.execute("DELETE FROM users WHERE name = 'alice'", []).unwrap(), 1);
        assert_eq!(alice.me().await, 401);
    });
}
