//! Which passwords are allowed, and the one form in which they are hashed.
//!
//! What must not live here: hashing, and anything that remembers a password.

use super::PasswordError;
use crate::core::names;

/// The shortest password, in bytes of its NFC form.
pub const PASSWORD_MIN_BYTES: usize = 8;
/// The longest password, in bytes, as typed and in its NFC form.
pub const PASSWORD_MAX_BYTES: usize = 1024;

/// The rules for a new password. An old one is only ever verified, so that a stricter rule locks no one out.
///
/// # Errors
/// The first rule that the password breaks.
pub fn check_new(password: &str, user_name: &str) -> Result<(), PasswordError> {
    let folded = prepare(password)?.to_lowercase();
    if folded == user_name.to_lowercase() {
        return Err(PasswordError::SameAsName);
    }
    if COMMON.contains(&folded.as_str()) {
        return Err(PasswordError::Common);
    }
    Ok(())
}

/// One password, one byte string, whatever keyboard typed it: PRECIS `OpaqueString` (RFC 8265, section 4.2).
pub(super) fn prepare(password: &str) -> Result<String, PasswordError> {
    // Before the mapping, so that no one makes us normalise a megabyte.
    if password.len() > PASSWORD_MAX_BYTES {
        return Err(PasswordError::TooLong);
    }
    if password.is_empty() {
        return Err(PasswordError::TooShort);
    }
    let prepared = names::freeform(password).map_err(|_| PasswordError::Characters)?;
    match prepared.len() {
        0..PASSWORD_MIN_BYTES => Err(PasswordError::TooShort),
        PASSWORD_MIN_BYTES..=PASSWORD_MAX_BYTES => Ok(prepared),
        _ => Err(PasswordError::TooLong),
    }
}

/// What anyone tries first, as far as it is long enough to pass the length rule. In lower case.
#[rustfmt::skip]
const COMMON: &[&str] = &[
    "00000000", "000000000", "0000000000", "0123456789", "01234567", "0987654321", "1029384756", "10203040",
    "11111111", "111111111", "1111111111", "11223344", "1122334455", "112233445566", "12121212", "123123123",
    "12312312", "1234512345", "12341234", "12344321", "12345678", "123456789", "1234567890", "12345678910",
    "1234567891", "123456789a", "123456789q", "123456abc", "1234abcd", "1234qwer", "123654789", "123qweasd",
    "123qweasdzxc", "147258369", "147852369", "159357456", "159753456", "1a2b3c4d", "1q2w3e4r", "1q2w3e4r5t",
    "1qaz2wsx", "1qaz2wsx3edc", "1qazxsw2", "20082008", "22222222", "33333333", "44444444", "5201314520",
    "52013145", "55555555", "66666666", "66668888", "741852963", "76543210", "77777777", "78945612",
    "789456123", "87654321", "88888888", "888888888", "963852741", "98765432", "987654321", "9876543210",
    "99999999", "999999999", "a1234567", "a12345678", "a123456789", "aa123456", "aaaaaaaa", "abc12345",
    "abc123456", "abcd1234", "abcdefgh", "abcd12345", "admin123", "admin1234", "admin12345", "administrator",
    "asdasdasd", "asdf1234", "asdfasdf", "asdfghjk", "asdfghjkl", "asdfghjkl;", "babygirl", "baseball",
    "basketball", "butterfly", "changeit", "changeme", "changeme1", "charlie1", "chocolate", "computer",
    "default1", "dragon123", "facebook", "football", "football1", "hello123", "hello1234", "helloworld",
    "iloveyou", "iloveyou1", "iloveyou2", "internet", "jennifer", "jordan23", "kinglet1", "kinglet123",
    "letmein1", "letmein123", "liverpool", "login123", "manchester", "master123", "michael1", "michelle",
    "mustang1", "ohmnamah23", "p@$$w0rd", "p@ssw0rd", "p@ssword", "pa$$word", "pa55word", "passw0rd",
    "password", "password!", "password1", "password12", "password123", "password1234", "password2", "pokemon1",
    "princess", "princess1", "q1w2e3r4", "q1w2e3r4t5", "qazwsxedc", "qazwsx123", "qq123456", "qq123456789",
    "qwer1234", "qwerasdf", "qwert123", "qwerty12", "qwerty123", "qwerty1234", "qwertyui", "qwertyuiop",
    "raspberry", "raspberrypi", "raspberry1", "samantha", "secret123", "sunshine", "sunshine1", "superman",
    "superman1", "test1234", "testtest", "trustno1", "victoria", "wang123456", "welcome1", "welcome123",
    "whatever", "woaini123", "woaini1314", "woaini520", "woaiwojia", "zaq12wsx", "zxcvbnm1", "zxcvbnm,",
    "zxcvbnm123", "zhang123", "zxcvzxcv",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_for_a_new_password() {
        let code = |password: &str| {
            check_new(password, "adalovelace").map_or_else(PasswordError::code, |()| "accepted")
        };
        for (password, expected) in [
            ("", "password_too_short"),
            ("1234567", "password_too_short"),
            ("cafe\u{301}12", "password_too_short"),
            ("g7#kQp2x", "accepted"),
            ("三个和尚", "accepted"),
            ("🐒🐒 three heads", "accepted"),
            ("❤\u{fe0f}🥰🤖", "accepted"),
            (
                "\u{1112}\u{1161}\u{11ab} \u{1100}\u{1173}\u{11af}",
                "password_too_short",
            ),
            ("adalovelace", "password_same_as_name"),
            ("AdaLovelace", "password_same_as_name"),
            ("adalovelace2", "accepted"),
            ("password1", "password_common"),
            ("PassWord1", "password_common"),
            ("1q2w3e4r", "password_common"),
            ("tab\there it is", "password_characters"),
            ("zero\u{200b}width", "password_characters"),
        ] {
            assert_eq!(code(password), expected, "{password:?}");
        }
        assert_eq!(code(&"x".repeat(PASSWORD_MAX_BYTES)), "accepted");
        let shorter_in_nfc = format!("{}e\u{301}", "x".repeat(PASSWORD_MAX_BYTES - 2));
        assert_eq!(code(&shorter_in_nfc), "password_too_long");
        assert_eq!(code(&"x".repeat(PASSWORD_MAX_BYTES + 1)), "password_too_long");
    }

    #[test]
    fn the_list_of_common_passwords_has_no_dead_entry() {
        for (at, password) in COMMON.iter().enumerate() {
            assert!(prepare(password).is_ok(), "{password} fails an earlier rule");
            assert_eq!(*password, password.to_lowercase());
            assert!(!COMMON[..at].contains(password), "{password} is listed twice");
        }
        assert!(COMMON.len() >= 100);
    }
}
