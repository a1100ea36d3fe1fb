//! A check that cannot move between threads.

use jwtauth::require_auth;

async fn is_open() -> bool {
    let open = std::rc::Rc::new(true);
    std::future::ready(()).await;
    *open
}

#[require_auth(check = is_open)]
async fn stats() -> &'static str {
    "42"
}

fn main() {}
