//! Sets that are there.

use super::*;
use predicates::str::contains;

#[test]
fn sets_are_listed_and_a_missing_one_says_how_to_get_it() {
    let dir = temp();
    data(dir.path(), &["list"])
        .assert()
        .success()
        .stdout(contains("no sets"))
        .stderr(contains("fetch omniglot"));
    data(dir.path(), &["list", "--json"]).assert().success().stdout("[]\n");
    let error = fastweights::data::load("omniglot", Some(&dir.path().join("sets"))).unwrap_err().to_string();
    assert!(error.contains("fetch omniglot") && error.contains("no sets are there"), "{error}");
    archives(dir.path());
    data(dir.path(), &["import", "omniglot", "."]).assert().success();
    data(dir.path(), &["list"]).assert().success().stdout(contains("40 images of 28 × 28"));
    let run = data(dir.path(), &["list", "--json"]).assert().success();
    let rows: serde_json::Value = serde_json::from_slice(&run.get_output().stdout).unwrap();
    assert_eq!((&rows[0]["name"], &rows[0]["classes"]["test"]), (&"omniglot".into(), &3.into()));
    let error = fastweights::data::load("mini", Some(&dir.path().join("sets"))).unwrap_err().to_string();
    assert!(error.contains("import images mini") && error.contains("there: omniglot"), "{error}");
    // Elsewhere, and damaged.
    let sets = dir.path().join("sets");
    let other = data(temp().path(), &["list", "--data"]).arg(&sets).assert().success();
    other.stdout(contains("omniglot"));
    fs::write(sets.join("bad.safetensors"), "bad").unwrap();
    data(dir.path(), &["list"]).assert().success().stdout(contains("bad.safetensors: is damaged"));
}
