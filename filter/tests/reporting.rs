//! Outcomes on their way: nothing is told twice for long, nothing waits without bound.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use interdict_filter::drive::Refused;
use interdict_filter::metrics::Counter;
use interdict_filter::report::{CAPACITY, HURRY, Line, Reporter};
use interdict_proto::outcome::{MAX_BATCH, Outcome, Quarantined, ReportRequest, ReportResponse, Seen};
use prost::Message;

const MILLI: u64 = 1_000_000;
const START: u64 = 1_790_000_000_000_000_000;

/// A decision point that notes what it is told.
#[derive(Default)]
struct FakeLine {
    sent: Vec<Vec<String>>,
    sizes: Vec<usize>,
    counted: Vec<(Counter, usize)>,
    refuses: bool,
}

impl FakeLine {
    fn count_of(&self, counter: Counter) -> usize {
        self.counted.iter().filter(|(found, _)| *found == counter).map(|(_, by)| by).sum()
    }
}

impl Line for FakeLine {
    fn send(&mut self, message: &[u8]) -> Result<u32, Refused> {
        if self.refuses {
            return Err(Refused);
        }
        let request = ReportRequest::decode(message).unwrap();
        self.sizes.push(message.len());
        self.sent.push(request.outcomes.into_iter().map(|outcome| outcome.decision_id).collect());
        Ok(u32::try_from(self.sent.len()).unwrap())
    }
    fn count(&mut self, counter: Counter, by: usize) {
        self.counted.push((counter, by));
    }
}

struct Bench {
    reporter: Reporter,
    line: FakeLine,
    now: u64,
}

impl Bench {
    fn new() -> Self {
        Self { reporter: Reporter::new(5_000), line: FakeLine::default(), now: START }
    }
    /// Pushes outcomes with these numbers; whether the last one asked for haste.
    fn push(&mut self, numbers: std::ops::Range<usize>) -> bool {
        let mut hurry = false;
        for number in numbers {
            let outcome = Outcome { decision_id: number.to_string(), ..Outcome::default() };
            hurry = self.reporter.push(outcome, &mut self.line);
        }
        hurry
    }
    fn tick_after(&mut self, milliseconds: u64) -> usize {
        self.now += milliseconds * MILLI;
        self.reporter.flush(self.now, &mut self.line);
        self.line.sent.len()
    }
    /// The answer to the latest call.
    fn take(&mut self, taken: u32) -> bool {
        let token = u32::try_from(self.line.sent.len()).unwrap();
        let message = ReportResponse { taken }.encode_to_vec();
        self.reporter.answered(token, 0, Some(&message), self.now, &mut self.line)
    }
    fn fail(&mut self) -> bool {
        let token = u32::try_from(self.line.sent.len()).unwrap();
        self.reporter.answered(token, 14, None, self.now, &mut self.line)
    }
}

/// Calls are judged by what lists showed.
#[test]
fn news_of_definitions_do_not_wait_for_others() {
    let news = |number: u32| Outcome {
        decision_id: number.to_string(),
        seen: vec![Seen::default()],
        ..Outcome::default()
    };
    let mut bench = Bench::new();
    assert!(bench.reporter.push(news(0), &mut bench.line));
    assert_eq!(bench.tick_after(10), 1);
    assert!(!bench.reporter.push(news(1), &mut bench.line), "a call is under way");
    assert!(bench.take(1));
    assert_eq!(bench.line.sent[1], ["1"], "told as soon as there is a way");
    assert!(bench.take(1));
    assert!(!bench.push(2..3));
}

#[test]
fn a_tick_tells_what_waits_and_nothing_when_nothing_does() {
    let mut bench = Bench::new();
    assert_eq!(bench.tick_after(200), 0);
    bench.push(0..2);
    assert_eq!(bench.tick_after(200), 1);
    assert_eq!(bench.line.sent[0], ["0", "1"]);
    assert!(bench.take(2));
    assert_eq!((bench.reporter.pending(), bench.line.count_of(Counter::OutcomesReported)), (0, 2));
    assert_eq!(bench.tick_after(200), 1);
}

#[test]
fn one_call_is_under_way_at_a_time() {
    let mut bench = Bench::new();
    bench.push(0..1);
    assert_eq!(bench.tick_after(200), 1);
    bench.push(1..2);
    assert_eq!(bench.tick_after(200), 1);
    bench.take(1);
    assert_eq!(bench.tick_after(200), 2);
    assert_eq!(bench.line.sent[1], ["1"]);
}

#[test]
fn many_waiting_outcomes_ask_for_haste_and_follow_each_other_at_once() {
    let mut bench = Bench::new();
    assert!(!bench.push(0..HURRY - 1));
    assert!(bench.push(0..1));
    bench.push(0..MAX_BATCH + HURRY);
    assert_eq!(bench.tick_after(10), 1);
    assert_eq!(bench.line.sent[0].len(), MAX_BATCH);
    assert!(!bench.push(0..1), "while a call is under way its answer makes the next one");
    bench.take(u32::try_from(MAX_BATCH).unwrap());
    assert_eq!(bench.line.sent.len(), 2);
}

#[test]
fn a_failed_batch_is_told_again_with_growing_waits_and_stays_the_same() {
    let mut bench = Bench::new();
    bench.push(0..3);
    bench.tick_after(200);
    let mut waits = Vec::new();
    for call in 1..8 {
        assert!(bench.fail());
        let failed_at = bench.now;
        while bench.tick_after(100) == call {}
        waits.push((bench.now - failed_at) / MILLI);
    }
    assert_eq!(waits, [500, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000]);
    assert!(bench.line.sent.iter().all(|batch| batch == &["0", "1", "2"]));
    assert_eq!(bench.line.count_of(Counter::OutcomesFailed), 7);
    bench.take(3);
    assert_eq!((bench.reporter.pending(), bench.reporter.failures()), (0, 0));
}

#[test]
fn what_was_not_taken_is_told_again_before_the_rest() {
    let mut bench = Bench::new();
    bench.push(0..3);
    bench.tick_after(200);
    bench.push(3..4);
    bench.take(2);
    assert_eq!(bench.tick_after(200), 1, "the other side is at its limits");
    bench.tick_after(300);
    assert_eq!(bench.line.sent[1], ["2", "3"]);
    // More than there were is all of them.
    bench.take(99);
    assert_eq!((bench.reporter.pending(), bench.line.count_of(Counter::OutcomesReported)), (0, 4));
}

#[test]
fn an_answer_that_takes_nothing_or_cannot_be_read_is_a_failure() {
    for message in [None, Some(&b""[..]), Some(&b"\xff"[..])] {
        let mut bench = Bench::new();
        bench.push(0..1);
        bench.tick_after(200);
        assert!(bench.reporter.answered(1, 0, message, bench.now, &mut bench.line));
        assert_eq!((bench.reporter.failures(), bench.reporter.pending()), (1, 1));
    }
}

#[test]
fn a_call_that_envoy_does_not_start_is_a_failure() {
    let mut bench = Bench::new();
    bench.line.refuses = true;
    bench.push(0..1);
    bench.tick_after(200);
    assert_eq!((bench.reporter.failures(), bench.reporter.pending()), (1, 1));
    bench.line.refuses = false;
    assert_eq!(bench.tick_after(500), 1);
}

#[test]
fn a_call_whose_end_is_never_told_is_given_up() {
    let mut bench = Bench::new();
    bench.push(0..1);
    bench.tick_after(200);
    assert_eq!(bench.tick_after(7_000), 1);
    assert_eq!(bench.tick_after(1), 1, "the failure is waited out");
    assert_eq!(bench.tick_after(500), 2);
    let late = ReportResponse { taken: 1 }.encode_to_vec();
    assert!(!bench.reporter.answered(1, 0, Some(&late), bench.now, &mut bench.line), "too late");
    assert_eq!(bench.reporter.pending(), 1);
}

#[test]
fn an_answer_to_another_call_changes_nothing() {
    let mut bench = Bench::new();
    let taken = ReportResponse { taken: 1 }.encode_to_vec();
    assert!(!bench.reporter.answered(1, 0, Some(&taken), START, &mut bench.line));
    bench.push(0..1);
    bench.tick_after(200);
    assert!(!bench.reporter.answered(9, 0, Some(&taken), START, &mut bench.line));
    assert_eq!(bench.reporter.pending(), 1);
}

#[test]
fn the_queue_is_bounded_and_loses_the_oldest_first() {
    let mut bench = Bench::new();
    bench.push(0..1);
    bench.tick_after(200);
    bench.push(1..CAPACITY + 11);
    assert_eq!(bench.reporter.pending(), CAPACITY + 1, "what is under way stays");
    assert_eq!(bench.line.count_of(Counter::OutcomesDropped), 10);
    bench.take(1);
    assert_eq!(bench.line.sent[1][0], "11");
}

#[test]
fn texts_that_wait_are_bounded_and_a_call_stays_below_what_servers_take() {
    let mut bench = Bench::new();
    let told = |decision_id: String| Outcome {
        decision_id,
        quarantined: vec![Quarantined { original: vec![b'x'; 64 << 10], ..Quarantined::default() }; 16],
        ..Outcome::default()
    };
    for number in 0..12 {
        bench.reporter.push(told(number.to_string()), &mut bench.line);
    }
    let mut outcomes = 0;
    for tick in 1..=12 {
        if bench.tick_after(1_000) < tick {
            break;
        }
        let last = bench.line.sizes[tick - 1];
        assert!(last < 4 << 20, "{last} bytes");
        outcomes += bench.line.sent[tick - 1].len();
        bench.take(u32::try_from(bench.line.sent[tick - 1].len()).unwrap());
    }
    assert_eq!(outcomes, 12, "what is told without its texts is told all the same");
    let bytes: usize = bench.line.sizes.iter().sum();
    assert!((8 << 20..9 << 20).contains(&bytes), "{bytes} bytes");
    // Their room is free again.
    bench.reporter.push(told("later".into()), &mut bench.line);
    bench.tick_after(1_000);
    assert!(*bench.line.sizes.last().unwrap() > 1 << 20);
}
