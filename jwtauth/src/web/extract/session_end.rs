//! The end of the caller's session as an argument of a handler.

use poem::{FromRequest, Request, RequestBody, Result};

use super::user::session_of;
use crate::session::SessionEnd;
use crate::web::request::wiring;

impl<'a> FromRequest<'a> for SessionEnd {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        let sessions = &wiring::state(request, "`SessionEnd`")?.sessions;
        let caller = wiring::handle(request, "`SessionEnd`")?.identity(request).await?;
        let session = session_of(caller)?;
        Ok(if caller.is_late() { sessions.end_of_late(session) } else { sessions.end_of_session(session) })
    }
}
