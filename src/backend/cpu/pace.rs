//! Whether all threads or one of them are the quicker, found out on the way: threads that meet every few microseconds
//! are slower than one where another process takes a core from them. Results do not depend on it.

/// Seconds between two changes of mind.
const LEG: f64 = 0.02;
/// Seconds after which the other number of threads is tried again, for a quarter of a leg.
const AGAIN: f64 = 0.3;
/// Seconds of a meta-iteration, on one thread, from which on waiting at its meetings hardly counts.
const LONG: f64 = 1e-3;
/// How much of the present time per meta-iteration the other may take to be preferred.
const BETTER: f64 = 0.8;

/// Which threads run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crew {
    All,
    One,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Pace {
    crew: Crew,
    /// Seconds a meta-iteration, of each crew.
    seconds: [Option<f64>; 2],
    since: f64,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { crew: Crew::All, seconds: [None; 2], since: 0.0 }
    }

    fn other(&self) -> Crew {
        if self.crew == Crew::All { Crew::One } else { Crew::All }
    }

    /// Who runs the next meta-iterations, and how many of `remaining`.
    pub(super) fn leg(&self, remaining: u64) -> (Crew, u64) {
        let Some(present) = self.seconds[self.crew as usize] else { return (self.crew, remaining.min(16)) };
        // One thread's time tells how much there is to do: that of all may be waiting.
        if self.crew == Crew::All && self.seconds[Crew::One as usize].is_some_and(|one| one > LONG) {
            return (Crew::All, remaining);
        }
        let (crew, time, guess) = match self.since >= AGAIN || self.seconds[self.other() as usize].is_none() {
            true => (self.other(), 0.25 * LEG, 2.0 * present),
            false => (self.crew, LEG, present),
        };
        let each = self.seconds[crew as usize].unwrap_or(guess);
        (crew, ((time / each.max(1e-9)) as u64).clamp(1, remaining))
    }

    /// Takes note of what a leg took.
    pub(super) fn landed(&mut self, crew: Crew, iterations: u64, seconds: f64) {
        let each = seconds / iterations as f64;
        let known = &mut self.seconds[crew as usize];
        *known = match *known {
            Some(before) if crew == self.crew => Some(0.7 * before + 0.3 * each),
            _ => Some(each),
        };
        self.since = if crew == self.crew { self.since + seconds } else { 0.0 };
        if let [Some(all), Some(one)] = self.seconds {
            let (present, other) = if self.crew == Crew::All { (all, one) } else { (one, all) };
            if other < BETTER * present {
                (self.crew, self.since) = (self.other(), 0.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `iterations` where a meta-iteration takes so long; how many of them one thread ran.
    fn run(pace: &mut Pace, mut iterations: u64, all: f64, one: f64) -> u64 {
        let mut alone = 0;
        while iterations > 0 {
            let (crew, count) = pace.leg(iterations);
            assert!((1..=iterations).contains(&count));
            alone += if crew == Crew::One { count } else { 0 };
            let each = if crew == Crew::One { one } else { all };
            pace.landed(crew, count, each * count as f64);
            iterations -= count;
        }
        alone
    }

    #[test]
    fn the_quicker_crew_runs_and_the_other_is_tried_now_and_then() {
        let mut pace = Pace::new();
        let alone = run(&mut pace, 100_000, 25e-6, 40e-6);
        assert!((1..1_500).contains(&alone), "{alone}");
        // Another process comes.
        let alone = run(&mut pace, 100_000, 300e-6, 40e-6);
        assert!(alone > 98_000, "{alone}");
        // And goes.
        let alone = run(&mut pace, 100_000, 25e-6, 40e-6);
        assert!(alone < 12_000, "{alone}");
    }

    #[test]
    fn long_iterations_are_run_by_one_once() {
        let mut pace = Pace::new();
        assert!(run(&mut pace, 1000, 1e-3, 2e-3) < 5);
        assert_eq!(run(&mut pace, 1000, 1e-3, 2e-3), 0);
    }
}
