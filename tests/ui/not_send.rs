//! A handler that cannot move between threads.

use jwtauth::require_auth;

#[require_auth]
async fn stats() -> String {
    let number = std::rc::Rc::new(42);
    std::future::ready(()).await;
    number.to_string()
}

fn main() {}
