//! Wrong calls.

use super::*;

#[test]
fn a_wrong_call_names_the_key_and_writes_nothing() {
    let dir = temp();
    for (arguments, words) in [
        (&["train", "--set", "inner.stepz=5"][..], &["`inner.stepz`", "did you mean `steps`"][..]),
        (&["train", "--set", "inner.order=both"], &["`inner.order`", "both", "first, second"]),
        (&["train", "--set", "inner.steps=many"], &["`inner.steps`", "many"]),
        (&["train", "--set", "model.loss=cross_entropy"], &["`model.loss`", "mse"]),
        (&["train", "--set", "nonsense"], &["nonsense", "key=value"]),
        (&["train", "--steps", "0"], &["`--steps (outer.iterations)`", "1 to"]),
        (&["train", "--steps", "-1"], &["--steps"]),
        (&["train", "--seed", "99999999999999999999"], &["--seed"]),
        (&["train", "--threads", "0"], &["--threads"]),
        (&["train", "--device", "cpu-f64"], &["cpu-f64"]),
        (&["train", "sinusiod"], &["did you mean `sinusoid`"]),
        (&["train", "no/such/file.toml"], &["no/such/file.toml"]),
        (&["bench", "--workload", "sin"], &["--workload", "sine-paper-5steps"]),
        (&["bench", "--blocks", "4"], &["--blocks"]),
        (&["gradcheck"], &["FILE"]),
        (&["frobnicate"], &["frobnicate"]),
        (&[], &["Usage"]),
    ] {
        let run = fastweights(dir.path()).args(arguments).assert().code(2);
        let text = String::from_utf8(run.get_output().stderr.clone()).unwrap();
        for word in words {
            assert!(text.contains(word), "{arguments:?} gives: {text}, without {word}");
        }
        assert!(!text.contains("panicked"), "{text}");
    }
    assert_eq!(files(dir.path()), Vec::<PathBuf>::new());
    fs::write(dir.path().join("broken.toml"), "seed = 1\n[inner\nsteps = 2\n").unwrap();
    let broken = train(dir.path(), &["broken.toml"]).assert().code(1);
    broken.stderr(contains("broken.toml").and(contains("line 2")));
}

/// What another setting takes away is no setting any more, and a flag that a recipe has no use for is none of it.
#[test]
fn what_a_recipe_does_not_use_is_refused_by_name() {
    let dir = temp();
    for (recipe, arguments, word) in [
        ("sinusoid", &["--data", "here"][..], "--data"),
        ("sinusoid", &["--label", "x"], "--label"),
        ("sinusoid", &["--set", "validation.tasks=3"], "validation.tasks"),
        ("sinusoid", &["--set", "control.enabled=false", "--set", "control.lr=0.5"], "control.lr"),
        (
            "sinusoid",
            &["--set", "outer.optimizer=sgd", "--set", "control.optimizer=sgd", "--set", "outer.eps=1"],
            "outer.eps",
        ),
        ("series", &["--set", "evaluation.dense=9"], "evaluation.dense"),
        ("table", &["--images", "x"], "--images"),
        ("glyphs-5way-1shot", &["--set", "control.lr=0.3"], "control.lr"),
        ("glyphs-5way-1shot", &["--set", "validation.every=0", "--patience", "9"], "validation.patience"),
    ] {
        let run = train(dir.path(), &[&[recipe, "--steps", "1", "--quiet"], arguments].concat()).assert();
        run.code(2).stderr(contains(word));
    }
    assert_eq!(files(dir.path()), Vec::<PathBuf>::new());
}

#[test]
fn what_does_not_fit_into_memory_is_refused_before_anything_is_written() {
    let dir = temp();
    for settings in [
        // More than eight tebibytes each, for the sums of a meta-batch's chunks.
        &["outer.meta_batch=1048576", "model.hidden=[16384,16384]"][..],
        &["outer.meta_batch=1048576", "model.hidden=[16384,16384]", "inner.steps=1000"],
    ] {
        let settings: Vec<_> = settings.iter().flat_map(|s| ["--set", s]).collect();
        let run = train(dir.path(), &["--steps", "1", "--quiet"]).args(settings).assert().code(1);
        run.stderr(contains("memory for").and(contains("needed")).and(contains("outer.meta_batch")));
    }
    assert_eq!(files(dir.path()), Vec::<PathBuf>::new());
}

#[test]
fn no_such_adapter_lists_what_there_is() {
    let dir = temp();
    let run = fastweights(dir.path()).args(["train", "--device", "no such adapter"]).assert().code(1);
    run.stderr(contains("no such adapter"));
    fastweights(dir.path()).arg("devices").assert().success().stdout(contains("cpu"));
    assert_eq!(files(dir.path()), Vec::<PathBuf>::new());
}

/// A reader that is gone, as after `| head -1`.
#[cfg(unix)]
#[test]
fn a_closed_pipe_is_survived() {
    use std::process::{Command, Stdio};
    for arguments in [&["recipes"][..], &["recipes", "sinusoid"], &["--help"], &["devices"]] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fastweights"))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !stderr.contains("panicked"), "{arguments:?}: {stderr}");
    }
}
