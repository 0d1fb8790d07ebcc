//! `train`: one run, or with `--seeds` one a seed and what they come to together.

use super::failure::{Failure, Outcome, note};
use super::numbers::number;
use super::out::Out;
use super::signals::Signals;
use super::team::Team;
use super::train::{Arguments, one};
use fastweights::run::{RunDir, write_atomic};
use fastweights::{Error, Result};
use std::path::{Path, PathBuf};

/// Most runs of one call.
const MOST: u64 = 10_000;

/// Quantiles of Student's t at 97.5 % by degrees of freedom, from 1; beyond them 1.96.
const STUDENT: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/// What one run came to: its metric before adapting and after the last step.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Seed {
    seed: u64,
    run: PathBuf,
    metric: String,
    steps: usize,
    before: f64,
    after: f64,
}

/// What all came to: `seeds.json`.
#[derive(Debug, serde::Serialize)]
struct Seeds {
    metric: String,
    steps: usize,
    /// Mean over seeds, after the last step.
    mean: f64,
    /// Half the width of its 95 % interval, by Student's t; nothing of one seed.
    ci95: Option<f64>,
    seeds: Vec<Seed>,
}

pub(super) fn run(arguments: &Arguments, out: &mut Out) -> Outcome {
    let team = Team::join(arguments.sharing.mpi)?;
    let outcome = Signals::take().map_err(Failure::from).and_then(|signals| match &arguments.seeds {
        Some(seeds) => many(arguments, seeds, (&team, &signals), out),
        None => one(arguments, (&team, &signals), out),
    });
    team.end(outcome)
}

/// A run a seed; each process trains some of them, by itself.
fn many(arguments: &Arguments, seeds: &str, (team, signals): (&Team, &Signals), out: &mut Out) -> Outcome {
    let seeds = team.agree(read(seeds))?;
    let parent = place(arguments, team)?;
    let mut own = Vec::new();
    for &seed in seeds.iter().skip(team.rank()).step_by(team.members()) {
        let run = parent.join(format!("seed-{seed}"));
        train(arguments, seed, &run, (team, signals))?;
        let result = result(seed, &run)?;
        note(&format!(
            "seed {seed}: {} {} after {} steps",
            result.metric,
            number(result.after),
            result.steps
        ));
        own.push(result);
    }
    let unreadable = |e: serde_json::Error| Error::failed(e.to_string());
    let said = serde_json::to_vec(&own).map_err(unreadable)?;
    let told = match team.exchange() {
        Some(exchange) => exchange.tell(&said)?,
        None => vec![said],
    };
    let mut all = Vec::new();
    for said in told {
        all.extend(serde_json::from_slice::<Vec<Seed>>(&said).map_err(unreadable)?);
    }
    all.sort_by_key(|result| result.seed);
    if team.is_first() { report(arguments, &parent, all, out) } else { Ok(()) }
}

/// The directory of all runs; one that is there is gone on with.
fn place(arguments: &Arguments, team: &Team) -> Result<PathBuf> {
    let own = match &arguments.out {
        Some(path) => Ok(path.clone()),
        None if team.is_first() => {
            let recipe = arguments.recipe().map(|(recipe, _)| recipe.name);
            recipe
                .and_then(|name| RunDir::numbered("runs", &format!("{name}-seeds")))
                .map(|dir| dir.path().to_owned())
        }
        None => Ok(PathBuf::new()),
    };
    let own = team.agree(own)?;
    let path =
        PathBuf::from(String::from_utf8_lossy(&team.of_first(own.to_string_lossy().as_bytes())?).as_ref());
    std::fs::create_dir_all(&path).map_err(|e| Error::file_caused(&path, "cannot be made", e))?;
    Ok(path)
}

/// Trains one seed from where it is.
fn train(arguments: &Arguments, seed: u64, run: &Path, (team, signals): (&Team, &Signals)) -> Outcome {
    let mut one_seed = arguments.clone();
    (one_seed.json, one_seed.seed, one_seed.out) = (false, Some(seed), Some(run.to_owned()));
    one_seed.sharing.by_itself(&mut one_seed.device, team)?;
    // Processes of one machine share its cores.
    one_seed.device.threads =
        one_seed.device.threads.or_else(|| team.threads().and_then(|n| u16::try_from(n).ok()));
    if run.join("recipe.toml").is_file() {
        let before = RunDir::open(run)?.recipe()?;
        let (asked, _) = one_seed.recipe()?;
        if before.seed != seed || before.name != asked.name {
            let reason =
                format!("is a run of {} with seed {}; choose another --out", before.name, before.seed);
            return Err(Error::file(run, reason).into());
        }
        one_seed.go_on(run);
    }
    one(&one_seed, (&Team::alone(), signals), &mut Out::nowhere())
}

/// The seeds of a list such as `0..9` or `1,5,7..9`; both ends of a range belong to it.
fn read(text: &str) -> Result<Vec<u64>> {
    let bad = |reason: &str| {
        Error::recipe("--seeds", format!("is `{text}`, {reason}; allowed are seeds such as 0..9 or 1,5,7"))
    };
    let mut seeds = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once("..").unwrap_or((part, part));
        let number = |text: &str| {
            let number = text.trim().trim_start_matches('=').parse::<u64>().ok();
            number.filter(|&n| n <= i64::MAX as u64).ok_or_else(|| bad("which is no list of numbers"))
        };
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(bad("whose range runs backward"));
        }
        if last - first >= MOST || seeds.len() as u64 + (last - first) >= MOST {
            return Err(bad("which is more than 10,000"));
        }
        seeds.extend(first..=last);
    }
    let count = seeds.len();
    seeds.sort_unstable();
    seeds.dedup();
    if seeds.len() == count { Ok(seeds) } else { Err(bad("which names a seed twice")) }
}

/// What a finished run came to.
fn result(seed: u64, run: &Path) -> Result<Seed> {
    let file = RunDir::open(run)?.evaluation();
    let text = std::fs::read_to_string(&file).map_err(|e| Error::file_caused(&file, "cannot be read", e))?;
    let report: serde_json::Value =
        serde_json::from_str(&text).map_err(|e| Error::file_caused(&file, "is not as expected", e))?;
    let values = report["learners"]["maml"]["mean"].as_array().cloned().unwrap_or_default();
    let value =
        |value: Option<&serde_json::Value>| value.and_then(serde_json::Value::as_f64).unwrap_or(f64::NAN);
    Ok(Seed {
        seed,
        run: run.to_owned(),
        metric: report["metric"].as_str().unwrap_or("result").to_owned(),
        steps: values.len().saturating_sub(1),
        before: value(values.first()),
        after: value(values.last()),
    })
}

/// Mean, and half the width of its interval.
fn summed(values: &[f64]) -> (f64, Option<f64>) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let student = |freedom: usize| STUDENT.get(freedom - 1).copied().unwrap_or(1.96);
    (mean, (values.len() > 1).then(|| student(values.len() - 1) * (variance / n).sqrt()))
}

fn report(arguments: &Arguments, parent: &Path, seeds: Vec<Seed>, out: &mut Out) -> Outcome {
    let after: Vec<f64> = seeds.iter().map(|result| result.after).collect();
    let (mean, ci95) = summed(&after);
    let (metric, steps) = seeds.first().map_or_else(Default::default, |one| (one.metric.clone(), one.steps));
    let all = Seeds { metric, steps, mean, ci95, seeds };
    let text = serde_json::to_string(&all).map_err(|e| Error::failed(e.to_string()))? + "\n";
    write_atomic(&parent.join("seeds.json"), text.as_bytes())?;
    if arguments.json {
        return out.text(&text);
    }
    out.line(&format!("{:>8}  {:>10}  {:>10}", "seed", "before", format!("{} steps", all.steps)))?;
    for Seed { seed, before, after, .. } in &all.seeds {
        out.line(&format!("{seed:>8}  {:>10}  {:>10}", number(*before), number(*after)))?;
    }
    let interval = all.ci95.map_or_else(String::new, |half| format!(" ± {}", number(half)));
    let (count, metric) = (all.seeds.len(), &all.metric);
    out.line(&format!("{metric} over {count} seeds: {}{interval} (95 %)", number(all.mean)))?;
    out.line(&format!("{}: seeds.json, and a run a seed", parent.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_read_and_bad_ones_refused_by_name() {
        assert_eq!(read("0..9").unwrap(), (0..10).collect::<Vec<_>>());
        assert_eq!(read("7, 3..=4,1").unwrap(), [1, 3, 4, 7]);
        for (text, reason) in [
            ("", "no list of numbers"),
            ("a", "no list of numbers"),
            ("-1", "no list of numbers"),
            ("9..0", "backward"),
            ("1,1..2", "twice"),
            ("0..10000", "10,000"),
            ("9223372036854775808", "no list of numbers"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains("--seeds") && error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn the_interval_is_students() {
        // Of 1, 2, 3: s = 1, t = 4.303, s / √3.
        let (mean, half) = summed(&[1.0, 2.0, 3.0]);
        assert!((mean - 2.0).abs() < 1e-12 && (half.unwrap() - 4.303 / 3_f64.sqrt()).abs() < 1e-12);
        assert_eq!(summed(&[5.0]), (5.0, None));
    }
}
