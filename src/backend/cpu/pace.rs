//! Whether all threads or one of them are the quicker, found out on the way: threads with a barrier every few microseconds
//! are slower than one where another process takes a core from them. Results do not depend on it.

/// Seconds that a thread count is judged by.
const TRIAL: f64 = 0.04;
/// Seconds after which it is thought over whether to try the other count again.
const AGAIN: f64 = 0.3;
/// One is only tried again where all take so much longer than they did at their best.
const WORSE: f64 = 1.5;
/// Seconds of a meta-iteration, on one thread, from which on waiting at barriers hardly counts.
const LONG: f64 = 1e-3;
/// What share of the present time per meta-iteration the other count may take to be preferred. One has to be clearly better, as
/// threads that have just been started are slower than they will be.
const BETTER: [f64; 2] = [0.95, 0.6];

/// How many threads run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ThreadCount {
    All,
    One,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Pace {
    threads: ThreadCount,
    /// Whether the other count is being tried.
    tries: bool,
    /// Seconds a meta-iteration: of each count as judged, and of the last run.
    judged: [Option<f64>; 2],
    /// The least that all have taken.
    best: f64,
    last: [Option<f64>; 2],
    /// Meta-iterations and seconds since the last judgement.
    since: (u64, f64),
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            threads: ThreadCount::All,
            tries: false,
            judged: [None; 2],
            best: f64::INFINITY,
            last: [None; 2],
            since: (0, 0.0),
        }
    }

    /// Seconds until the next judgement.
    fn window(&self) -> f64 {
        if self.tries || self.judged[self.threads as usize].is_none() { TRIAL } else { AGAIN }
    }

    /// Who runs the next meta-iterations, and how many of `remaining`.
    pub(super) fn next_run(&self, remaining: u64) -> (ThreadCount, u64) {
        let threads = match (self.tries, self.threads) {
            (true, ThreadCount::All) | (false, ThreadCount::One) => ThreadCount::One,
            _ => ThreadCount::All,
        };
        let Some(each) = self.last[threads as usize] else { return (threads, remaining.min(16)) };
        let count = (self.window() - self.since.1) / each.max(1e-9);
        (threads, (count as u64).clamp(1, remaining))
    }

    /// Takes note of what a run took.
    pub(super) fn ran(&mut self, threads: ThreadCount, iterations: u64, seconds: f64) {
        self.last[threads as usize] = Some(seconds / iterations as f64);
        self.since = (self.since.0 + iterations, self.since.1 + seconds);
        // A run is cut to end with its window.
        if self.since.1 < 0.9 * self.window() {
            return;
        }
        let each = self.since.1 / self.since.0 as f64;
        self.judged[threads as usize] = Some(each);
        self.since = (0, 0.0);
        if threads == ThreadCount::All {
            self.best = self.best.min(each);
        }
        if self.tries {
            let [all, one] = self.judged.map(|each| each.unwrap_or(f64::INFINITY));
            let (present, other) = if self.threads == ThreadCount::All { (all, one) } else { (one, all) };
            if other < BETTER[threads as usize] * present {
                self.threads = threads;
            }
            self.tries = false;
            return;
        }
        self.tries = match (threads, self.judged[ThreadCount::One as usize]) {
            (ThreadCount::One, _) | (ThreadCount::All, None) => true,
            // One thread's time tells how much there is to do: that of all may be waiting.
            (ThreadCount::All, Some(one)) => one <= LONG && each > WORSE * self.best,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `iterations` where a meta-iteration takes so long; how many of them one thread ran.
    fn run(pace: &mut Pace, mut iterations: u64, all: f64, one: f64) -> u64 {
        let mut alone = 0;
        while iterations > 0 {
            let (threads, count) = pace.next_run(iterations);
            assert!((1..=iterations).contains(&count));
            alone += if threads == ThreadCount::One { count } else { 0 };
            let each = if threads == ThreadCount::One { one } else { all };
            pace.ran(threads, count, each * count as f64);
            iterations -= count;
        }
        alone
    }

    #[test]
    fn the_quicker_count_runs_and_the_other_is_tried_now_and_then() {
        let mut pace = Pace::new();
        let alone = run(&mut pace, 100_000, 25e-6, 40e-6);
        assert!((1..2_000).contains(&alone), "{alone}");
        // Another process comes.
        let alone = run(&mut pace, 100_000, 300e-6, 40e-6);
        assert!(alone > 75_000, "{alone}");
        // And goes.
        let alone = run(&mut pace, 100_000, 25e-6, 40e-6);
        assert!(alone < 25_000, "{alone}");
    }

    #[test]
    fn long_iterations_are_run_by_one_thread_once() {
        let mut pace = Pace::new();
        assert!(run(&mut pace, 1000, 1e-3, 2e-3) < 80);
        assert_eq!(run(&mut pace, 1000, 1e-3, 2e-3), 0);
    }
}
