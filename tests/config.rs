//! The configuration through its public door: the example file, the file, the environment, and what is called wrong.
//! `KINGLET_UPDATE_GOLDEN=1` rewrites the example file. What must not live here: what the server does with a setting.

use std::fs;
use std::path::{Path, PathBuf};

use kinglet::app::config::{Config, ConfigError, LogLevel, Problem, TlsMode, Transport, WhoMayInvite};

const NO_ENV: [(&str, &str); 0] = [];

fn example_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/kinglet.example.toml")
}

/// Loads `text` as the file, so that nothing on this machine plays a part.
fn load(text: &str, env: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let directory = tempfile::tempdir().expect("a test may make a directory");
    let path = directory.path().join("kinglet.toml");
    fs::write(&path, text).expect("the directory is new");
    let config = Config::load(Some(&path), env.iter().copied())?;
    assert_eq!(config.source.as_deref(), Some(path.as_path()));
    Ok(Config {
        source: None,
        ..config
    })
}

fn wrong(text: &str, env: &[(&str, &str)]) -> String {
    load(text, env).expect_err("it was accepted").to_string()
}

fn problems(text: &str) -> Vec<Problem> {
    load(text, &[]).expect("it parses").problems()
}

fn keys(text: &str) -> Vec<String> {
    problems(text).into_iter().map(|problem| problem.key).collect()
}

#[test]
fn the_example_file_is_what_the_settings_say() {
    let example = Config::example();
    if std::env::var_os("KINGLET_UPDATE_GOLDEN").is_some() {
        fs::write(example_path(), &example).expect("the example file can be written");
    }
    let stored = fs::read_to_string(example_path()).unwrap_or_default();
    assert_eq!(
        stored, example,
        "run KINGLET_UPDATE_GOLDEN=1 cargo test --test config, then read the difference"
    );
}

#[test]
fn the_example_is_the_default_commented_and_uncommented() {
    let example = Config::example();
    assert_eq!(
        load(&example, &[]).expect("the example parses"),
        Config::default()
    );
    let mut keys = 0;
    let uncommented: String = example
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.is_empty() && !setting.starts_with(' ') => {
                keys += 1;
                format!("{setting}\n")
            }
            _ => format!("{line}\n"),
        })
        .collect();
    assert!(keys >= 23, "only {keys} settings are shown");
    assert_eq!(
        load(&uncommented, &[]).expect("every default parses"),
        Config::default()
    );
    let described = |line: &&str| !line.starts_with('[') && !line.trim().is_empty();
    let mut before = "";
    for line in example.lines() {
        if line.starts_with('#') && !line.starts_with("# ") && line != "#" {
            assert!(
                described(&before) && before.starts_with("# "),
                "{line} has no comment"
            );
        }
        before = line;
    }
}

#[test]
fn the_defaults_have_no_problem_and_listen_on_loopback() {
    let config = load("", &[]).expect("an empty file is fine");
    assert_eq!(config.problems(), []);
    let address = config.address().expect("the default address parses");
    assert!(address.ip().is_loopback());
    assert_eq!(config.transport(address), Ok(Transport::Plain));
}

#[test]
fn an_unknown_key_is_an_error_that_names_its_place() {
    for (text, key) in [
        ("date_dir = \"x\"", "date_dir"),
        ("[listen]\nadress = \"x\"", "adress"),
        ("[lisen]\n", "lisen"),
        ("[limits]\nconnections = \"many\"", "connections"),
        ("[limits]\nconnections = -1", "connections"),
        ("[tls]\nmode = \"on\"", "on"),
        ("[log]\nlevel = ", "level"),
    ] {
        let message = wrong(text, &[]);
        assert!(
            message.contains(key) && message.contains("line") && message.contains("kinglet.toml"),
            "{message}"
        );
    }
}

#[test]
fn a_named_file_must_exist() {
    let missing = Path::new("/nowhere/kinglet.toml");
    let error = Config::load(Some(missing), NO_ENV).expect_err("it does not exist");
    assert!(matches!(error, ConfigError::Read { .. }), "{error}");
    let error =
        Config::load(None, [("KINGLET_CONFIG", "/nowhere/other.toml")]).expect_err("it does not exist");
    assert!(error.to_string().contains("/nowhere/other.toml"), "{error}");
}

#[test]
fn a_file_too_large_to_be_a_configuration_is_not_read() {
    let line = "# a picture, a disk image, a log\n";
    let message = wrong(&line.repeat(1024 * 1024 / line.len() + 1), &[]);
    assert!(
        message.contains("more than a configuration can have"),
        "{message}"
    );
}

#[test]
fn the_environment_overrides_the_file() {
    let text =
        "[listen]\naddress = \"127.0.0.1:1\"\nhosts = [\"a\"]\n[limits]\nconnections = 5\nmemory_mib = 100\n";
    let env = [
        ("PATH", "/bin"),
        ("KINGLET_DATA_DIR", "/var/lib/kinglet"),
        ("KINGLET_LISTEN_ADDRESS", "127.0.0.1:2"),
        ("KINGLET_LISTEN_ORIGINS", "https://a.example, https://b.example"),
        ("KINGLET_LISTEN_HOSTS", ""),
        ("KINGLET_LISTEN_BEHIND_PROXY", "true"),
        ("KINGLET_TLS_MODE", "files"),
        ("KINGLET_LIMITS_CONNECTIONS", "7"),
        ("KINGLET_ACCOUNTS_WHO_MAY_INVITE", "members"),
        ("KINGLET_LOG_LEVEL", "warn"),
        ("KINGLET_UPDATE_GOLDEN", "1"),
        ("KINGLET_TEST_ANYTHING", "1"),
    ];
    let config = load(text, &env).expect("all of them are right");
    let mut expected = Config {
        data_dir: PathBuf::from("/var/lib/kinglet"),
        ..Config::default()
    };
    expected.listen.address = "127.0.0.1:2".to_owned();
    expected.listen.origins = vec!["https://a.example".to_owned(), "https://b.example".to_owned()];
    expected.listen.behind_proxy = true;
    expected.tls.mode = TlsMode::Files;
    expected.limits.connections = 7;
    expected.limits.memory_mib = 100;
    expected.accounts.who_may_invite = WhoMayInvite::Members;
    expected.log.level = LogLevel::Warn;
    assert_eq!(config, expected);
}

#[test]
fn a_wrong_variable_is_an_error_that_names_it() {
    for (name, value, hint) in [
        ("KINGLET_LISTEN_ADRESS", "x", "KINGLET_LISTEN_ADDRESS"),
        (
            "KINGLET_LISTEN_PORT",
            "8443",
            "KINGLET_LISTEN_ADDRESS=127.0.0.1:8080",
        ),
        ("KINGLET_PORT", "8443", "KINGLET_LISTEN_ADDRESS=127.0.0.1:8080"),
        ("KINGLET_TLS_CERT", "x", "KINGLET_TLS_CERTIFICATE"),
        ("KINGLET_LISTEN_IP", "x", "KINGLET_LISTEN_ADDRESS, "),
        ("KINGLET_XYLOPHONE", "x", "Unset it"),
        ("KINGLET_LIMITS_CONNECTIONS", "many", "not a number"),
        ("KINGLET_LIMITS_CONNECTIONS", "-1", "u32"),
        ("KINGLET_LISTEN_BEHIND_PROXY", "yes", "true or false"),
        ("KINGLET_TLS_MODE", "on", "auto"),
    ] {
        let message = wrong("", &[("KINGLET_LOG_LEVEL", "warn"), (name, value)]);
        assert!(
            message.contains(&format!("{name} ")) && message.contains(hint),
            "{name}={value}: {message}"
        );
    }
}

#[test]
fn a_mistake_in_the_file_shows_even_when_a_variable_covers_it() {
    let message = wrong(
        "[limits]\nconnections = \"many\"",
        &[("KINGLET_LIMITS_CONNECTIONS", "7")],
    );
    assert!(message.contains("line 2"), "{message}");
}

#[test]
fn beyond_loopback_nothing_is_in_the_clear() {
    assert_eq!(
        keys("[listen]\naddress = \"0.0.0.0:8080\"\n[tls]\nmode = \"off\""),
        ["tls.mode"]
    );
    assert_eq!(
        keys("[listen]\naddress = \"192.168.1.5:8080\"\n[tls]\nmode = \"off\""),
        ["tls.mode"]
    );
    assert_eq!(
        keys("[listen]\naddress = \"[::]:8080\"\n[tls]\nmode = \"off\""),
        ["tls.mode"]
    );
    let proxy =
        "[listen]\naddress = \"0.0.0.0:8080\"\nbehind_proxy = true\ntrusted_proxies = [\"10.0.0.2\"]\n";
    assert_eq!(keys(&format!("{proxy}[tls]\nmode = \"off\"")), [""; 0]);

    let transport = |text: &str| {
        let config = load(text, &[]).expect("it parses");
        config.transport(config.address().expect("the address parses"))
    };
    assert_eq!(
        transport("[listen]\naddress = \"0.0.0.0:8443\""),
        Ok(Transport::Local)
    );
    assert_eq!(
        transport("[listen]\naddress = \"[::1]:8443\""),
        Ok(Transport::Plain)
    );
    assert_eq!(
        transport("[listen]\naddress = \"[::ffff:127.0.0.1]:8443\""),
        Ok(Transport::Plain)
    );
    assert_eq!(transport("[tls]\nmode = \"local\""), Ok(Transport::Local));
    assert_eq!(transport(proxy), Ok(Transport::Plain));
    let files = Transport::Files {
        certificate: PathBuf::from("/c.pem"),
        key: PathBuf::from("/k.pem"),
    };
    assert_eq!(
        transport("[tls]\ncertificate = \"/c.pem\"\nkey = \"/k.pem\""),
        Ok(files)
    );
}

#[test]
fn each_problem_names_its_key() {
    for (text, expected) in [
        ("data_dir = \"\"", "data_dir"),
        ("data_dir = \"/dev/null\"", "data_dir"),
        ("[listen]\naddress = \"localhost:8080\"", "listen.address"),
        ("[listen]\naddress = \"127.0.0.1\"", "listen.address"),
        ("[listen]\nhttp_address = \"8080\"", "listen.http_address"),
        ("[listen]\nhttp_address = \"0.0.0.0:8080\"", "listen.http_address"),
        (
            "[listen]\ncanonical_url = \"chat.example.org\"",
            "listen.canonical_url",
        ),
        (
            "[listen]\ncanonical_url = \"https://chat.example.org/chat\"",
            "listen.canonical_url",
        ),
        (
            "[listen]\ncanonical_url = \"https://a@chat.example.org\"",
            "listen.canonical_url",
        ),
        (
            "[listen]\ncanonical_url = \"ftp://chat.example.org\"",
            "listen.canonical_url",
        ),
        (
            "[listen]\naddress = \"0.0.0.0:8443\"\ncanonical_url = \"http://kinglet.local:8443\"",
            "listen.canonical_url",
        ),
        ("[listen]\norigins = [\"null\"]", "listen.origins"),
        ("[listen]\norigins = [\"*\"]", "listen.origins"),
        ("[listen]\nhosts = [\"kinglet.local:8080\"]", "listen.hosts"),
        ("[listen]\nhosts = [\"https://kinglet.local\"]", "listen.hosts"),
        (
            "[listen]\ntrusted_proxies = [\"proxy.local\"]",
            "listen.trusted_proxies",
        ),
        (
            "[listen]\ntrusted_proxies = [\"0.0.0.0/0\"]",
            "listen.trusted_proxies",
        ),
        ("[listen]\nbehind_proxy = true", "listen.trusted_proxies"),
        ("[tls]\nnames = [\"two words\"]", "tls.names"),
        ("[tls]\nmode = \"files\"\nkey = \"/dev/null\"", "tls.certificate"),
        ("[tls]\ncertificate = \"/dev/null\"", "tls.key"),
        (
            "[tls]\ncertificate = \"/nowhere/c.pem\"\nkey = \"/dev/null\"",
            "tls.certificate",
        ),
        (
            "[tls]\nmode = \"local\"\ncertificate = \"/dev/null\"",
            "tls.certificate",
        ),
        (
            "[limits]\nconnections = 0\nconnections_per_user = 1\nconnections_per_address = 1",
            "limits.connections",
        ),
        (
            "[limits]\nconnections = 300\nconnections_per_user = 301",
            "limits.connections_per_user",
        ),
        (
            "[limits]\nconnections_per_address = 0",
            "limits.connections_per_address",
        ),
        ("[limits]\nmessage_bytes = 4095", "limits.message_bytes"),
        ("[limits]\nmemory_mib = 95", "limits.memory_mib"),
        ("[limits]\ntail_mib = 0", "limits.tail_mib"),
        ("[accounts]\ninvitation_days = 0", "accounts.invitation_days"),
        ("[files]\nfile_mib = 0", "files.file_mib"),
        ("[files]\nuser_mib = 99", "files.user_mib"),
        (
            "[messages]\nrecall_minutes = 4000000000",
            "messages.recall_minutes",
        ),
        (
            "[messages]\nedit_limit_minutes = 4000000000",
            "messages.edit_limit_minutes",
        ),
        ("[retention]\ndays = 36501", "retention.days"),
    ] {
        assert_eq!(keys(text), [expected], "{text}");
    }
    let good = "[listen]\ncanonical_url = \"https://[fd00::1]:8443/\"\norigins = [\"http://kinglet.local:8080\"]\nhosts = [\"fd00::1\", \"a-b.c\"]\ntrusted_proxies = [\"127.0.0.1\", \"fd00::/8\"]";
    assert_eq!(problems(good), []);
}

#[test]
fn a_problem_says_what_and_how_to_fix_it() {
    for problem in
        problems("data_dir = \"\"\n[listen]\naddress = \"x\"\nbehind_proxy = true\n[limits]\ntail_mib = 0")
    {
        assert!(!problem.what.is_empty() && !problem.fix.is_empty(), "{problem:?}");
        let text = problem.to_string();
        assert_eq!(
            text,
            format!("{}: {}. {}.", problem.key, problem.what, problem.fix)
        );
        assert!(!text.contains(".."), "{text}");
    }
}

#[test]
fn push_is_not_offered_before_somebody_is_named_whom_a_service_may_write_to() {
    let with = |rest: &str| keys(&format!("[push]\nenabled = true\n{rest}"));
    assert!(keys("[push]\nenabled = false").is_empty(), "it is off");
    assert_eq!(with(""), ["push.subject"]);
    for good in [
        "mailto:admin@example.org",
        "https://chat.example.org",
        "https://chat.example.org:8443/contact",
    ] {
        assert!(with(&format!("subject = {good:?}")).is_empty(), "{good}");
    }
    for bad in [
        "admin@example.org",
        "mailto:admin",
        "mailto:@example.org",
        "mailto:a b@example.org",
        "mailto:admin@kinglet.local",
        "mailto:admin@localhost",
        "mailto:admin@192.168.1.9",
        "https://kinglet.local",
        "https://chat.home.arpa",
        "https://192.168.1.9",
        "http://chat.example.org",
    ] {
        assert_eq!(with(&format!("subject = {bad:?}")), ["push.subject"], "{bad}");
    }
    let said = problems("[push]\nenabled = true\nsubject = \"mailto:admin@kinglet.local\"")[0].to_string();
    assert!(
        said.contains("refuse") && said.contains("mailto:admin@example.org"),
        "{said}"
    );
}

#[test]
fn push_services_of_ones_own_are_hosts_with_a_port_or_without() {
    let with = |rest: &str| {
        keys(&format!(
            "[push]\nenabled = true\nsubject = \"mailto:admin@example.org\"\n{rest}"
        ))
    };
    assert!(
        with("hosts = [\"ntfy.lan\", \"192.168.1.9:8443\", \"[fd00::9]:8443\"]\npublic = false").is_empty()
    );
    for bad in [
        "https://ntfy.lan",
        "ntfy.lan:",
        "ntfy.lan:0",
        "ntfy.lan/up",
        "",
        "me@ntfy.lan",
        "a b",
    ] {
        assert_eq!(with(&format!("hosts = [{bad:?}]")), ["push.hosts"], "{bad}");
    }
    assert_eq!(
        with("public = false"),
        ["push.hosts"],
        "nobody is left to send to"
    );
    assert_eq!(with("ca = \"/nowhere/ca.pem\""), ["push.ca"]);
}
