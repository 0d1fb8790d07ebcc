//! Ctrl-C, a terminal that closes, an end that is asked for: a training saves first.

use super::failure::{INTERRUPTED, note};
use fastweights::{Error, Result};
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What SIGINT, SIGTERM and SIGHUP (or the events of a console) have asked for.
pub(super) struct Signals(Arc<State>);

#[derive(Default)]
struct State {
    asked: AtomicBool,
    /// Whether somebody looks at `asked` soon.
    watched: AtomicBool,
    /// How to go on with what is saved already.
    way_on: Mutex<Option<String>>,
}

impl Signals {
    /// Takes the signals over. One that comes while nobody looks ends the program, as does a second one.
    pub(super) fn take() -> Result<Self> {
        let state = Arc::new(State::default());
        let seen = Arc::clone(&state);
        let hangup = Hangup::look();
        ctrlc::set_handler(move || seen.handle())
            .map_err(|e| Error::failed(format!("signals cannot be handled: {e}")))?;
        hangup.keep();
        Ok(Self(state))
    }

    /// Whether the end was asked for.
    pub(super) fn asked(&self) -> bool {
        self.0.asked.load(Ordering::Relaxed)
    }

    /// Runs what looks at [`Signals::asked`] again and again, and saves.
    pub(super) fn watched<T>(&self, run: impl FnOnce() -> T) -> T {
        self.0.watched.store(true, Ordering::Relaxed);
        let done = run();
        self.0.watched.store(false, Ordering::Relaxed);
        done
    }

    /// What is said where a signal ends the program.
    pub(super) fn set_way_on(&self, way_on: String) {
        *self.0.way_on.lock().unwrap_or_else(PoisonError::into_inner) = Some(way_on);
    }
}

impl State {
    fn handle(&self) {
        let again = self.asked.swap(true, Ordering::Relaxed);
        if self.watched.load(Ordering::Relaxed) && !again {
            note(
                "stopping after this block of meta-iterations, with a checkpoint; a second signal ends at once",
            );
            return;
        }
        if let Some(way_on) = &*self.way_on.lock().unwrap_or_else(PoisonError::into_inner) {
            note(&format!("stopped; go on with: {way_on}"));
        }
        exit(INTERRUPTED.into());
    }
}

/// Whether SIGHUP was ignored when the program began, as `nohup` has it.
#[cfg(unix)]
struct Hangup {
    ignored: bool,
}

#[cfg(unix)]
impl Hangup {
    fn look() -> Self {
        // SAFETY: no handler of ours runs yet, and ignoring a signal needs none.
        let before = unsafe { libc::signal(libc::SIGHUP, libc::SIG_IGN) };
        Self { ignored: before == libc::SIG_IGN }
    }

    fn keep(self) {
        if self.ignored {
            // SAFETY: as above; whoever started the program wants it to outlive the terminal.
            unsafe { libc::signal(libc::SIGHUP, libc::SIG_IGN) };
        }
    }
}

#[cfg(not(unix))]
struct Hangup;

#[cfg(not(unix))]
impl Hangup {
    fn look() -> Self {
        Self
    }

    fn keep(self) {}
}
