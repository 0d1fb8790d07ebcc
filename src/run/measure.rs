//! What a series is like: how strong its trend, its season, and a change of its level are.

/// The last values of a longer series that are looked at.
const LOOKED_AT: usize = 2000;

/// Longest season that is looked for, values.
const LONGEST: usize = 400;

/// How strong trend, season and change are in one series `y` of `n` values (its last 2,000 at most).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measures {
    /// Share of the variance that a straight line explains: `1 − Σ r² / Σ (y − ȳ)²`, `r` what the line by least squares
    /// leaves over; 0 to 1.
    pub trend: f64,
    /// The highest peak of the autocorrelation of `r` at a lag from 2 to `min(n/2, 400)`:
    /// `a(ℓ) = Σ r_t r_{t+ℓ} / Σ r_t²`; a peak is higher than the lag before and no lower than the one behind. 0 where there
    /// is none above 0.
    pub season: f64,
    /// The lag of that peak, values.
    pub lag: Option<usize>,
    /// Shift of the level within the last stretch: with `e` = `r` less the mean of its phase in the season (if `season` is
    /// above 0), `|mean of e over the stretch's second half − mean over its first| / σ(e)`.
    pub change: f64,
}

impl Measures {
    /// Measures a series; `stretch` is the number of last values that a change of level is looked for in.
    ///
    /// ```
    /// # use fastweights::run::Measures;
    /// let rising: Vec<f32> = (0..100).map(|t| t as f32).collect();
    /// assert!(Measures::of(&rising, 20).trend > 0.999);
    /// let wave: Vec<f32> = (0..240).map(|t| (t as f32 * std::f32::consts::TAU / 24.0).sin()).collect();
    /// let measures = Measures::of(&wave, 20);
    /// assert_eq!(measures.lag, Some(24));
    /// assert!(measures.season > 0.85 && measures.trend < 0.1);
    /// ```
    #[must_use]
    pub fn of(values: &[f32], stretch: usize) -> Self {
        let y: Vec<f64> =
            values[values.len().saturating_sub(LOOKED_AT)..].iter().map(|&v| v.into()).collect();
        let n = y.len();
        let mean = y.iter().sum::<f64>() / n.max(1) as f64;
        let total: f64 = y.iter().map(|y| (y - mean).powi(2)).sum();
        // A series of one value, or too long a road from zero to see anything.
        if n < 4 || total <= 1e-12 * mean.powi(2) * n as f64 || !total.is_finite() {
            return Self::default();
        }
        let middle = (n - 1) as f64 / 2.0;
        let along = |t: usize| t as f64 - middle;
        let slope = y.iter().enumerate().map(|(t, y)| along(t) * (y - mean)).sum::<f64>()
            / (0..n).map(|t| along(t).powi(2)).sum::<f64>();
        let mut rest: Vec<f64> = y.iter().enumerate().map(|(t, y)| y - mean - slope * along(t)).collect();
        let left: f64 = rest.iter().map(|r| r * r).sum();
        let trend = (1.0 - left / total).clamp(0.0, 1.0);
        if left <= 1e-9 * total {
            return Self { trend, ..Self::default() };
        }
        let (season, lag) = peak(&rest, left);
        if let Some(lag) = lag {
            let mut phases = vec![(0.0, 0_u32); lag];
            for (t, r) in rest.iter().enumerate() {
                let (sum, count) = &mut phases[t % lag];
                (*sum, *count) = (*sum + r, *count + 1);
            }
            for (t, r) in rest.iter_mut().enumerate() {
                let (sum, count) = phases[t % lag];
                *r -= sum / f64::from(count);
            }
        }
        Self { trend, season, lag, change: shift(&rest, stretch.min(n), left) }
    }
}

/// The highest peak of the autocorrelation.
fn peak(r: &[f64], squares: f64) -> (f64, Option<usize>) {
    let longest = (r.len() / 2).min(LONGEST);
    let at = |lag: usize| r.iter().zip(&r[lag..]).map(|(a, b)| a * b).sum::<f64>() / squares;
    let all: Vec<f64> = (1..=longest + 1).map(at).collect();
    let peaks = all.windows(3).enumerate().filter(|(_, a)| a[1] > 0.0 && a[1] > a[0] && a[1] >= a[2]);
    let best = peaks.max_by(|a, b| a.1[1].total_cmp(&b.1[1]));
    best.map_or((0.0, None), |(i, a)| (a[1], Some(i + 2)))
}

/// How far the means of both halves of the last stretch are apart, in deviations.
fn shift(e: &[f64], stretch: usize, before: f64) -> f64 {
    let n = e.len() as f64;
    let squares: f64 = e.iter().map(|e| e * e).sum();
    // A season that leaves nothing over leaves no change either.
    if stretch < 2 || squares <= 1e-9 * before {
        return 0.0;
    }
    let (first, second) = e[e.len() - stretch..].split_at(stretch / 2);
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    (mean(second) - mean(first)).abs() / (squares / n).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Traits;

    /// Measures of the last 200 values of generated series, beside their known traits.
    fn generated() -> Vec<(Traits, Measures)> {
        let traits = (0..300).map(|i| Traits::draw(11, i, 200));
        traits
            .map(|traits| {
                let mut values = Vec::new();
                traits.series_into(&mut values);
                let measures = Measures::of(&values, 50);
                (traits, measures)
            })
            .collect()
    }

    #[test]
    fn known_traits_are_found() {
        let all = generated();
        let mean = |of: fn(&Measures) -> f64, has: &dyn Fn(&Traits) -> bool| {
            let values: Vec<f64> = all.iter().filter(|(t, _)| has(t)).map(|(_, m)| of(m)).collect();
            assert!(values.len() > 10);
            values.iter().sum::<f64>() / values.len() as f64
        };
        let season = |has: bool| mean(|m| m.season, &|t| (t.season > 0.5) == has && t.change.is_none());
        assert!(season(true) > 0.8 && season(false) < 0.6, "{} {}", season(true), season(false));
        let trend = |has: bool| {
            mean(|m| m.trend, &|t| t.season == 0.0 && t.change.is_none() && (t.slope.abs() > 0.5) == has)
        };
        assert!(trend(true) > 0.8 && trend(false) < 0.4, "{} {}", trend(true), trend(false));
        // In the last stretch of 50 or nowhere.
        let change = |has: bool| {
            mean(|m| m.change, &|t| t.change.is_some_and(|(at, _)| (165..185).contains(&at)) == has)
        };
        assert!(change(true) > 2.0 * change(false), "{} {}", change(true), change(false));
        // Seasons of at most a few values' difference, since periods are no whole numbers.
        let near = all.iter().filter(|(t, m)| {
            let lag = m.lag.map_or(0.0, |lag| lag as f32);
            let multiple = (lag / t.period).round().max(1.0);
            t.season > 0.5 && t.change.is_none() && (lag - multiple * t.period).abs() <= 1.0
        });
        let seasonal = all.iter().filter(|(t, _)| t.season > 0.5 && t.change.is_none()).count();
        let found = near.count();
        assert!(10 * found >= 9 * seasonal, "{found} of {seasonal}");
    }

    #[test]
    fn nothing_is_measured_where_there_is_nothing() {
        for values in [vec![], vec![1.0], vec![5.0; 100], vec![1.0, 2.0, 3.0]] {
            assert_eq!(Measures::of(&values, 10), Measures::default());
        }
        let line: Vec<f32> = (0..100).map(|t| 3.0 * t as f32 - 7.0).collect();
        let measures = Measures::of(&line, 50);
        assert!(measures.trend > 0.9999 && measures.change == 0.0 && measures.season == 0.0, "{measures:?}");
    }
}
