//! The report as a reader opens it: self-contained, complete, harmless, and seen by a browser.

use assert_cmd::Command;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use underdog::device::Profile;
use underdog::device::profile::{Adapter, Case, Record, Roofs, Rung, SCHEMA};

const CUT: &str = "scenarios/h800-vs-h100.toml";
const AZURE: &str = "scenarios/azure-conversation.toml";

fn underdog(args: &[&str]) {
    let out = Command::cargo_bin("underdog").expect("built").args(args).output().expect("it starts");
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
}

/// A break-even saved as JSON and as a document, in a folder of its own.
fn saved(edits: &[&str]) -> (tempfile::TempDir, Value, String) {
    let edits = edits.iter().flat_map(|e| ["--set", e]);
    saved_run(&["breakeven", CUT].into_iter().chain(edits).collect::<Vec<_>>())
}

/// Any run saved so.
fn saved_run(command: &[&str]) -> (tempfile::TempDir, Value, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (json, html) = (path("run.json"), path("run.html"));
    underdog(&[command, &["-q", "-o", &json, "-o", &html]].concat());
    let run = serde_json::from_str(&fs::read_to_string(&json).expect("written")).expect("JSON");
    let text = fs::read_to_string(&html).expect("written");
    (folder, run, text)
}

fn of_kind<'a>(run: &'a Value, kind: &str) -> Vec<&'a Value> {
    run["rows"].as_array().expect("rows").iter().filter(|r| r["kind"] == kind).collect()
}

/// A chart with its data.
fn figure<'a>(html: &'a str, id: &str) -> &'a str {
    let start = html.find(&format!("<figure id=\"{id}\"")).unwrap_or_else(|| panic!("{id} is missing"));
    &html[start..start + html[start..].find("</figure>").expect("an end")]
}

/// The cells of a chart's data, row by row.
fn cells(figure: &str) -> Vec<Vec<String>> {
    let body = figure.split("<tbody>").nth(1).expect("data");
    let row = |row: &str| {
        let cells = row.split("<td").skip(1);
        cells.map(|c| c.split('>').nth(1).unwrap_or_default().trim_end_matches("</td").to_owned()).collect()
    };
    body.split("<tr>").skip(1).map(row).collect()
}

/// The charts of a simulation at one load, with the kind and the field of what each draws.
const SERVED: [(&str, &str, &str); 7] = [
    ("cost", "", "usd_per_mtok_output"),
    ("ttft", "distribution", "ttft_ms"),
    ("tpot", "distribution", "tpot_ms"),
    ("e2e", "distribution", "e2e_ms"),
    ("batch", "timeline", "batch"),
    ("kv", "timeline", "kv_occupancy"),
    ("queue", "timeline", "queue_requests"),
];

/// Those that a run over several loads has beside.
const LOADS: [(&str, &str, &str); 3] =
    [("ttft-load", "", "ttft_ms_p99"), ("tpot-load", "", "tpot_ms_p99"), ("goodput", "", "goodput_requests_s")];

#[test]
fn a_simulation_shows_its_charts_with_their_data_as_in_the_json() {
    let one = saved_run(&["simulate", AZURE]);
    let many = saved_run(&["simulate", AZURE, "--rates", "1-32*2"]);
    for ((_folder, run, html), charts) in [(&one, SERVED.to_vec()), (&many, [&SERVED[..], &LOADS[..]].concat())] {
        assert!(html.len() < 400_000, "{} bytes", html.len());
        for (id, kind, field) in charts {
            let figure = figure(html, id);
            assert!(figure.contains("<svg") && figure.contains("<h3>") && figure.contains("h100"), "{id}");
            assert!(["(ms)", "(s)", "share of", "requests", "USD per Mtok"].iter().any(|u| figure.contains(u)), "{id}");
            let rows = run["rows"].as_array().expect("rows").iter();
            let own: Vec<&Value> = if kind.is_empty() {
                rows.filter(|r| r.get("kind").is_none()).collect()
            } else {
                rows.filter(|r| r["kind"] == kind && r.get(field).is_some()).collect()
            };
            // At most 240 rows are written out.
            let shown: Vec<&&Value> = own.iter().step_by(own.len().div_ceil(240)).collect();
            let cells = cells(figure);
            assert_eq!(cells.len(), shown.len(), "{id}: rows of the table and of the JSON");
            for (cells, row) in cells.iter().zip(shown) {
                assert_eq!(cells[0], row["contender"].as_str().expect("a name"), "{id}");
                let Some(number) = row.get(field).and_then(Value::as_f64) else { continue };
                let read = cells.iter().filter_map(|c| c.replace(',', "").parse::<f64>().ok());
                let close = |read: f64| (read - number).abs() <= 0.005 * number.abs();
                assert!(read.into_iter().any(close), "{id}: {field} {number} is not in {cells:?}");
            }
        }
    }
    // The targets are in the charts they are about.
    for (id, target) in [("ttft", "target: 2,000 ms"), ("tpot", "target: 60 ms"), ("ttft-load", "target: 2,000 ms")] {
        assert!(figure(&many.2, id).contains(target), "{id} has no {target}");
    }
}

#[test]
fn a_saved_simulation_renders_again_and_shows_the_same_table() {
    let (folder, _, html) = saved_run(&["simulate", AZURE, "--rates", "1-32*2"]);
    let path = |name: &str| folder.path().join(name).display().to_string();
    underdog(&["report", &path("run.json"), "-q", "-o", &path("again.html")]);
    assert_eq!(fs::read_to_string(path("again.html")).expect("written"), html);
    let table = |args: &[&str]| {
        let out = Command::cargo_bin("underdog").expect("built").args(args).output().expect("it starts");
        String::from_utf8(out.stdout).expect("UTF-8")
    };
    assert_eq!(table(&["report", &path("run.json")]), table(&["simulate", AZURE, "--rates", "1-32*2"]));
}

#[test]
fn every_chart_has_a_drawing_and_its_data_as_in_the_json() {
    let (_folder, run, html) = saved(&["contender.stronger.price=1.60 USD/h"]);
    for (id, kind) in [
        ("curve", "curve"),
        ("parts", "part"),
        ("waterfall", "waterfall"),
        ("tornado", "sensitivity"),
        ("load", "contender"),
        ("roofline", "roofline"),
    ] {
        let figure = figure(&html, id);
        assert!(figure.contains("<svg") && figure.contains("<h3>") && figure.contains("<thead>"), "{id}");
        let body = figure.split("<tbody>").nth(1).expect("data");
        assert_eq!(body.matches("<tr>").count(), of_kind(&run, kind).len(), "{id}: rows of the table and of the JSON");
    }
    let answer = of_kind(&run, "answer")[0]["sentence"].as_str().expect("a sentence").replace('\'', "&#39;");
    let shown = html.replace("&#39;", "'").replace('\'', "&#39;");
    assert!(shown.contains(&answer), "the sentence is missing");
    for heading in ["Side by side", "What it rests on", "Words", "How to reproduce"] {
        assert!(html.contains(heading), "{heading} is missing");
    }
}

/// A measured device in a report: its profile as a file, its rungs under the roof and on a ladder.
fn measured() -> (tempfile::TempDir, Value, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let case = |rung: &str, time: f64| Case {
        kernel: "gemm".into(),
        variant: format!("gemm_{rung}"),
        dtype: "f32".into(),
        m: 512,
        n: 512,
        k: 512,
        flop: 2.0 * 512f64.powi(3),
        bytes: 3.1e6,
        samples_s: vec![time],
        time_s_median: time,
        clock: "gpu".into(),
        verified: true,
        rung: Some(rung.into()),
        ..Case::default()
    };
    let step = |rung: &str, time_s: f64| Rung {
        kernel: "gemm".into(),
        dtype: "f32".into(),
        rung: rung.into(),
        variant: format!("gemm_{rung}"),
        shapes: 1,
        m: 512,
        n: 512,
        k: 512,
        time_s,
        flop_s: Some(2.0 * 512f64.powi(3) / time_s),
        ..Rung::default()
    };
    let rungs = [("naive", 4e-3), ("tiled", 8e-4), ("best", 1.4e-4)];
    let profile = Profile {
        schema: SCHEMA.into(),
        adapter: Adapter { name: "<b>card</b>".into(), backend: "vulkan".into(), ..Adapter::default() },
        roofs: Roofs {
            gemm_f32_flop_s: Some(2.0 * 512f64.powi(3) / 1.4e-4),
            read_byte_s: Some(3.0e11),
            gemv_f32_byte_s: Some(2.9e11),
            launch_s: Some(5e-6),
            submit_s: Some(4e-5),
            ..Roofs::default()
        },
        cases: rungs.map(|(rung, time)| case(rung, time)).to_vec(),
        ladder: rungs.map(|(rung, time)| step(rung, time)).to_vec(),
        record: Record {
            started: "2026-11-01T00:00:00Z".into(),
            ended: "2026-11-01T00:02:00Z".into(),
            ..Record::default()
        },
        ..Profile::default()
    };
    let profile = serde_json::to_string(&profile).expect("JSON");
    fs::write(path("card.json"), profile).expect("written");
    let scenario = fs::read_to_string("scenarios/this-machine.toml").expect("a scenario");
    fs::write(path("s.toml"), scenario.replace("\"local\"", "\"./card.json\"\nmemory = \"24 GiB\"")).expect("written");
    underdog(&["compare", &path("s.toml"), "-q", "-o", &path("run.json"), "-o", &path("run.html")]);
    let run = serde_json::from_str(&fs::read_to_string(path("run.json")).expect("written")).expect("JSON");
    let html = fs::read_to_string(path("run.html")).expect("written");
    (folder, run, html)
}

#[test]
fn a_measured_contender_shows_its_rungs_under_the_roof_and_its_ladder() {
    let (_folder, run, html) = measured();
    assert_eq!((of_kind(&run, "rung").len(), of_kind(&run, "ladder").len()), (3, 3));
    for (id, kinds) in [("ladder", &["ladder"][..]), ("roofline", &["roofline", "rung"])] {
        let start = html.find(&format!("<figure id=\"{id}\"")).unwrap_or_else(|| panic!("{id} is missing"));
        let figure = &html[start..start + html[start..].find("</figure>").expect("an end")];
        let body = figure.split("<tbody>").nth(1).expect("data");
        let rows: usize = kinds.iter().map(|kind| of_kind(&run, kind).len()).sum();
        assert_eq!(body.matches("<tr>").count(), rows, "{id}");
        assert!(!figure.contains("<b>"), "a name became markup");
    }
    assert!(html.contains("here: rungs of tuning, measured"));
}

#[test]
fn a_document_asks_for_nothing_and_runs_nothing() {
    let hostile = "contender.weaker.name=<img src=x onerror=alert(1)>\"'&|`=cmd";
    let (_folder, _, html) = saved(&["contender.stronger.price=1.60 USD/h", hostile]);
    assert!(html.contains("default-src 'none'"));
    assert!(!html.contains("<img") && !html.contains("<script"), "a name became markup");
    for attribute in ["src=\"", "href=\"http", "@import"] {
        assert!(!html.contains(attribute), "{attribute} would be a request");
    }
    // What is left of url() points into the document, at a name that exists once.
    for target in html.split("url(").skip(1).filter_map(|rest| rest.split(')').next()) {
        let id = target.strip_prefix('#').unwrap_or_else(|| panic!("{target} would be a request"));
        assert_eq!(html.matches(&format!("id=\"{id}\"")).count(), 1, "{id}");
    }
    assert!(html.len() < 400_000, "{} bytes", html.len());
}

#[test]
fn a_saved_run_renders_again_to_the_same_bytes() {
    let (folder, _, html) = saved(&[]);
    let path = |name: &str| folder.path().join(name).display().to_string();
    underdog(&["report", &path("run.json"), "-q", "-o", &path("again.html")]);
    assert_eq!(fs::read_to_string(path("again.html")).expect("written"), html);
    underdog(&["report", &path("run.json"), "-q", "-o", &path("chart.svg")]);
    assert!(fs::read_to_string(path("chart.svg")).expect("written").starts_with("<svg xmlns"));
}

// What is not tested here is said, not skipped in silence.
#[allow(clippy::print_stderr)]
/// A browser; `None` with one line where there is none and none is required.
fn browser() -> Option<PathBuf> {
    let known = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    let found = known.iter().map(PathBuf::from).find(|p| p.exists());
    assert!(
        found.is_some() || std::env::var_os("UNDERDOG_REQUIRE_ADAPTERS").is_none(),
        "no Chromium was found, and this run requires one"
    );
    if found.is_none() {
        eprintln!("no Chromium was found: the structure of the report is checked, its looks are not");
    }
    found
}

/// What a frame of this width shows: scroll width, charts drawn, background.
fn seen(browser: &Path, folder: &Path, width: u32, dark: bool) -> (u32, u32, String) {
    let frame = folder.join(format!("frame-{width}-{dark}.html"));
    let script = "const d=f.contentDocument,e=d.documentElement;\
        const drawn=[...d.querySelectorAll('svg.chart')].filter(s=>s.getBoundingClientRect().height>40).length;\
        document.title=[e.scrollWidth,drawn,getComputedStyle(d.body).backgroundColor].join(';')";
    let page = format!(
        "<!doctype html><title>waiting</title><iframe id=f width={width} height=900 style='border:0' src=run.html onload=\"{script}\"></iframe>"
    );
    fs::write(&frame, page).expect("a frame");
    let profile = tempfile::tempdir().expect("a profile");
    let mut command = std::process::Command::new(browser);
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"])
        .args(["--allow-file-access-from-files", "--enable-logging=stderr", "--virtual-time-budget=2000", "--dump-dom"])
        .arg("--window-size=1400,1000")
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--blink-settings=preferredColorScheme={}", u8::from(!dark)))
        .arg(format!("file://{}", frame.display()));
    let out = command.output().expect("the browser starts");
    let (dom, log) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(!log.contains("CONSOLE"), "the console is not empty: {log}");
    let title = dom.split("<title>").nth(1).and_then(|t| t.split("</title>").next()).unwrap_or_default();
    let mut parts = title.split(';');
    let mut number = || parts.next().and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{title:?}: {log}"));
    (number(), number(), title.rsplit(';').next().unwrap_or_default().to_owned())
}

#[test]
fn a_browser_shows_it_without_overflow_in_light_and_dark() {
    let Some(browser) = browser() else { return };
    let solved = saved(&["contender.stronger.price=1.60 USD/h"]);
    let served = saved_run(&["simulate", AZURE, "--rates", "1-32*2"]);
    let local = measured();
    // Of the measured one: cost by part, cost over load, roofline and ladder.
    for ((folder, ..), drawn) in [(&solved, 6), (&served, SERVED.len() + LOADS.len()), (&local, 4)] {
        let mut backgrounds = Vec::new();
        for width in [390, 1280] {
            for dark in [false, true] {
                let (scroll, charts, background) = seen(&browser, folder.path(), width, dark);
                assert!(scroll <= width, "{scroll} px wide in a window of {width}");
                assert_eq!(charts as usize, drawn, "at {width} px");
                backgrounds.push(background);
            }
        }
        assert!(backgrounds[0] == backgrounds[2] && backgrounds[1] == backgrounds[3], "{backgrounds:?}");
        assert_ne!(backgrounds[0], backgrounds[1], "light and dark look alike");
    }
}

#[test]
fn the_report_of_every_scenario_is_small_and_fits_a_telephone() {
    let browser = browser();
    let files = fs::read_dir("scenarios").expect("the folder is there").map(|e| e.expect("an entry").path());
    let answered = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap_or_default();
        path.extension().is_some_and(|e| e == "toml")
            && text.contains("[[contender]]")
            && !text.contains("\"local\"")
            && !text.contains("trace =")
    };
    let scenarios: Vec<PathBuf> = files.filter(answered).collect();
    assert!(scenarios.len() >= 12, "only {} scenarios were found", scenarios.len());
    for scenario in scenarios {
        let name = scenario.display().to_string();
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        underdog(&["compare", &name, "-q", "-o", &path("run.json")]);
        underdog(&["report", &path("run.json"), "-q", "-o", &path("run.html")]);
        let html = fs::read_to_string(path("run.html")).expect("written");
        assert!(html.len() < 400_000, "{name}: {} bytes", html.len());
        let Some(browser) = &browser else { continue };
        let (scroll, charts, _) = seen(browser, folder.path(), 390, false);
        assert!(scroll <= 390, "{name}: {scroll} px wide");
        assert!(charts >= 2, "{name}: {charts} charts");
    }
}
