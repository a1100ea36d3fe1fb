//! The end of the caller's session as an argument of a handler.

use poem::{FromRequest, Request, RequestBody, Result};

use crate::record::Session;
use crate::session::SessionEnd;
use crate::web::request::wiring;

impl<'a> FromRequest<'a> for SessionEnd {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        let sessions = &wiring::state(request, "`SessionEnd`")?.sessions;
        Ok(sessions.end_of_session(<&Session>::from_request_without_body(request).await?))
    }
}
