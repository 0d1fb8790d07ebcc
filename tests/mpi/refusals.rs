//! Ranks that do not fit each other, and evaluations.

use super::{PROGRAM, SINE, alone, fails, learners, mpirun, ranks, succeeds, temp, train};
use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn ranks_that_do_not_fit_are_refused_by_name_before_anything_is_written() {
    let dir = temp();
    let small = ["sinusoid", "--set", "outer.meta_batch=3"];
    let text = fails(ranks(dir.path(), 4, &train(&small, "1", &["--out", "a"])));
    assert!(text.contains("4 processes for a meta-batch of 3 tasks"), "{text}");
    assert_eq!(text.matches("error:").count(), 1, "{text}");
    let text = fails(ranks(dir.path(), 2, &train(&["no-such-recipe"], "1", &["--out", "a"])));
    assert!(text.contains("no-such-recipe") && text.matches("error:").count() == 1, "{text}");
    for (what, first, second) in [
        ("another recipe", ["--seed", "1"], ["--seed", "2"]),
        ("`meta_batch = 4`, not `meta_batch = 3`", ["--log-every", "5"], ["--set", "outer.meta_batch=4"]),
        ("another instruction set", ["--instructions", "portable"], ["--instructions", "avx2"]),
    ] {
        if what.ends_with("set") && !avx2() {
            continue;
        }
        let [first, second] =
            [first, second].map(|own| train(&small, "1", &[&own[..], &["--out", "a"]].concat()));
        unequal(two(dir.path(), [(".", &first), (".", &second)]), what);
    }
    // The same name on two machines, and other numbers behind it.
    for (machine, slope) in [("one", 1.0), ("other", 1.5)] {
        let mut text = "series,time,value\n".to_owned();
        for at in 0..12 * 60 {
            text += &format!("{},{},{}\n", at / 60, at % 60, slope * f64::from(at % 7));
        }
        fs::create_dir(dir.path().join(machine)).expect("a folder");
        fs::write(dir.path().join(machine).join("series.csv"), text).expect("a file");
    }
    let series = train(&["series", "--csv", "series.csv"], "1", &["--out", "a"]);
    unequal(two(dir.path(), [("one", &series), ("other", &series)]), "other data");
    assert!(!["a", "one/a", "other/a"].iter().any(|run| dir.path().join(run).exists()));
}

/// Two ranks, each in its own folder with its own arguments.
fn two(dir: &Path, each: [(&str, &[String]); 2]) -> Command {
    let mut command = mpirun(dir);
    for (i, (own, arguments)) in each.into_iter().enumerate() {
        command.args([":"].iter().take(i)).args(["-n", "1", "--wdir"]).arg(dir.join(own));
        command.arg(PROGRAM).args(arguments).arg("--mpi");
    }
    command
}

/// Ranks of which one is refused.
fn unequal(command: Command, what: &str) {
    let text = fails(command);
    assert!(text.contains("rank 1 on ") && text.contains(what), "{what}: {text}");
    assert_eq!(text.matches("error:").count(), 1, "{text}");
}

#[test]
fn an_evaluation_is_shared_to_the_numbers_of_one_process() {
    let dir = temp();
    alone(dir.path(), &train(&SINE, "2", &["--quiet", "--out", "a"]));
    let eval_on = |device: [&str; 2], tasks: &str, json: &str| -> Vec<String> {
        let all =
            [&["eval", "a", "--tasks", tasks, "--steps", "3", "--json", json, "--threads", "1"], &device[..]];
        all.concat().into_iter().map(str::to_owned).collect()
    };
    let eval = |tasks: &str, json: &str| eval_on(["--device", "cpu"], tasks, json);
    let found = |json: &str| learners(&dir.path().join(json));
    alone(dir.path(), &eval("70", "one.json"));
    alone(dir.path(), &eval_on(["--devices", "cpu,cpu"], "70", "devices.json"));
    assert_eq!(found("one.json"), found("devices.json"));
    for count in [2, 4] {
        succeeds(ranks(dir.path(), count, &eval("70", "many.json")));
        assert_eq!(found("one.json"), found("many.json"), "{count} ranks");
    }
    // Only the first has the run.
    fs::create_dir(dir.path().join("elsewhere")).expect("a folder");
    succeeds(two(dir.path(), [(".", &eval("70", "two.json")), ("elsewhere", &eval("70", "two.json"))]));
    assert_eq!(found("one.json"), found("two.json"));
    let text = fails(ranks(dir.path(), 4, &eval("3", "few.json")));
    assert!(text.contains("4 processes for an evaluation of 3 tasks"), "{text}");
    unequal(two(dir.path(), [(".", &eval("70", "a.json")), (".", &eval("60", "b.json"))]), "`tasks = 60`");
}

fn avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    #[cfg(not(target_arch = "x86_64"))]
    false
}
