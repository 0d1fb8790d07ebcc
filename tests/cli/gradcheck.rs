//! Known meta-gradients, and speed.

use super::*;

#[test]
fn gradcheck_passes_the_golden_cases_and_names_what_it_cannot_do() {
    let dir = temp();
    let known = ["sine_k1", "sine_k2_head", "sine_k3_learned_lr", "sine_k5_first", "table_k5"].map(golden);
    for device in ["cpu-f64", "cpu"] {
        let mut command = fastweights(dir.path());
        command.args(["gradcheck", "--device", device]).args(&known);
        command.assert().success().stdout(contains("meta_grad.0.weight").and(contains("FAILED").not()));
    }
    let mut command = fastweights(dir.path());
    let strange = dir.path().join("strange.safetensors");
    let mut bytes = fs::read(golden("sine_k1")).unwrap();
    let relu = bytes.windows(4).position(|w| w == b"relu").unwrap();
    bytes[relu..relu + 4].copy_from_slice(b"rely");
    fs::write(&strange, bytes).unwrap();
    command.args(["gradcheck", "--device", "cpu-f64"]).args([strange, golden("sine_k1")]);
    let mixed = command.assert().code(1).stderr(contains("1 of 2"));
    mixed.stdout(contains("unsupported").and(contains("rely")).and(contains("sine_k1.safetensors: ok")));
    let mut command = fastweights(dir.path());
    command.args(["gradcheck", "--device", "cpu", "missing.safetensors"]);
    command.assert().code(1).stdout(contains("missing.safetensors"));
}

#[test]
fn gradcheck_writes_what_it_computed_and_fails_on_a_wrong_answer() {
    let dir = temp();
    let mut command = fastweights(dir.path());
    command.args(["gradcheck", "--device", "cpu", "--out", "out.safetensors"]);
    command.arg(golden("sine_k3_learned_lr")).assert().success();
    let bytes = fs::read(dir.path().join("out.safetensors")).unwrap();
    let answers = fs::read(golden("sine_k3_learned_lr")).unwrap();
    let (ours, answers) = (
        safetensors::SafeTensors::deserialize(&bytes).unwrap(),
        safetensors::SafeTensors::deserialize(&answers).unwrap(),
    );
    for name in ["meta_grad.2.weight", "meta_grad_lr.2.weight", "meta_loss", "query_loss", "support_loss"] {
        let (a, b) = (ours.tensor(name).unwrap(), answers.tensor(name).unwrap());
        assert_eq!((a.shape(), a.dtype()), (b.shape(), b.dtype()), "{name}");
    }
    let mut command = fastweights(dir.path());
    command.args(["gradcheck", "--out", "two.safetensors"]).args([golden("sine_k1"), golden("sine_k5")]);
    command.assert().code(2).stderr(contains("--out"));
    // One flipped bit of an answer's exponent, and one answer that is not a number.
    let case = fs::read(golden("sine_k1")).unwrap();
    let (header, _) = safetensors::SafeTensors::read_metadata(&case).unwrap();
    let file = safetensors::SafeTensors::deserialize(&case).unwrap();
    let at = file.tensor("meta_grad.0.weight").unwrap().data().as_ptr() as usize - case.as_ptr() as usize;
    assert!(at > header);
    for (name, value) in [("wrong", 1e3_f64), ("nan", f64::NAN)] {
        let mut damaged = case.clone();
        damaged[at..at + 8].copy_from_slice(&value.to_le_bytes());
        let path = dir.path().join(format!("{name}.safetensors"));
        fs::write(&path, damaged).unwrap();
        let mut command = fastweights(dir.path());
        command.args(["gradcheck", "--device", "cpu-f64"]).arg(&path);
        command.assert().code(1).stdout(contains("FAILED").and(contains("meta_grad.0.weight")));
    }
}

/// A case with its header of tensors, or its description, changed.
fn changed_case(to: &Path, change: impl Fn(&mut serde_json::Value, &mut serde_json::Value)) {
    let bytes = fs::read(golden("sine_k1")).unwrap();
    let data = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: serde_json::Value = serde_json::from_slice(&bytes[8..data]).unwrap();
    let mut case = serde_json::from_str(header["__metadata__"]["case"].as_str().unwrap()).unwrap();
    change(&mut header, &mut case);
    header["__metadata__"]["case"] = case.to_string().into();
    let header = header.to_string();
    let parts = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &bytes[data..]];
    fs::write(to, parts.concat()).unwrap();
}

#[test]
fn gradcheck_refuses_a_case_whose_tensors_are_missing_or_of_another_shape() {
    let dir = temp();
    let path = dir.path().join("case.safetensors");
    let refuses = |words: &[&str]| {
        let mut command = fastweights(dir.path());
        command.args(["gradcheck", "--device", "cpu-f64"]).arg(&path);
        let output = command.assert().code(1);
        let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
        assert!(words.iter().all(|word| text.contains(word)), "{text}, without one of {words:?}");
    };
    for name in ["meta_loss", "meta_grad.2.weight", "query_loss", "support_loss", "theta.0.bias"] {
        changed_case(&path, |header, _| {
            // Nothing of the data may be left without a name.
            let tensor = header.as_object_mut().unwrap().remove(name).unwrap();
            header["other"] = tensor;
        });
        refuses(&[name, "missing"]);
    }
    for (name, shape, needed) in [
        ("theta.0.weight", [1, 40].as_slice(), "[40, 1]"),
        ("meta_grad.2.weight", &[1600], "[40, 40]"),
        ("support_x", &[5, 3, 1], "[3, 5, 1]"),
    ] {
        changed_case(&path, |header, _| header[name]["shape"] = shape.into());
        refuses(&[name, needed, &format!("{shape:?}")]);
    }
    changed_case(&path, |_, case| case["inner"]["steps"] = 10_000_000.into());
    refuses(&["inner.steps", "10000000", "1000"]);
    changed_case(&path, |_, case| case["inner"]["steps"] = 1000.into());
    refuses(&["query_loss", "[3, 1001]"]);
}
