//! The manual pages of `packaging/man/`: generated from the command line itself, one for each subcommand.
//! `KINGLET_UPDATE_GOLDEN=1` rewrites them. What must not live here: the texts, which are in `src/app/cli.rs`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap_mangen::Man;
use kinglet::app::cli::Cli;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/man")
}

/// Every page by its file's name. No version stands in them: a new one changes no page.
fn pages(command: &clap::Command, into: &mut BTreeMap<String, String>) {
    let man = Man::new(command.clone()).source("Kinglet").manual("Kinglet");
    let name = man.get_filename();
    let mut page = Vec::new();
    let rendered = man
        .render_title(&mut page)
        .and_then(|()| man.render_name_section(&mut page))
        .and_then(|()| man.render_synopsis_section(&mut page))
        .and_then(|()| man.render_description_section(&mut page))
        .and_then(|()| man.render_options_section(&mut page));
    rendered.expect("memory takes it");
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)
            .expect("memory takes it");
    }
    man.render_extra_section(&mut page).expect("memory takes it");
    into.insert(name, String::from_utf8(page).expect("a page is text"));
    for inner in command.get_subcommands() {
        pages(inner, into);
    }
}

#[test]
fn the_pages_are_the_command_line() {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut wanted = BTreeMap::new();
    pages(&command, &mut wanted);
    assert!(wanted.contains_key("kinglet-serve.1") && wanted.contains_key("kinglet-user-disable.1"));
    if std::env::var_os("KINGLET_UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(folder()).expect("the folder can be made");
        for (name, page) in &wanted {
            fs::write(folder().join(name), page).expect("the page can be written");
        }
    }
    let next = "KINGLET_UPDATE_GOLDEN=1 cargo test --test man";
    for (name, page) in &wanted {
        let there = fs::read_to_string(folder().join(name)).unwrap_or_default();
        assert!(there == *page, "packaging/man/{name} is stale: {next}");
    }
    for entry in fs::read_dir(folder()).expect("the folder is in the tree") {
        let name = entry.expect("the folder can be read").file_name();
        let name = name.to_string_lossy();
        assert!(
            wanted.contains_key(name.as_ref()),
            "packaging/man/{name} is of no command any more; remove it"
        );
    }
}
