//! The API's description against its golden file. `KINGLET_UPDATE_GOLDEN=1 cargo test --test openapi` writes it anew.
//! What must not live here: what the routes do.

use std::path::Path;

use kinglet::gateway::http::openapi;

#[test]
fn docs_openapi_json_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let now = openapi::document();
    if std::env::var_os("KINGLET_UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &now).expect("docs/openapi.json can be written");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = golden.lines().zip(now.lines()).position(|(old, new)| old != new);
    assert!(
        golden == now,
        "docs/openapi.json is not what the routes say (first difference in line {:?}): look at the change, then run \
         `KINGLET_UPDATE_GOLDEN=1 cargo test --test openapi`",
        differs.map(|line| line + 1)
    );
}
