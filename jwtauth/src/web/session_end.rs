//! The end of the caller's session as an argument of a handler.

use poem::{FromRequest, Request, RequestBody, Result};

use super::guard;
use crate::session::SessionEnd;

impl<'a> FromRequest<'a> for SessionEnd {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        let handle = guard::handle(request, "`SessionEnd`")?;
        let session = handle.identity(request).await?.session();
        Ok(handle.shared().sessions.end_of_session(session))
    }
}
