//! The browser's side of the ready-made routes: a script, and its types.

use poem::endpoint::make_sync;
use poem::http::header;
use poem::{Endpoint, Response, get};

use super::{ReadyRoute, Routes};
use crate::error::ConfigError;

const SCRIPT: &str = include_str!("../../../client/client.js");
const TYPES: &str = include_str!("../../../client/client.d.ts");

impl Routes {
    /// Adds a script for pages, `GET /client.js`, and its types, `GET /client.d.ts`. It is an ES module
    /// without dependencies, of some 9 kB:
    ///
    /// ```js
    /// import { fetch, json, login, logout, onChange, user } from '/auth/client.js';
    ///
    /// const me = (await user()) ?? (await login('alice', 'wonderland'));
    /// const notes = await json('/notes');
    /// onChange((change) => { if (change !== 'login') location.href = '/login'; });
    /// ```
    ///
    /// - `fetch` does what `window.fetch` does, with the cookies. After a 401 it renews the tokens, once for
    ///   all calls and tabs that need it at the same time, and sends the request again.
    /// - `json` returns the body, or throws a `Problem` with `status`, `code` and the text of the refusal.
    /// - `onChange` tells `login`, `logout` and `end` (the session is over), from other tabs too. What was
    ///   done on [`pages`](crate::JwtAuth::pages) it tells as soon as somebody comes back to the tab.
    ///
    /// The script asks the routes beside it, under their usual paths and with cookies. So import it from
    /// where it is, and do not put it into a bundle, [`rename`](Self::rename) what it asks (`/obtain`,
    /// `/refresh`, `/me`, `/logout`, `/logout_all`), or take [`body_tokens`](Self::body_tokens) with it. For
    /// TypeScript, save `client.d.ts` in the project and name it with `paths`:
    /// `{"/auth/client.js": ["./client.d.ts"]}`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if another route is at one of these two paths.
    pub fn client_script(mut self) -> Result<Self, ConfigError> {
        self.push(ReadyRoute::fixed("/client.js", get(file("text/javascript; charset=utf-8", SCRIPT))))?;
        self.push(ReadyRoute::fixed("/client.d.ts", get(file("text/plain; charset=utf-8", TYPES))))?;
        Ok(self)
    }
}

/// Answers with a text that changes with a release of the server only.
fn file(kind: &'static str, text: &'static str) -> impl Endpoint + 'static {
    make_sync(move |_| {
        Response::builder()
            .content_type(kind)
            .header(header::CACHE_CONTROL, "max-age=3600")
            // What lets pages of one origin use it is not for those of another, and caches keep it for both.
            .header(header::VARY, "Origin")
            .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
            .body(text)
    })
}
