//! Quantiles over rounds and how sure one may be of a ratio.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::random::Random;

/// Resamples for a confidence range; the range's ends move by less than its own width / 20 between seeds.
const RESAMPLES: usize = 1000;

/// A number with the range that holds 95 % of what the same run would have given with other rounds drawn from its own.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Estimate {
    /// Over all requests of all rounds.
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// The median of the same number taken in each round by itself: one loud round cannot move it.
    pub(crate) median_of_rounds: f64,
}

/// The same measurement made several times: its quartiles and its ends.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) q1: f64,
    pub(crate) q3: f64,
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
    pub(crate) count: usize,
}

impl Spread {
    /// `NaN`s, which JSON shows as null, of nothing.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let values = sorted(values.into_iter());
        let quantile = |quantile| at(&values, quantile).unwrap_or(f64::NAN);
        Self {
            median: quantile(0.5),
            q1: quantile(0.25),
            q3: quantile(0.75),
            lowest: quantile(0.0),
            highest: quantile(1.0),
            count: values.len(),
        }
    }
}

/// The rounds of one cell, sparse: which latencies occurred how often.
#[derive(Debug)]
pub(crate) struct Rounds {
    rounds: Vec<Vec<(u64, u64)>>,
    seconds: Vec<f64>,
}

impl Rounds {
    pub(crate) fn new() -> Self {
        Self { rounds: Vec::new(), seconds: Vec::new() }
    }

    pub(crate) fn push(&mut self, latencies: &Histogram<u64>, seconds: f64) {
        let counts = latencies.iter_recorded().map(|v| (v.value_iterated_to(), v.count_at_value()));
        self.rounds.push(counts.collect());
        self.seconds.push(seconds);
    }

    fn len(&self) -> usize {
        self.rounds.len()
    }

    /// The quantile (0..=1) of the requests of the chosen rounds, in nanoseconds.
    fn quantile(&self, chosen: &[usize], quantile: f64) -> f64 {
        let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
        for (value, count) in chosen.iter().filter_map(|&index| self.rounds.get(index)).flatten() {
            *counts.entry(*value).or_default() += count;
        }
        let total: u64 = counts.values().sum();
        let rank = ((total as f64 * quantile).ceil() as u64).max(1);
        let mut seen = 0;
        for (value, count) in counts {
            seen += count;
            if seen >= rank {
                return value as f64;
            }
        }
        f64::NAN
    }

    fn requests_per_second(&self, chosen: &[usize]) -> f64 {
        let requests =
            chosen.iter().filter_map(|&i| self.rounds.get(i)).flatten().map(|(_, count)| count).sum::<u64>();
        requests as f64 / chosen.iter().filter_map(|&i| self.seconds.get(i)).sum::<f64>()
    }
}

/// What `scenario` adds over `bare` at a quantile, divided by what `floor` adds. `None` when the floor adds nothing
/// measurable, or a cell has no rounds.
pub(crate) fn added_ratio(
    scenario: &Rounds,
    bare: &Rounds,
    floor: &Rounds,
    quantile: f64,
) -> Option<Estimate> {
    estimate(scenario.len().min(bare.len()).min(floor.len()), |chosen| {
        let start = bare.quantile(chosen, quantile);
        (scenario.quantile(chosen, quantile) - start) / (floor.quantile(chosen, quantile) - start)
    })
}

/// A quantile of `own` divided by that of `other`.
pub(crate) fn quantile_ratio(own: &Rounds, other: &Rounds, quantile: f64) -> Option<Estimate> {
    estimate(own.len().min(other.len()), |chosen| {
        own.quantile(chosen, quantile) / other.quantile(chosen, quantile)
    })
}

/// A quantile of `own` minus that of `other`, in nanoseconds.
pub(crate) fn quantile_difference(own: &Rounds, other: &Rounds, quantile: f64) -> Option<Estimate> {
    estimate(own.len().min(other.len()), |chosen| {
        own.quantile(chosen, quantile) - other.quantile(chosen, quantile)
    })
}

/// Requests per second of `scenario` divided by those of `floor`.
pub(crate) fn rps_ratio(scenario: &Rounds, floor: &Rounds) -> Option<Estimate> {
    estimate(scenario.len().min(floor.len()), |chosen| {
        scenario.requests_per_second(chosen) / floor.requests_per_second(chosen)
    })
}

/// Whole rounds are resampled, the same ones for every scenario: what a round's noise did to one it did to all.
fn estimate(rounds: usize, statistic: impl Fn(&[usize]) -> f64) -> Option<Estimate> {
    let all: Vec<usize> = (0..rounds).collect();
    let value = statistic(&all);
    if rounds == 0 || !value.is_finite() {
        return None;
    }
    let mut random = Random::new(2026);
    let draws = (0..RESAMPLES).map(|_| all.iter().map(|_| random.below(rounds)).collect::<Vec<_>>());
    let resampled = sorted(draws.map(|draw| statistic(&draw)));
    let each = sorted(all.iter().map(|&round| statistic(&[round])));
    Some(Estimate {
        value,
        low: at(&resampled, 0.025)?,
        high: at(&resampled, 0.975)?,
        median_of_rounds: at(&each, 0.5)?,
    })
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    // A round in which the floor added nothing says nothing about a ratio.
    let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    values
}

fn at(sorted: &[f64], quantile: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last as f64 * quantile).round() as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(latency_us: u64) -> Rounds {
        let mut rounds = Rounds::new();
        for round in 0..10 {
            let mut histogram = Histogram::<u64>::new(3).unwrap();
            for request in 0..100 {
                histogram.record((latency_us + round + request) * 1000).unwrap();
            }
            rounds.push(&histogram, 0.5);
        }
        rounds
    }

    #[test]
    fn the_added_ratio_is_added_latency_over_the_floors_added_latency() {
        let (bare, floor, call) = (rounds(100), rounds(300), rounds(350));
        let ratio = added_ratio(&call, &bare, &floor, 0.5).unwrap();
        assert!((ratio.value - 1.25).abs() < 0.01, "{ratio:?}");
        assert!((ratio.median_of_rounds - 1.25).abs() < 0.01, "{ratio:?}");
        assert!(ratio.low <= ratio.value && ratio.value <= ratio.high, "{ratio:?}");
    }

    #[test]
    fn the_added_time_is_the_difference_of_the_quantiles() {
        let added = quantile_difference(&rounds(350), &rounds(100), 0.5).unwrap();
        assert!((added.value - 250_000.0).abs() < 1_000.0, "{added:?}");
    }

    #[test]
    fn a_floor_that_adds_nothing_gives_no_ratio() {
        assert!(added_ratio(&rounds(350), &rounds(100), &rounds(100), 0.5).is_none());
    }

    #[test]
    fn a_spread_has_the_quartiles_of_what_was_measured() {
        let spread = Spread::of([5.0, 1.0, 4.0, 2.0, 3.0]);
        assert_eq!((spread.lowest, spread.q1, spread.median), (1.0, 2.0, 3.0));
        assert_eq!((spread.q3, spread.highest, spread.count), (4.0, 5.0, 5));
    }

    #[test]
    fn requests_per_second_are_compared_over_all_rounds() {
        assert_eq!(rps_ratio(&rounds(100), &rounds(300)).unwrap().value, 1.0);
    }
}
