//! ONNX Runtime, through a Python that has it: `FASTWEIGHTS_PYTHON`, else `python3`.

use super::{every_op, inputs, relative_error};
use crate::backend::cpu::CpuBackend;
use crate::export::{Format, export};
use std::process::Command;

/// Runs every file of a folder on the numbers beside it.
const SCRIPT: &str = r"
import sys, glob, numpy, onnxruntime, onnx
for path in sorted(glob.glob(sys.argv[1] + '/*.onnx')):
    onnx.checker.check_model(path, full_check=True)
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    given = session.get_inputs()[0]
    x = numpy.fromfile(path[:-5] + '.x', dtype='<f4').reshape([-1] + given.shape[1:])
    session.run(['y'], {given.name: x})[0].astype('<f4').tofile(path[:-5] + '.y')
";

/// Reads weights as NumPy and PyTorch's safetensors do.
const ARRAYS: &str = r"
import sys, numpy
from safetensors.numpy import load_file
arrays, tensors = numpy.load(sys.argv[1] + '/w.npz'), load_file(sys.argv[1] + '/w.safetensors')
assert sorted(arrays.files) == sorted(tensors), (arrays.files, sorted(tensors))
for name in arrays.files:
    assert arrays[name].dtype == numpy.float32 and arrays[name].shape == tensors[name].shape, name
    assert (arrays[name] == tensors[name]).all(), name
assert any(name.endswith('running_var') for name in arrays.files)
";

/// A Python that has these packages; says that the test is skipped if there is none.
fn python(test: &str, packages: &str) -> Option<String> {
    let python = std::env::var("FASTWEIGHTS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has = Command::new(&python).args(["-c", &format!("import {packages}")]).output();
    if has.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    eprintln!(
        "{test}: skipped: {python} has not all of {packages}; FASTWEIGHTS_PYTHON names a Python that has"
    );
    None
}

fn check(python: &str, script: &str, folder: &std::path::Path) {
    let output = Command::new(python).args(["-c", script]).arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn onnx_runtime_computes_the_same() {
    let Some(python) = python("onnx_runtime_computes_the_same", "onnxruntime, onnx, numpy") else { return };
    let dir = tempfile::tempdir().unwrap();
    let cpu = CpuBackend::new(Some(1));
    let all = every_op();
    let place = |number: usize, ending: &str| dir.path().join(format!("{number:03}.{ending}"));
    for (number, (_, adapted)) in all.iter().enumerate() {
        export(adapted, Format::Onnx, &place(number, "onnx")).unwrap();
        let bytes: Vec<u8> = inputs(adapted, 5).iter().flat_map(|v| v.to_le_bytes()).collect();
        std::fs::write(place(number, "x"), bytes).unwrap();
    }
    check(&python, SCRIPT, dir.path());
    let mut worst = (0.0, "");
    for (number, (name, adapted)) in all.iter().enumerate() {
        let bytes = std::fs::read(place(number, "y")).unwrap();
        let found: Vec<f32> =
            bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        let error = relative_error(&found, &adapted.outputs(&cpu, &inputs(adapted, 5)).unwrap());
        assert!(error <= 1e-5, "{name}: {error:e}");
        worst = if error > worst.0 { (error, name) } else { worst };
    }
    eprintln!("{} graphs, worst {:e} ({})", all.len(), worst.0, worst.1);
}

#[test]
fn weights_are_read_by_numpy_as_by_safetensors() {
    let name = "weights_are_read_by_numpy_as_by_safetensors";
    let Some(python) = python(name, "numpy, safetensors") else { return };
    let dir = tempfile::tempdir().unwrap();
    let all = every_op();
    let (_, conv4) = all.iter().find(|(name, _)| name == "conv4").unwrap();
    export(conv4, Format::Npz, &dir.path().join("w.npz")).unwrap();
    export(conv4, Format::Safetensors, &dir.path().join("w.safetensors")).unwrap();
    check(&python, ARRAYS, dir.path());
}
