//! One type of user is not another: the session knows for which type it was opened.

use jwtauth::store::{SessionStore as _, UserUpdate};
use jwtauth::{Account, AccountsConfig, Device, MaybeUser};
use serde::{Deserialize, Serialize};

use super::*;
use tests::test_store::TestStore;

#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct Customer {
    id: u64,
    name: String,
    #[serde(default)]
    roles: Vec<String>,
}

#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct Employee {
    id: u64,
    name: String,
    #[serde(default)]
    roles: Vec<String>,
}

/// Another struct for the same users, as after a change of its name.
#[derive(Clone, Serialize, Deserialize, AuthUser)]
#[auth(kind = "Customer")]
struct Client {
    id: u64,
}

/// Loaded by hand, and only for employees.
#[derive(Clone)]
struct Clerk;

impl AuthUser for Clerk {
    type Store = ();

    const KIND: Option<&'static str> = Some("Employee");

    fn subject(&self) -> String {
        "1".into()
    }

    async fn load((): &(), _: &Identity) -> Result<Option<Self>, BoxError> {
        Ok(Some(Self))
    }
}

/// Loaded by hand, for everybody.
#[derive(Clone)]
struct Anyone;

impl AuthUser for Anyone {
    type Store = ();

    fn subject(&self) -> String {
        "1".into()
    }

    fn scopes(&self) -> Vec<String> {
        vec!["read".into()]
    }

    async fn load((): &(), _: &Identity) -> Result<Option<Self>, BoxError> {
        Ok(Some(Self))
    }
}

#[require_auth]
async fn payroll(employee: Employee) -> String {
    employee.name
}

#[require_auth]
async fn payroll_wrapped(CurrentUser(employee): CurrentUser<Employee>) -> String {
    employee.name
}

#[handler]
async fn payroll_plain(employee: CurrentUser<Employee>) -> String {
    employee.name.clone()
}

fn works_here(_: Employee) -> bool {
    true
}

#[require_auth(check = works_here)]
async fn payroll_checked() {}

#[require_auth]
async fn clerk(_: CurrentUser<Clerk>) {}

#[require_auth]
async fn of_account(_: Account) {}

#[require_auth(optional)]
async fn maybe(employee: Option<Employee>) -> String {
    employee.map_or("nobody".into(), |employee| employee.name)
}

#[handler]
async fn maybe_plain(MaybeUser(employee): MaybeUser<Employee>) -> String {
    employee.map_or("nobody".into(), |employee| employee.name)
}

#[require_auth]
async fn shop(customer: Customer) -> String {
    customer.name
}

#[require_auth]
async fn client_of_shop(client: Client) -> String {
    client.id.to_string()
}

#[require_auth]
async fn anyone(_: CurrentUser<Anyone>) {}

/// The routes for employees only.
const STAFF: [&str; 5] = ["/payroll", "/payroll/wrapped", "/payroll/plain", "/payroll/checked", "/clerk"];

fn routes() -> Route {
    Route::new()
        .at("/payroll", get(payroll))
        .at("/payroll/wrapped", get(payroll_wrapped))
        .at("/payroll/plain", get(payroll_plain))
        .at("/payroll/checked", get(payroll_checked))
        .at("/clerk", get(clerk))
        .at("/account", get(of_account))
        .at("/maybe", get(maybe))
        .at("/maybe/plain", get(maybe_plain))
        .at("/shop", get(shop))
        .at("/client", get(client_of_shop))
        .at("/anyone", get(anyone))
}

fn customer() -> Customer {
    Customer { id: 1, name: "Carla".into(), roles: Vec::new() }
}

fn employee() -> Employee {
    Employee { id: 1, name: "Emil".into(), roles: Vec::new() }
}

/// Returns the `Authorization` header of a new session.
async fn bearer<U: AuthUser>(app: &TestApp, user: &U) -> String {
    format!("Bearer {}", app.jwtauth.sessions().login(user, Device::default()).await.unwrap().access())
}

async fn ask<E: Endpoint>(client: &TestClient<E>, path: &str, bearer: &str) -> (u16, String) {
    let answer = client.get(path).header(header::AUTHORIZATION, bearer).send().await.0;
    (answer.status().as_u16(), text(answer).await)
}

#[test]
fn n_9_a_user_of_another_type_is_refused_and_the_log_names_both() {
    logged(async |log| {
        let app = TestApp::new();
        let client = client(&app, routes());
        let (carla, emil) = (bearer(&app, &customer()).await, bearer(&app, &employee()).await);
        let sliding = app.jwtauth.sessions().login_sliding(&customer(), Device::default()).await.unwrap();
        for carla in [&carla, &format!("Bearer {}", sliding.access())] {
            for path in STAFF {
                let (status, body) = ask(&client, path, carla).await;
                assert_eq!(status, 403, "{path}");
                assert!(body.contains("\"permission_denied\"") && !body.contains("Emil"), "{path}: {body}");
            }
            for path in ["/maybe", "/maybe/plain"] {
                assert_eq!(ask(&client, path, carla).await, (200, "nobody".into()), "{path}");
            }
            for (path, said) in [("/shop", "Carla"), ("/client", "1"), ("/anyone", "")] {
                assert_eq!(ask(&client, path, carla).await, (200, said.into()), "{path}");
            }
        }
        for path in STAFF.into_iter().chain(["/maybe", "/anyone"]) {
            assert_eq!(ask(&client, path, &emil).await.0, 200, "{path}");
        }
        assert_eq!(ask(&client, "/shop", &emil).await.0, 403);
        let text = log.text();
        let lines: Vec<_> = text.lines().filter(|line| line.contains("WARN")).collect();
        assert_eq!(lines.len(), 2, "one for each pair of types: {text}");
        assert!(lines[0].contains("`Customer`") && lines[0].contains("`Employee` is asked for"), "{text}");
        assert!(lines[0].contains("#[auth(kind"), "{text}");
    });
}

/// The session lives on, and its cookies stay: the user may be right elsewhere.
#[test]
fn n_9_a_refusal_for_the_type_ends_nothing() {
    bounded(async {
        let app = TestApp::new();
        let bob = login(&app, "bob").await;
        let client = client(&app, routes());
        let refused = answer(client.get("/payroll"), Some(&bob.cookies())).await;
        assert_eq!(refused.status(), 403);
        assert_eq!(set_cookies(refused.headers()), Vec::<String>::new());
        assert_eq!(app.jwtauth.sessions().list("bob").await.unwrap().len(), 1);
    });
}

/// Roles and scopes belong to the subject, the copy to the type.
#[test]
fn n_9_an_update_of_another_type_leaves_the_copy_alone() {
    bounded(async {
        let app = TestApp::new();
        let sessions = app.jwtauth.sessions();
        let client = client(&app, routes());
        let carla = bearer(&app, &customer()).await;
        let emil = Employee { roles: vec!["admin".into()], ..employee() };
        assert_eq!(sessions.update_user(&emil).await.unwrap(), 1);
        assert_eq!(sessions.list("1").await.unwrap()[0].roles, ["admin"]);
        assert_eq!(ask(&client, "/shop", &carla).await, (200, "Carla".into()));
        assert_eq!(ask(&client, "/payroll", &carla).await.0, 403);
        assert_eq!(sessions.update_user(&Anyone).await.unwrap(), 1);
        assert_eq!(sessions.list("1").await.unwrap()[0].scopes, ["read"]);
        assert_eq!(ask(&client, "/shop", &carla).await, (200, "Carla".into()));
        assert_eq!(sessions.update_user(&Customer { name: "Clara".into(), ..customer() }).await.unwrap(), 1);
        assert_eq!(ask(&client, "/shop", &carla).await, (200, "Clara".into()));
    });
}

/// Records of older releases do not say what their copy is of: it is read by its fields, until the session ends
/// or the user is renewed.
#[test]
fn n_9_a_copy_without_a_kind_is_read_as_before() {
    bounded(async {
        let store = Faulty::default();
        let app = TestApp::with(store.clone(), |builder| builder);
        let client = client(&app, routes());
        let carla = bearer(&app, &customer()).await;
        let mut update = UserUpdate::default();
        update.user = Some(br#"{"id":1,"name":"Old"}"#.to_vec());
        assert_eq!(store.update_user("1".into(), update).await.unwrap(), 1);
        assert_eq!(app.jwtauth.sessions().list("1").await.unwrap()[0].user_kind, None);
        assert_eq!(ask(&client, "/shop", &carla).await, (200, "Old".into()));
        assert_eq!(app.jwtauth.sessions().update_user(&customer()).await.unwrap(), 1);
        assert_eq!(ask(&client, "/shop", &carla).await, (200, "Carla".into()));
        assert_eq!(ask(&client, "/payroll", &carla).await.0, 403);
    });
}

/// Modules that call their user by one name.
macro_rules! visitors {
    ($($module:ident)*) => {$(
        mod $module {
            use super::*;

            #[derive(Clone, Serialize, Deserialize, AuthUser)]
            pub(super) struct Visitor {
                pub(super) id: u64,
            }
        }
    )*};
}

visitors!(market office);

/// Another one that stands for the same user, on purpose.
#[derive(Clone, Serialize, Deserialize, AuthUser)]
#[auth(kind = "Visitor")]
struct Guest {
    id: u64,
}

#[require_auth]
async fn desk(visitor: office::Visitor, guest: Guest) -> String {
    format!("{} {}", visitor.id, guest.id)
}

/// N-9: two structs of one name are one kind. The compiler cannot know whether that is meant.
#[test]
fn n_9_the_log_says_once_that_two_structs_of_one_name_are_one_kind() {
    logged(async |log| {
        let app = TestApp::new();
        let client = client(&app, Route::new().at("/desk", desk));
        let visitor = bearer(&app, &market::Visitor { id: 1 }).await;
        bearer(&app, &Guest { id: 2 }).await;
        assert!(!log.text().contains("kind_shared"), "{}", log.text());
        for _ in 0..3 {
            assert_eq!(ask(&client, "/desk", &visitor).await, (200, "1 1".into()));
        }
        let text = log.text();
        let lines: Vec<_> = text.lines().filter(|line| line.contains("kind_shared")).collect();
        let [line] = lines[..] else { panic!("{text}") };
        for says in
            ["WARN", "kinds::market::Visitor`", "kinds::office::Visitor`", "#[auth(kind = \"staff\")]"]
        {
            assert!(line.contains(says), "{says}: {line}");
        }
    });
}

#[test]
fn n_9_a_copy_is_read_from_a_session_as_its_own_type_only() {
    bounded(async {
        let app = TestApp::new();
        let opened = app.jwtauth.sessions().login(&customer(), Device::default()).await.unwrap().session;
        assert_eq!(opened.user_kind.as_deref(), Some("Customer"));
        assert_eq!(opened.user_as::<Customer>().unwrap().unwrap().name, "Carla");
        assert_eq!(opened.user_as::<Client>().unwrap().unwrap().id, 1);
        let error = opened.user_as::<Employee>().map(drop).unwrap_err().to_string();
        assert!(error.contains("`Customer`") && error.contains("`Employee`"), "{error}");
        // Of a type that is loaded by hand there is no copy, and its path is the kind.
        let opened = app.jwtauth.sessions().login(&Anyone, Device::default()).await.unwrap().session;
        assert_eq!(opened.user_kind.as_deref(), Some("it::guard::kinds::Anyone"));
        assert!(opened.user_as::<Customer>().is_err());
    });
}

#[test]
fn n_11_an_account_and_a_type_of_the_application_are_not_each_other() {
    logged(async |log| {
        let app = TestApp::with(TestStore::new(), |builder| builder.accounts(AccountsConfig::default()));
        let client = client(&app, routes());
        let accounts = app.jwtauth.accounts().unwrap();
        let account = accounts.register("alice", "correct horse battery").await.unwrap();
        let (alice, carla) = (bearer(&app, &account).await, bearer(&app, &customer()).await);
        assert_eq!(ask(&client, "/account", &alice).await.0, 200);
        assert_eq!(ask(&client, "/shop", &alice).await.0, 403);
        assert_eq!(ask(&client, "/account", &carla).await.0, 403);
        let text = log.text();
        let lines: Vec<_> = text.lines().filter(|line| line.contains("WARN")).collect();
        assert!(
            lines[0].contains("one of a `jwtauth::Account`") && lines[0].contains("`Customer`"),
            "{text}"
        );
        assert!(
            lines[1].contains("one of a `Customer`") && lines[1].contains("`jwtauth::Account`"),
            "{text}"
        );
        // A type of the application that stands for the account loses the roles of the account too.
        let own = Named { id: account.id.to_string(), roles: vec!["admin".into()] };
        app.jwtauth.sessions().login(&own, Device::default()).await.unwrap();
        accounts.set_roles(account.id, ["clerk"]).await.unwrap();
        for session in app.jwtauth.sessions().list(&own.id).await.unwrap() {
            assert_eq!(session.roles, ["clerk"], "{:?}", session.user_kind);
        }
    });
}

#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct Named {
    id: String,
    roles: Vec<String>,
}
