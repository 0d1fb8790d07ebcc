//! Rates, and what a GPU's owner is asked for.

use super::*;

#[test]
fn bench_writes_an_array() {
    let dir = temp();
    let mut command = fastweights(dir.path());
    command.args(["bench", "--device", "cpu", "--seconds", "0.005", "--json", "bench.json"]);
    command.args(["--workload", "sine", "--workload", "series", "--workload", "sine-paper-first-order"]);
    command.args(["--meta-batch", "3", "--meta-batch", "17"]).assert().success().stdout(contains("GFLOP/s"));
    let rows = json(dir.path().join("bench.json"));
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 6);
    for row in rows {
        for key in ["iterations_per_s", "tasks_per_s", "gflops"] {
            assert!(row[key].as_f64().unwrap() > 0.0, "{row}");
        }
        assert!(row["samples_per_s"].as_array().unwrap().len() >= 5);
    }
    assert_eq!((&rows[2]["workload"], &rows[2]["inner_steps"]), (&"series".into(), &5.into()));
    assert_eq!((&rows[4]["order"], &rows[5]["meta_batch"]), (&"first".into(), &17.into()));
}

#[test]
fn a_report_is_of_a_gpu_that_there_is() {
    let dir = temp();
    let report = ["bench", "--seconds", "0.005", "--workload", "sine", "--report", "card.json"];
    let mut command = fastweights(dir.path());
    command.args(report).args(["--device", "cpu"]).assert().code(2).stderr(contains("is of a GPU"));
    let mut command = fastweights(dir.path());
    command.args(report).args(["--json", "bench.json"]).assert().code(2).stderr(contains("--json"));
    let mut command = fastweights(dir.path());
    command.args(report).args(["--device", "no such card"]).assert().code(1).stderr(contains("no such card"));
    assert!(!dir.path().join("card.json").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn the_script_for_a_machine_with_a_gpu_runs_from_a_folder() {
    if adapter::device("the script for a machine with a GPU").is_none() {
        return;
    }
    let (dir, root) = (temp(), Path::new(env!("CARGO_MANIFEST_DIR")));
    let folder = dir.path().join("packed");
    fs::create_dir_all(folder.join("golden")).unwrap();
    fs::copy(assert_cmd::cargo::cargo_bin("fastweights"), folder.join("fastweights")).unwrap();
    fs::copy(root.join("benches/gpu_day.sh"), folder.join("gpu_day.sh")).unwrap();
    for file in fs::read_dir(root.join("tests/golden")).unwrap() {
        let file = file.unwrap();
        if file.file_name().to_string_lossy().starts_with("sin") {
            fs::copy(file.path(), folder.join("golden").join(file.file_name())).unwrap();
        }
    }
    let mut script = Command::new("sh");
    script.current_dir(dir.path()).args(["packed/gpu_day.sh", "--short", "--device", "any", "--out", "out"]);
    let outcome = script.assert();
    let words = |name: &str| fs::read_to_string(dir.path().join("out").join(name)).unwrap_or_default();
    assert!(
        outcome.get_output().status.success(),
        "{outcome} {} {}",
        words("training.txt"),
        words("eval.txt")
    );
    let found = json(dir.path().join("out/gpu_day.json"));
    let steps = found["steps"].as_array().unwrap();
    let names: Vec<_> = steps.iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(names, ["devices", "golden", "bench", "training", "eval"]);
    assert!(steps.iter().all(|step| step["exit"] == 0), "{found}");
    let report = &found["report"];
    let all = |key: &str| report[key].as_array().unwrap();
    let (adapter, checks, rows) = (&report["adapter"], all("checks"), all("rows"));
    assert!(adapter["capacity"]["workgroup_bytes"].as_u64().unwrap() >= 16 << 10, "{report}");
    assert_eq!((checks.len(), rows.len(), all("failures").len()), (1, 1, 0), "{report}");
    // Rounding differs somewhere between the two.
    let error = checks[0]["gradient_error"].as_f64().unwrap();
    assert!(checks[0]["agrees"].as_bool().unwrap() && error > 0.0 && error < 1e-4, "{report}");
    let timed = adapter["timestamps"].as_bool().unwrap();
    assert_eq!(rows[0]["kernels"].as_array().is_some_and(|kernels| !kernels.is_empty()), timed, "{report}");
    for rate in [&rows[0], &all("workgroups")[0]] {
        assert!(rate["iterations_per_s"].as_f64().unwrap() > 0.0, "{report}");
    }
    assert!(found["training"].is_object() && found["jax"].is_null(), "{found}");
    let table = fs::read_to_string(dir.path().join("out/gpu_day.md")).unwrap();
    assert!(table.contains("| golden | ok |") && table.contains("sine: agrees with the CPU"), "{table}");
    // What is missing is named, and nothing is run.
    fs::remove_file(folder.join("fastweights")).unwrap();
    let mut script = Command::new("sh");
    script.current_dir(dir.path()).args(["packed/gpu_day.sh", "--out", "none"]);
    script.assert().code(2).stderr(contains("fastweights is missing"));
    assert!(!dir.path().join("none").exists());
}
