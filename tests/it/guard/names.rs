//! Names in the attribute mean what they mean where the attribute stands, whatever has the same name inside.

use serde::{Deserialize, Serialize};

use super::*;

#[derive(Clone, Serialize, Deserialize, AuthUser)]
struct Person {
    id: String,
    roles: Vec<String>,
    scopes: Vec<String>,
}

const ADMIN: &str = "admin";
const EDITOR: &str = "editor";
const WRITE: &str = "posts:write";
const LOGIN: &str = "/login";

fn allows() -> bool {
    true
}

/// What was right once. Each name lets other people in, or sends them elsewhere.
mod legacy {
    pub(super) const ADMIN: &str = "user";
    pub(super) const EDITOR: &str = "user";
    pub(super) const WRITE: &str = "nobody:has";
    pub(super) const LOGIN: &str = "/elsewhere";

    pub(super) fn allows() -> bool {
        false
    }
}

#[derive(Debug)]
struct Glob;

#[require_auth(role = ADMIN, any_role(EDITOR, ADMIN), scope = WRITE, check = allows, redirect = LOGIN)]
impl Endpoint for Glob {
    type Output = String;

    async fn call(&self, _request: Request) -> Result<String> {
        use legacy::*;
        Ok(format!("{ADMIN} {EDITOR} {WRITE} {LOGIN} {}", allows()))
    }
}

struct Local;

#[require_auth(all_roles(ADMIN), all_scopes(WRITE), check = allows, redirect = LOGIN)]
impl Endpoint for Local {
    type Output = String;

    async fn call(&self, _: Request) -> Result<String> {
        const ADMIN: &str = "user";
        const WRITE: &str = "nobody:has";
        const LOGIN: &str = "/elsewhere";
        fn allows() -> bool {
            false
        }
        Ok(format!("{ADMIN} {ADMIN} {WRITE} {LOGIN} {}", allows()))
    }
}

/// Its parameter of type has the name of a module, that of value the name of a function.
mod roles {
    pub(super) const ADMIN: &str = "admin";

    pub(super) fn allows() -> bool {
        true
    }
}

struct Generic<T>(std::marker::PhantomData<fn() -> T>);

#[allow(non_camel_case_types)]
#[require_auth(role = roles::ADMIN, check = roles::allows)]
impl<roles: 'static> Endpoint for Generic<roles> {
    type Output = &'static str;

    async fn call(&self, _: Request) -> Result<&'static str> {
        Ok("user user nobody:has /elsewhere false")
    }
}

#[allow(non_camel_case_types)]
#[require_auth(role = roles::ADMIN, check = roles::allows)]
async fn generic<roles: Default + Send + Sync + 'static>(_user: Person) -> &'static str {
    let _ = roles::default();
    "user user nobody:has /elsewhere false"
}

#[require_auth(any_role(ADMIN), any_scope(WRITE), check = allows, redirect = LOGIN)]
async fn function(user: Person, _who: &Identity) -> String {
    use legacy::*;
    let _ = user;
    format!("{ADMIN} {EDITOR} {WRITE} {LOGIN} {}", allows())
}

#[test]
fn n_12_names_in_the_attribute_mean_what_they_mean_where_it_stands() {
    bounded(async {
        let app = TestApp::new();
        let routes = Route::new()
            .at("/glob", Glob)
            .at("/local", Local)
            .at("/generic-block", Generic::<u8>(std::marker::PhantomData))
            .at("/generic", generic::<u8>::default())
            .at("/function", function);
        let client = TestClient::new(routes.with(app.jwtauth.clone()));
        let login = async |id: &str, role: &str, scope: &str| {
            let person = Person { id: id.into(), roles: vec![role.into()], scopes: vec![scope.into()] };
            jwtauth::testing::login(&app.jwtauth, &person).await
        };
        let admin = login("alice", "admin", "posts:write").await;
        let other = login("bob", "user", "nobody:has").await;
        for path in ["/glob", "/local", "/generic-block", "/generic", "/function"] {
            let answered = answer(client.get(path), Some(admin.cookies())).await;
            assert_eq!(answered.status(), 200, "{path}");
            assert!(text(answered).await.starts_with("user"), "{path}: inside, the other names are meant");
            assert_eq!(answer(client.get(path), Some(other.cookies())).await.status(), 403, "{path}");
        }
        for path in ["/glob", "/local", "/function"] {
            let page = client.get(path).header(header::ACCEPT, "text/html");
            let sent = answer(page, None).await;
            let to = sent.header(header::LOCATION).unwrap_or_default();
            assert!(to.starts_with("/login"), "{path}: {} {to}", sent.status());
        }
    });
}

/// Values with a branch: which one is meant is decided when the program is compiled.
#[require_auth(role = if cfg!(debug_assertions) { ADMIN } else { "nobody" }, redirect = if cfg!(debug_assertions) { LOGIN } else { "/" })]
async fn by_build(_person: Person) {}

#[require_auth(
    any_role("nobody", match EDITOR.len() { 6 => EDITOR, _ => "nobody" }),
    scope = { const SCOPE: &str = WRITE; SCOPE },
)]
async fn by_branch() {}

#[require_auth(all_roles(if cfg!(not(debug_assertions)) { "nobody" } else { ADMIN }, concat!("ed", "itor")))]
impl Endpoint for Branch {
    type Output = ();

    async fn call(&self, _: Request) -> Result<()> {
        Ok(())
    }
}

struct Branch;

/// N-12: in a release build the first one asks for another role.
#[test]
fn n_12_a_value_may_have_a_branch() {
    bounded(async {
        let app = TestApp::new();
        let login = async |role: &[&str], scope: &str| {
            let roles = role.iter().map(ToString::to_string).collect();
            let person = Person { id: "alice".into(), roles, scopes: vec![scope.into()] };
            jwtauth::testing::login(&app.jwtauth, &person).await
        };
        let admin = login(&["admin", "editor"], WRITE).await;
        let user = login(&["nobody"], "nobody:has").await;
        let routes = Route::new().at("/build", by_build).at("/branch", by_branch).at("/block", Branch);
        let client = TestClient::new(routes.with(app.jwtauth.clone()));
        for path in ["/build", "/branch", "/block"] {
            assert_eq!(answer(client.get(path), Some(admin.cookies())).await.status(), 200, "{path}");
            assert_eq!(answer(client.get(path), Some(user.cookies())).await.status(), 403, "{path}");
        }
    });
}
