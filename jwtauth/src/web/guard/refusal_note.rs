//! For tests: the reason why a guard refused a request, so that no error page of the application hides it.

use std::sync::{Arc, Mutex, PoisonError};

use poem::Request;

use crate::web::answer::rejection::Rejection;

/// Why a guard has refused a request. Rides on the request, so that no error page of the application hides it.
#[derive(Clone, Default)]
pub(crate) struct Refusal(Arc<Mutex<Option<Rejection>>>);

impl Refusal {
    pub(crate) fn take(&self) -> Option<Rejection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Notes that a guard refuses a request, if a test has asked for it.
pub(crate) fn note(request: &Request, why: Rejection) {
    if let Some(Refusal(noted)) = request.data() {
        *noted.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }
}
