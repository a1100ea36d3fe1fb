//! For tests: why a guard refused a request, whatever error page the application makes of it.

use std::sync::{Arc, Mutex, PoisonError};

use poem::Request;

use crate::web::answer::rejection::Rejection;

/// Why a guard refused the request that carries it.
#[derive(Clone, Default)]
pub(crate) struct Refusal(Arc<Mutex<Option<Rejection>>>);

impl Refusal {
    pub(crate) fn take(&self) -> Option<Rejection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Notes that a guard refuses a request, if a test asked for it.
pub(crate) fn note(request: &Request, why: Rejection) {
    if let Some(Refusal(noted)) = request.data() {
        *noted.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }
}
