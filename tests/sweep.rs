//! A sweep is the same on any number of threads, and goes on where it was interrupted.

use assert_cmd::Command;
use std::fs;

const CUT: &str = "scenarios/h800-vs-h100.toml";
const AXES: [&str; 4] = ["--axis", "contender.weaker.speed=0.5-2*2", "--axis", "contender.weaker.price=1-2+1 USD/h"];

fn sweep(more: &[&str]) -> (i32, String) {
    let args = [&["sweep", CUT, "-q", "-f", "csv"], &AXES[..], more].concat();
    let out = Command::cargo_bin("underdog").expect("built").args(args).output().expect("it starts");
    (out.status.code().unwrap_or(-1), String::from_utf8_lossy(&out.stdout).into_owned())
}

#[test]
fn rows_are_complete_in_order_and_the_same_on_any_number_of_threads() {
    let (code, one) = sweep(&["--threads", "1"]);
    assert_eq!((code, one.lines().count()), (0, 1 + 3 * 2 * 2));
    assert_eq!(one, sweep(&["--threads", "4"]).1);
    assert!(one.lines().nth(1).is_some_and(|l| l.starts_with("0.5,1 USD/h,weaker")), "{one}");
}

#[test]
fn an_interrupted_sweep_goes_on_from_its_journal() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    // The second file cannot be written: everything is computed, the sweep fails, the journal stays.
    let (code, _) = sweep(&["-o", &path("out.csv"), "-o", "/nonexistent/folder/out.csv"]);
    assert_eq!(code, 1);
    let journal = fs::read_to_string(path("out.csv.part")).expect("a journal");
    assert_eq!(journal.lines().count(), 6);
    // A mark in a finished point shows that it is not computed again; a torn line is.
    let torn = journal.trim_end().rsplit_once('\n').map(|(kept, last)| format!("{kept}\n{}", &last[..last.len() / 2]));
    fs::write(path("out.csv.part"), torn.expect("lines").replacen("\"fp8\"", "\"kept\"", 1)).expect("written");
    let (code, again) = sweep(&["-o", &path("out.csv")]);
    assert_eq!((code, again.lines().count()), (0, 13));
    assert_eq!(again.matches("kept").count(), 1);
    assert!(!folder.path().join("out.csv.part").exists(), "the journal of a complete sweep is removed");
}

#[test]
fn wrong_axes_are_exit_2() {
    for axis in ["nothing", "contender.weaker.count=8-1*2", "contender.nobody.count=1,2"] {
        let out = Command::cargo_bin("underdog").expect("built").args(["sweep", CUT, "--axis", axis]).output();
        assert_eq!(out.expect("it starts").status.code(), Some(2), "{axis}");
    }
}
