//! The first account that may do everything, from the environment: no release has a password of its own.

use std::env::{self, VarError};
use std::path::Path;

use zeroize::Zeroizing;

use super::hasher::Line;
use super::name::Name;
use super::{Account, Accounts};
use crate::byte_order_mark::without_mark;
use crate::error::AccountError;
use crate::secret::secret_file::SecretFile;
use crate::secret::stands_in_quotes;

const ADMIN: &str = "admin";

/// How many accounts are read at once.
const PAGE: usize = 256;

/// The longest file that is read as a password, in bytes.
const MAX_FILE: u64 = 64 * 1024;

impl Accounts {
    /// Makes the first account with the role `admin`, if the environment asks for one: call it at each start,
    /// before the app serves.
    ///
    /// `name` and `password` are names of environment variables. The password may be in a file instead: its
    /// path is in the variable `password` with `_FILE` behind it, as for the secrets of Docker and
    /// Kubernetes. One line break at the end of the file is not part of the password, nor is a byte order
    /// mark in front of it. Any other control character is refused, and so are quotes around a variable. What
    /// is said of the modes of [`secret_file`](crate::JwtAuthBuilder::secret_file) counts for it too.
    ///
    /// - If the variable `name` is not set, or is empty, nothing happens.
    /// - If there is an account of that name, nothing happens, and the password is not needed. Its password
    ///   and roles stay as they are. If it is not an admin, the log says so at WARN: it may be somebody
    ///   else's.
    /// - If another account has the role `admin` and is active, nothing happens either, and the log says so
    ///   at WARN: an admin who was removed or renamed does not come back with a start.
    /// - Else the account is made and returned, which the log says at WARN. That is an event:
    ///   [`AccountRegistered`](crate::Event::AccountRegistered).
    ///
    /// ```
    /// # async fn open() -> Result<(), Box<dyn std::error::Error>> {
    /// # let builder = jwtauth::JwtAuth::builder().secret("c2VjcmV0IG9mIHRoZSBkb2N1bWVudGF0aW9uIG9mIGp3dGF1dGg");
    /// # let data = std::env::temp_dir().join(format!("jwtauth-first-admin-{}", std::process::id()));
    /// use jwtauth::{AccountsConfig, require_auth};
    ///
    /// #[require_auth(role = "admin")]
    /// async fn control_room() -> &'static str {
    ///     "welcome"
    /// }
    ///
    /// let auth = builder.accounts(AccountsConfig::default()).open(&data).await?;
    /// let accounts = auth.accounts().ok_or("accounts are off")?;
    /// accounts.first_admin_from_env("JWTAUTH_ADMIN", "JWTAUTH_ADMIN_PASSWORD").await?;
    /// # drop(auth); std::fs::remove_dir_all(data)?;
    /// # Ok(()) }
    /// # tokio::runtime::Runtime::new().unwrap().block_on(open()).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// - [`AccountError::Variable`] if the password is needed and neither variable is set. Also if both are,
    ///   if one is not UTF-8, or if the file cannot be read.
    /// - Those of [`register`](Self::register), except [`AccountError::NameTaken`]. Nothing was made.
    pub async fn first_admin_from_env(
        &self,
        name: &str,
        password: &str,
    ) -> Result<Option<Account>, AccountError> {
        self.first_admin(&|name| env::var(name), name, password).await
    }

    async fn first_admin(
        &self,
        environment: &(dyn Fn(&str) -> Result<String, VarError> + Sync),
        name: &str,
        password: &str,
    ) -> Result<Option<Account>, AccountError> {
        let Some(typed) = variable(environment, name)? else { return Ok(None) };
        let parsed = Name::parse(&typed)?;
        if let Some(there) = self.by_name(&parsed.shown).await? {
            if !there.roles.iter().any(|role| role == ADMIN) {
                tracing::warn!(target: "jwtauth", account = there.id.log_id(), "the account that {name} names was there already and has no role `admin`: if it is yours, give it the role with `Accounts::set_roles`, else choose another name");
            }
            return Ok(None);
        }
        if self.has_admin().await? {
            tracing::warn!(target: "jwtauth", "there is no account of the name in {name}, and another admin: none is made. Take the variable away if the name is not needed any more, else make the account with `jwtauth accounts add`");
            return Ok(None);
        }
        let password = password_of(environment, password)?;
        let chosen = self.chosen(&password, &parsed.key)?;
        let draft = self.draft(parsed, chosen, vec![ADMIN.into()], Line::Operator).await?;
        let made = self.add(draft).await?;
        if let Some(admin) = &made {
            tracing::warn!(target: "jwtauth", account = admin.id.log_id(), "the first admin was made, with the name and the password that the environment has: take both away from there when you have logged in");
        } else {
            tracing::warn!(target: "jwtauth", "an account of the name in {name} was registered a moment ago, so no admin was made: if another process of yours did not make it, choose another name");
        }
        Ok(made)
    }
}

impl Accounts {
    /// Tells whether an active account has the role.
    async fn has_admin(&self) -> Result<bool, AccountError> {
        let mut after: Option<String> = None;
        loop {
            let page = self.list(after.as_deref(), PAGE).await?;
            let is_admin =
                |account: &Account| account.active && account.roles.iter().any(|role| role == ADMIN);
            if page.iter().any(is_admin) {
                return Ok(true);
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.name.clone()),
                _ => return Ok(false),
            }
        }
    }
}

/// Reads a password from a variable, or from the file that a second variable names.
fn password_of(
    environment: &(dyn Fn(&str) -> Result<String, VarError> + Sync),
    name: &str,
) -> Result<Zeroizing<String>, AccountError> {
    let of_file = format!("{name}_FILE");
    let refused = |name: &str, problem: String| AccountError::Variable { name: name.into(), problem };
    match (variable(environment, name)?, variable(environment, &of_file)?) {
        (Some(password), None) => {
            check_typed(&password).map_err(|problem| refused(name, problem))?;
            Ok(password)
        }
        (None, Some(path)) => {
            let text = read(Path::new(&*path)).map_err(|problem| refused(&of_file, problem))?;
            let line = without_mark(&text);
            let line = line.strip_suffix('\n').unwrap_or(line);
            let line = line.strip_suffix('\r').unwrap_or(line);
            check_typed(line).map_err(|problem| refused(&of_file, problem))?;
            Ok(line.to_owned().into())
        }
        (Some(_), Some(_)) => Err(refused(name, format!("{of_file} is set too: set one of the two"))),
        (None, None) => {
            let what = "the password of the first admin";
            Err(refused(
                name,
                format!("it is not set: put {what} there, or the path of a file with it into {of_file}"),
            ))
        }
    }
}

/// Refuses a password that nobody can type into the field of a form.
fn check_typed(password: &str) -> Result<(), String> {
    if password.contains(char::is_control) {
        return Err(
            "the password has a line break or another control character: write it alone, on one line".into(),
        );
    }
    Ok(())
}

/// Reads a file that should be for this user alone, as that of a secret.
fn read(path: &Path) -> Result<Zeroizing<String>, String> {
    let failed = |error| format!("{path:?} cannot be read: {error}");
    let mut file = SecretFile::open(path).map_err(failed)?;
    file.protect().map_err(|exposed| format!("{path:?} is refused: {exposed}"))?;
    let bytes = file.read(MAX_FILE).map_err(failed)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| format!("{path:?} is not UTF-8"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Reads a variable, which `$(cat FILE)` may have filled. `None` if it is not set or empty.
fn variable(
    environment: &(dyn Fn(&str) -> Result<String, VarError> + Sync),
    name: &str,
) -> Result<Option<Zeroizing<String>>, AccountError> {
    match environment(name) {
        Ok(value) => {
            let value = Zeroizing::new(value);
            let value = Zeroizing::new(without_mark(&value).to_owned());
            if stands_in_quotes(&value) {
                let problem =
                    "it stands in quotes, as `docker run --env-file` leaves them: remove them".into();
                return Err(AccountError::Variable { name: name.into(), problem });
            }
            Ok(Some(value).filter(|value| !value.is_empty()))
        }
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => {
            Err(AccountError::Variable { name: name.into(), problem: "it is not UTF-8".into() })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{AccountsConfig, JwtAuth, MemoryStore};

    const PASSWORD: &str = "correct horse battery";

    fn jwtauth() -> JwtAuth {
        let builder = JwtAuth::builder().secret("Z8mQ1rXc0vB7nL4kT2wY6uE9pA3sD5fG");
        builder.accounts(AccountsConfig::default()).build(MemoryStore::new()).unwrap()
    }

    async fn start(accounts: &Accounts, variables: &[(&str, &str)]) -> Result<Option<Account>, AccountError> {
        let environment = |name: &str| {
            let found = variables.iter().find(|(of, _)| *of == name);
            found.map(|(_, value)| (*value).to_owned()).ok_or(VarError::NotPresent)
        };
        accounts.first_admin(&environment, "ADMIN", "PASSWORD").await
    }

    #[tokio::test]
    async fn m_21_the_first_admin_is_made_once_and_left_alone() {
        let jwtauth = jwtauth();
        let accounts = jwtauth.accounts().unwrap();
        for nobody in [&[][..], &[("ADMIN", "")], &[("PASSWORD", PASSWORD)]] {
            assert_eq!(start(accounts, nobody).await.unwrap(), None);
        }
        let asked = [("ADMIN", "Ann"), ("PASSWORD", PASSWORD)];
        let made = start(accounts, &asked).await.unwrap().unwrap();
        assert_eq!((&*made.name, &*made.roles, made.active), ("Ann", &["admin".to_owned()][..], true));
        accounts.verify("ann", PASSWORD, None).await.unwrap();
        accounts.set_password(made.id, "another good one").await.unwrap();
        accounts.set_roles(made.id, ["editor"]).await.unwrap();
        for again in [&asked[..], &asked[..1]] {
            assert_eq!(start(accounts, again).await.unwrap(), None, "it is not needed any more");
        }
        let kept = accounts.verify("ann", "another good one", None).await.unwrap();
        assert_eq!(kept.roles, ["editor"], "nothing that was changed comes back with a start");
    }

    #[tokio::test]
    async fn m_21_an_admin_who_was_removed_does_not_come_back() {
        let jwtauth = jwtauth();
        let accounts = jwtauth.accounts().unwrap();
        let asked = [("ADMIN", "root"), ("PASSWORD", PASSWORD)];
        let root = start(accounts, &asked).await.unwrap().unwrap();
        // Many, so that they are read in pages.
        let hash = accounts.passwords().hash(PASSWORD).await.unwrap();
        for number in 0..2 * PAGE {
            let other = crate::ImportedAccount::new(format!("a{number}"), hash.as_phc());
            accounts.import(other).await.unwrap();
        }
        let chief = accounts.register("chief", PASSWORD).await.unwrap();
        accounts.set_roles(chief.id, ["editor", "admin"]).await.unwrap();
        accounts.remove(root.id).await.unwrap();
        assert_eq!(start(accounts, &asked).await.unwrap(), None);
        accounts.verify("root", PASSWORD, None).await.unwrap_err();
        // Somebody must be able to do everything.
        accounts.disable(chief.id).await.unwrap();
        assert!(start(accounts, &asked).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn m_21_there_is_no_default_password() {
        let jwtauth = jwtauth();
        let accounts = jwtauth.accounts().unwrap();
        let folder = env::temp_dir().join(format!("jwtauth-first-admin-test-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (file, missing) = (folder.join("password"), folder.join("none"));
        let (file, missing) = (file.to_str().unwrap(), missing.to_str().unwrap());
        for (variables, said) in [
            (&[][..], "PASSWORD is refused: it is not set: put the password of the first admin there, or"),
            (&[("PASSWORD", "")], "PASSWORD is refused: it is not set"),
            (&[("PASSWORD", "short")], "it has fewer than 8 characters"),
            (&[("PASSWORD_FILE", missing)], "cannot be read"),
            (&[("PASSWORD", PASSWORD), ("PASSWORD_FILE", file)], "PASSWORD_FILE is set too"),
        ] {
            let variables = [&[("ADMIN", "ann")], variables].concat();
            let error = start(accounts, &variables).await.unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains(PASSWORD), "{error}");
        }
        // What nobody could type, or what a file of variables has left around it.
        for text in [format!("{PASSWORD}\n\n"), format!("{PASSWORD}\nsecond\n"), format!("{PASSWORD}\u{0}")] {
            fs::write(file, &text).unwrap();
            for variables in
                [[("ADMIN", "ann"), ("PASSWORD_FILE", file)], [("ADMIN", "ann"), ("PASSWORD", &text)]]
            {
                let error = start(accounts, &variables).await.unwrap_err().to_string();
                assert!(error.contains("on one line") && !error.contains(PASSWORD), "{error}");
            }
        }
        let quoted = format!("\"{PASSWORD}\"");
        for variables in
            [[("ADMIN", "ann"), ("PASSWORD", &*quoted)], [("ADMIN", "'ann'"), ("PASSWORD", PASSWORD)]]
        {
            let error = start(accounts, &variables).await.unwrap_err().to_string();
            assert!(error.contains("it stands in quotes") && !error.contains(PASSWORD), "{error}");
        }
        assert!(accounts.by_name("ann").await.unwrap().is_none());
        let mark = '\u{feff}';
        for (name, text) in [
            ("ann", format!("{PASSWORD}\n")),
            ("bea", format!(" {PASSWORD}\r\n")),
            ("cy", format!("{mark}{PASSWORD}\r\n")),
        ] {
            let jwtauth = self::jwtauth();
            let accounts = jwtauth.accounts().unwrap();
            fs::write(file, &text).unwrap();
            start(accounts, &[("ADMIN", name), ("PASSWORD_FILE", file)]).await.unwrap().unwrap();
            let password = text.trim_end_matches(['\r', '\n']).trim_start_matches(mark);
            accounts.verify(name, password, None).await.unwrap();
        }
        // As `$(cat FILE)` puts it there.
        let (name, password) = (format!("{mark}dee"), format!("{mark}{PASSWORD}"));
        start(accounts, &[("ADMIN", &name), ("PASSWORD", &password)]).await.unwrap().unwrap();
        accounts.verify("dee", PASSWORD, None).await.unwrap();
        fs::remove_dir_all(folder).unwrap();
    }

    /// M-7: the file of a password is as private as that of a secret.
    #[cfg(unix)]
    #[tokio::test]
    async fn m_7_the_password_of_the_first_admin_is_in_a_private_file() {
        use crate::private_file::{mode, set_mode};

        let jwtauth = jwtauth();
        let accounts = jwtauth.accounts().unwrap();
        let folder = env::temp_dir().join(format!("jwtauth-first-admin-mode-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("password");
        fs::write(&path, PASSWORD).unwrap();
        let variables = [("ADMIN", "ann"), ("PASSWORD_FILE", path.to_str().unwrap())];
        set_mode(&path, 0o666).unwrap();
        let error = start(accounts, &variables).await.unwrap_err().to_string();
        assert!(error.contains("anybody can change it: run `chmod 600`"), "{error}");
        set_mode(&path, 0o644).unwrap();
        // A directory is other files' too.
        set_mode(&folder, 0o755).unwrap();
        let of_directory = [("ADMIN", "ann"), ("PASSWORD_FILE", folder.to_str().unwrap())];
        let error = start(accounts, &of_directory).await.unwrap_err().to_string();
        assert!(error.contains("it is a directory: name a file in it"), "{error}");
        assert_eq!(mode(&fs::metadata(&folder).unwrap()), 0o755);
        start(accounts, &variables).await.unwrap().unwrap();
        assert_eq!(mode(&fs::metadata(&path).unwrap()), 0o600);
        fs::remove_dir_all(folder).unwrap();
    }
}
