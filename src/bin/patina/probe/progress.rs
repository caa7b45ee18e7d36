//! How far it has come, on a terminal.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar on stderr that counts questions, or nothing.
#[derive(Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// A bar for so many questions; none where stderr is no terminal, or `wanted` is false.
    pub(super) fn new(questions: u64, wanted: bool) -> Progress {
        let target = match wanted && std::io::stderr().is_terminal() {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(questions), target);
        // A template that is not understood leaves the usual bar.
        if let Ok(style) =
            ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {prefix}connections {msg}")
        {
            bar.set_style(style);
        }
        Progress(bar)
    }

    /// What is being asked now.
    pub(super) fn asking(&self, what: &str) {
        self.0.set_message(what.to_owned());
    }

    /// A question has its answer.
    pub(super) fn answered(&self) {
        self.0.inc(1);
    }

    /// One more connection is opened.
    pub(super) fn connection(&self) {
        let count: u64 = self.0.prefix().trim().parse().unwrap_or_default();
        self.0.set_prefix(format!("{} ", count + 1));
    }

    pub(super) fn end(&self) {
        self.0.finish_and_clear();
    }
}
