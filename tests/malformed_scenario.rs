//! Every malformed scenario is refused with exit code 2, a message that helps, and nothing on standard output.

use assert_cmd::Command;
use std::fs;
use std::path::Path;

#[test]
fn malformed_scenarios_are_refused_with_a_message_that_helps() {
    let folder = Path::new("tests/malformed/scenario");
    let mut files: Vec<_> =
        fs::read_dir(folder).expect("the folder is there").map(|e| e.expect("an entry").path()).collect();
    files.sort();
    assert!(files.len() >= 20, "only {} files were found", files.len());
    for file in files {
        let run = Command::cargo_bin("underdog")
            .expect("the program is built")
            .args(["compare", "--color", "never"])
            .arg(&file)
            .output()
            .expect("the program starts");
        assert_eq!(run.status.code(), Some(2), "{}", file.display());
        assert!(run.stdout.is_empty(), "{}: {}", file.display(), String::from_utf8_lossy(&run.stdout));
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        insta::assert_snapshot!(name, String::from_utf8_lossy(&run.stderr));
    }
}
