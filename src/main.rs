//! Temporary entry point of the GPU half: the hidden worker and a bare `bench`.
use std::process::ExitCode;
use underdog::measure;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    if args.get(1).is_some_and(|a| a == measure::WORKER_SUBCOMMAND) {
        return measure::worker_main();
    }
    #[allow(clippy::print_stdout, clippy::unwrap_used)]
    {
        let exe = std::env::current_exe().unwrap();
        let adapter = args.get(2).map_or("default", String::as_str).parse().unwrap();
        let budget = underdog::units::Seconds::new(args.get(3).map_or(60.0, |b| b.parse().unwrap()));
        match args.get(1).map(String::as_str) {
            Some("devices") => {
                for row in measure::adapters(&exe) {
                    println!("{}", serde_json::to_string(&row).unwrap());
                }
            }
            Some("verify") => {
                let options = measure::VerifyOptions { adapter, seed: 1, runtime_checks: false, stop: Default::default() };
                for row in measure::verify(&exe, &options, &()).unwrap() {
                    println!("{:12} {} {}", row.result, row.variant, row.reason.unwrap_or_default());
                }
            }
            command => {
                let profiles = if command == Some("local") {
                    measure::local(&exe, &adapter, budget, &()).map(|p| vec![p])
                } else {
                    let options = measure::BenchOptions { adapter, budget, ..Default::default() };
                    measure::bench(&exe, &options, &())
                };
                for profile in profiles.unwrap() {
                    println!("{} {} {:?}", profile.adapter.name, profile.record.duration_s, profile.roofs);
                    for c in &profile.cases {
                        println!(
                            "{:22} {:50} {:5}x{}x{} {:9.1} us {:7.1} GFLOP/s {:6.2} GB/s {} {} n={} +-{:.1}% {}",
                            c.rung.as_deref().unwrap_or("-"), c.variant, c.m, c.n, c.k, c.time_s_median * 1e6,
                            c.flop / c.time_s_median * 1e-9, c.bytes / c.time_s_median * 1e-9, c.clock, c.verified,
                            c.samples_s.len(), 100.0 * c.spread, c.unmet.as_deref().unwrap_or("")
                        );
                    }
                    for a in &profile.anomalies { println!("! {a}"); }
                }
            }
        }
    }
    ExitCode::SUCCESS
}
