//! What the macros write means the same wherever it stands: here `jwtauth` and `poem` have other names, and
//! nearly every name of std means something else.
//!
//! That it compiles is the test; that the guards are there is asked in `tests`.

#![allow(
    dead_code,
    missing_debug_implementations,
    non_camel_case_types,
    unused_macros,
    unused_qualifications
)]

mod alloc {}
mod core {}
mod jwtauth {}
mod poem {}
mod std {}

struct Box;
struct Default;
struct Err;
struct From;
struct Future;
struct Into;
struct Iterator;
struct Ok;
struct Option;
struct PhantomData;
struct Result;
struct Send;
struct Some;
struct String;
struct Sync;
struct ToString;
struct Vec;

macro_rules! assert {
    ($($any:tt)*) => {
        ::std::compile_error!("not this one")
    };
}
macro_rules! concat {
    ($($any:tt)*) => {
        ::std::compile_error!("not this one")
    };
}
macro_rules! file {
    ($($any:tt)*) => {
        ::std::compile_error!("not this one")
    };
}
macro_rules! line {
    ($($any:tt)*) => {
        ::std::compile_error!("not this one")
    };
}
macro_rules! module_path {
    ($($any:tt)*) => {
        ::std::compile_error!("not this one")
    };
}
macro_rules! panic {
    ($($any:tt)*) => {
        ::std::compile_error!("not this one")
    };
}

/// A user with everything the derive reads.
#[derive(Clone, serde::Serialize, serde::Deserialize, auth::AuthUser)]
#[auth(crate = auth)]
#[serde(crate = "serde")]
struct User {
    id: u64,
    roles: ::std::vec::Vec<::std::string::String>,
    scopes: ::std::collections::BTreeSet<::std::string::String>,
    #[auth(active)]
    active: ::std::primitive::bool,
}

fn rule(_: &auth::Identity) -> ::std::primitive::bool {
    true
}

mod named_like_poems_variables {
    use auth::require_auth;

    #[require_auth(crate = auth)]
    pub(super) async fn req(body: ::std::string::String) -> ::std::string::String {
        body
    }

    #[require_auth(crate = ::auth)]
    pub(super) fn res() {}
}

mod named_like_arguments {
    use auth::require_auth;

    // At the root serde's own derives would not compile.
    struct bool;
    struct str;
    struct u32;
    struct u64;

    #[require_auth(crate = auth)]
    pub(super) async fn body() {}

    #[require_auth(crate = "auth", optional)]
    pub(super) async fn r#type(r#fn: ::std::option::Option<super::User>) -> &'static ::std::primitive::str {
        r#fn.map_or("", |_| "")
    }
}

#[auth::require_auth(
    crate = ::auth,
    any_role("a", "b"),
    all_scopes("c", "d"),
    fresh = "5m",
    check = rule,
    check = self::rule,
    redirect = "/login",
    csrf = false
)]
async fn everything<'r, T, const N: usize>(
    user: User,
    current: auth::CurrentUser<User>,
    who: &'r auth::Identity,
    _: web::web::Path<T>,
) -> web::Result<&'static ::std::primitive::str>
where
    T: serde::de::DeserializeOwned + ::std::marker::Send + ::std::marker::Sync + 'static,
{
    let _: (User, User, &'r auth::Identity, [(); N]) = (user, current.0, who, [(); N]);
    ::std::result::Result::Ok("everything")
}

struct Block;

#[auth::require_auth(crate = auth, role = "a", check = rule)]
impl web::Endpoint for Block {
    type Output = ();

    async fn call(&self, _: web::Request) -> web::Result<()> {
        ::std::result::Result::Ok(())
    }
}

/// A handler whose every part comes out of a macro.
macro_rules! handlers {
    ($auth:path: $($name:ident($argument:ident: $type:ty) -> $returns:ty {
        $role:expr, $fresh:literal, $page:literal, $rule:path, $csrf:literal $(, $scope:tt)*
    } $body:block)+) => { $(
        #[auth::require_auth(
            crate = $auth, role = $role, fresh = $fresh, redirect = $page, check = $rule, csrf = $csrf
            $(, any_scope($scope, $role))*
        )]
        async fn $name($argument: $type) -> $returns $body
    )+ };
}

handlers! { auth:
    made_of_user(user: User) -> ::std::string::String { "a", "5m", "/login", rule, false } {
        ::std::string::ToString::to_string(&user.id)
    }
    made_of_body(body: web::web::Json<u64>) -> web::web::Json<u64> {
        ROLE, "1d", "/login?a=b", self::rule, true, ROLE
    } { body }
}

const ROLE: &::std::primitive::str = "a";

#[cfg(test)]
mod tests {
    use auth::{JwtAuth, MemoryStore};
    use web::test::TestClient;
    use web::{EndpointExt, Route};

    use super::*;

    #[test]
    fn h_11_all_of_them_are_guarded() {
        let jwtauth = JwtAuth::builder().secret("Z8mQ1rXc0vB7nL4kT2wY6uE9pA3sD5fG");
        let jwtauth = jwtauth.build(MemoryStore::new()).expect("good settings");
        let client = TestClient::new(
            Route::new()
                .at("/req", named_like_poems_variables::req)
                .at("/res", named_like_poems_variables::res)
                .at("/body", named_like_arguments::body)
                .at("/type", named_like_arguments::r#type)
                .at("/everything", everything::<u64, 3>::default())
                .at("/block", Block)
                .at("/user", made_of_user)
                .at("/json", made_of_body)
                .with(jwtauth),
        );
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
        runtime.block_on(async {
            for path in ["/req", "/res", "/body", "/type", "/everything", "/block", "/user", "/json"] {
                let status = client.post(path).send().await.0.status();
                ::std::assert_eq!(status, if path == "/type" { 200 } else { 401 }, "{path}");
            }
        });
    }
}
