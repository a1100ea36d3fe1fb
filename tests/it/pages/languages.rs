//! Texts of pages in a second language.

use super::*;

/// What is wrong with a name or a password is said in the language of the page, at its field.
#[test]
fn refused_names_and_passwords_are_translated() {
    bounded(async {
        let german = {
            let mut german = PageTexts::default();
            german.lang = "de".into();
            german.required = "Bitte ausfüllen.".into();
            german.password_too_short = "Es hat weniger als {} Zeichen.".into();
            german.password_too_long = "Es hat mehr als {} Byte.".into();
            german.password_is_name = "Das ist der Name.".into();
            german.name_has_space = "Ein Name hat keine Leerzeichen.".into();
            german.name_has_symbol = "Ein Name hat keine Symbole.".into();
            german.name_has_unseen = "Ein Name hat nichts Unsichtbares.".into();
            german.name_begins_with_mark = "Er beginnt mit einem Akzent.".into();
            german.name_too_long = "Er hat mehr als {} Byte.".into();
            german
        };
        let site = site(|pages| pages.translate(move |_| Some(german.clone()))).await;
        let (long_name, long_password) = ("a".repeat(256), "x".repeat(1_025));
        for (name, password, said) in [
            ("ann", "short", "Es hat weniger als 8 Zeichen."),
            ("ann", &*long_password, "Es hat mehr als 1024 Byte."),
            ("wonderland", "Wonderland", "Das ist der Name."),
            ("ann lee", PASSWORD, "Ein Name hat keine Leerzeichen."),
            ("ann\u{20ac}", PASSWORD, "Ein Name hat keine Symbole."),
            ("ann\u{3164}", PASSWORD, "Ein Name hat nichts Unsichtbares."),
            ("\u{301}ann", PASSWORD, "Er beginnt mit einem Akzent."),
            (&long_name, PASSWORD, "Er hat mehr als 255 Byte."),
        ] {
            let person = Person::new(&site, FIREFOX);
            let page = person.send("register", &[("username", name), ("password", password)]).await;
            assert_eq!(page.status(), 422, "{said}");
            let page = text(page).await;
            assert!(page.contains(said) && !page.contains("It has"), "{said}: {page}");
        }
        let ann = Person::new(&site, FIREFOX);
        ann.register("ann").await;
        let new = [("old_password", PASSWORD), ("new_password", "short")];
        let page = text(ann.send("password", &new).await).await;
        assert!(page.contains("Es hat weniger als 8 Zeichen."), "{page}");
    });
}
