//! The inputs kept of fuzzing, and what each target promises of them.

#[path = "../fuzz/targets/mod.rs"]
mod targets;

use std::collections::BTreeSet;
use std::fs;

#[test]
fn every_kept_input_is_dealt_with() {
    let folders: BTreeSet<String> = fs::read_dir("tests/fuzz/corpus")
        .unwrap()
        .map(|folder| folder.unwrap().file_name().into_string().unwrap())
        .collect();
    let names: BTreeSet<String> = targets::TARGETS.iter().map(|target| target.0.to_owned()).collect();
    assert_eq!(folders, names, "each target has kept inputs");
    for (name, target) in targets::TARGETS {
        let inputs: Vec<_> = fs::read_dir(format!("tests/fuzz/corpus/{name}")).unwrap().collect();
        assert!(!inputs.is_empty(), "{name} has no kept input");
        for input in inputs {
            let path = input.unwrap().path();
            eprintln!("{}", path.display());
            target(&fs::read(path).unwrap());
        }
        target(b"");
    }
}
