//! Half a minute of what `make soak` does for an hour: whether it works, and whether anything grows at once.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

#[test]
fn nothing_grows_in_half_a_minute_and_all_hosts_come_back() {
    let program = Path::new(env!("CARGO_BIN_EXE_bench-region"));
    let target = program.ancestors().nth(2).expect("target/debug/bench-region");
    let region = program.with_file_name("region");
    assert!(region.exists(), "{} is not there: make build", region.display());
    let report = target.join("reports/soak-short.json");
    let _ = std::fs::remove_file(&report);
    let out = Command::new(program)
        .arg("--region")
        .arg(region)
        .arg("--report")
        .arg(&report)
        .args(["soak", "--minutes", "0.4", "--hosts", "40", "--guests", "400", "--rescues", "2"])
        .args(["--streams", "8", "--overload", "200"])
        .output()
        .expect("it runs");
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{said}");
    let report: Value = serde_json::from_slice(&std::fs::read(&report).expect("a report")).expect("JSON");
    let metric = |name: &str| report["metrics"][name].as_f64().unwrap_or_else(|| panic!("{name} in {report}"));
    assert!(metric("overload_done") + metric("overload_later") >= 200.0, "{report}");
    assert!(metric("overload_later") > 0.0 && metric("stream_p99_ms") > 0.0 && metric("files") > 8.0, "{report}");
    assert!(metric("herd_back_s") > 0.0 && metric("rss_mib") > 1.0 && metric("task_p99_s") > 0.0, "{report}");
}
