//! Which scopes an account has by its roles.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::ConfigError;
use crate::right_name::{NO_ROLE, NO_SCOPE, is_role, is_scope};

/// The scopes of each role that has some.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RoleScopes(BTreeMap<String, Vec<String>>);

impl RoleScopes {
    pub(crate) fn set(&mut self, role: String, scopes: Vec<String>) {
        self.0.insert(role, scopes);
    }

    /// Returns the scopes of somebody with these roles, each once.
    pub(crate) fn of(&self, roles: &[String]) -> Vec<String> {
        let mut scopes: Vec<String> = Vec::new();
        for scope in roles.iter().filter_map(|role| self.0.get(role)).flatten() {
            if !scopes.contains(scope) {
                scopes.push(scope.clone());
            }
        }
        scopes
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let refused = |name: &str, why| Err(ConfigError::setting("AccountsConfig::scopes_of", name, why));
        for (role, scopes) in &self.0 {
            if !is_role(role) {
                return refused(role, NO_ROLE);
            }
            if let Some(scope) = scopes.iter().find(|scope| !is_scope(scope)) {
                return refused(scope, NO_SCOPE);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// K-9: what a role has, each scope once, and nothing by a role that has none.
    #[test]
    fn k_9_scopes_are_those_of_all_roles() {
        let mut scopes = RoleScopes::default();
        scopes.set("editor".into(), vec!["notes:read".into(), "notes:write".into()]);
        scopes.set("reader".into(), vec!["notes:read".into()]);
        scopes.check().unwrap();
        let of = |roles: &[&str]| scopes.of(&roles.iter().map(|role| (*role).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&["reader", "editor", "admin"]), ["notes:read", "notes:write"]);
        assert!(of(&["Editor"]).is_empty() && of(&[]).is_empty());
        for (role, scope) in [("", "a"), ("a,b", "a"), ("a", ""), ("a", "x y"), ("a", "x,y")] {
            let mut bad = RoleScopes::default();
            bad.set(role.into(), vec![scope.into()]);
            let text = bad.check().unwrap_err().to_string();
            assert!(text.contains("AccountsConfig::scopes_of"), "{text}");
        }
    }
}
