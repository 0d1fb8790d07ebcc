//! Every shader, without a device: it validates, it binds what the host says it binds, and it can be
//! translated for every platform.

use fastweights::backend::gpu::kernels;
use fastweights::wgsl::{Binding, Declaration, Library, SOURCES};
use naga::back::{PipelineConstants, glsl, hlsl, msl, pipeline_constants::process_overrides, spv};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ShaderStage, StorageAccess};
use std::borrow::Cow;
use std::collections::BTreeSet;

fn validator() -> Validator {
    Validator::new(ValidationFlags::all(), Capabilities::empty())
}

fn parse(declaration: &Declaration) -> (Module, ModuleInfo) {
    let text = Library::default().resolve(declaration.shader).unwrap();
    let module = naga::front::wgsl::parse_str(&text)
        .unwrap_or_else(|e| panic!("{}: {}", declaration.shader, e.emit_to_string(&text)));
    let info = validator()
        .validate(&module)
        .unwrap_or_else(|e| panic!("{}: {}", declaration.shader, e.emit_to_string(&text)));
    (module, info)
}

/// With the declared constants in place of the overrides, as a pipeline is made.
fn resolved<'a>(
    declaration: &Declaration,
    module: &'a Module,
    info: &'a ModuleInfo,
) -> (Cow<'a, Module>, Cow<'a, ModuleInfo>) {
    let mut constants = PipelineConstants::default();
    constants.extend(declaration.constants.iter().map(|&(name, value)| (name.to_owned(), value)));
    process_overrides(module, info, Some((ShaderStage::Compute, "main")), &constants)
        .unwrap_or_else(|e| panic!("{}: overrides: {e}", declaration.shader))
}

#[test]
fn every_file_is_registered_and_every_kernel_declared() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/shaders");
    let mut files = BTreeSet::new();
    for room in std::fs::read_dir(folder).unwrap() {
        let room = room.unwrap();
        for file in std::fs::read_dir(room.path()).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            files.insert(format!("{}/{name}", room.file_name().to_str().unwrap()));
        }
    }
    let registered: BTreeSet<String> =
        SOURCES.iter().map(|(folder, name, _)| format!("{folder}/{name}.wgsl")).collect();
    assert_eq!(files, registered);
    assert_eq!(files.len(), SOURCES.len(), "a file is registered twice");

    let with_entry: BTreeSet<_> =
        SOURCES.iter().filter(|(_, _, text)| text.contains("@compute")).map(|(_, name, _)| *name).collect();
    let declared: BTreeSet<_> = kernels::ALL.iter().map(|declaration| declaration.shader).collect();
    assert_eq!(with_entry, declared);
    assert!(declared.len() == kernels::ALL.len() && !declared.is_empty());
}

#[test]
fn every_file_is_used() {
    let library = Library::default();
    let texts: Vec<_> = kernels::ALL.iter().map(|d| library.resolve(d.shader).unwrap()).collect();
    for (_, name, text) in SOURCES {
        assert!(texts.iter().any(|whole| whole.contains(text)), "no kernel uses {name}.wgsl");
    }
}

#[test]
fn declarations_are_what_the_shaders_reflect() {
    for declaration in kernels::ALL {
        let name = declaration.shader;
        let (module, _) = parse(declaration);
        let mut found: Vec<_> = module
            .global_variables
            .iter()
            .filter_map(|(_, variable)| {
                let binding = variable.binding?;
                assert_eq!(binding.group, 0, "{name}");
                let kind = match variable.space {
                    AddressSpace::Uniform => "uniform",
                    AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => "write",
                    AddressSpace::Storage { .. } => "read",
                    other => panic!("{name}: a binding in {other:?}"),
                };
                Some((binding.binding, kind))
            })
            .collect();
        found.sort_unstable();
        let declared: Vec<_> = declaration
            .bindings
            .iter()
            .map(|binding| match binding {
                Binding::Uniform | Binding::DynamicUniform => "uniform",
                Binding::Read => "read",
                Binding::Write => "write",
            })
            .enumerate()
            .map(|(at, kind)| (at as u32, kind))
            .collect();
        assert_eq!(found, declared, "{name}");
        assert!(declaration.storage_buffers() <= 8, "{name} binds more storage buffers than WebGPU promises");

        let overrides: BTreeSet<_> = module.overrides.iter().filter_map(|(_, o)| o.name.clone()).collect();
        let constants: BTreeSet<_> =
            declaration.constants.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(overrides, constants, "{name}");
    }
}

#[test]
fn shared_structs_have_one_size() {
    for &(shader, name, bytes) in kernels::STRUCTS {
        let declaration = kernels::ALL.iter().find(|declaration| declaration.shader == shader).unwrap();
        let (module, _) = parse(declaration);
        let mut layouter = naga::proc::Layouter::default();
        layouter.update(module.to_ctx()).unwrap();
        let (handle, _) = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some(name)).unwrap();
        assert_eq!(layouter[handle].size as usize, bytes, "{shader}: {name}");
    }
}

#[test]
fn workgroups_have_the_declared_size_and_memory() {
    for declaration in kernels::ALL {
        let name = declaration.shader;
        let (module, info) = parse(declaration);
        let (module, _) = resolved(declaration, &module, &info);
        assert_eq!(module.entry_points.len(), 1, "{name}");
        let entry = &module.entry_points[0];
        let size = entry.workgroup_size;
        assert!(size.iter().product::<u32>() <= 256, "{name}: {size:?} is beyond what WebGPU promises");
        if let Some((_, declared)) =
            declaration.constants.iter().find(|(constant, _)| *constant == "WORKGROUP")
        {
            assert_eq!(f64::from(size[0]), *declared, "{name}");
        }
        let mut layouter = naga::proc::Layouter::default();
        layouter.update(module.to_ctx()).unwrap();
        let bytes: u32 = module
            .global_variables
            .iter()
            .filter(|(_, variable)| variable.space == AddressSpace::WorkGroup)
            .map(|(_, variable)| layouter[variable.ty].size)
            .sum();
        assert_eq!(bytes, declaration.workgroup_bytes, "{name}: workgroup memory");
        assert!(bytes <= 16384, "{name}: the default must fit every WebGPU adapter");
    }
}

#[test]
fn every_kernel_translates_for_every_platform() {
    for declaration in kernels::ALL {
        let name = declaration.shader;
        let (module, info) = parse(declaration);
        let (module, info) = resolved(declaration, &module, &info);

        let options = spv::Options::default();
        let words =
            spv::write_vec(&module, &info, &options, None).unwrap_or_else(|e| panic!("{name}: SPIR-V: {e}"));
        assert!(words.len() > 20, "{name}");

        let options =
            msl::Options { lang_version: (2, 4), fake_missing_bindings: true, ..Default::default() };
        let pipeline = msl::PipelineOptions { entry_point: None, ..Default::default() };
        msl::write_string(&module, &info, &options, &pipeline).unwrap_or_else(|e| panic!("{name}: MSL: {e}"));

        let options = hlsl::Options { fake_missing_bindings: true, ..Default::default() };
        let pipeline = hlsl::PipelineOptions::default();
        let mut text = String::new();
        hlsl::Writer::new(&mut text, &options, &pipeline)
            .write(&module, &info, None)
            .unwrap_or_else(|e| panic!("{name}: HLSL: {e}"));

        let options = glsl::Options { version: glsl::Version::Desktop(430), ..Default::default() };
        let pipeline = glsl::PipelineOptions {
            shader_stage: ShaderStage::Compute,
            entry_point: "main".into(),
            multiview: None,
        };
        let mut text = String::new();
        glsl::Writer::new(
            &mut text,
            &module,
            &info,
            &options,
            &pipeline,
            naga::proc::BoundsCheckPolicies::default(),
        )
        .and_then(|mut writer| writer.write())
        .unwrap_or_else(|e| panic!("{name}: GLSL: {e}"));
    }
}

/// Where a line joins what WGSL wants in parentheses: `a < b & c` and the like, which naga takes and browsers refuse.
fn unparenthesised(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    // What stands at each depth of brackets: whether a bitwise operator, and whether another one.
    let mut open = vec![(false, false)];
    let mut operand = false;
    for word in words(code) {
        let depth = open.len();
        let here = open.last_mut().expect("never empty");
        match word {
            "(" | "[" => open.push((false, false)),
            ")" | "]" if depth > 1 => drop(open.pop()),
            "," | ";" | "{" | "}" | "&&" | "||" | "=" | "&=" | "|=" | "return" => *here = (false, false),
            // In front of nothing it is an address.
            "&" | "|" | "^" if operand => here.0 = true,
            "<" | ">" | "<=" | ">=" | "==" | "!=" | "+" | "*" | "/" | "%" | "<<" | ">>" => here.1 = true,
            "-" if operand => here.1 = true,
            _ => {}
        }
        if open.last() == Some(&(true, true)) {
            return true;
        }
        operand = word.ends_with(|c: char| c.is_alphanumeric() || ")]_>".contains(c)) && word != "return";
    }
    false
}

/// Names, numbers and signs; a type's `<…>` belongs to its name.
fn words(code: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let name = rest.find(|c: char| !(c.is_alphanumeric() || "_.".contains(c))).unwrap_or(rest.len());
        let typed = ["vec2<", "vec3<", "vec4<", "array<", "ptr<", "var<", "bitcast<", "atomic<"];
        let end = if typed.iter().any(|start| rest.starts_with(start)) {
            rest.find('>').map_or(rest.len(), |at| at + 1)
        } else if name > 0 {
            name
        } else if ["&&", "||", "<<", ">>", "<=", ">=", "==", "!=", "&=", "|="]
            .iter()
            .any(|s| rest.starts_with(s))
        {
            2
        } else {
            first.len_utf8()
        };
        words.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    words
}

#[test]
fn nothing_is_joined_that_browsers_want_in_parentheses() {
    for bad in
        ["let a = b < c & d < e;", "x = a & b + c;", "if (a | b == c) {", "f(vec2<u32>(a, b) & c >> 2u);"]
    {
        assert!(unparenthesised(bad), "{bad}");
    }
    for good in [
        "let a = (b < c) & (d < e);",
        "f(&a[i + 1], b < c);",
        "let a = b & c; // d < e",
        "if a < b && (c & d) == 0u {",
    ] {
        assert!(!unparenthesised(good), "{good}");
    }
    for (_, name, text) in SOURCES {
        for (line, code) in text.lines().enumerate() {
            assert!(!unparenthesised(code), "{name}.wgsl:{}: {code}", line + 1);
        }
    }
}
