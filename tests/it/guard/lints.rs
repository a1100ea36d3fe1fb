//! Handlers have the names of functions and are types. No lint level is needed for that, so all may be forbidden. That it
//! compiles is the test, with rustc and with clippy.

#![forbid(
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unused,
    clippy::all,
    clippy::pedantic
)]

use jwtauth::{Identity, require_auth};
use poem::web::{Data, Json, Path};
use poem::{Endpoint, EndpointExt, Request, Result, Route, get};

#[require_auth(role = "admin", check = yes)]
fn many_words(who: &Identity, Path(id): Path<u64>, Json(of): Json<u64>) -> String {
    format!("{} {id} {of}", who.subject())
}

fn yes(who: &Identity) -> bool {
    !who.subject().is_empty()
}

#[require_auth]
fn of_any<T: Clone + Send + Sync + 'static>(Data(data): Data<&T>) {
    drop(data.clone());
}

#[deprecated]
#[require_auth]
pub fn old_one() {}

#[deprecated]
#[require_auth]
pub fn old_generic<T: Clone + Send + Sync + 'static>(Data(data): Data<&T>) {
    drop(data.clone());
}

#[derive(Debug)]
struct Block;

#[require_auth(any_role("a", "b"))]
impl Endpoint for Block {
    type Output = ();

    async fn call(&self, _: Request) -> Result<()> {
        Ok(())
    }
}

#[test]
fn n_16_names_of_handlers_need_no_lint_level() {
    let inside = || {
        #[require_auth]
        fn in_a_body() {}
        in_a_body
    };
    let _ = Route::new()
        .at("/many", get(many_words))
        .at("/generic", get(of_any::<u8>::default()))
        .at("/inside", inside())
        .at("/block", Block)
        .map_to_response();
    assert_eq!(format!("{many_words:?}"), "many_words");
}
