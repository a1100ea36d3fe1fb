//! [`&Sessions`](Sessions) and [`&JwtAuth`](JwtAuth) as arguments of handlers. They refuse nobody: a guard
//! decides who may call.

use poem::{FromRequest, Request, RequestBody, Result};

use crate::session::Sessions;
use crate::web::request::wiring;
use crate::web::state::JwtAuth;

impl<'a> FromRequest<'a> for &'a Sessions {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        Ok(wiring::jwtauth(request, "`&Sessions`")?.sessions())
    }
}

impl<'a> FromRequest<'a> for &'a JwtAuth {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        Ok(wiring::jwtauth(request, "`&JwtAuth`")?)
    }
}
