//! What the macros write compiles without a prelude, among names of the standard library that mean something else, and
//! where the lints that it could trip over are forbidden. That it compiles is the test.

#![no_implicit_prelude]
#![forbid(deprecated, missing_debug_implementations)]

use ::poem::EndpointExt as _;
use ::std::default::Default as _;
use ::std::prelude::v1::test;

trait Sized {}
trait Send {}
trait Sync {}
trait Debug {}
trait Fn {}
trait Future {}
type Option = u8;
type Result = u8;
type String = u8;

impl Sized for u8 {}
impl Send for u8 {}
impl Sync for u8 {}
impl Debug for u8 {}
impl Fn for u8 {}
impl Future for u8 {}

fn all<T: Sized + Send + Sync + Debug + Fn + Future>(_: T) {}

#[derive(
    ::std::clone::Clone, ::std::fmt::Debug, ::serde::Serialize, ::serde::Deserialize, ::jwtauth::AuthUser,
)]
struct User {
    id: u64,
    roles: ::std::vec::Vec<::std::string::String>,
    #[auth(active)]
    active: bool,
}

fn yes(_: &::jwtauth::Identity) -> bool {
    true
}

#[::jwtauth::require_auth(role = "admin", any_scope("a", "b"), check = yes, fresh = "5m", redirect = "/login")]
async fn function(
    user: User,
    _body: ::poem::web::Json<u32>,
    _who: &::jwtauth::Identity,
) -> ::poem::web::Json<u64> {
    ::poem::web::Json(user.id)
}

#[::jwtauth::require_auth]
async fn generic<T: ::poem::IntoResponse>(_body: ::poem::web::Json<u32>) {
    let _ = ::std::any::type_name::<T>();
}

#[::jwtauth::require_auth(optional)]
async fn optional(_user: ::std::option::Option<User>) {}

#[deprecated]
#[::jwtauth::require_auth]
async fn old() {}

#[derive(::std::fmt::Debug)]
struct Block;

#[::jwtauth::require_auth(all_roles("a", "b"), check = yes)]
impl ::poem::Endpoint for Block {
    type Output = ();

    async fn call(&self, _: ::poem::Request) -> ::poem::Result<()> {
        ::std::result::Result::Ok(())
    }
}

#[test]
fn n_16_what_the_macros_write_needs_no_prelude_and_no_lint_level() {
    let [option, result, string]: [u8; 3] = [Option::MAX, Result::MAX, String::MAX];
    all(option | result | string);
    let user = User { id: 1, roles: ::std::vec::Vec::new(), active: true };
    ::std::assert!(user.active && user.roles.is_empty());
    let routes = ::poem::Route::new()
        .at("/function", function)
        .at("/generic", generic::<()>::default())
        .at("/optional", optional)
        .at("/block", Block);
    let _ = routes.map_to_response();
    ::std::assert_eq!(::std::format!("{function:?} {:?}", generic::<()>::default()), "function generic");
}
