//! The stages of a task while it is waited for: drawn on a terminal, else one line when a stage ends. All of it on stderr.
//!
//! What to say is decided by [`Story`], which is plain data; [`Progress`] says it.

use std::io::IsTerminal;
use std::time::Duration;

use api::task::{Task, TaskProgress, TaskStage};
use chrono::TimeDelta;
use client::{Error, Watch};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::lang::{self, say};
use crate::text;

/// What has been told of one task.
#[derive(Debug, Default)]
pub struct Story {
    /// How many of its stages have been told to their end.
    told: usize,
    /// The last thing told of the stage at work.
    noted: Option<String>,
    /// What was seen last of the download of the stage at work, and how fast it is: bytes in a second.
    download: Option<(TaskProgress, Option<f64>)>,
}

impl Story {
    /// What is new in a task, one line each: `  12.3s  prepare_rescue  done in 1.2s`. Times are those of the service, from the task's
    /// beginning.
    pub fn next(&mut self, task: &Task) -> Vec<String> {
        let mut lines = Vec::new();
        // Before the ends: how much it was is said with the end of its stage.
        let fetched = match &task.progress {
            Some(now) => {
                self.observe(now);
                None
            }
            None => self.download.take().map(|(last, _)| last),
        };
        for (i, stage) in task.stages.iter().enumerate().skip(self.told) {
            match stage.ended_at {
                Some(end) => {
                    let took = end - stage.started_at;
                    let mut what = outcome(task, i, stage, took);
                    if let Some(fetched) =
                        fetched.as_ref().filter(|fetched| during(stage, fetched) && stage.error.is_none())
                    {
                        let rate = fetched.bytes_total as f64 / seconds(took).max(0.001);
                        what.push_str(&format!(
                            ", {}, {}/s",
                            text::bytes(fetched.bytes_total),
                            text::bytes(rate as u64)
                        ));
                    }
                    lines.push(said(stage, end - task.created_at, &what));
                    self.told = i + 1;
                    self.noted = None;
                }
                None => {
                    // A new attempt alone is no news: a stage that waits for a host is looked at again and again.
                    if let Some(note) = &stage.error
                        && self.noted.as_ref() != Some(note)
                    {
                        let what = say!("at work, attempt {n}: {note}", n = stage.attempts.max(1), note = note);
                        lines.push(said(stage, task.updated_at - task.created_at, &what));
                    }
                    self.noted.clone_from(&stage.error);
                    // A later stage can't have ended before this one: what follows is told in its turn.
                    break;
                }
            }
        }
        lines
    }

    /// A rate is what came between two looks, evened out over some of them.
    fn observe(&mut self, now: &TaskProgress) {
        let rate = match &self.download {
            Some((last, rate))
                if last.bytes_total == now.bytes_total && now.bytes >= last.bytes && now.at > last.at =>
            {
                let fresh = (now.bytes - last.bytes) as f64 / seconds(now.at - last.at).max(0.001);
                Some(rate.map_or(fresh, |rate| rate * 0.5 + fresh * 0.5))
            }
            Some((last, rate)) if last.at == now.at => *rate,
            _ => None,
        };
        self.download = Some((now.clone(), rate));
    }

    /// How far the download is, drawn: `[######------]  11.3 MiB of 22.6 MiB, 7.1 MiB/s`.
    pub fn bar(&self) -> Option<String> {
        const WIDTH: u64 = 20;
        let (now, rate) = self.download.as_ref()?;
        let done = (now.bytes.min(now.bytes_total) * WIDTH).checked_div(now.bytes_total)?;
        let (done, left) = ("#".repeat(done as usize), "-".repeat((WIDTH - done) as usize));
        let rate = rate.map(|rate| format!(", {}/s", text::bytes(rate as u64))).unwrap_or_default();
        let of = say!("{bytes} of {total}", bytes = text::bytes(now.bytes), total = text::bytes(now.bytes_total));
        Some(format!("[{done}{left}]  {of}{rate}"))
    }
}

/// A download that was seen while the stage was at work.
fn during(stage: &TaskStage, progress: &TaskProgress) -> bool {
    progress.at >= stage.started_at && stage.ended_at.is_none_or(|end| progress.at <= end)
}

fn said(stage: &TaskStage, at: TimeDelta, what: &str) -> String {
    let back = if stage.way_back { lang::text("way back: ") } else { "" };
    text::line(&format!("{:>6.1}s  {:<19}  {back}{what}", seconds(at), stage.stage))
}

/// A stage's error is why it failed only if nothing but the way back came after it; else it is what happened while it went on.
fn outcome(task: &Task, index: usize, stage: &TaskStage, took: TimeDelta) -> String {
    let took = format!("{:.1}", seconds(took));
    let forward_after = task.stages[index + 1..].iter().any(|later| later.way_back == stage.way_back);
    let task_failed = task.way_back || task.cause.is_some();
    match &stage.error {
        Some(error) if !forward_after && task_failed && !stage.way_back => {
            say!("failed after {took}s: {error}", took = took, error = error)
        }
        Some(note) => say!("done in {took}s ({note})", took = took, note = note),
        None => say!("done in {took}s", took = took),
    }
}

fn seconds(span: TimeDelta) -> f64 {
    span.to_std().unwrap_or(Duration::ZERO).as_secs_f64()
}

/// Tells the stories of all tasks that one command waits for.
#[derive(Debug)]
pub struct Progress {
    bars: Option<MultiProgress>,
    /// Several ids: each line begins with its name.
    named: bool,
}

/// The line of one task.
#[derive(Debug)]
pub struct Line {
    bars: Option<(MultiProgress, ProgressBar)>,
    name: Option<String>,
    story: Story,
    away: bool,
}

impl Progress {
    pub fn new(named: bool) -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        let drawn = std::io::stderr().is_terminal() && !dumb;
        Self { bars: drawn.then(MultiProgress::new), named }
    }

    /// Begins a line for a task on `name`.
    pub fn line(&self, name: &str) -> Line {
        let name = text::line(name);
        let bars = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new_spinner());
            let template = "{spinner:.cyan} {prefix}  {msg}  {elapsed}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.set_prefix(name.clone());
            bar.set_message(lang::text("asked"));
            bar.enable_steady_tick(Duration::from_millis(120));
            (bars.clone(), bar)
        });
        Line { bars, name: self.named.then_some(name), story: Story::default(), away: false }
    }
}

impl Line {
    /// Tells what is new.
    pub fn watch(&mut self, watch: &Watch<'_>) {
        match watch {
            Watch::Changed(task) => {
                self.away = false;
                for line in self.story.next(task) {
                    self.say(&line);
                }
                if let Some((_, bar)) = &self.bars {
                    let back = if task.way_back { lang::text("way back: ") } else { "" };
                    let download = self.story.bar().map(|bar| format!("  {bar}")).unwrap_or_default();
                    bar.set_message(text::line(&format!("{back}{}{download}", task.stage)));
                }
            }
            Watch::Outage(error) => self.outage(error),
        }
    }

    /// Once for each outage.
    fn outage(&mut self, error: &Error) {
        if !std::mem::replace(&mut self.away, true) {
            self.say(&say!("the service does not answer, trying on: {error}", error = text::line(&error.to_string())));
        }
    }

    fn say(&self, line: &str) {
        let line = match &self.name {
            Some(name) => format!("{name}: {line}"),
            None => line.to_owned(),
        };
        match &self.bars {
            // Fails only where stderr is gone; then there is nobody to tell.
            Some((bars, _)) => drop(bars.println(line)),
            None => eprintln!("{line}"),
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some((_, bar)) = &self.bars {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, Utc};

    /// Name, seconds of start and of end, error, way back.
    type Stage = (&'static str, f64, Option<f64>, Option<&'static str>, bool);

    fn task(state: &str, stages: &[Stage]) -> Task {
        let zero: DateTime<Utc> = "2026-11-23T10:00:00Z".parse().unwrap();
        let at = |s: f64| zero + Duration::from_secs_f64(s);
        let failed = state == "failed";
        serde_json::from_value(serde_json::json!({
            "id": "0198c7a6-0000-7000-8000-0000000000a1", "task_name": "T", "state": state, "is_complete": false, "stage": "",
            "way_back": stages.last().is_some_and(|s| s.4), "obj_type": null, "obj_id": null, "obj_name": null,
            "parent_task_id": null, "request_id": null, "user": null, "cause": failed.then_some("c"), "evidence": [],
            "stages": stages.iter().map(|(stage, from, to, error, back)| serde_json::json!({
                "stage": stage, "started_at": at(*from), "ended_at": to.map(at), "attempts": 1, "error": error, "way_back": back,
            })).collect::<Vec<_>>(),
            "created_at": zero, "updated_at": at(9.0), "ended_at": null,
        }))
        .unwrap()
    }

    #[test]
    fn each_end_is_told_once() {
        let mut story = Story::default();
        assert_eq!(story.next(&task("waiting", &[("preflight", 0.0, None, None, false)])), Vec::<String>::new());
        let more = task(
            "waiting",
            &[("preflight", 0.0, Some(0.5), None, false), ("prepare_rescue", 0.5, Some(1.7), None, false)],
        );
        assert_eq!(
            story.next(&more),
            ["   0.5s  preflight            done in 0.5s", "   1.7s  prepare_rescue       done in 1.2s"]
        );
        assert_eq!(story.next(&more), Vec::<String>::new());
    }

    #[test]
    fn trouble_on_the_way_is_not_called_a_failure() {
        let mut story = Story::default();
        let slow = task("waiting", &[("boot", 0.0, None, Some("host h1 is unreachable"), false)]);
        assert_eq!(story.next(&slow), ["   9.0s  boot                 at work, attempt 1: host h1 is unreachable"]);
        assert_eq!(story.next(&slow), Vec::<String>::new());
        let done = task("succeeded", &[("boot", 0.0, Some(3.0), Some("host h1 is unreachable"), false)]);
        assert_eq!(story.next(&done), ["   3.0s  boot                 done in 3.0s (host h1 is unreachable)"]);
    }

    #[test]
    fn a_failure_and_its_way_back() {
        let stages = [
            ("preflight", 0.0, Some(1.0), None, false),
            ("boot", 1.0, Some(4.0), Some("panic"), false),
            ("restore", 4.0, Some(5.0), None, true),
        ];
        assert_eq!(
            Story::default().next(&task("failed", &stages)),
            [
                "   1.0s  preflight            done in 1.0s",
                "   4.0s  boot                 failed after 3.0s: panic",
                "   5.0s  restore              way back: done in 1.0s",
            ]
        );
    }

    #[test]
    fn a_download_is_drawn_and_summed_up() {
        let zero: DateTime<Utc> = "2026-11-23T10:00:00Z".parse().unwrap();
        let mut story = Story::default();
        let at = |s: f64, bytes: u64| {
            let progress = TaskProgress {
                text: String::new(),
                bytes,
                bytes_total: 8 << 20,
                at: zero + Duration::from_secs_f64(s),
            };
            Task { progress: Some(progress), ..task("waiting", &[("prepare_rescue", 0.0, None, None, false)]) }
        };
        assert_eq!(story.next(&at(1.0, 0)), Vec::<String>::new());
        assert_eq!(story.bar().unwrap(), "[--------------------]  0 B of 8.0 MiB");
        story.next(&at(2.0, 2 << 20));
        assert_eq!(story.bar().unwrap(), "[#####---------------]  2.0 MiB of 8.0 MiB, 2.0 MiB/s");
        // The same look again says nothing new, and keeps the rate.
        story.next(&at(2.0, 2 << 20));
        assert!(story.bar().unwrap().ends_with("2.0 MiB/s"));
        let done = task(
            "waiting",
            &[("prepare_rescue", 0.0, Some(4.0), None, false), ("stop_server", 4.0, None, None, false)],
        );
        assert_eq!(story.next(&done), ["   4.0s  prepare_rescue       done in 4.0s, 8.0 MiB, 2.0 MiB/s"]);
        assert_eq!(story.bar(), None);
    }

    #[test]
    fn a_stage_can_not_steer_the_terminal() {
        let lines = Story::default().next(&task("waiting", &[("a\x1b[2J\nb", 0.0, Some(1.0), None, false)]));
        assert!(lines.len() == 1 && !lines[0].contains(['\x1b', '\n']), "{lines:?}");
    }
}
